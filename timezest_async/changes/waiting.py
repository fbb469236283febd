"""Waiting for requests to become what is wanted: all who wait with one client share the looks."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

import attrs

from timezest_async.changes.change import Wire
from timezest_async.changes.names import Room, ask_for
from timezest_async.changes.polling import Reader, Service
from timezest_async.errors import APIStatusError, InvalidRequestError, TimeZestError
from timezest_async.models import SchedulingRequest, Status
from timezest_async.tql import scheduling_request as F

Wanted: TypeAlias = Status | str | Iterable[Status | str] | Callable[[SchedulingRequest], object]
"""A status, several, or a function that tells."""

_FIRST_PAUSE: Final = 0.5
"""Seconds after the first look; each further pause is twice as long."""
_SINGLE: Final = 3
"""So many requests are got one by one: then nothing is left to guess."""
_THOROUGH: Final = 10
"""At each so-many-eth look all that is waited for is read again, and what has vanished is noticed."""


@attrs.frozen
class Condition:
    """What is waited for.

    Attributes:
        holds: Tells whether a request is as wanted.
        statuses: The statuses in which it is; None where that depends on more.
        words: What it is, for the error.
    """

    holds: Callable[[SchedulingRequest], object]
    statuses: frozenset[str] | None
    words: str


def check_wanted(wanted: Wanted) -> Condition:
    """Read what is wanted.

    Raises:
        InvalidRequestError: It is no status, and no function.
    """
    if callable(wanted):
        if inspect.iscoroutinefunction(wanted):
            raise InvalidRequestError("the function is a coroutine, which nobody would await: write 'def'")
        return Condition(wanted, None, "as wanted")
    if not isinstance(wanted, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]  # for users without a checker
        raise InvalidRequestError(
            f"wait_until() takes a status, several, or a function of the request, not {wanted!r:.60}"
        )
    given: list[Any] = [wanted] if isinstance(wanted, str) else list(wanted)
    known = set(Status)
    for status in given:
        if status not in known:
            raise InvalidRequestError(
                f"wait_until() takes statuses such as {', '.join(Status)}, not {status!r:.60}: for a status "
                "that is not documented give a function, such as lambda request: request.status == 'paused'"
            )
    if not given:
        raise InvalidRequestError("wait_until() takes at least one status")
    statuses = frozenset(map(str, given))
    return Condition(lambda request: request.status in statuses, statuses, " or ".join(map(str, given)))


@attrs.define(eq=False)
class _Waiter:
    """One request that somebody waits for.

    Attributes:
        request: As it was read first.
        condition: What is waited for.
        interval: Seconds between two looks at most.
        outcome: The request once it is as wanted.
    """

    request: Wire
    condition: Condition
    interval: float
    outcome: asyncio.Future[SchedulingRequest]


class Waiters:
    """All who wait with one client.

    Args:
        service: The service.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._waiters: list[_Waiter] = []
        self._looking: asyncio.Task[None] | None = None
        self._news: asyncio.Event | None = None
        self._room = Room()

    async def wait(
        self,
        ids: Sequence[str],
        condition: Condition,
        timeout: float | None,  # noqa: ASYNC109 - part of what users call
        interval: float,
    ) -> list[SchedulingRequest]:
        """Wait until each of some requests is as wanted; see ``wait_until``."""
        found: dict[str, SchedulingRequest] = {}
        waiters: dict[str, _Waiter] = {}
        try:
            async with asyncio.timeout(timeout):
                for request_id in dict.fromkeys(ids):
                    record = await self._first(request_id, interval)
                    if condition.holds(record):
                        found[request_id] = record
                    else:
                        waiters[request_id] = self._add(record, condition, interval)
                outcomes = await asyncio.gather(*(waiter.outcome for waiter in waiters.values()))
                found.update(zip(waiters, outcomes, strict=True))
        except TimeoutError:
            late = [name for name in ids if name not in found and not _has_come(waiters.get(name))]
            message = f"{late[0] if late else ids[0]} was not {condition.words} within {timeout:g} s"
        else:
            return [found[request_id] for request_id in ids]
        finally:
            await self._remove(waiters.values())
        raise TimeoutError(message)

    async def _first(self, request_id: str, interval: float) -> SchedulingRequest:
        """Read a request, again and again where that fails in a way that may pass."""
        for pause in _pauses(interval):
            try:
                return await self._service.get(request_id)
            except TimeZestError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError("pauses have no end")

    def _add(self, record: SchedulingRequest, condition: Condition, interval: float) -> _Waiter:
        outcome: asyncio.Future[SchedulingRequest] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(record.to_dict(), condition, interval, outcome)
        self._waiters.append(waiter)
        if self._looking is None or self._news is None:
            self._news = asyncio.Event()
            self._looking = asyncio.create_task(self._look_on(self._news))
        self._news.set()
        return waiter

    async def _remove(self, waiters: Iterable[_Waiter]) -> None:
        for waiter in waiters:
            self._waiters.remove(waiter)
            if not waiter.outcome.cancel() and not waiter.outcome.cancelled():
                waiter.outcome.exception()  # which nobody may have waited for
        if not self._waiters and (looking := self._looking) is not None:
            self._looking = None
            looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await looking

    async def _look_on(self, news: asyncio.Event) -> None:
        """Look until nobody waits, first soon and then less often; who comes new is looked at soon, too."""
        pauses = _pauses(_FIRST_PAUSE)
        for count in itertools.count(1):
            if news.is_set():
                news.clear()
                pauses = _pauses(min(waiter.interval for waiter in self._waiters))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next(pauses)):
                    await news.wait()
                    continue
            waiters = [waiter for waiter in self._waiters if not waiter.outcome.done()]
            reader = Reader(self._service, None)
            try:
                await self._read(reader, waiters, is_thorough=not count % _THOROUGH)
            except Exception as error:  # noqa: BLE001 - who waits is told, whatever it is
                if isinstance(error, TimeZestError) and error.retryable:
                    continue
                for waiter in waiters:
                    _fail(waiter, error)
            for waiter in waiters:
                _tell(waiter, reader)

    async def _read(self, reader: Reader, waiters: Sequence[_Waiter], *, is_thorough: bool) -> None:
        requests = {waiter.request["id"]: waiter.request for waiter in waiters}
        if len(requests) > _SINGLE:
            statuses = {status for waiter in waiters for status in waiter.condition.statuses or ()}
            by_status = not is_thorough and all(waiter.condition.statuses for waiter in waiters)
            names = ask_for(requests.values(), self._room.most)
            asking = names.asking(self._room)
            for query in asking:
                try:
                    await reader.list(query & F.status.in_(sorted(statuses)) if by_status else query)
                except APIStatusError as error:
                    asking.refused(error)
            if by_status:
                requests = {name: requests[name] for name in names.nameless}
        for request_id in requests:
            if request_id not in reader.found:
                await reader.get(request_id)


def _tell(waiter: _Waiter, reader: Reader) -> None:
    """Give a waiter what it waits for, if that has come."""
    request_id = waiter.request["id"]
    if waiter.outcome.done():
        return
    if (missing := reader.gone.get(request_id)) is not None:
        _fail(waiter, missing)
    elif (record := reader.found.get(request_id)) is not None:
        try:
            is_wanted = waiter.condition.holds(record)
        except Exception as error:  # noqa: BLE001 - the caller's own, and for the caller
            _fail(waiter, error)
        else:
            if is_wanted:
                waiter.outcome.set_result(record)


def _has_come(waiter: _Waiter | None) -> bool:
    return waiter is not None and waiter.outcome.done() and not waiter.outcome.cancelled()


def _fail(waiter: _Waiter, error: Exception) -> None:
    if not waiter.outcome.done():
        waiter.outcome.set_exception(error)


def _pauses(longest: float) -> Iterator[float]:
    pause = _FIRST_PAUSE
    while True:
        yield min(pause, longest)
        pause *= 2.0
