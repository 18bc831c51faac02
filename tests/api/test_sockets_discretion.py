"""What customers hear of the desk's doings: that something happened, and no more."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from api.config import ApiConfig
from domain.principals import Role
from tests.api.chatting import ADMIN, ASHIK, BEA, Chat, Json, Visitor, said
from tests.api.conftest import JudgingEngine
from tests.api.people import as_
from tests.api.socket_serving import ApiProcess, Listener, api_process

TOLD = {
    "conversationId", "type", "status", "at", "seq", "text", "side", "cause", "agentName",
    "ticketId", "reason",
}  # fmt: skip
"""Everything that an event may carry for customers."""
INTERNAL = ("rude", "agent-123", "bea-7", "boss")
BEA_7 = as_(Role.AGENT, "bea-7", name="Bea")


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


def connect(process: ApiProcess, headers: dict[str, str], **query: object) -> Listener:
    return Listener(process.url, headers["Authorization"][7:], **query)


async def handed_around(chat: Chat, visitor: Visitor) -> None:
    """By Ashik to Bea, by an admin to the queue, by Ashik again."""
    said(await chat.client.post("/api/agent/sessions", headers=BEA_7))
    said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))
    body = {"toAgentId": "bea-7", "note": "rude"}
    said(await chat.client.post(f"{visitor.desk}/transfer", json=body, headers=ASHIK))
    said(await chat.client.post(f"{visitor.desk}/release", headers=ADMIN))
    said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))


async def heard(
    process: ApiProcess, headers: dict[str, str], visitor: Visitor, until: int
) -> list[Json]:
    """All system events, by catching up."""
    query = {"conversationId": visitor.conversation_id, "afterSeq": 0}
    async with connect(process, headers, **query) as listener:
        await listener.until_it_has(until)
        return listener.payloads("system:event")


async def test_customers_hear_what_the_desk_hears_with_less_in_it(
    process: ApiProcess, chat: Chat
) -> None:
    """Live as well as by catching up."""
    visitor = await chat.waiting()
    query = {"conversationId": visitor.conversation_id, "afterSeq": 0}
    async with (
        connect(process, visitor.headers, **query) as customer,
        connect(process, BEA, **query) as desk,
    ):
        await handed_around(chat, visitor)
        said(
            await chat.client.post(f"{visitor.desk}/close", json={"reason": "rude"}, headers=ADMIN)
        )
        shown = said(await chat.client.get(visitor.desk, headers=BEA))
        for listener in (customer, desk):
            await listener.until_it_has(shown["lastSeq"])
        live, known = (each.payloads("system:event") for each in (customer, desk))
    assert live == await heard(process, visitor.headers, visitor, shown["lastSeq"])
    assert known == await heard(process, BEA, visitor, shown["lastSeq"])
    for name in ("type", "status", "at", "seq", "conversationId"):
        assert [each[name] for each in live] == [each[name] for each in known]
    assert {name for each in live for name in each} <= TOLD
    for secret in INTERNAL:
        assert secret not in json.dumps(live), secret
        assert secret in json.dumps(known), secret
    names = [each["agentName"] for each in live if each["type"] in ("assigned", "transferred")]
    assert names == ["Ashik", "Bea", "Ashik"]
    texts = [each["text"] for each in live if each["type"] in ("assigned", "transferred")]
    assert texts == ["Assigned to Ashik.", "Transferred to Bea.", "Assigned to Ashik."]
    assert known[-1]["reason"] == "rude"


async def test_customers_hear_their_own_reason(process: ApiProcess, chat: Chat) -> None:
    visitor = await chat.accepted()
    async with connect(process, visitor.headers, afterSeq=0) as customer:
        closing = {"conversationId": visitor.conversation_id, "reason": "solved"}
        closed = await customer.call("conversation:close", closing)
        assert closed["closeReason"] == "solved"
        await customer.until_it_has(closed["lastSeq"])
        assert customer.payloads("system:event")[-1]["reason"] == "solved"


@pytest.mark.parametrize("more", [{"visibility": "private"}, {"agentId": "agent-123"}])
async def test_customers_are_no_agents(process: ApiProcess, chat: Chat, more: Json) -> None:
    visitor = await chat.accepted()
    async with connect(process, visitor.headers) as customer:
        words = {"conversationId": visitor.conversation_id, "content": "Hi", **more}
        assert (await customer.call("chat:send", words))["code"] == "forbidden"


async def test_customers_do_not_get_the_agents_reason_by_closing_again(
    process: ApiProcess, chat: Chat
) -> None:
    visitor = await chat.accepted()
    async with connect(process, ASHIK) as agent, connect(process, visitor.headers) as customer:
        closing = {"conversationId": visitor.conversation_id, "reason": "rude"}
        assert (await agent.call("conversation:close", closing))["closeReason"] == "rude"
        closed = await customer.call("conversation:close", closing)
        assert (closed["status"], closed["closeReason"]) == ("CLOSED", None)


async def test_ticket_as_which_it_goes_on_tells_no_more(process: ApiProcess, chat: Chat) -> None:
    visitor = await chat.waiting()
    await handed_around(chat, visitor)
    ticket = said(await chat.client.post(f"{visitor.desk}/to-ticket", headers=ASHIK))
    place = f"/api/tickets/{ticket['ticket_id']}"
    async with connect(process, visitor.headers) as customer:
        subscribed = await customer.call(
            "subscribe", {"ticketId": ticket["ticket_id"], "afterSeq": 0}
        )
        await customer.until_it_has(subscribed["seq"])
        events = customer.payloads("ticket:event")
    log = said(await chat.client.get(f"{place}/messages", headers=visitor.headers))
    shown = said(await chat.client.get(place, headers=visitor.headers))
    told = [
        *events,
        *(each["event"] for each in log if each["event"]),
        *(each["content"] for each in log if each["event"]),
        *(each["event"] for each in shown["timeline"] if each["event"]),
    ]
    for secret in INTERNAL:
        assert secret not in json.dumps(told), secret
    assert "transferred" in [each["type"] for each in events]
    at_the_desk = said(await chat.client.get(f"{place}/messages", headers=ASHIK))
    assert "bea-7" in json.dumps([each["event"] for each in at_the_desk])
