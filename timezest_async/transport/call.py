"""One call: its attempts, what each waits for, and what an error of each means."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from timezest_async.budget.pauses import PATIENCE
from timezest_async.budget.protocols import Limiter
from timezest_async.budget.reservations import Reservation, deadline_passed, reserve
from timezest_async.budget.slots import Slot
from timezest_async.errors import (
    APIStatusError,
    BudgetExhaustedError,
    ConnectionFailedError,
    OutcomeUnknownError,
    RateLimitedError,
    RequestTimeoutError,
    TimeZestError,
)
from timezest_async.transport import aiohttp_edge as wire
from timezest_async.transport.attempt_timeouts import AttemptTimeout
from timezest_async.transport.exchanges import Exchange
from timezest_async.transport.hooks import CallReport, Emitter
from timezest_async.transport.messages import Request, Response, decipher, retry_after
from timezest_async.transport.retries import (
    MAX_RETRY_AFTER,
    back_off,
    is_active,
    is_testing,
    log_retry,
    not_worth_waiting,
    with_retries,
)
from timezest_async.transport.service_clock import ServiceClock
from timezest_async.transport.sessions import Sessions
from timezest_async.transport.settings import Settings

P = TypeVar("P")

NOTICEABLE = 0.001
"""Seconds from which on waiting for the budget is told to the hooks."""


class Call(Generic[P]):
    """One request on its way to an answer.

    Args:
        request: What is asked.
        payload: What a POST is to create; None for a GET.
        settings: The transport's.
        sessions: Whose session to use.
        limiter: The budget.
        random: Returns numbers from 0 to 1.
        reservation: A slot to use for the first attempt.
        decode: Makes something of a good answer's body.
        clock: Learns the service's time.
        deadline: Seconds for the whole call; None for what the settings say.
        before_send: Awaited right before the first byte of each attempt.
        report: Of the call that the hooks hear of, if it is not the running task's.
    """

    def __init__(
        self,
        request: Request,
        payload: Mapping[str, Any] | None,
        *,
        settings: Settings,
        sessions: Sessions,
        limiter: Limiter,
        random: Callable[[], float],
        reservation: Reservation | None = None,
        decode: Callable[[bytes], P],
        clock: ServiceClock,
        deadline: float | None = None,
        before_send: Callable[[], Awaitable[None]] | None = None,
        report: CallReport | None = None,
    ) -> None:
        self._before_send = before_send
        self._request = request
        self._payload = payload
        self._settings = settings
        self._sessions = sessions
        self._limiter = limiter
        self._random = random
        self._reservation = reservation
        self._decode = decode
        self._service_clock = clock
        self._deadline = settings.deadline if deadline is None else deadline
        self._slot: Slot | None = None
        self._refusals = 0
        self._refused_at: float | None = None
        self._is_over = False
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock() if reservation is None else reservation.asked_at
        self._idle_since = self._clock()
        self._waited = 0.0 if reservation is None else reservation.waited
        self._sent_at: datetime | None = None
        self._error: TimeZestError | None = None
        self._emitter = Emitter(settings.hooks, request, settings.key, settings.base_url, report)

    async def run(self) -> Exchange[P]:
        """Make attempts until one is answered well.

        Raises:
            TimeZestError: What the last attempt met with.
        """
        try:
            return await with_retries(
                self._attempt,
                max_attempts=self._settings.max_attempts,
                random=self._random,
                remaining=self._remaining,
                asked=self._asked,
            )
        finally:
            self._error = None
            if self._reservation is not None:
                self._reservation.release()

    def _remaining(self) -> float | None:
        """Return the seconds that are left; None for no limit."""
        if self._is_over:
            return 0.0
        return None if self._deadline is None else self._deadline - (self._clock() - self._started)

    async def _attempt(self, number: int) -> Exchange[P]:
        """Send; a refusal that does not say for how long is waited for by the budget, and is no attempt."""
        while True:
            try:
                return await self._send(number + self._refusals)
            except RateLimitedError as error:
                if error.retry_after or not self._may_wait():
                    raise
                log_retry(self._asked, number + self._refusals, error)
                self._refusals += 1

    def _may_wait(self) -> bool:
        """Return whether a request that the service has refused may wait for the budget and be sent again."""
        if self._settings.max_attempts == 1 or not is_active():
            return False
        self._is_over = self._is_over or self._patience_left() <= 0
        return not self._is_over

    def _patience_left(self) -> float:
        if self._refused_at is None:
            self._refused_at = self._clock()
        return self._refused_at + PATIENCE * self._limiter.period - self._clock()

    async def _send(self, number: int) -> Exchange[P]:
        if number > 1:
            backed_off = self._clock() - self._idle_since
            self._waited += backed_off
            self._emitter.emit("on_retry", number, self._error, waited=backed_off)
        await self._sessions.current()
        try:
            slot = await self._acquire(number)
            # Asked again, since the wait may have outlived the session.
            session = await self._sessions.current()
            self._emitter.emit("on_request", number, waited=self._waited)
        except BaseException:
            # Does nothing where it is still the slot of the attempt before.
            if self._slot is not None:
                self._slot.release()
            raise
        if self._sent_at is None:
            self._sent_at = datetime.now(UTC)
        began = self._clock()
        partial = wire.PartialResponse()
        error: BaseException | None = None
        try:
            response = await self._receive(session, slot, partial, number)
            payload = decipher(
                self._request,
                response,
                key=self._settings.key,
                now=self._service_clock.now,
                decode=self._decode,
            )
            return Exchange(
                status=response.status,
                payload=payload,
                url=self._request.url,
                retries_taken=number - 1,
                seconds=self._clock() - began - partial.queued,
                waited=self._waited,
                sent_at=self._sent_at,
                clock_offset=self._service_clock.offset,
                body=response.body,
                key=self._settings.key,
            )
        except TimeZestError as caught:
            error = verdict = self._verdict(caught, partial.status)
        except BaseException as caught:
            error = caught
            raise
        finally:
            # Does nothing where the slot's fate is known better by now.
            if partial.tracker.never_sent:
                slot.release()
            else:
                slot.lost()
            self._idle_since = self._clock()
            seconds = self._idle_since - began - partial.queued
            self._emitter.emit(
                "on_response", number, error, status=partial.status, seconds=seconds, waited=self._waited
            )
        raise self._last_error(verdict, number)

    def _last_error(self, error: TimeZestError, number: int) -> TimeZestError:
        """Return what to raise: being cut off by the deadline says less than the error before."""
        if not (isinstance(error, RequestTimeoutError) and self._out_of_time() and self._error is not None):
            self._error = error
        self._error.retries_taken = number - 1
        return self._error

    def _out_of_time(self) -> bool:
        remaining = self._remaining()
        # A timer may ring up to its clock's resolution early.
        return remaining is not None and remaining < 0.001

    async def _acquire(self, number: int) -> Slot:
        """Wait for the budget; a reservation has done so already."""
        reservation, self._reservation = self._reservation, None
        slot = None if reservation is None else reservation.take()
        failure: TimeZestError | None = None
        if slot is None:
            patience = None if self._refused_at is None else self._patience_left()
            try:
                async with asyncio.timeout(patience):
                    reservation = await reserve(self._limiter, self._remaining(), again=self._slot)
            except BudgetExhaustedError as error:
                failure = error
            except TimeoutError:
                failure = self._error
            else:
                self._waited += reservation.waited
                slot = reservation.take()
        if slot is not None and self._out_of_time():
            slot.release()
            slot = None
        if slot is None:
            self._is_over = True
            raise self._error or failure or deadline_passed(self._deadline or 0.0, self._asked)
        self._slot = slot
        if reservation is not None and reservation.waited > NOTICEABLE:
            self._emitter.emit("on_wait", number, waited=reservation.waited)
        return slot

    async def _receive(
        self, session: Any, slot: Slot, partial: wire.PartialResponse, number: int
    ) -> Response:
        """Make one exchange within its time, and settle its slot."""

        def on_headers() -> None:
            self._service_clock.observe(partial.headers)
            if partial.status == 429:
                asked_for = retry_after(partial.headers, now=self._service_clock.now())
                slot.limited(self._pause(number, asked_for))
            else:
                slot.answered()

        # A slot that is taken for lost after a while must not be used so late that its request outlives it.
        lease = getattr(self._limiter, "lease", None)
        patience = None if lease is None else lease - self._settings.timeout
        timeout = AttemptTimeout(self._settings.timeout, self._remaining(), patience)
        tracker = partial.tracker
        tracker.on_queue = timeout.queue
        tracker.before_send = self._before_send
        failure: ConnectionFailedError | None = None
        try:
            async with timeout.guard:
                return await wire.exchange(session, self._request, self._settings, partial, on_headers)
        except ConnectionFailedError as error:
            failure = error
        except TimeoutError:
            pass
        finally:
            partial.queued = timeout.queued
            self._waited += timeout.queued
        if failure is not None:
            if failure.never_sent:
                slot.release()
            raise failure
        if partial.status is not None and partial.status >= 300:
            # The status says all that matters; only its explanation did not come in time.
            return partial.as_response("truncated")
        if timeout.is_deadline:
            raise deadline_passed(self._deadline or 0.0, self._asked, never_sent=tracker.never_sent)
        seconds = self._settings.timeout
        how = "could not connect" if tracker.never_sent else "was not answered"
        raise RequestTimeoutError(
            f"{self._asked} {how} within {seconds:g} s.", seconds=seconds, never_sent=tracker.never_sent
        )

    @property
    def _asked(self) -> str:
        return f"{self._request.method} {self._request.route}"

    def _pause(self, number: int, asked_for: float | None) -> float | None:
        """Return for how long a 429 stops everybody, this request included; None for the budget to guess."""
        if is_testing():
            return 0.0
        if not asked_for:
            return None
        wait = back_off(number, asked_for, self._random)
        # Who will not wait in vain must not make others do so either.
        return min(wait, MAX_RETRY_AFTER) if not_worth_waiting(wait, asked_for, self._remaining()) else wait

    def _verdict(self, error: TimeZestError, status: int | None) -> TimeZestError:
        """Return what an attempt's error means: for a create, whether it may have happened."""
        if self._payload is None or self._sent_at is None:
            return error
        if isinstance(error, ConnectionFailedError | RequestTimeoutError) and error.never_sent:
            return error
        if isinstance(error, APIStatusError) and error.status < 500 and error.status != 408:
            return error
        reason = str(error).rstrip(". ")
        return OutcomeUnknownError(
            f"Whether it was created is unknown: {reason}. Before you create it again, look for it:"
            " await error.find_candidates(client).",
            parameters=self._payload,
            sent_at=self._sent_at,
            status=status,
            clock_offset=self._service_clock.offset,
        )
