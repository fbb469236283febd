"""The shared budget as Redis keeps it: four keys of one account, and the script that alone touches them.

Every time in it is Redis's own, in microseconds; a process sends durations only, so that it does not
matter what the clocks of the hosts say. What a process asks is complete in itself and may be asked again
after a lost answer: nobody gets two slots for one request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NotRequired, TypedDict

from timezest_async.redaction import Secret

MICROSECONDS = 1_000_000


class Question(TypedDict):
    """What a process tells and asks Redis at one time; durations are in microseconds.

    Attributes:
        client: Who asks; begins the name of each of its requests.
        epoch: Of which memory of Redis the process knows; empty if of none.
        replaces: The memory that has proved wrong, if any.
        fresh: What to call the memory if there is none, or only that one.
        seen: The latest time that the process knows of, by Redis's clock.
        earliest: What the time is now at least, by the time that has passed since the last answer.
        latest: What the time was at most when the question left.
        slack: By how much it may be later when the question arrives.
        settling: For how long nobody is to send, so that all may tell what Redis does not know; 0 if it
            knows all.
        max_requests: Requests in one period.
        period: The window's length.
        settled: Names of requests, each with how long it counts from now on; -1 where it was never sent.
        pause: For how long nobody may send, as a 429 demands.
        answered, lost, refused, unsaid: The number of the last pause before any slot of which it is news that
            it was answered; that nobody knows; that it met a 429; or one that does not say for how long. -1
            where there is no such news.
        first_pause: The first pause after a 429 that does not say for how long.
        longest_pause: The longest such pause.
        wanted: Names of the requests that wait, first come first, each with its ticket or 0, and how long
            it can wait or -1.
        hold: For how long a slot is taken whose request is never heard of again.
        window: For how long a slot is taken at least after its request was answered.
        poll: The longest time between two questions while somebody waits.
        patience: How much later than promised a question may come before others go first.
    """

    client: str
    epoch: str
    replaces: str
    fresh: str
    seen: int
    earliest: int
    latest: int
    slack: int
    settling: int
    max_requests: int
    period: int
    settled: Sequence[tuple[str, int]]
    pause: int
    answered: int
    lost: int
    refused: int
    unsaid: int
    first_pause: int
    longest_pause: int
    wanted: Sequence[tuple[str, int, int]]
    hold: int
    window: int
    poll: int
    patience: int


class Reply(TypedDict):
    """What Redis answers.

    Attributes:
        disagreement: The ``max_requests`` and ``period`` that others use. Then nothing was done, and there is
            no other member.
        forgotten: That Redis does not know what it knew when it answered before. Then nothing was done, and
            there is no other member.
        epoch: Of which memory this is.
        ticket: The place in the line of those who wanted without one: the time.
        granted: The names of the requests that may be sent now.
        pause: The number of the last pause.
        paused: Microseconds for which nobody may send.
        turned_away: The names of those that would wait too long, and how long.
        wait: Microseconds after which to ask again.
        free: How many more could be sent at this moment.
        next: Microseconds until a request that comes now could be sent.
        idle: Microseconds until no request counts any more, if none is sent.
    """

    disagreement: NotRequired[dict[str, int]]
    forgotten: NotRequired[bool]
    epoch: str
    ticket: str
    granted: Sequence[str]
    pause: int
    paused: float
    turned_away: Sequence[tuple[str, float]]
    wait: float
    free: int
    next: float
    idle: float


SCRIPT = """
local time = redis.call('TIME')
local clock = time[1] * 1000000 + time[2]
local ask = cjson.decode(ARGV[1])
local terms, slots, line, clients = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local known = redis.call('HGETALL', terms)
local state = {}
for i = 1, #known, 2 do
  state[known[i]] = tonumber(known[i + 1]) or known[i + 1]
end
local max_requests, period = state.max_requests or ask.max_requests, state.period or ask.period
if max_requests ~= ask.max_requests or period ~= ask.period then
  return cjson.encode({disagreement = {max_requests = max_requests, period = period}})
end

-- A memory that was lost, or is older than what this process has seen of it, would free what was sent.
local epoch, last = state.epoch, state.last or 0
if ask.epoch ~= '' and (ask.epoch ~= epoch or last < ask.seen) then
  return cjson.encode({forgotten = true})
end
local settling_until = state.settling_until or 0
if not epoch or epoch == ask.replaces then
  epoch, settling_until = ask.fresh, 0
  -- Who stood in an old line may have been sent since.
  redis.call('DEL', line, clients)
end

-- The budget's time goes on as it does for those who ask, should the clock of the host be set.
local now = clock + (state.shift or 0)
if ask.epoch ~= '' then
  if now > ask.latest + ask.slack then
    now = ask.latest
  end
  now = math.max(now, ask.earliest)
end
now = math.max(now, last)

if ask.settling > 0 and now >= settling_until then
  settling_until = now + ask.settling
end

-- The pauses: as the class Pauses of pauses.py.
local paused_until, held_until = state.paused_until or 0, state.held_until or 0
local number, guess, since = state.number or 0, state.guess or 0, state.since or 0
local probing = state.probing == 1
local function is_probing()
  return probing and now < paused_until + period
end
if ask.answered >= number then
  held_until, probing = 0, false
elseif ask.lost >= number then
  held_until = 0
end
if ask.pause > 0 then
  paused_until = math.max(paused_until, now + ask.pause)
end
if ask.unsaid >= number or (ask.refused >= number and is_probing()) then
  if not is_probing() then
    probing, since, guess = true, now, ask.first_pause
  end
  held_until = 0
  if ask.unsaid >= number then
    paused_until = math.max(paused_until, now + guess)
    guess = math.min(2 * guess, ask.longest_pause)
  end
  number = math.max(number, ask.unsaid, ask.refused) + 1
end

for _, entry in ipairs(ask.settled) do
  if entry[2] < 0 then
    redis.call('ZREM', slots, entry[1])
    redis.call('ZREM', line, entry[1])
  else
    redis.call('ZADD', slots, now + entry[2], entry[1])
  end
end
redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)

local function belongs(waiter, client)
  return string.sub(waiter, 1, #client + 1) == client .. ':'
end

-- Who did not come when promised is dead or late; the late come again with their tickets.
redis.call('ZREM', clients, ask.client)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', clients, '-inf', now)) do
  for _, waiter in ipairs(redis.call('ZRANGE', line, 0, -1)) do
    if belongs(waiter, gone) then
      redis.call('ZREM', line, waiter)
    end
  end
  redis.call('ZREM', clients, gone)
end

for _, waiter in ipairs(ask.wanted) do
  redis.call('ZADD', line, 'NX', waiter[2] > 0 and waiter[2] or now, waiter[1])
end

-- As many as are free belong to the first in line, whoever asks: so nobody has to wait for another
-- process to take its own, and nobody overtakes.
local free = max_requests - redis.call('ZCARD', slots)
local granted = {}
local one_by_one = is_probing() and now - since < 2 * period
if not one_by_one then
  held_until = 0
end
if now >= math.max(paused_until, held_until, settling_until) and free > 0 then
  for _, waiter in ipairs(redis.call('ZRANGE', line, 0, one_by_one and 0 or free - 1)) do
    if belongs(waiter, ask.client) then
      granted[#granted + 1] = waiter
    end
  end
  for _, waiter in ipairs(granted) do
    redis.call('ZREM', line, waiter)
    redis.call('ZADD', slots, now + ask.hold, waiter)
  end
  free = free - #granted
  if one_by_one and #granted > 0 then
    held_until = now + ask.longest_pause
  end
end

-- A slot in flight counts until its lease ends, or for a window once it is answered: see it as answered.
local function due(rank)
  local wait = math.max(0, paused_until - now, settling_until - now)
  local place = rank % max_requests
  if place >= free then
    local entry = redis.call('ZRANGE', slots, place - free, place - free, 'WITHSCORES')
    wait = math.max(wait, math.min(ask.window, entry[2] and entry[2] - now or ask.window))
  end
  return wait + math.floor(rank / max_requests) * ask.window
end

local turned_away = {}
for _, waiter in ipairs(ask.wanted) do
  local rank = waiter[3] >= 0 and redis.call('ZRANK', line, waiter[1])
  if rank and due(rank) > waiter[3] then
    turned_away[#turned_away + 1] = {waiter[1], due(rank)}
    redis.call('ZREM', line, waiter[1])
  end
end

local wait = ask.poll
for _, waiter in ipairs(ask.wanted) do
  local rank = redis.call('ZRANK', line, waiter[1])
  if rank then
    -- Whoever waits for what becomes of another's request is told nothing before that is known.
    if now < math.max(paused_until, settling_until) or not one_by_one then
      wait = math.min(wait, due(rank))
    end
    break
  end
end
redis.call('ZADD', clients, now + wait + ask.patience, ask.client)

local last = redis.call('ZRANGE', slots, -1, -1, 'WITHSCORES')[2] or now
redis.call('HSET', terms, 'max_requests', max_requests, 'period', period, 'paused_until', paused_until,
  'held_until', held_until, 'number', number, 'guess', guess, 'since', since, 'probing', probing and 1 or 0,
  'epoch', epoch, 'last', now, 'shift', now - clock, 'settling_until', settling_until)
local forgotten = math.max(last, paused_until, now + period) + 60000000
for _, key in ipairs(KEYS) do
  redis.call('PEXPIREAT', key, math.ceil((forgotten - now + clock) / 1000))
end

local waiting = redis.call('ZCARD', line)
return cjson.encode({
  epoch = epoch,
  ticket = string.format('%.0f', now),
  granted = granted,
  pause = number,
  paused = math.max(0, paused_until - now),
  turned_away = turned_away,
  wait = wait,
  free = now >= math.max(paused_until, held_until, settling_until) and math.max(0, free - waiting) or 0,
  next = due(waiting),
  idle = math.max(0, math.max(last, paused_until) - now),
})
"""


def key_digest(api_key: Secret) -> str:
    """Return the name of an API key's budget, from which the key cannot be had.

    A key is long and random, so a fast hash is enough: there is nothing to guess. The words hashed along
    keep the digest from being of use anywhere else where a key's bare hash is known.
    """
    return hashlib.sha256(f"timezest_async request budget\n{api_key}".encode()).hexdigest()[:32]


def budget_keys(name: str) -> list[str]:
    """Return the keys of a budget. The braces keep them together on one node of a cluster."""
    return [f"timezest:{{{name}}}:{part}" for part in ("terms", "slots", "line", "clients")]
