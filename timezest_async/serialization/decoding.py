"""From the bytes of a page to its records, straight into structs: the way of nearly every page.

It takes less than half the time of parsing to dictionaries and reading these (``readers``). What does not
fit to the letter is not judged here but left to that slower way, which can say what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, cached_property, lru_cache
from types import GenericAlias
from typing import Any, Final, Generic, TypeVar, cast, get_args, get_origin

import attrs
import cattrs

from timezest_async.models.record import Record
from timezest_async.serialization.converter import has_own_hook, is_record
from timezest_async.serialization.json_parsing import is_deep, parse_json
from timezest_async.serialization.readers import StructureError, UnreadableRecord, alternatives
from timezest_async.serialization.structs import UnknownFields, make_struct

T = TypeVar("T")

MAX_UNKNOWN: Final = 50
"""Unknown fields beyond which a list is no longer decoded: learning some more costs a millisecond."""


@attrs.frozen
class Lazy(Generic[T]):
    """What is made whenever it is iterated over."""

    _make: Callable[[], Iterable[T]]

    def __iter__(self) -> Iterator[T]:
        return iter(self._make())


@attrs.frozen(repr=False)
class Page(Generic[T]):
    """Some records in a row, as the service sent them: newest first.

    They are made when first looked at. That takes the time of many a request, so that the next page is better
    asked for before.

    Attributes:
        data: The records.
        next_page: The service's link to older records, or None at the end (and where the records come
            from several queries, which have no single link).
        previous_page: The service's link to newer records, or None.
        invalid_links: What to raise where a link is needed that is not text, by its name.
    """

    _records: Iterable[T] = attrs.field(alias="data", eq=tuple)
    next_page: str | None = None
    previous_page: str | None = None
    invalid_links: Mapping[str, Exception] = attrs.field(factory=dict[str, Exception], kw_only=True, eq=False)
    _count: int | None = attrs.field(default=None, alias="count", kw_only=True, eq=False)

    @cached_property
    def data(self) -> tuple[T, ...]:
        """The records."""
        return tuple(self._records)

    @property
    def count(self) -> int:
        """How many records there are."""
        return len(self.data) if self._count is None else self._count

    def with_data(self, records: Iterable[T]) -> Page[T]:
        """Return a page of other records, with the links of this one."""
        return Page(records, self.next_page, self.previous_page)

    def __repr__(self) -> str:
        # A traceback with locals is to show neither customers' data nor what a link carries.
        ends = [name for name in ("next_page", "previous_page") if getattr(self, name) is None]
        return f"<Page of {self.count} records{''.join(f', no {name}' for name in ends)}>"


class PageDecoder(Generic[T]):
    """Make the pages of one list.

    A page with a field that is in no class is read the slower way; once such a field is learned, pages with
    it are decoded.

    Args:
        cls: What the list holds, such as a record class.
        converter: The converter to use. Where it reads the class as ``make_converter`` made it to, pages
            are decoded straight from their bytes; with hooks of a user's in it, all of them are heeded.
    """

    def __init__(self, cls: Any, converter: cattrs.Converter) -> None:
        self._cls = cls
        self._converter = converter
        self._unknown: UnknownFields = ()

    def decode(self, body: bytes) -> Page[T | UnreadableRecord] | StructureError:
        """Make a page; where a record cannot be read, what it was stands in its place.

        Returns:
            The page, or what is wrong with it as a whole.

        Raises:
            NotJSONError: The body is not JSON.
        """
        page = self.decode_directly(body)
        if page is not None:
            return page
        envelope: object = parse_json(body)
        if not isinstance(envelope, dict):
            return StructureError("expected a list object")
        members = cast("dict[str, Any]", envelope)
        data = members.get("data")
        if not isinstance(data, list):
            return StructureError("expected a list object whose `data` is an array")
        values: list[Any] = cast("Any", data)
        links = {name: members.get(name) for name in ("next_page", "previous_page")}
        return Page(
            Lazy(lambda: self.structure_each(values)),
            *[_trimmed(link) if isinstance(link, str) else None for link in links.values()],
            count=len(values),
            invalid_links={
                name: ValueError(f"expected `{name}` to be text or null")
                for name, link in links.items()
                if not isinstance(link, str | None)
            },
        )

    def decode_directly(self, body: bytes) -> Page[T | UnreadableRecord] | None:
        """Decode a page straight from its bytes; None where it is not of the documented shape, or unusual."""
        import msgspec  # noqa: PLC0415  # importing the package must not cost the import of its parser

        # Asked anew each time, since hooks may be registered at any time.
        if not self._is_own or len(self._unknown) > MAX_UNKNOWN or (self._unknown and is_deep(body)):
            return None
        try:
            parse, read = _parser_and_reader(self._cls, self._unknown)
            listing = parse(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            # A ValueError is text that is not UTF-8, or a learned name beyond msgspec.
            return None
        structs: Sequence[Any] = listing.data
        return Page(
            Lazy(lambda: read(structs)),
            _trimmed(listing.next_page),
            _trimmed(listing.previous_page),
            count=len(structs),
        )

    @property
    def _is_own(self) -> bool:
        return is_record(self._cls) and has_own_hook(self._converter, self._cls)

    def structure_each(self, values: Iterable[Any]) -> Iterator[T | UnreadableRecord]:
        """Structure each value of a page that was parsed; one that cannot be read stays in its place."""
        hook = self._converter.get_structure_hook(self._cls)
        records: list[T] = []
        for index, value in enumerate(values):
            try:
                record = hook(value, self._cls)
            except StructureError as error:
                error.place_within(f"$.data[{index}]")
                yield UnreadableRecord(value, str(error))
            else:
                records.append(record)
                yield record
        if self._is_own:
            self.learn(records)

    def learn(self, records: Iterable[T]) -> None:
        """Learn the unknown fields of records that were read the slower way, and of the records in them.

        Once there are too many of them to decode by, nothing more is learned.
        """
        if len(self._unknown) > MAX_UNKNOWN:
            return
        found = _unknown_fields(cast("Iterable[Record]", records))
        self._unknown = tuple(dict.fromkeys((*self._unknown, *found)))


def _trimmed(link: str | None) -> str | None:
    return (link or "").strip() or None


@lru_cache(maxsize=32)
def _parser_and_reader(
    cls: Any, unknown: UnknownFields
) -> tuple[Callable[[bytes], Any], Callable[[Sequence[Any]], list[Any]]]:
    import msgspec  # noqa: PLC0415  # as above

    struct, read = make_struct(cls, unknown)
    listing = msgspec.defstruct(
        "Listing",
        [
            ("data", GenericAlias(list, (struct,))),
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
