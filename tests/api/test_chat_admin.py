"""Live chat for admins: samples, how much agents take; and how the service feels."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import httpx
import pytest

from api.app import create_app
from api.config import ApiConfig
from domain.principals import Role, Scope
from store import heartbeats
from store.database import Database
from tests.api.chatting import ADMIN, ASHIK, Chat, code, said
from tests.api.conftest import JudgingEngine, client_of
from tests.api.people import as_, with_key
from workflows.engine import Engine

SEED = "/api/admin/seed"


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def demo(
    config: ApiConfig, database: Database, engine: JudgingEngine
) -> AsyncIterator[httpx.AsyncClient]:
    showing = config.model_copy(update={"demo": True})
    async with client_of(create_app(showing, database, cast("Engine", engine))) as opened:
        yield opened


class TestSeed:
    async def test_fills_the_queue(self, demo: httpx.AsyncClient, engine: JudgingEngine) -> None:
        seeded = said(await demo.post(SEED, json={"conversations": 30}, headers=ADMIN))
        assert seeded["conversations"] == len(set(seeded["conversationIds"])) == 30
        assert {str(thread.id) for thread in engine.nudged} == set(seeded["conversationIds"])
        page = said(await demo.get("/api/agent/queue?size=100", headers=ASHIK))
        assert page["totalElements"] == 30
        assert len({each["lastMessage"]["content"] for each in page["content"]}) > 8
        assert len({each["customer"]["displayName"] for each in page["content"]}) > 8

    async def test_same_key_fills_it_once(self, demo: httpx.AsyncClient) -> None:
        headers = ADMIN | {"Idempotency-Key": "s"}
        answers = [await demo.post(SEED, json={"conversations": 2}, headers=headers) for _ in "12"]
        assert answers[0].text == answers[1].text
        page = said(await demo.get("/api/agent/queue", headers=ASHIK))
        assert page["totalElements"] == 2

    async def test_same_key_at_once_fills_it_once(self, demo: httpx.AsyncClient) -> None:
        headers = ADMIN | {"Idempotency-Key": "s"}
        calls = (demo.post(SEED, json={"conversations": 30}, headers=headers) for _ in range(12))
        answers = await asyncio.gather(*calls)
        assert {said(answer)["conversations"] for answer in answers} == {30}
        assert len({answer.text for answer in answers}) == 1
        page = said(await demo.get("/api/agent/queue", headers=ASHIK))
        assert page["totalElements"] == 30

    @pytest.mark.parametrize("count", [0, -1, 1001, "many", None])
    async def test_of_too_many_is_400(self, demo: httpx.AsyncClient, count: object) -> None:
        refused = await demo.post(SEED, json={"conversations": count}, headers=ADMIN)
        assert code(refused) == (400, "invalid")

    async def test_is_for_admins(self, demo: httpx.AsyncClient, database: Database) -> None:
        body = {"conversations": 1}
        for headers in (ASHIK, await with_key(database, Scope.TICKETS), as_(Role.VISITOR)):
            assert code(await demo.post(SEED, json=body, headers=headers)) == (403, "forbidden")
        said(await demo.post(SEED, json=body, headers=await with_key(database, Scope.ADMIN)))

    async def test_is_there_for_demonstrations_only(self, client: httpx.AsyncClient) -> None:
        for body in ({"conversations": 1}, {}):
            assert code(await client.post(SEED, json=body, headers=ADMIN)) == (404, "not_found")


class TestAgents:
    PLACE = "/api/admin/agents/agent-123"

    async def test_are_equipped(self, chat: Chat) -> None:
        await chat.accepted()
        equipment = {"capacity": 1, "tags": ["billing"], "displayName": "Ashik A."}
        equipped = said(await chat.client.put(self.PLACE, json=equipment, headers=ADMIN))
        assert equipped.items() >= ({"agentId": "agent-123", "active": 1} | equipment).items()
        assert said(await chat.client.get(self.PLACE, headers=ADMIN)) == equipped
        waiting = await chat.waiting()
        refused = await chat.client.post(f"{waiting.desk}/accept", headers=ASHIK)
        assert code(refused) == (409, "capacity")

    async def test_what_is_left_out_stays(self, chat: Chat) -> None:
        said(await chat.client.put(self.PLACE, json={"capacity": 7, "tags": ["a"]}, headers=ADMIN))
        for body in ({}, {"displayName": "New"}, {"capacity": None}):
            kept = said(await chat.client.put(self.PLACE, json=body, headers=ADMIN))
            assert (kept["capacity"], kept["tags"]) == (7, ["a"])

    async def test_can_be_there_before_their_first_call(self, chat: Chat) -> None:
        assert code(await chat.client.get(self.PLACE, headers=ADMIN)) == (404, "not_found")
        equipped = said(await chat.client.put(self.PLACE, json={}, headers=ADMIN))
        assert (equipped["capacity"], equipped["lastSeenAt"]) == (3, None)
        assert equipped["onDuty"] is False

    async def test_are_the_matter_of_admins(self, chat: Chat) -> None:
        for answer in (
            await chat.client.get(self.PLACE, headers=ASHIK),
            await chat.client.put(self.PLACE, json={"capacity": 99}, headers=ASHIK),
        ):
            assert code(answer) == (403, "forbidden")

    @pytest.mark.parametrize(
        "body", [{"capacity": -1}, {"capacity": "x"}, {"tags": "a"}, {"tags": [""]}, []]
    )
    async def test_what_does_not_fit_is_400(self, chat: Chat, body: object) -> None:
        assert code(await chat.client.put(self.PLACE, json=body, headers=ADMIN))[0] == 400


class TestActuator:
    async def test_up(self, client: httpx.AsyncClient, database: Database) -> None:
        async with database.begin() as session:
            await heartbeats.beat(session, heartbeats.WORKER)
        assert said(await client.get("/actuator/health")) == {
            "status": "UP",
            "components": {
                "db": {"status": "UP"}, "temporal": {"status": "UP"}, "worker": {"status": "UP"},
            },
        }  # fmt: skip

    async def test_down(
        self, client: httpx.AsyncClient, database: Database, engine: JudgingEngine
    ) -> None:
        engine.works = False
        down = await client.get("/actuator/health")
        health = said(down, 503)
        assert health["status"] == "DOWN"
        assert health["components"]["temporal"] == {"status": "DOWN"}
        assert health["components"]["db"] == {"status": "UP"}
        assert down.headers["Retry-After"]
