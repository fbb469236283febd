"""A place in a list belongs to an account: another one's key does not go on from there."""

from __future__ import annotations

import pytest

from timezest_async import Checkpoint, InvalidRequestError, TimeZestClient
from timezest_async.sandbox import Sandbox
from timezest_async.transport import account_digest

KEY = "tz_key_of_this_account"
SPELLINGS = [
    "https://api.example.com/v1",
    "https://api.example.com/v1/",
    "https://API.Example.COM/v1",
    "HTTPS://api.example.com:443/v1//",
    "https://api.example.com./v1",
]
OTHERS = [
    "http://api.example.com/v1",
    "https://api.example.com:8443/v1",
    "https://api.example.com/v2",
    "https://api.example.com/V1",
    "https://example.com/v1",
]


def test_an_account_is_the_same_however_its_address_is_spelled() -> None:
    [digest] = {account_digest(KEY, spelling) for spelling in SPELLINGS}
    others = {account_digest(KEY, other) for other in OTHERS} | {account_digest("tz_other", SPELLINGS[0])}
    assert len(others) == len(OTHERS) + 1
    assert digest not in others
    assert len(digest) == 32
    assert KEY not in digest
    # What was joined of other parts is another account.
    assert account_digest("bc", "http://a/v1") != account_digest("c", "http://a/v1b")


@pytest.mark.asyncio
async def test_a_checkpoint_is_of_one_account(sandbox: Sandbox) -> None:
    for number in range(50):
        sandbox.add(id=f"sreq_{number}", status="new", created_at=1_750_000_000 + number)
    async with TimeZestClient(sandbox.api_key, sandbox.base_url) as client:
        requests = client.scheduling_requests.list()
        async for _ in requests:
            break
        place = Checkpoint.from_text(requests.checkpoint.to_text())
        rest = await client.scheduling_requests.list(checkpoint=place).to_list()
        assert len(rest) == 49
    sandbox.requests_seen.clear()
    async with TimeZestClient("tz_of_somebody_else", sandbox.base_url) as other:
        with pytest.raises(InvalidRequestError, match=r"for_other_key\(\)"):
            other.scheduling_requests.list(checkpoint=place)
        with pytest.raises(InvalidRequestError, match="another API key"):
            other.scheduling_requests.list().starting_at(place)
        gone_on = other.scheduling_requests.list(checkpoint=place.for_other_key())
        # From here on it is the new key's.
        assert gone_on.start.account == account_digest("tz_of_somebody_else", sandbox.base_url)
    assert sandbox.requests_seen == []
    assert sandbox.api_key not in place.to_text()


def test_checkpoints_of_earlier_versions_have_no_account() -> None:
    text = Checkpoint("/agents", ("",), position={"after": "agnt_1"}).to_text()
    assert "account" not in text
    assert Checkpoint.from_text(text).of_account("a") == Checkpoint.from_text(text)
    with pytest.raises(InvalidRequestError, match="not a checkpoint"):
        Checkpoint.from_text(text[:-1] + ',"account":7}')
