"""A dlt source of an account: five tables, that of the scheduling requests kept in step with the service.

::

    pipeline = dlt.pipeline("timezest", destination="duckdb", dataset_name="msp")
    pipeline.run(timezest())

The first run reads all; later ones ask, as ``watch`` does, what has become of requests since, and merge that
by id. What was seen is kept in the pipeline's own state, which dlt stores together with the rows.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from timezest_async import tql
from timezest_async.budget import Limiter, RateLimiter
from timezest_async.changes.change import Wire
from timezest_async.changes.store import Event, Memory, Update
from timezest_async.client import TimeZestClient
from timezest_async.export.formats.base import require
from timezest_async.export.formats.columns import TABLES, Column, Kind
from timezest_async.redaction import Secret

dlt: Final[Any] = require("dlt", "dlt")

_TYPES: Final[Mapping[Kind, str]] = {
    Kind.TEXT: "text",
    Kind.INTEGER: "bigint",
    Kind.BOOLEAN: "bool",
    Kind.TIMESTAMP: "timestamp",
}
_COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    table.name: tuple(column for column in table.columns if not column.is_derived)
    for table in TABLES.values()
}
_DIRECTORY: Final = ("agents", "teams", "resources", "appointment_types")
_STATE: Final = "timezest"


def timezest(
    api_key: str | None = None,
    base_url: str | None = None,
    *,
    filter: tql.Expression[Any] | str | None = None,
    rate_limiter: Limiter | None = None,
) -> Any:
    """Make the source, with the resources (and tables) of the five lists.

    ``scheduling_requests`` is merged by ``id``; ``vanished_at`` (UTC) says when a request was noticed to be
    gone from the service, and is null for all others. ``agents``, ``teams``, ``resources`` and
    ``appointment_types`` are read whole, and replaced. Timestamps are timestamps; lists, and what the service
    sends that this version does not know (``extra``), are JSON. See ``docs/pipelines.md``.

    Args:
        api_key: The API key; by default ``TIMEZEST_API_KEY``, else dlt's secret ``sources.timezest.api_key``.
            It is in no state, trace or table.
        base_url: The service's address, if not the usual one.
        filter: Which scheduling requests, the same at every run. One that leaves it stays, as it became.
        rate_limiter: The account's budget, where others use it too; by default one for the five together.

    Raises:
        FilterError: (when run) the filter is unfit.
        TimeZestError: (when run) the service or the network failed; run it again.
    """
    found = api_key or os.environ.get("TIMEZEST_API_KEY") or _configured()
    key = None if found is None else Secret(found)
    budget = RateLimiter() if rate_limiter is None else rate_limiter

    def opened() -> TimeZestClient:
        return TimeZestClient(key, base_url, rate_limiter=budget)

    async def scheduling_requests() -> AsyncIterator[dict[str, Any]]:
        store = StateStore(dlt.current.resource_state().setdefault(_STATE, {}))
        async with opened() as client:
            async for change in client.scheduling_requests.changes(store, filter):
                wire, gone_at = change.request.to_dict(), None if change.after else change.seen_at
                yield _row("scheduling_requests", wire) | {"vanished_at": gone_at}

    def directory(name: str) -> Any:
        async def records() -> AsyncIterator[dict[str, Any]]:
            async with opened() as client:
                async for record in getattr(client, name).list():
                    yield _row(name, record.to_dict())

        return records

    def made() -> list[Any]:
        columns = {
            **_columns("scheduling_requests"),
            "vanished_at": {"data_type": "timestamp", "nullable": True},
        }
        requests = dlt.resource(
            scheduling_requests,
            name="scheduling_requests",
            primary_key="id",
            write_disposition="merge",
            columns=columns,
        )
        others = (
            dlt.resource(
                directory(name),
                name=name,
                primary_key="id",
                write_disposition="replace",
                columns=_columns(name),
            )
            for name in _DIRECTORY
        )
        return [requests, *others]

    return dlt.source(made, name="timezest")()


def _configured() -> str | None:
    found = dlt.secrets.get("sources.timezest.api_key")
    return None if found is None else str(found)


def _columns(name: str) -> dict[str, Any]:
    """Say what each column holds: where all are null, dlt would leave it out."""
    return {
        column.name: {"data_type": _TYPES.get(column.kind, "json"), "nullable": column.name != "id"}
        for column in _COLUMNS[name]
    }


def _row(name: str, wire: Mapping[str, Any]) -> dict[str, Any]:
    """Make a row of a record as the service sends it."""
    rest = dict(wire)
    row: dict[str, Any] = {}
    for column in _COLUMNS[name]:
        if column.kind is not Kind.EXTRA:
            value = rest.pop(column.name, None)
            if column.kind is Kind.TIMESTAMP and value is not None:
                value = datetime.fromtimestamp(value, UTC)
            row[column.name] = value
    return row | {"extra": rest or None}


class StateStore:
    """Keeps what was seen in a mapping, such as a dlt resource's state; see ``ChangeStore``.

    Only what is followed is kept, since the state is stored with every run: a request of which nothing more
    is expected is merged again, as it is, should it be read again.

    Args:
        state: The mapping, which takes JSON.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state
        state.setdefault("version", 0)
        state.setdefault("notes", {})
        state.setdefault("watched", {})
        state.setdefault("settled", 0)
        self._events: list[Event] = []

    async def recall(self, version: int) -> Memory | None:
        """Return what is remembered; None where its version still is this one."""
        state = self._state
        if state["version"] == version:
            return None
        count = len(state["watched"]) + state["settled"]
        return Memory(state["version"], dict(state["notes"]), dict(state["watched"]), count)

    async def known(self, ids: Collection[str] | None) -> Mapping[str, Wire]:
        """Return those of these ids that are followed; None asks for all."""
        watched: dict[str, Wire] = self._state["watched"]
        return {name: one for name, one in watched.items() if ids is None or name in ids}

    async def commit(self, version: int, update: Update) -> bool:
        """Take in a look."""
        state = self._state
        if state["version"] != version:
            return False
        watched: dict[str, Any] = state["watched"]
        state["settled"] += len(update.settled)
        for name in (*update.settled, *update.vanished):
            watched.pop(name, None)
        watched.update({name: dict(one) for name, one in update.watched.items()})
        state |= {"version": version + 1, "notes": dict(update.notes)}
        self._events = [*self._events, *update.events]
        return True

    async def pending(self, consumer: str, most: int) -> Sequence[Event]:  # noqa: ARG002 - there is one consumer
        """Return the events that were not given yet: none outlives its run, whose rows it became."""
        given, self._events = self._events[:most], self._events[most:]
        return given

    async def acknowledge(self, consumer: str, seq: int) -> None:
        """Do nothing: dlt stores rows and state together, or neither."""

    async def close(self) -> None:
        """Do nothing."""
