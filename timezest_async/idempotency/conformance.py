"""What every journal of intents has to do, as checks that anybody can run on a journal of their own.

::

    async def test_my_journal():
        await conformance.check(lambda: MyJournal(lease=0.3))

No test framework is needed: a check that fails raises ``AssertionError``, which says what was expected.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, cast

from timezest_async.idempotency.journal import Intent, IntentJournal

Pass = Callable[[float], Awaitable[None]]
Check = Callable[[IntentJournal, IntentJournal, Pass], Awaitable[None]]
"""A check: two journals of the same place, as two workers have them, and what lets seconds pass."""


async def check(make: Callable[[], IntentJournal], pass_time: Pass = asyncio.sleep) -> None:
    """Check a journal.

    Args:
        make: Makes a journal; all that it makes share one place. A short lease, such as 0.3 s, saves time.
        pass_time: Lets so many seconds pass on the journal's clock.

    Raises:
        AssertionError: It does not do what ``IntentJournal`` says.
    """
    one, other = make(), make()
    _expect(isinstance(cast("object", one), IntentJournal), "it has all methods of IntentJournal")
    for one_check in CHECKS:
        try:
            await one_check(one, other, pass_time)
        except AssertionError as error:
            raise AssertionError(f"{one_check.__name__}: {error}") from None


async def a_key_is_held_by_one(one: IntentJournal, other: IntentJournal, _: Pass) -> None:
    """Of two claims one holds; the other learns for how long."""
    key, digest = _name(), _name()
    _expect((await one.claim(key, digest=digest, token="a")).held, "the first claim holds the key")  # noqa: S106
    second = await other.claim(key, digest=digest, token="b")  # noqa: S106
    _expect(not second.held, "the second claim does not hold it")
    _expect(0 < second.retry_after <= one.lease, "retry_after is what is left of the lease")
    _expect(second.digest == digest, "the second claim tells the digest of the first")
    _expect((await one.claim(key, digest=digest, token="a")).held, "the holder may claim it again")  # noqa: S106


async def of_claims_at_once_one_holds(one: IntentJournal, other: IntentJournal, _: Pass) -> None:
    """Claims at the same time are one after the other."""
    key, digest = _name(), _name()
    claims = await asyncio.gather(
        *((one, other)[turn % 2].claim(key, digest=digest, token=f"t{turn}") for turn in range(10))
    )
    _expect(sum(claim.held for claim in claims) == 1, "exactly one of ten claims holds the key")


async def a_lease_ends(one: IntentJournal, other: IntentJournal, pass_time: Pass) -> None:
    """A lease that is not renewed ends, and whoever claims then is the holder."""
    key, digest = _name(), _name()
    await one.claim(key, digest=digest, token="a")  # noqa: S106
    await pass_time(one.lease * 0.6)
    _expect(await one.renew(key, "a"), "the holder can renew")
    await pass_time(one.lease * 0.6)
    _expect(not (await other.claim(key, digest=digest, token="b")).held, "a renewed lease holds")  # noqa: S106
    await pass_time(one.lease * 1.1)
    _expect((await other.claim(key, digest=digest, token="b")).held, "after the lease another may claim")  # noqa: S106
    _expect(not await one.renew(key, "a"), "who lost the key cannot renew")
    _expect(not await _mark(one, key, "a"), "who lost the key is not allowed to send")
    await one.release(key, "a", forget=True)
    _expect(not (await one.claim(key, digest=digest, token="c")).held, "who lost the key cannot release it")  # noqa: S106
    _expect(await _mark(other, key, "b"), "the holder may send")


async def a_create_that_was_sent_is_remembered(
    one: IntentJournal, other: IntentJournal, pass_time: Pass
) -> None:
    """Whoever claims after a mark learns when it was, and until when it may happen."""
    key, digest, lease = _name(), _name(), one.lease
    await one.claim(key, digest=digest, token="a")  # noqa: S106
    _expect(await one.mark_sending(key, "a", answer_within=lease, settle=9 * lease), "the holder may send")
    await pass_time(lease * 1.5)
    _expect(
        not (await other.claim(key, digest=digest, token="b")).held,  # noqa: S106
        "a mark holds the key for answer_within and a lease",
    )
    await pass_time(lease)
    claim = await other.claim(key, digest=digest, token="b")  # noqa: S106
    _expect(claim.held, "it does not hold it for longer")
    _expect(claim.sent_ago is not None and 2.4 * lease <= claim.sent_ago, "sent_ago counts from the mark")
    _expect(0 < claim.settles_in <= 7.6 * lease, "settles_in is answer_within + settle after the mark")
    _expect(await other.mark_sending(key, "b", answer_within=0.0, settle=0.0), "the holder may send")
    await other.release(key, "b", forget=False)
    again = await one.claim(key, digest=digest, token="c")  # noqa: S106
    _expect(again.held, "what was released may be claimed at once")
    _expect((again.sent_ago or 0) >= 2.4 * lease, "sent_ago counts from the first of the marks")
    _expect(again.settles_in > 5 * lease, "the latest moment counts, not that of the latest mark")


async def marks_that_are_settled_count_no_more(one: IntentJournal, _: IntentJournal, pass_time: Pass) -> None:
    """After all that was sent has settled, sent_ago counts anew."""
    key, digest, lease = _name(), _name(), one.lease
    await one.claim(key, digest=digest, token="a")  # noqa: S106
    await one.mark_sending(key, "a", answer_within=0.0, settle=lease / 10)
    await pass_time(lease / 2)
    await one.mark_sending(key, "a", answer_within=0.0, settle=lease)
    await one.release(key, "a", forget=False)
    claim = await one.claim(key, digest=digest, token="b")  # noqa: S106
    _expect(claim.sent_ago is not None and claim.sent_ago < lease / 2, "sent_ago counts from the second mark")


async def what_is_done_stays_done(one: IntentJournal, other: IntentJournal, pass_time: Pass) -> None:
    """A request that was made is given to all who claim, whoever noted it."""
    key, digest = _name(), _name()
    await one.claim(key, digest=digest, token="a")  # noqa: S106
    await _mark(one, key, "a")
    await pass_time(one.lease * 2.5)
    await other.claim(key, digest=digest, token="b")  # noqa: S106
    made = _name()
    _expect(await one.finish(key, made, digest=digest, own=True) == made, "who lost the key may still finish")
    _expect(not await _mark(other, key, "b"), "nobody may send for a key that is done")
    _expect(not await other.renew(key, "b"), "nobody holds a key that is done")
    await other.release(key, "b", forget=True)
    expected = Intent(digest, request_id=made)
    _expect(await other.claim(key, digest=_name(), token="c") == expected, "a claim gives what was made")  # noqa: S106
    _expect(await other.finish(key, _name(), digest=digest, own=True) == made, "what was noted first stays")


async def what_was_made_belongs_to_one_key(one: IntentJournal, other: IntentJournal, _: Pass) -> None:
    """No two keys get the same request, unless it was merely open already."""
    key, second, third, digest, made = _name(), _name(), _name(), _name(), _name()
    await one.finish(key, made, digest=digest, own=True)
    _expect(await other.finish(second, made, digest=digest, own=True) is None, "it is another key's")
    _expect((await other.claim(second, digest=digest, token="a")).request_id is None, "nothing was noted")  # noqa: S106
    _expect(await other.finish(third, made, digest=digest, own=False) == made, "what is open may be shared")
    _expect(set(await other.taken(second, [made, _name()])) == {made}, "taken() tells what is another's")
    _expect(not set(await other.taken(key, [made])), "taken() does not tell what is one's own")


async def what_did_not_happen_is_forgotten(one: IntentJournal, other: IntentJournal, _: Pass) -> None:
    """A key that is forgotten is as new, for any arguments."""
    key, digest = _name(), _name()
    await one.claim(key, digest=digest, token="a")  # noqa: S106
    await _mark(one, key, "a")
    await one.release(key, "a", forget=True)
    claim = await other.claim(key, digest="0" * 64, token="b")  # noqa: S106
    _expect(claim == Intent("0" * 64, held=True), "the key is as new")
    await other.release(key, "b", forget=False)
    _expect((await one.claim(key, digest=digest, token="c")).held, "what was never sent binds nobody")  # noqa: S106


async def other_arguments_do_not_hold(one: IntentJournal, other: IntentJournal, _: Pass) -> None:
    """A key under which something may have been sent stands for its arguments."""
    key, digest = _name(), _name()
    await one.claim(key, digest=digest, token="a")  # noqa: S106
    await _mark(one, key, "a")
    await one.release(key, "a", forget=False)
    claim = await other.claim(key, digest="0" * 64, token="b")  # noqa: S106
    _expect(not claim.held, "other arguments do not get the key")
    _expect(claim.digest == digest, "the claim tells which arguments it stands for")
    _expect((await other.claim(key, digest=digest, token="b")).held, "the right arguments get it")  # noqa: S106


CHECKS: Final[tuple[Check, ...]] = (
    a_key_is_held_by_one,
    of_claims_at_once_one_holds,
    a_lease_ends,
    a_create_that_was_sent_is_remembered,
    marks_that_are_settled_count_no_more,
    what_is_done_stays_done,
    what_was_made_belongs_to_one_key,
    what_did_not_happen_is_forgotten,
    other_arguments_do_not_hold,
)
"""All checks, for test frameworks that want them one by one."""


async def _mark(journal: IntentJournal, name: str, token: str) -> bool:
    return await journal.mark_sending(name, token, answer_within=0.0, settle=60.0)


def _name() -> str:
    return secrets.token_hex(32)


def _expect(holds: bool, what: str) -> None:  # noqa: FBT001 - as in assert
    if not holds:
        raise AssertionError(f"expected that {what}")
