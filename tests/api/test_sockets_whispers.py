"""Typing and having read: of the agent who has the conversation, and of nobody else at the desk."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest

from api.config import ApiConfig
from domain.models import Side
from domain.principals import Scope
from store import keys, read_marks
from store.database import Database
from tests.api.chatting import ADMIN, ASHIK, BEA, Chat, Visitor, said
from tests.api.conftest import JudgingEngine
from tests.api.socket_serving import ApiProcess, Listener, api_process

CALLS = [("chat:typing", {"typing": True}), ("chat:read", {"seq": 1})]


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def visitor(chat: Chat) -> Visitor:
    """One whose conversation ASHIK has."""
    return await chat.accepted()


@pytest.fixture
async def key(database: Database) -> dict[str, str]:
    """A back office's."""
    async with database.begin() as session:
        made = await keys.create(session, "office", [Scope.TICKETS])
    return {"Authorization": f"Bearer {made}"}


def following(process: ApiProcess, visitor: Visitor, headers: dict[str, str]) -> Listener:
    token = headers["Authorization"].removeprefix("Bearer ")
    return Listener(process.url, token, conversationId=visitor.conversation_id)


async def marks(database: Database, visitor: Visitor) -> dict[Side, int]:
    async with database.begin() as session:
        return await read_marks.marks(session, UUID(visitor.conversation_id))


@pytest.mark.parametrize(("event", "more"), CALLS)
@pytest.mark.parametrize("listener", [BEA, ADMIN])
async def test_listeners_are_neither_seen_nor_do_they_read_for_the_agent(
    process: ApiProcess,
    visitor: Visitor,
    database: Database,
    listener: dict[str, str],
    event: str,
    more: dict[str, object],
) -> None:
    named = {"conversationId": visitor.conversation_id, **more}
    async with (
        following(process, visitor, visitor.headers) as customer,
        following(process, visitor, ASHIK) as ashik,
        following(process, visitor, listener) as other,
    ):
        for each in (customer, ashik, other):
            await each.follow(UUID(visitor.conversation_id))
        assert (await other.call(event, named))["code"] == "not_assigned"
        assert await marks(database, visitor) == {Side.CUSTOMER: 0, Side.AGENT: 0}
        assert await ashik.call(event, named) == named
        assert await customer.next(event) == {**named, "role": "AGENT"}
        assert len(customer.payloads(event)) == 1


@pytest.mark.parametrize(("event", "more"), CALLS)
async def test_nobody_has_a_conversation_that_waits(
    process: ApiProcess, chat: Chat, event: str, more: dict[str, object]
) -> None:
    visitor = await chat.waiting()
    named = {"conversationId": visitor.conversation_id, **more}
    async with following(process, visitor, ASHIK) as agent:
        await agent.follow(UUID(visitor.conversation_id))
        assert (await agent.call(event, named))["code"] == "not_assigned"


async def test_after_a_transfer_it_is_the_other_one(
    process: ApiProcess, chat: Chat, visitor: Visitor
) -> None:
    said(await chat.client.post("/api/agent/sessions", json={}, headers=BEA))
    transfer = {"toAgentId": "bea"}
    said(await chat.client.post(f"{visitor.desk}/transfer", json=transfer, headers=ASHIK))
    named = {"conversationId": visitor.conversation_id, "typing": True}
    async with (
        following(process, visitor, ASHIK) as ashik,
        following(process, visitor, BEA) as bea,
    ):
        for agent in (ashik, bea):
            await agent.follow(UUID(visitor.conversation_id))
        assert (await ashik.call("chat:typing", named))["code"] == "not_assigned"
        assert (await bea.call("chat:typing", named))["typing"]


@pytest.mark.parametrize(("event", "more"), CALLS)
async def test_back_ends_act_as_the_agent_whom_they_name(
    process: ApiProcess,
    chat: Chat,
    visitor: Visitor,
    key: dict[str, str],
    event: str,
    more: dict[str, object],
) -> None:
    said(await chat.client.post("/api/agent/sessions", json={}, headers=BEA))
    named = {"conversationId": visitor.conversation_id, **more}
    async with (
        following(process, visitor, visitor.headers) as customer,
        following(process, visitor, key) as office,
    ):
        for each in (customer, office):
            await each.follow(UUID(visitor.conversation_id))
        codes = [
            (await office.call(event, {**named, **who})).get("code")
            for who in ({}, {"agentId": "bea"}, {"agentId": uuid4().hex}, {"agentId": "agent-123"})
        ]
        assert codes == ["invalid", "not_assigned", "unknown_agent", None]
        assert await customer.next(event) == {**named, "role": "AGENT"}
        assert len(customer.payloads(event)) == 1


@pytest.mark.parametrize(("event", "more"), CALLS)
async def test_nobody_else_acts_for_an_agent(
    process: ApiProcess, visitor: Visitor, event: str, more: dict[str, object]
) -> None:
    named = {"conversationId": visitor.conversation_id, "agentId": "agent-123", **more}
    for headers in (BEA, visitor.headers):
        async with following(process, visitor, headers) as listener:
            await listener.follow(UUID(visitor.conversation_id))
            assert (await listener.call(event, named))["code"] == "forbidden"
