"""Creating exactly once: a key is claimed, marked before the first byte, and looked after until all is known.

What a journal cannot know, the service is asked: an attempt whose answer was lost is looked for among the
scheduling requests until the last moment at which it can still happen. Only then is another one sent.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from timezest_async.errors import (
    IntentBusyError,
    KeyReusedError,
    MultipleFoundError,
    OutcomeUnknownError,
    TimeZestError,
)
from timezest_async.idempotency.creator import Creator
from timezest_async.idempotency.journal import Created, Intent, IntentJournal
from timezest_async.idempotency.keys import name_of
from timezest_async.models import SchedulingRequest

_logger = logging.getLogger("timezest_async")

FRESH: Final = 1.0
"""Seconds for which a mark lets a create be sent: a process that was stopped meanwhile marks again."""
FIRST_LOOK_AGAIN, LAST_LOOK_AGAIN = 0.5, 15.0
"""Seconds between two looks for what may have been made: at first, and in the end."""
FIRST_ASK_AGAIN, LAST_ASK_AGAIN = 0.05, 1.0
"""Seconds between two questions for a key that another worker holds."""


class _HeldBackError(Exception):
    """Nothing is sent: the key is no longer ours, or the journal failed. aiohttp hands it through."""


class Once:
    """One call of ``create_once``.

    Args:
        journal: Where intents are kept.
        creator: What asks the service.
        key: The key, as its user calls it.
        digest: What tells these arguments from others.
        settle: Seconds after its time-out within which a create that was sent happens and shows.
        unless_open: Whether to look for an open request first.
        wait: Whether to wait for a key that another worker holds.
        deadline: Seconds for all of it; None for no limit.
    """

    def __init__(
        self,
        journal: IntentJournal,
        creator: Creator,
        *,
        key: str,
        digest: str,
        settle: float,
        unless_open: bool,
        wait: bool,
        deadline: float | None,
    ) -> None:
        self._journal = journal
        self._creator = creator
        self._key = key
        self._name = name_of(key)
        self._digest = digest
        self._settle = settle
        self._unless_open = unless_open
        self._wait = wait
        self._clock = asyncio.get_running_loop().time
        self._ends = None if deadline is None else self._clock() + deadline
        self._is_known = self._is_over = False
        self._sent: float | None = None
        self._settles = 0.0
        self._held_back: Exception | None = None

    async def run(self) -> Created:
        """Do it."""
        while True:
            token = secrets.token_hex(16)
            async with self._held(token) as intent:
                if intent.request_id is not None:
                    return await self._remembered(intent.request_id)
                try:
                    return await self._make(intent, token)
                except _HeldBackError:
                    if self._held_back is not None:
                        raise self._held_back from None
            # Another worker has taken over, or is done: the journal knows which.

    @asynccontextmanager
    async def _held(self, token: str) -> AsyncGenerator[Intent, None]:
        """Hold the key, or learn that it is done; let go of it at the end."""
        keeper: asyncio.Task[None] | None = None
        self._is_known, self._sent = False, None
        try:
            intent = await self._claim(token)
            self._is_known, self._is_over = True, intent.request_id is not None
            if intent.held and intent.sent_ago is not None:
                self._sent = self._clock() - intent.sent_ago
                self._settles = self._clock() + intent.settles_in
            if intent.held:
                keeper = asyncio.create_task(self._keep(token), name="timezest_async: lease of an intent")
            yield intent
        finally:
            if keeper is not None:
                keeper.cancel()
                await asyncio.wait([keeper])
            if not self._is_over:
                await self._let_go(token)

    async def _claim(self, token: str) -> Intent:
        pause = FIRST_ASK_AGAIN
        while True:
            intent = await self._journal.claim(self._name, digest=self._digest, token=token)
            if intent.digest not in {self._digest, ""}:
                raise KeyReusedError(
                    f"The key {self._key!r:.100} was used before with other arguments: give what is another"
                    " thing another key, or repeat the arguments as they were."
                )
            if intent.held or intent.request_id is not None:
                return intent
            pause = min(pause, intent.retry_after)
            if not self._wait or not self._has(pause):
                raise IntentBusyError(
                    f"Another worker holds the key {self._key!r:.100}: call again in"
                    f" {intent.retry_after:.3g} s, or wait for it with wait=True.",
                    retry_after=intent.retry_after,
                )
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_ASK_AGAIN)

    async def _keep(self, token: str) -> None:
        """Renew the lease until cancelled, or until another worker holds the key."""
        held = True
        while held:
            await asyncio.sleep(self._journal.lease / 3)
            # A journal that fails now may be back before the lease ends; if not, the mark will tell.
            with suppress(Exception):
                held = await self._journal.renew(self._name, token)

    async def _let_go(self, token: str) -> None:
        is_new = self._is_known and self._sent is None
        try:
            await self._journal.release(self._name, token, forget=is_new)
        except Exception as error:  # noqa: BLE001 - the lease ends by itself; what was done counts
            _logger.warning("The journal could not be told that a key is free: %r", error)

    async def _make(self, intent: Intent, token: str) -> Created:
        if intent.sent_ago is not None:
            found = await self._look()
            if found is not None:
                return found
        if self._unless_open:
            found = await self._find_open()
            if found is not None:
                return found
        rounds = self._creator.rounds
        while True:
            rounds -= 1
            try:
                request = await self._creator.create(lambda: self._mark(token), self._remaining())
            except OutcomeUnknownError as unknown:
                left = max(0.0, self._settles - self._clock())
                _logger.info("The answer to a create was lost: looking for what came of it for %.0f s.", left)
                found = await self._look()
                if found is not None:
                    return found
                if rounds < 1:
                    unknown.retryable = True
                    unknown.add_note(
                        "Nothing came of it within the time to settle, so that the key is free again."
                    )
                    raise
            except TimeZestError:
                self._sent = None  # it certainly did not happen
                raise
            else:
                made = await self._finish(request)
                if made is not None:
                    return made

    async def _mark(self, token: str) -> None:
        """Note that the first byte is about to leave, or hold it back."""
        try:
            while True:
                began = self._clock()
                timeout, settle = self._creator.timeout, self._settle
                if not await self._journal.mark_sending(
                    self._name, token, answer_within=timeout, settle=settle
                ):
                    break
                if self._sent is None or self._settles <= began:
                    self._sent = began
                self._settles = self._clock() + timeout + settle
                if self._clock() - began < FRESH:
                    return
        except Exception as error:  # noqa: BLE001 - a journal of anybody's
            self._held_back = error
        raise _HeldBackError

    async def _finish(self, request: SchedulingRequest) -> Created | None:
        """Note what was created; None where another key has taken it for its own."""
        try:
            known = await self._note(request, own=True)
        except Exception as error:  # noqa: BLE001 - as above; whoever comes next finds the request
            _logger.warning("The journal could not be told that %s was created: %r", request.id, error)
            return Created(request, "created")
        if known is not None and known != request.id:
            _logger.warning(
                "%s was created, but its key had been given up to %s: is it one too many?", request.id, known
            )
            return await self._remembered(known)
        return None if known is None else Created(request, "created")

    async def _look(self) -> Created | None:
        """Look for what came of a create until nothing can any more.

        Raises:
            MultipleFoundError: There are several that may be it.
            IntentBusyError: The deadline comes first.
        """
        pause = FIRST_LOOK_AGAIN
        while True:
            is_last = self._clock() >= self._settles
            found = await self._candidates(is_last=is_last)
            if len(found) > 1:
                listed = ", ".join(
                    f"{one.id} (created {one.created_at:%Y-%m-%d %H:%M:%S %Z})" for one in found
                )
                raise MultipleFoundError(
                    f"Several requests may be what was created for the key {self._key!r:.100}: {listed}. Look"
                    " which it is, and say so: await timezest_async.idempotency.remember(journal, key, id)."
                )
            if found:
                known = await self._note(found[0], own=True)
                if known == found[0].id:
                    return Created(found[0], "found")
                if known is not None:
                    return await self._remembered(known)
            if is_last and not found:
                self._sent = None
                return None
            left = max(0.0, self._settles - self._clock())
            # A timer may ring up to its clock's resolution early.
            wait = min(pause, left + 0.001)
            if not self._has(wait):
                raise IntentBusyError(
                    f"What was sent for the key {self._key!r:.100} may yet turn up: call again, with the same"
                    f" arguments; after {left:.3g} s it will be known.",
                    retry_after=wait,
                )
            await asyncio.sleep(wait)
            pause = min(2 * pause, LAST_LOOK_AGAIN)

    async def _candidates(self, *, is_last: bool) -> Sequence[SchedulingRequest]:
        """List what may be it and is no other key's."""
        now = self._clock()
        try:
            found = await self._creator.candidates(now - (self._sent or now), self._remaining())
        except TimeZestError as error:
            # There will be another look.
            if is_last or not error.retryable:
                raise
            return ()
        if not found:
            return ()
        taken = await self._journal.taken(self._name, [one.id for one in found])
        return [one for one in found if one.id not in taken]

    async def _find_open(self) -> Created | None:
        found = await self._creator.find_open(self._remaining())
        if found is None:
            return None
        known = await self._note(found, own=False)
        return Created(found, "found") if known in {found.id, None} else await self._remembered(str(known))

    async def _note(self, request: SchedulingRequest, *, own: bool) -> str | None:
        known = await self._journal.finish(self._name, request.id, digest=self._digest, own=own)
        self._is_over = known is not None
        return known

    async def _remembered(self, id: str) -> Created:
        return Created(await self._creator.get(id, self._remaining()), "remembered")

    def _remaining(self) -> float | None:
        """Return the seconds that are left, at least a little; None for no limit."""
        return None if self._ends is None else max(0.001, self._ends - self._clock())

    def _has(self, seconds: float) -> bool:
        """Return whether so many seconds are left."""
        return self._ends is None or self._clock() + seconds < self._ends
