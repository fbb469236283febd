"""What a filter makes the service do, in lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from timezest_async.pagination.pages import PAGE_SIZE


def plan_lines(queries: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yield lines that tell the queries, and what they cost at least.

    Args:
        queries: What is sent as ``filter``, where an empty text asks for everything, and the URL of the
            first page.
    """
    for number, (text, url) in enumerate(queries, 1):
        yield f"Query {number}  {text or 'everything'}"
        yield f"         {url}"
    if queries:
        of_what = "for the query" if len(queries) == 1 else "for each query"
        yield (
            f"Cost     {pluralize(len(queries), 'request')} at least: one {of_what}, and one more for each "
            f"further {PAGE_SIZE} records"
        )
    else:
        yield "Cost     no request: nothing can match this filter"


def pluralize(count: int, one: str, many: str | None = None) -> str:
    """Return a number and what it counts, such as ``2 matches``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
