"""Many tenants and few clients: no key in another's request, no budget forgotten, nothing that grows."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests import support
from tests.system.leaks import leaks
from timezest_async import ConfigurationError, RateLimiter
from timezest_async.integrations import tenants
from timezest_async.integrations.tenants import TenantPool

pytestmark = pytest.mark.asyncio
LIMIT, WINDOW = 4, 0.3


class Vault:
    """Where keys are kept; it may be slow, and rotates them."""

    def __init__(self) -> None:
        self.rotations: Counter[str] = Counter()
        self.slow = 0

    def key(self, tenant: str) -> str:
        return f"the-key/of+{tenant}-{self.rotations[tenant]}"

    async def __call__(self, tenant: str) -> str:
        key = self.key(tenant)
        for _ in range(self.slow):
            await asyncio.sleep(0)
        return key


class Service:
    """Answers tenants by their own keys only, and each account so many times in a window."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.answers: Counter[int] = Counter()
        self.by_tenant: Counter[str] = Counter()
        self.crossed: list[str] = []
        self.limit = LIMIT
        self.url = ""
        self._times: defaultdict[str, deque[float]] = defaultdict(deque)

    async def answer(self, request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        key = request.headers["Authorization"].removeprefix("Bearer ")
        owner, _, _ = key.removeprefix("the-key/of+").rpartition("-")
        times, now = self._times[tenant], asyncio.get_running_loop().time()
        while times and times[0] <= now - WINDOW:
            times.popleft()
        status = 200
        if owner != tenant or "Cookie" in request.headers:
            self.crossed.append(f"{owner} for {tenant}")
            status = 403
        elif len(times) >= self.limit:
            status = 429
        else:
            times.append(now)
        self.answers[status] += 1
        self.by_tenant[tenant] += 1
        record = {"id": f"sreq_{tenant}", "status": "new", "created_at": 1_700_000_000}
        response = web.json_response(record, status=status)
        response.set_cookie("tenant", tenant)
        return response


@pytest_asyncio.fixture
async def vault() -> Vault:
    return Vault()


@pytest_asyncio.fixture
async def service(vault: Vault) -> AsyncIterator[Service]:
    made = Service(vault)
    app = web.Application()
    app.router.add_get("/v1/scheduling_requests/sreq_{tenant}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield made
    await runner.cleanup()


def pool_of(service: Service, **options: Any) -> TenantPool:
    return TenantPool(service.vault, **{"base_url": service.url, "max_attempts": 1, **options})


async def ask(pool: TenantPool, tenant: str) -> None:
    async with pool.lease(tenant) as client:
        assert (await client.scheduling_requests.get(f"sreq_{tenant}")).id == f"sreq_{tenant}"


async def test_a_thousand_tenants_through_a_few_clients(
    service: Service, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenants, "RateLimiter", partial(RateLimiter, LIMIT, WINDOW, 0.05))
    chance = random.Random(1_000)
    names = [f"tenant{number}" for number in range(1_000 if support.FULL else 200)]
    size = 50 if support.FULL else 10
    async with leaks(), pool_of(service, size=size) as pool:
        most = {"clients": 0, "budgets": 0}

        async def caller() -> None:
            for _ in range(40 if support.FULL else 12):
                # Some are asked for again and again, so that their budgets are used up across evictions.
                tenant = chance.choice(names[:5] if chance.random() < 0.3 else names)
                vault.slow = chance.randrange(4)
                if chance.random() < 0.05:
                    vault.rotations[tenant] += 1
                    await ask(pool, tenant)
                elif chance.random() < 0.1:
                    asking = asyncio.create_task(ask(pool, tenant))
                    for _ in range(chance.randrange(8)):
                        await asyncio.sleep(0)
                    asking.cancel()
                    await asyncio.wait([asking])
                else:
                    await ask(pool, tenant)
                most["clients"] = max(most["clients"], len(pool._alive))
                most["budgets"] = max(most["budgets"], len(pool._limiters))

        await asyncio.gather(*(caller() for _ in range(200 if support.FULL else 60)))
        assert service.crossed == []
        assert set(service.answers) == {200}, service.answers
        assert most["clients"] <= size
        assert pool._free._value == size
        assert all(not seat.leases for seat in pool._alive)
        assert len(pool._in_use) <= size


async def test_what_was_used_is_forgotten_once_it_is_free_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenants, "RateLimiter", partial(RateLimiter, LIMIT, 0.02, 0.0))
    service.limit = 1_000
    async with pool_of(service, size=3) as pool:
        for number in range(300):
            await ask(pool, f"t{number}")
        await asyncio.sleep(0.03)
        for number in range(300):
            await ask(pool, f"t{number % 3}")
            async with pool.lease(f"u{number}"):
                pass
        assert len(pool._limiters) < 100


async def test_a_budget_outlives_its_client(service: Service) -> None:
    async with pool_of(service, size=1) as pool:
        async with pool.lease("a") as client:
            await client.scheduling_requests.get("sreq_a")
            first, budget = weakref.ref(client), client.rate_limiter
        del client
        await ask(pool, "b")
        gc.collect()
        assert first() is None
        async with pool.lease("a") as client:
            assert client.rate_limiter is budget
            assert isinstance(budget, RateLimiter)
            assert budget.available == 179


async def test_tenants_of_one_account_share_its_budget(service: Service) -> None:
    async with TenantPool(lambda _: "one-key") as pool, pool.lease("a") as one, pool.lease("b") as other:
        assert one is not other
        assert one.rate_limiter is other.rate_limiter


async def test_a_new_key_is_used_at_once_and_old_leases_go_on(service: Service, vault: Vault) -> None:
    async with pool_of(service) as pool, pool.lease("a") as old:
        vault.rotations["a"] += 1
        async with pool.lease("a") as new, pool.lease("a") as same:
            assert new is same is not old
            assert new.rate_limiter is old.rate_limiter
            await old.scheduling_requests.get("sreq_a")
            await new.scheduling_requests.get("sreq_a")
        assert len(pool._alive) == 2
        await asyncio.sleep(0)
    assert service.answers == {200: 2}


async def test_a_slow_answer_of_the_vault_does_not_bring_an_old_key_back(
    service: Service, vault: Vault
) -> None:
    async with pool_of(service) as pool:
        vault.slow = 5
        late = asyncio.create_task(ask(pool, "a"))
        await asyncio.sleep(0)
        vault.slow = 0
        vault.rotations["a"] += 2
        async with pool.lease("a") as new:
            await late
            async with pool.lease("a") as again:
                assert again is new
    assert service.answers == {200: 1}


async def test_leases_wait_their_turn(service: Service) -> None:
    async with leaks(), pool_of(service, size=2) as pool:
        order: list[int] = []
        held = [pool.lease("a"), pool.lease("b")]
        for one in held:
            await one.__aenter__()

        async def waiting(number: int) -> None:
            async with pool.lease(f"w{number}"):
                order.append(number)

        tasks = [asyncio.create_task(waiting(number)) for number in range(5)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert order == []
        async with pool.lease("a"):  # which needs no other client
            pass
        tasks[1].cancel()
        await held[0].__aexit__(None, None, None)
        await asyncio.wait(tasks)
        assert order == [0, 2, 3, 4]
        await held[1].__aexit__(None, None, None)
        assert pool._free._value == 2


async def test_what_fails_costs_no_seat(service: Service, vault: Vault) -> None:
    def key_of(tenant: str) -> Any:
        if tenant == "unknown":
            raise LookupError(tenant)
        return {"none": None, "bad": "a\nb"}.get(tenant, vault.key(tenant))

    async with TenantPool(key_of, size=2, base_url=service.url) as pool:
        for _ in range(3):
            with pytest.raises(LookupError):
                await ask(pool, "unknown")
            with pytest.raises(ConfigurationError, match="key_of returned NoneType for tenant 'none'"):
                await ask(pool, "none")
            with pytest.raises(ConfigurationError):
                await ask(pool, "bad")
            with pytest.raises(ConfigurationError, match="named by text"):
                await ask(pool, "")
            with pytest.raises(ZeroDivisionError):
                async with pool.lease("a"):
                    raise ZeroDivisionError
            await ask(pool, "b")
        async with pool.lease("c") as client:
            await client.close()
            async with pool.lease("c") as other:
                assert not other.closed
                break_off = other
        assert "the-key" not in repr(pool) + repr(pool.__dict__)
    assert break_off.closed
    with pytest.raises(ConfigurationError, match="pool is closed"):
        await ask(pool, "a")


async def test_closing_lets_nobody_wait(service: Service) -> None:
    pool = pool_of(service, size=1)
    async with pool.lease("a"):
        waiting = asyncio.create_task(ask(pool, "b"))
        await asyncio.sleep(0)
        await pool.close()
    with pytest.raises(ConfigurationError, match="pool is closed"):
        await waiting


async def test_unfit_arguments_are_refused_at_once() -> None:
    for options in ({"size": 0}, {"size": True}, {"timeout": -1.0}, {"base_url": "ftp://x"}):
        with pytest.raises(ConfigurationError):
            TenantPool(str, **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError) as caught:
        TenantPool(str, size=0, proxy="http://user:pass-word@proxy/")
    frame = caught.tb.tb_next
    assert frame is not None
    assert "pass-word" not in repr(frame.tb_frame.f_locals)
    with pytest.raises(ConfigurationError, match="key_of is a function"):
        TenantPool("key")  # type: ignore[arg-type]
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigurationError, match="DummyCookieJar"):
            TenantPool(str, session=session)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        async with TenantPool(str, session=session) as pool, pool.lease("a"):
            pass
        assert not session.closed


async def test_budgets_may_be_the_users_own() -> None:
    own = RateLimiter()
    async with TenantPool(str, rate_limiter=lambda _: own) as pool, pool.lease("a") as client:
        assert client.rate_limiter is own
        assert not pool._limiters
