"""``timezest filter``: what a filter means, and what it would cost."""

from __future__ import annotations

import json
from typing import Annotated, Final

import attrs
import typer

from timezest_async import Expression, RateLimiter, TimeZestClient, tql
from timezest_async.cli import interrupts
from timezest_async.cli.conditions import read_filter
from timezest_async.cli.plans import plan_lines, pluralize
from timezest_async.cli.terminal import print_data
from timezest_async.endpoints import PATHS, endpoint_of
from timezest_async.sandbox import Sandbox
from timezest_async.transport import DEFAULT_BASE_URL
from timezest_async.transport.settings import check_base_url

_SAMPLE: Final = 2_000


@attrs.frozen
class Query:
    """One of the queries that answer a filter together.

    Attributes:
        tql: What is sent as ``filter``.
        url: Where its first page is.
    """

    tql: str
    url: str


@attrs.frozen
class Count:
    """What reading a filter's records from the sandbox came to.

    Attributes:
        scheduling_requests: How many the sandbox had.
        matches: How many records the filter gave, each counted once.
        requests: How many pages were asked for.
    """

    scheduling_requests: int
    matches: int
    requests: int


@attrs.frozen
class Explanation:
    """What ``timezest filter`` says.

    Attributes:
        entity: What is filtered.
        expression: The Python that builds the filter.
        queries: What is sent for it.
        requests_at_least: One request for each query.
        sample: What it gives in the sandbox, if that was asked.
    """

    entity: str
    expression: str
    queries: tuple[Query, ...]
    requests_at_least: int
    sample: Count | None = None


def explain(
    text: Annotated[str, typer.Argument(metavar="FILTER", help="TQL, with OR, NOT and ( ) as well.")],
    *,
    entity: Annotated[str, typer.Option(help=f"What to filter: {', '.join(PATHS)}.")] = "scheduling_request",
    base_url: Annotated[
        str, typer.Option(envvar="TIMEZEST_BASE_URL", help="The service that the URLs are of.")
    ] = DEFAULT_BASE_URL,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help=f"Count matches among {_SAMPLE:,} sample scheduling requests.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Explain a filter: as Python, as the queries that are sent, and what they cost at least."""
    expression = read_filter(text, entity)
    explanation = _explain(expression, entity, base_url)
    if sandbox:
        explanation = attrs.evolve(explanation, sample=interrupts.run(_count(expression, entity)))
    if as_json:
        print_data(json.dumps(attrs.asdict(explanation), indent=2))
    else:
        _print(explanation)


def _explain(expression: Expression, entity: str, base_url: str) -> Explanation:
    list_url = check_base_url(base_url).joinpath(PATHS[entity].removeprefix("/"))
    texts = [tql.render(query) for query in tql.plan(expression).queries]
    queries = tuple(Query(text, str(list_url.with_query(filter=text))) for text in texts)
    return Explanation(entity, repr(expression), queries, requests_at_least=len(queries))


async def _count(expression: Expression, entity: str) -> Count:
    """Read all matches from a sandbox, as a program would."""
    async with (
        Sandbox(records=_SAMPLE) as sandbox,
        # The sandbox has no limit, and nobody wants to wait for one here.
        TimeZestClient(sandbox.api_key, sandbox.base_url, rate_limiter=RateLimiter(100_000, 1.0)) as client,
    ):
        records = await endpoint_of(client, PATHS[entity]).paginate(expression).to_list()
        return Count(_SAMPLE, len(records), len(sandbox.requests_seen))


def _print(explanation: Explanation) -> None:
    sample = explanation.sample
    print_data(f"Filter   {explanation.expression}")
    for line in plan_lines([(query.tql, query.url) for query in explanation.queries]):
        print_data(line)
    if sample:
        matches, requests = (
            pluralize(sample.matches, "match", "matches"),
            pluralize(sample.requests, "request"),
        )
        print_data(f"Sandbox  {matches} in {requests}")
