"""The health and readiness endpoints."""

import asyncio
import re

import httpx
import pytest
from sqlalchemy import text

from store import heartbeats
from store.database import Database
from tests.api.conftest import PretendedEngine


class TestHealth:
    async def test_answers_as_the_seed_says(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/health")
        assert answer.status_code == 200
        body = answer.json()
        assert body["status"] == "healthy"
        assert body["service"] == "omnichannel-support-api"
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["timestamp"])


@pytest.fixture
async def beating(database: Database) -> None:
    """A worker that has just shown that it lives."""
    async with database.begin() as session:
        await heartbeats.beat(session, heartbeats.WORKER)


@pytest.mark.usefixtures("beating")
class TestReady:
    async def test_is_ready_when_every_part_works(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/ready")
        assert answer.status_code == 200
        body = answer.json()
        assert body["ready"] is True
        assert body["database"] == body["engine"] == body["worker"] == "ok"

    async def test_names_the_engine(
        self, client: httpx.AsyncClient, engine: PretendedEngine
    ) -> None:
        engine.works = False
        answer = await client.get("/api/ready")
        assert answer.status_code == 503
        assert answer.json() | {"timestamp": ""} == {
            "ready": False,
            "timestamp": "",
            "database": "ok",
            "engine": "unavailable",
            "worker": "ok",
        }

    async def test_names_the_worker(
        self, client: httpx.AsyncClient, engine: PretendedEngine
    ) -> None:
        engine.has_worker = False
        answer = await client.get("/api/ready")
        assert answer.status_code == 503
        assert answer.json()["worker"] == "unavailable"

    async def test_names_a_worker_that_was_not_seen_of_late(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        """Temporal goes on counting a killed worker for minutes."""
        async with database.begin() as session:
            await session.execute(text("UPDATE heartbeats SET seen_at = now() - interval '5 s'"))
        answer = await client.get("/api/ready")
        assert (answer.status_code, answer.json()["worker"]) == (503, "unavailable")

    async def test_a_part_that_hangs_is_not_waited_for(
        self, client: httpx.AsyncClient, engine: PretendedEngine
    ) -> None:
        async def hang() -> None:
            await asyncio.sleep(60)

        engine.check = hang  # type: ignore[method-assign]
        async with asyncio.timeout(20):
            answer = await client.get("/api/ready")
        assert answer.json()["engine"] == "unavailable"

    async def test_one_check_serves_many_who_ask(
        self, client: httpx.AsyncClient, engine: PretendedEngine
    ) -> None:
        checks = 0

        async def count() -> None:
            nonlocal checks
            checks += 1

        engine.check = count  # type: ignore[method-assign]
        await asyncio.gather(*(client.get("/api/ready") for _ in range(20)))
        assert checks == 1
