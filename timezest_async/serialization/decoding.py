"""Reading a list's records straight from the bytes of its JSON: the way of nearly every page.

It takes less than half the time of parsing to dictionaries and reading these (``reading``). What does not
fit to the letter is not judged here but left to that slower way, which can say what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from types import GenericAlias
from typing import Any, Final, Generic, TypeVar, cast, get_args, get_origin

import attrs

from timezest_async.models.record import Record
from timezest_async.serialization.nesting import is_deep
from timezest_async.serialization.readers import alternatives
from timezest_async.serialization.structs import UnknownFields, make_twin

T = TypeVar("T")

MAX_UNKNOWN: Final = 50
"""Unknown fields beyond which a list is no longer decoded: learning some more costs a millisecond."""


@attrs.frozen
class Listing(Generic[T]):
    """A page of a list, checked, but with its records still to be made.

    Attributes:
        next_page: The link to older records as it came, or None.
        previous_page: The link to newer records as it came, or None.
    """

    next_page: str | None
    previous_page: str | None
    _twins: Sequence[Any] = attrs.field(repr=False)
    _read: Callable[[Sequence[Any]], Sequence[T]] = attrs.field(repr=False)

    def __len__(self) -> int:
        return len(self._twins)

    @property
    def data(self) -> Sequence[T]:
        """The records, made each time."""
        return self._read(self._twins)


class ListDecoder(Generic[T]):
    """Decode the pages of one list.

    A page with a field that is in no class is not decoded; once such a field is learned, pages with it are.

    Args:
        cls: The record class.
    """

    def __init__(self, cls: Any) -> None:
        self._cls = cls
        self._unknown: UnknownFields = ()

    def decode(self, body: bytes) -> Listing[T] | None:
        """Decode a page.

        Args:
            body: JSON. Of the list object only the documented members are looked at.

        Returns:
            The page; None where it is not of the documented shape, or is but unusually.
        """
        import msgspec  # noqa: PLC0415  # importing the package must not cost the import of its parser

        if len(self._unknown) > MAX_UNKNOWN or (self._unknown and is_deep(body)):
            return None
        try:
            parse, read = _parser_and_reader(self._cls, self._unknown)
            listing = parse(body)
            return Listing(listing.next_page, listing.previous_page, listing.data, read)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            # A ValueError is text that is not UTF-8, or a learned name beyond msgspec.
            return None

    def learn(self, records: Iterable[T]) -> None:
        """Learn the unknown fields of records that were read the slower way, and of the records in them.

        Once there are too many of them to decode by, nothing more is learned.
        """
        if len(self._unknown) > MAX_UNKNOWN:
            return
        found = _unknown_fields(cast("Iterable[Record]", records))
        self._unknown = tuple(dict.fromkeys((*self._unknown, *found)))


@lru_cache(maxsize=32)
def _parser_and_reader(
    cls: Any, unknown: UnknownFields
) -> tuple[Callable[[bytes], Any], Callable[[Sequence[Any]], list[Any]]]:
    import msgspec  # noqa: PLC0415  # as above

    twin, read = make_twin(cls, unknown)
    listing = msgspec.defstruct(
        "Listing",
        [
            ("data", GenericAlias(list, (twin,))),
            ("object", Any, None),
            ("next_page", str | None, None),
            ("previous_page", str | None, None),
        ],
    )
    return msgspec.json.Decoder(listing).decode, read


def _unknown_fields(records: Iterable[Record]) -> Iterator[tuple[type[Record], str]]:
    for record in records:
        cls: Any = type(record)
        for name in record.extra:
            yield cls, name
        for name in _arrays_of_records(cls):
            yield from _unknown_fields(getattr(record, name))


@cache
def _arrays_of_records(cls: Any) -> tuple[str, ...]:
    attrs.resolve_types(cls)
    kinds = {name: alternatives(attrs.fields_dict(cls)[name].type) for name in cls.field_names}
    return tuple(name for name in kinds if any(map(_is_array_of_records, kinds[name])))


def _is_array_of_records(kind: Any) -> bool:
    return get_origin(kind) is tuple and issubclass(get_args(kind)[0], Record)
