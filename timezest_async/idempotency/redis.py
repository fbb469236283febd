"""A journal for workers on several hosts: Redis, by its own clock."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from timezest_async.checks import check_seconds
from timezest_async.closing import Closing
from timezest_async.idempotency.journal import DEFAULT_KEEP, DEFAULT_LEASE, Intent
from timezest_async.redaction import Secret
from timezest_async.redis_connections import RedisConnections

_TIMEOUT: Final = 5.0
"""Seconds for one question."""
_NOW: Final = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local function text(seconds) return string.format('%.6f', seconds) end
local function held_by(token)
    local entry = redis.call('HMGET', KEYS[1], 'token', 'request')
    return entry[1] == token and token ~= '' and not entry[2]
end
"""
_CLAIM: Final = (
    _NOW
    + """
local digest, token, lease, keep = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local entry = redis.call('HMGET', KEYS[1], 'digest', 'token', 'held', 'sent', 'settles', 'request')
if entry[6] then return {entry[1], 0, '0', '', '0', entry[6]} end
if entry[1] then
    local held = tonumber(entry[3])
    if entry[2] ~= '' and entry[2] ~= token and now < held then
        return {entry[1], 0, text(held - now), '', '0', ''}
    end
    if entry[4] and entry[1] ~= digest then return {entry[1], 0, '0', '', '0', ''} end
end
redis.call('HSET', KEYS[1], 'digest', digest, 'token', token, 'held', text(now + lease))
if not entry[4] then
    redis.call('PEXPIRE', KEYS[1], keep)
    return {digest, 1, '0', '', '0', ''}
end
return {
    digest, 1, '0', text(math.max(0, now - tonumber(entry[4]))),
    text(math.max(0, tonumber(entry[5]) - now)), ''
}
"""
)
_RENEW: Final = (
    _NOW
    + """
if not held_by(ARGV[1]) then return 0 end
local held = tonumber(redis.call('HGET', KEYS[1], 'held'))
redis.call('HSET', KEYS[1], 'held', text(math.max(held, now + tonumber(ARGV[2]))))
return 1
"""
)
_MARK: Final = (
    _NOW
    + """
if not held_by(ARGV[1]) then return 0 end
local lease, answer, settle = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local entry = redis.call('HMGET', KEYS[1], 'held', 'sent', 'settles')
local settles = tonumber(entry[3] or '0')
if not entry[2] or settles <= now then redis.call('HSET', KEYS[1], 'sent', text(now)) end
redis.call(
    'HSET', KEYS[1],
    'held', text(math.max(tonumber(entry[1]), now + answer + lease)),
    'settles', text(math.max(settles, now + answer + settle))
)
redis.call('PERSIST', KEYS[1])
return 1
"""
)
_FINISH: Final = """
local request, digest, own, keep = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local entry = redis.call('HMGET', KEYS[1], 'digest', 'request')
if entry[2] then return entry[2] end
if own and redis.call('EXISTS', KEYS[2]) == 1 then return '' end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'digest', entry[1] or digest, 'request', request)
redis.call('PEXPIRE', KEYS[1], keep)
if own then redis.call('SET', KEYS[2], KEYS[1], 'PX', keep) end
return request
"""
_RELEASE: Final = (
    _NOW
    + """
if not held_by(ARGV[1]) then return 0 end
if ARGV[2] == '1' then redis.call('DEL', KEYS[1]) else redis.call('HSET', KEYS[1], 'token', '') end
return 1
"""
)


class RedisJournal(Closing):
    """Keeps intents in Redis (extra ``redis``), for workers on any number of hosts.

    Leases and times go by Redis's clock. What it has noted lasts as long as Redis keeps it: with
    ``appendfsync everysec`` a power cut may lose the last second, with ``always`` nothing. An eviction policy
    must not touch its keys (``noeviction``). It may be used under several event loops, one after another.

    Args:
        url: Where Redis is, such as ``"redis://redis:6379/0"``. The password in it shows nowhere.
        lease: Seconds for which a worker holds a key without renewing that.
        keep: Seconds for which it is remembered what is done.
        prefix: What the names of its keys in Redis begin with; one for each account.

    Raises:
        ConfigurationError: An argument is unfit, or the ``redis`` package is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        lease: float = DEFAULT_LEASE,
        keep: float = DEFAULT_KEEP,
        prefix: str = "timezest:intents:",
    ) -> None:
        url = Secret(str(url))  # a traceback with locals is not to show the password
        self.lease: float = check_seconds("lease", lease)
        self._keep = max(1, round(check_seconds("keep", keep) * 1000))
        self._prefix = prefix
        self._connections = RedisConnections(
            url, _TIMEOUT, argument="url", user="RedisJournal", purpose="journal"
        )

    def __repr__(self) -> str:
        return "RedisJournal(...)"

    async def close(self) -> None:
        """Close the connection; asking again opens it again."""
        await self._connections.close()

    async def claim(self, name: str, *, digest: str, token: str) -> Intent:
        """Hold a key; see ``IntentJournal``."""
        found, held, wait, sent_ago, settles_in, request_id = await self._ask(
            _CLAIM, [self._key(name)], digest, token, self.lease, self._keep
        )
        return Intent(
            _text(found),
            held=held == 1,
            retry_after=float(wait),
            sent_ago=float(sent_ago) if sent_ago else None,
            settles_in=float(settles_in),
            request_id=_text(request_id) or None,
        )

    async def renew(self, name: str, token: str) -> bool:
        """Hold on; see ``IntentJournal``."""
        return bool(await self._ask(_RENEW, [self._key(name)], token, self.lease))

    async def mark_sending(self, name: str, token: str, *, answer_within: float, settle: float) -> bool:
        """Note that a create is about to be sent; see ``IntentJournal``."""
        return bool(await self._ask(_MARK, [self._key(name)], token, self.lease, answer_within, settle))

    async def finish(self, name: str, request_id: str, *, digest: str, own: bool) -> str | None:
        """Note what was made; see ``IntentJournal``."""
        keys = [self._key(name), self._owner_key(request_id)]
        return _text(await self._ask(_FINISH, keys, request_id, digest, int(own), self._keep)) or None

    async def release(self, name: str, token: str, *, forget: bool) -> None:
        """Let go of a key; see ``IntentJournal``."""
        await self._ask(_RELEASE, [self._key(name)], token, int(forget))

    async def taken(self, name: str, request_ids: Collection[str]) -> Collection[str]:
        """Return which requests belong to other keys; see ``IntentJournal``."""
        ids = list(request_ids)
        owners = await self._ask(
            "return redis.call('MGET', unpack(KEYS))", [self._owner_key(one) for one in ids]
        )
        mine = self._key(name)
        return {one for one, owner in zip(ids, owners, strict=True) if owner and _text(owner) != mine}

    def _key(self, name: str) -> str:
        return f"{self._prefix}key:{name}"

    def _owner_key(self, request_id: str) -> str:
        return f"{self._prefix}request:{request_id}"

    async def _ask(self, script: str, keys: list[str], *arguments: str | float) -> Any:
        """Run a script.

        Raises:
            ConfigurationError: Redis refuses these credentials.
            ConnectionFailedError: Redis does not do it now.
        """
        await self._connections.open()
        return await self._connections.run(script, keys, *arguments)


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
