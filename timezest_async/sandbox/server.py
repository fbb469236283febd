"""The sandbox as its users hold it: starting and stopping, and the records it has."""

from __future__ import annotations

import ssl
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, closing
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Any, Final, Protocol, Self

from aiohttp import web
from attrs import frozen

from timezest_async.errors import ConfigurationError
from timezest_async.sandbox.acts import Acts, Habits
from timezest_async.sandbox.arguments import check_arguments
from timezest_async.sandbox.control import LOOPBACK, Control
from timezest_async.sandbox.exchange import RecordedRequest
from timezest_async.sandbox.faults import Faults
from timezest_async.sandbox.filter_columns import Json
from timezest_async.sandbox.http_handler import HttpHandler, received, whole
from timezest_async.sandbox.moving_clock import MovingClock
from timezest_async.sandbox.new_records import complete
from timezest_async.sandbox.quirks import QuirkyService
from timezest_async.sandbox.rate_window import RateWindow, RetryAfter
from timezest_async.sandbox.record_store import Store, contact_key
from timezest_async.sandbox.routes import PREFIX
from timezest_async.sandbox.sample_data import fill
from timezest_async.sandbox.scheduling_pages import SchedulingPages

_LONGEST_LINE: Final = 131_072


class HasToDict(Protocol):
    """A record that can write itself in the service's shape."""

    def to_dict(self) -> Json:
        """Return the record in the service's shape."""
        ...


@frozen
class _Running:
    """What a sandbox has while it runs; ``stack`` undoes it."""

    acts: Acts
    base_url: str
    control_url: str | None
    stack: AsyncExitStack


class Sandbox:
    """A TimeZest service of your own, for demos and tests.

    ::

        async with Sandbox(records=200) as sandbox:
            client = TimeZestClient(api_key=sandbox.api_key, base_url=sandbox.base_url)

    Records last as long as the ``async with`` block, or as the database file where one is named.

    Args:
        port: The port to listen on; 0 takes a free one.
        host: The address to listen on.
        api_key: The key that may read and create.
        read_only_key: A second key, which may only read.
        records: How many sample scheduling requests to make up, with agents, teams, appointment types
            and PSA contacts that fit; 0 starts empty. A database that has records keeps those instead.
        database: The path of an SQLite file that keeps the records; None keeps them in memory.
        rate_limit: ``(max_requests, seconds)``: what the account may ask in any window of so many
            seconds, all keys together. None for no limit; the real service's is (180, 60.0).
        retry_after: What a 429 for the budget says: nothing, seconds, or an HTTP date.
        latency: Seconds before every answer.
        page_size: Records a page.
        clock: Epoch seconds; for creation times, the budget and the answers' ``Date``.
        seed: What sample data and random faults depend on.
        keep_requests: Whether ``requests_seen`` remembers; switch it off for long runs.
        cancelling_clears_times: Whether ``cancel`` clears the times and agents of an appointment.
        rebooking_moves_scheduled_at: Whether ``book`` moves ``scheduled_at`` of what is booked already.
        ssl_context: Serves HTTPS with it.
        control: The port, on the loopback interface, of an address that takes acts, faults, latency and time
            while the sandbox runs; 0 takes a free one, None has none.
        quirks: Names of ways in which the service is to differ from what is assumed of it
            (``timezest_async.sandbox.QUIRKS``).

    Attributes:
        api_key: The key that may read and create.
        faults: What is to go wrong: scripts and chances.
        requests_seen: The requests that arrived, in order; yours to clear.

    Raises:
        ConfigurationError: An argument is invalid.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        api_key: str = "demo",
        read_only_key: str | None = None,
        records: int = 0,
        database: str | PathLike[str] | None = None,
        rate_limit: tuple[int, float] | None = None,
        retry_after: RetryAfter = "seconds",
        latency: float = 0.0,
        page_size: int = 20,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        keep_requests: bool = True,
        cancelling_clears_times: bool = False,
        rebooking_moves_scheduled_at: bool = True,
        ssl_context: ssl.SSLContext | None = None,
        control: int | None = None,
        quirks: Collection[str] = (),
    ) -> None:
        check_arguments(
            port=port,
            api_key=api_key,
            read_only_key=read_only_key,
            records=records,
            rate_limit=rate_limit,
            retry_after=retry_after,
            latency=latency,
            page_size=page_size,
            control=control,
            quirks=quirks,
        )
        self.api_key = api_key
        self.faults: Faults = Faults(seed)
        self.requests_seen: list[RecordedRequest] = []
        self._clock = MovingClock(clock)
        self._address = (host, port)
        self._keys = {api_key: True} if read_only_key is None else {api_key: True, read_only_key: False}
        self._records = records
        self._database = database
        self._window = None if rate_limit is None else RateWindow(*rate_limit, self._clock)
        self._retry_after: RetryAfter = retry_after
        self._latency = latency
        self._page_size = page_size
        self._control = control
        self._quirks = quirks
        self._seed = seed
        self._keep_requests = keep_requests
        self._habits = Habits(cancelling_clears_times, rebooking_moves_scheduled_at)
        self._ssl_context = ssl_context
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return f"<Sandbox at {self._running.base_url}>" if self._running else "<Sandbox, not running>"

    async def __aenter__(self) -> Self:
        if self._running is not None:
            raise ConfigurationError("this sandbox is running already: make another Sandbox")
        async with AsyncExitStack() as stack:
            store = stack.enter_context(closing(Store(self._database)))
            acts = Acts(store, self._clock, self._habits)
            handler = HttpHandler(
                QuirkyService(store, self._clock, self._page_size, self._quirks),
                SchedulingPages(acts),
                self._keys,
                self._window,
                self._retry_after,
                self.faults,
                self.requests_seen if self._keep_requests else None,
                self._latency,
                self._clock,
            )
            host, port = self._address
            control_url = None
            if self._control is not None:
                control = Control(acts, self._clock, handler)

                async def obey(incoming: web.BaseRequest) -> web.StreamResponse:
                    return whole(control.answer(await received(incoming, self._clock())))

                control_port = await _listen(stack, obey, LOOPBACK, self._control)
                control_url = f"http://{LOOPBACK}:{control_port}"
            port = await _listen(stack, handler.handle, host, port, self._ssl_context)
            stack.push_async_callback(handler.close)
            scheme = "http" if self._ssl_context is None else "https"
            origin = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            # Scheduling URLs have the port in them. What connects meanwhile is answered after this.
            if self._records and not store.count("scheduling_request"):
                fill(store, self._records, seed=self._seed, now=int(self._clock()), origin=origin)
            self._running = _Running(acts, f"{origin}{PREFIX}", control_url, stack.pop_all())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            closing_stack = self._running.stack
            self._running = None
            await closing_stack.aclose()

    @property
    def base_url(self) -> str:
        """Where the service is, such as ``"http://127.0.0.1:8787/v1"``."""
        return self._parts().base_url

    @property
    def control_url(self) -> str | None:
        """Where the control address is, such as ``"http://127.0.0.1:8788"``; None where there is none."""
        return self._parts().control_url

    def add(
        self,
        record: Mapping[str, Any] | HasToDict | None = None,
        /,
        *,
        deleted: bool = False,
        **fields: Any,
    ) -> Json:
        """Store a record and return it as stored.

        Args:
            record: In the service's shape, or something with a ``to_dict()`` that gives it; ``object``
                says what it is: ``"agent"``, ``"team"``, ``"appointment_type"``, by default a
                scheduling request. What the service always sends is filled in; of a scheduling
                request everything else stays absent.
            deleted: For a team: keep it out of ``/resources``.
            fields: More fields, which win over those of ``record``.

        Raises:
            ValueError: The id is taken, or the record cannot be stored.
        """
        entity, completed = complete({**_content(record or {}), **fields}, int(self._clock()))
        self._parts().acts.store.add([(entity, completed)], deleted=deleted)
        return completed

    def add_many(self, records: Iterable[Mapping[str, Any] | HasToDict]) -> int:
        """Store many records, all or none; see ``add``. Returns how many."""
        now = int(self._clock())
        return self._parts().acts.store.add(complete(_content(record), now) for record in records)

    def update(self, id: str, entity: str = "scheduling_request", /, **changes: Any) -> Json:
        """Change fields of a stored record; ``updated_at`` becomes now unless it is among them.

        Raises:
            KeyError: There is no such record.
        """
        return self._parts().acts.update(id, entity, **changes)

    def book(self, id: str, start_time: datetime | int, time_zone: str | None = None) -> Json:
        """Choose a time for an appointment, or another one, as the end user does; return the record.

        Args:
            id: The scheduling request.
            start_time: When the appointment starts: aware, or epoch seconds.
            time_zone: The end user's time zone, by its Rails or IANA name.

        Raises:
            KeyError: There is no such record.
            ValueError: It is closed, or the time is naive.
        """
        return self._parts().acts.book(id, start_time, time_zone)

    def cancel(self, id: str) -> Json:
        """Cancel a scheduling request, as the end user or the team does; return the record.

        Raises:
            KeyError: There is no such record.
            ValueError: It is closed.
        """
        return self._parts().acts.cancel(id)

    def close_request(self, id: str) -> Json:
        """Close a scheduling request, as a workflow of the team does; return the record.

        Raises:
            KeyError: There is no such record.
        """
        return self._parts().acts.close(id)

    def remove(self, id: str, entity: str = "scheduling_request", /) -> bool:
        """Take a record away, as the service's owner may; False where there was none."""
        return self._parts().acts.store.remove(entity, id)

    def records(self, entity: str = "scheduling_request") -> list[Json]:
        """Return all records of an entity (``"resource"`` too), newest first, as lists give them."""
        return list(self._parts().acts.store.records(entity))

    def add_contact(
        self,
        entity_type: str,
        *,
        id: int | str | None = None,
        number: str | None = None,
        name: str | None = None,
        email: str | None = None,
    ) -> None:
        """Say who stands behind an entity of a PSA system, for creates that name it.

        Args:
            entity_type: Such as ``"connectwise_psa/contact"`` or ``"autotask/ticket"``.
            id: The entity's id. One of ``id`` and ``number`` is needed.
            number: A ticket's number, with or without ``#``.
            name: The end user's name, where the entity has one.
            email: The end user's e-mail, where the entity has one.

        Raises:
            ValueError: Neither id nor number is given.
        """
        if id is None and number is None:
            raise ValueError("an entity is known by its id or, for tickets, its number: give one")
        store = self._parts().acts.store
        if id is not None:
            store.add_contact(entity_type, contact_key(id=id), name, email)
        if number is not None:
            store.add_contact(entity_type, contact_key(number=number), name, email)

    def _parts(self) -> _Running:
        if self._running is None:
            raise ConfigurationError("the sandbox is not running: use it inside `async with Sandbox()`")
        return self._running


async def _listen(
    stack: AsyncExitStack,
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    host: str,
    port: int,
    ssl_context: ssl.SSLContext | None = None,
) -> int:
    """Serve until the stack unwinds; return the port."""
    server = web.Server(handle, access_log=None, max_line_size=_LONGEST_LINE, max_field_size=_LONGEST_LINE)
    # When it shuts down no request is under way; a time-out of 0 would mean to wait for ever.
    runner = web.ServerRunner(server, shutdown_timeout=0.001)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port, ssl_context=ssl_context).start()
    return int(runner.addresses[0][1])


def _content(record: Mapping[str, Any] | HasToDict) -> Mapping[str, Any]:
    return record if isinstance(record, Mapping) else record.to_dict()
