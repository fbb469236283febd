"""What all lists have in common: arguments checked, a filter planned, a paginator made."""

from __future__ import annotations

import re
from typing import Any, Final, Generic, Literal, TypeVar

import cattrs

from timezest_async import tql
from timezest_async.checks import check_concurrency, check_deadline, check_limit
from timezest_async.errors import InvalidRequestError
from timezest_async.pagination import (
    Checkpoint,
    OnUnreadable,
    PageReader,
    Paginator,
    Query,
    SpreadMemory,
    check_on_unreadable,
)
from timezest_async.pagination.positions import start_position
from timezest_async.serialization.decoding import PageDecoder
from timezest_async.tql.values import ID_TYPES, id_type_of
from timezest_async.transport import Transport

T = TypeVar("T")

_ID: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


class Endpoint(Generic[T]):
    """One kind of record: where its list is, and what its list holds.

    Args:
        transport: Makes the exchanges.
        converter: Makes records of JSON.
    """

    path: str
    """The list, such as ``"/agents"``."""
    entity: str
    """What TQL calls a record, such as ``"agent"``."""
    record_type: Any
    """The class of a record."""
    id_prefix: str = ""
    """What the ids of its records begin with."""
    is_sorted: bool = False
    """Whether the list is known to be sorted by ``created_at``."""

    def __init__(self, transport: Transport, converter: cattrs.Converter) -> None:
        self._transport = transport
        self._converter = converter
        self._spreads = SpreadMemory()
        self._decoder: PageDecoder[T] = PageDecoder(self.record_type, converter)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._transport.base_url}>"

    def paginate(
        self,
        filter: tql.Expression[Any] | str | None = None,
        *,
        starting_after: str | None = None,
        ending_before: str | None = None,
        limit: int | None = None,
        concurrency: int | Literal["auto"] = 1,
        checkpoint: Checkpoint | None = None,
        on_unreadable: OnUnreadable = "raise",
        deadline: float | None = None,
    ) -> Paginator[T]:
        """Make the paginator of this list; see the public ``list`` methods."""
        check_deadline(deadline)
        check_limit(limit)
        check_concurrency(concurrency)
        check_on_unreadable(on_unreadable)
        if starting_after is not None and ending_before is not None:
            raise InvalidRequestError(
                "give starting_after or ending_before, not both: the service refuses that"
            )
        queries: tuple[Query, ...] | None = None
        if filter is not None:
            given: object = tql.parse(filter, entity=self.entity) if isinstance(filter, str) else filter
            expression = tql.checked_filter(given, self.entity)
            queries = tuple(map(Query.of, tql.plan(expression).queries))
            if not expression.is_negatable:
                concurrency = 1  # raw TQL is sent as it is, and so not narrowed to a range either
        if not self.is_sorted:
            concurrency = 1
        if checkpoint is not None:
            if starting_after is not None or ending_before is not None:
                raise InvalidRequestError(
                    "a checkpoint says where to start: give no starting_after or ending_before beside it"
                )
            start = self._checked(checkpoint, queries)
        else:
            cursor = ending_before if starting_after is None else starting_after
            name = "starting_after" if ending_before is None else "ending_before"
            queries = (Query(),) if queries is None else queries
            after = None if cursor is None else check_id(cursor, name, self.id_prefix)
            start = Checkpoint(
                self.path,
                tuple(query.text for query in queries),
                backwards=ending_before is not None,
                position=start_position(after, len(queries)),
                account=self._transport.account,
            )
        reader = PageReader[T](
            self._transport,
            self.path,
            self._decoder,
            is_sorted=self.is_sorted,
            deadline=deadline,
            spreads=self._spreads,
        )
        return Paginator(
            reader,
            start,
            queries=queries,
            limit=limit,
            concurrency=concurrency,
            on_unreadable=on_unreadable,
        )

    def _checked(self, checkpoint: Checkpoint, queries: tuple[Query, ...] | None) -> Checkpoint:
        if not isinstance(checkpoint, Checkpoint):  # pyright: ignore[reportUnnecessaryIsInstance]  # for users without a checker
            raise InvalidRequestError(
                f"checkpoint takes a Checkpoint, not {type(checkpoint).__name__}: "
                "Checkpoint.from_text(...) reads text"
            )
        if checkpoint.path != self.path:
            raise InvalidRequestError(
                f"this checkpoint is of {checkpoint.path}, and this list is {self.path}"
            )
        texts = None if queries is None else tuple(query.text for query in queries)
        if texts is not None and texts != checkpoint.queries:
            raise InvalidRequestError(
                f"this checkpoint is of another filter, {_described(checkpoint.queries)}, not "
                f"{_described(texts)}: give the same filter, or none at all to take the checkpoint's"
            )
        return checkpoint.of_account(self._transport.account)


def _described(queries: tuple[str, ...]) -> str:
    return " OR ".join(text or "that of all records" for text in queries) or "one that nothing matches"


def check_id(id: object, name: str, *prefixes: str) -> str:
    """Check what stands in a URL as a record's id, or names one.

    Args:
        id: The id.
        name: The argument's.
        prefixes: What ids of its kind begin with; one that begins as those of another kind is refused.

    Raises:
        InvalidRequestError: It is no id, or of another kind.
    """
    if not isinstance(id, str) or not _ID.match(id):
        raise InvalidRequestError(
            f"{name} takes the id of a record, such as 'sreq_p4fvlg5FUuKSviNNemZzAO' (letters, digits, _ and "
            f"-), not {id!r:.100}"
        )
    id_type = id_type_of(id)
    if id_type is not None and id_type.prefix not in prefixes:
        wanted = " or ".join(ID_TYPES[prefix].name for prefix in prefixes)
        raise InvalidRequestError(
            f"{name} takes the id of {wanted}, but {id!r:.100} is that of {id_type.name}"
        )
    return id
