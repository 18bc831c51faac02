"""Rate limits: who is counted with whom, and what every answer says about it."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest
from fastapi import FastAPI
from limits import RateLimitItemPerMinute

from api.app import create_app
from api.config import ApiConfig
from api.limits import RateLimits
from domain.principals import Role, Scope
from store.database import Database
from tests.api.conftest import PretendedEngine, client_of
from tests.api.people import as_, bearer, with_key
from workflows.engine import Engine

LIMIT = 5
NOWHERE = "/api/tickets/none"


@pytest.fixture
def strict_app(config: ApiConfig, database: Database, engine: PretendedEngine) -> FastAPI:
    strict = config.model_copy(update={"rate_limit_caller": LIMIT})
    return create_app(strict, database, cast("Engine", engine))


@pytest.fixture
async def strict(strict_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(strict_app) as opened:
        yield opened


async def use_up(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    for _ in range(LIMIT):
        answer = await client.get(NOWHERE, headers=headers)
        assert answer.status_code in (401, 404)


class TestCallers:
    async def test_one_too_many_is_429(self, strict: httpx.AsyncClient) -> None:
        agent = as_(Role.AGENT)
        await use_up(strict, agent)
        answer = await strict.get(NOWHERE, headers=agent)
        assert answer.status_code == 429
        assert answer.json()["detail"] == "Too many requests. Wait and try again."
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["RateLimit-Limit"] == str(LIMIT)
        assert answer.headers["RateLimit-Remaining"] == "0"

    async def test_each_user_has_a_limit_of_its_own(
        self, strict: httpx.AsyncClient, database: Database
    ) -> None:
        await use_up(strict, as_(Role.AGENT, "a-1"))
        others = (as_(Role.AGENT, "a-2"), await with_key(database, Scope.TICKETS))
        for other in others:
            assert (await strict.get(NOWHERE, headers=other)).status_code == 404

    async def test_a_user_with_two_tokens_is_one(self, strict: httpx.AsyncClient) -> None:
        await use_up(strict, as_(Role.AGENT, "a-1"))
        again = as_(Role.AGENT, "a-1", name="another token")
        assert (await strict.get(NOWHERE, headers=again)).status_code == 429

    async def test_guesses_are_counted_by_address(self, strict: httpx.AsyncClient) -> None:
        for number in range(LIMIT):
            guess = await strict.get(NOWHERE, headers=bearer(f"sk_guess{number}"))
            assert guess.status_code == 401
        assert (await strict.get(NOWHERE, headers=bearer("sk_guess"))).status_code == 429
        assert (await strict.get(NOWHERE, headers=as_(Role.AGENT))).status_code == 404

    async def test_health_is_never_refused(self, strict: httpx.AsyncClient) -> None:
        for _ in range(2 * LIMIT):
            assert (await strict.get("/api/health")).status_code == 200
        assert (await strict.get("/api/openapi.json")).status_code == 429

    async def test_refusals_pass_cors(self, strict: httpx.AsyncClient) -> None:
        agent = as_(Role.AGENT)
        await use_up(strict, agent)
        from_page = {**agent, "Origin": "https://desk.example"}
        answer = await strict.get(NOWHERE, headers=from_page)
        assert answer.status_code == 429
        assert answer.headers["Access-Control-Allow-Origin"] == "https://desk.example"


class TestHeaders:
    async def test_stand_on_every_answer(self, client: httpx.AsyncClient) -> None:
        preflight = {
            "Origin": "https://desk.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,idempotency-key",
        }
        answers = [
            await client.get("/api/health"),
            await client.get("/api/docs"),
            await client.get("/api/nowhere"),
            await client.put("/api/health"),
            await client.get(NOWHERE),
            await client.get(NOWHERE, headers=as_(Role.AGENT)),
            await client.post("/api/tickets/create", headers=as_(Role.AGENT), content=b"{"),
            await client.options("/api/tickets/create", headers=preflight),
        ]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200, 200, 404, 405, 401, 404, 422, 200]
        for answer in answers:
            assert answer.headers["RateLimit-Limit"] == "100000"
            assert int(answer.headers["RateLimit-Remaining"]) < 100_000
            assert 0 <= int(answer.headers["RateLimit-Reset"]) <= 120
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert len(answer.headers["X-Request-ID"]) == 32

    async def test_count_down(self, strict: httpx.AsyncClient) -> None:
        agent = as_(Role.AGENT)
        left = [
            int((await strict.get(NOWHERE, headers=agent)).headers["RateLimit-Remaining"])
            for _ in range(LIMIT + 1)
        ]
        assert left == [4, 3, 2, 1, 0, 0]

    async def test_other_origins_are_not_allowed(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/health", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in answer.headers


class TestMemory:
    async def test_is_given_back_when_callers_are_gone(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits, limit = RateLimits(), RateLimitItemPerMinute(2)
        tracemalloc.start()
        for number in range(20_000):
            await limits.count(limit, f"caller {number}")
        held, _ = tracemalloc.get_traced_memory()
        later = time.time() + 180
        monkeypatch.setattr(time, "time", lambda: later)
        assert not (await limits.count(limit, "caller 0")).exceeded
        still_held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert still_held < held / 2

    async def test_a_limit_is_whole_again_after_two_windows(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits, limit = RateLimits(), RateLimitItemPerMinute(2)
        assert [(await limits.count(limit, "a")).exceeded for _ in range(3)][-1]
        later = time.time() + 120
        monkeypatch.setattr(time, "time", lambda: later)
        assert (await limits.count(limit, "a")).remaining == 1


class TestRedis:
    async def test_down_counts_here_and_waits_for_it_no_more(self) -> None:
        limits = RateLimits("redis://127.0.0.1:1/0")
        limit = RateLimitItemPerMinute(2)
        refused = [(await limits.count(limit, "a")).exceeded for _ in range(3)]
        assert refused == [False, False, True]

    async def test_that_hangs_is_given_up_soon(self) -> None:
        async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await asyncio.sleep(5)
            writer.close()

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        limits = RateLimits(f"redis://127.0.0.1:{port}/0")
        started_at = time.monotonic()
        for _ in range(20):
            assert not (await limits.count(RateLimitItemPerMinute(100), "a")).exceeded
        assert time.monotonic() - started_at < 2
        server.close()
