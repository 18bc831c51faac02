"""Seed 001 from its first line on: what the document shows is what a client sees."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from tests.e2e.chatting import staff_token
from tests.e2e.stack import Stack

Json = dict[str, Any]

TICKETS = "/api/v1/xmpp/tickets"


@pytest.fixture
def jid() -> str:
    """The document's `user@example.com`, who has never written."""
    return f"user-{uuid4().hex}@example.com"


@pytest_asyncio.fixture(params=["service key", "customer"])
async def user(
    stack: Stack, jid: str, request: pytest.FixtureRequest
) -> AsyncIterator[httpx.AsyncClient]:
    """Who holds the document's `$TOKEN`: a back end with its key, or the user themselves."""
    if request.param == "service key":
        token = stack.house.run("key", "create", "--name", "seed 001", "--scope", "xmpp").stdout
    else:
        token = stack.token("customer", jid, "--email", jid)
    async with stack.client(token.strip()) as client:
        yield client


@pytest_asyncio.fixture
async def agent(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client(staff_token(stack, "ann")) as client:
        yield client


@pytest_asyncio.fixture
async def ticket(user: httpx.AsyncClient, jid: str) -> Json:
    """The ticket of the examples."""
    body = {
        "jid": jid,
        "message": "I need help configuring my email client",
        "resource": "desktop",
    }
    created: Json = said(await user.post(TICKETS, json=body))
    return created


async def test_1_create_xmpp_ticket(ticket: Json) -> None:
    assert str(UUID(ticket["ticket_id"])) == ticket["ticket_id"]
    assert ticket == {
        "success": True,
        "ticket_id": ticket["ticket_id"],
        "subject": "I need help configuring my email client",
        "status": "OPEN",
    }


async def test_2_list_xmpp_tickets(
    user: httpx.AsyncClient, agent: httpx.AsyncClient, ticket: Json, jid: str
) -> None:
    second = said(await user.post(TICKETS, json={"jid": jid, "message": "Connection Issues"}))
    changes = {"status": "resolved", "priority": "high"}
    said(await agent.put(f"/api/tickets/{second['ticket_id']}", json=changes))
    listed = said(await user.get(TICKETS, params={"jid": jid}))
    for each in listed:
        assert datetime.fromisoformat(each.pop("created_at")).tzinfo
        assert datetime.fromisoformat(each.pop("last_message")).tzinfo
    assert listed == [
        {
            "id": second["ticket_id"],
            "subject": "Connection Issues",
            "status": "RESOLVED",
            "priority": "HIGH",
            "jid": jid,
        },
        {
            "id": ticket["ticket_id"],
            "subject": "I need help configuring my email client",
            "status": "OPEN",
            "priority": "NORMAL",
            "jid": jid,
        },
    ]
    whole = said(await user.get(TICKETS))
    assert {second["ticket_id"], ticket["ticket_id"]} <= {each["id"] for each in whole}
    still_open = said(await user.get(f"{TICKETS}?status=OPEN&limit=10"))
    assert ticket["ticket_id"] in [each["id"] for each in still_open]
    assert {each["status"] for each in still_open} == {"OPEN"}


async def test_3_send_xmpp_message_to_ticket(
    user: httpx.AsyncClient, ticket: Json, jid: str
) -> None:
    body = {"content": "I am using Thunderbird on Ubuntu 22.04", "jid": jid}
    sent = said(await user.post(f"{TICKETS}/{ticket['ticket_id']}/messages", json=body))
    assert sent["success"] is True
    assert sent["message_id"].startswith("msg_")
    assert datetime.fromisoformat(sent["timestamp"]).tzinfo


async def test_4_sync_xmpp_ticket(
    user: httpx.AsyncClient, agent: httpx.AsyncClient, ticket: Json, jid: str
) -> None:
    place = f"{TICKETS}/{ticket['ticket_id']}"
    reply = {"content": "I'll help you configure your email client.", "jid": jid}
    said(await agent.post(f"{place}/messages", json=reply))
    body = {"content": "I am using Thunderbird on Ubuntu 22.04", "jid": jid}
    said(await user.post(f"{place}/messages", json=body))
    note = {"content": "Looks like port 587.", "visibility": "private"}
    said(await agent.post(f"/api/tickets/{ticket['ticket_id']}/message", json=note))
    synced = said(await user.get(f"{place}/sync"))
    assert datetime.fromisoformat(synced.pop("updated_at")).tzinfo
    messages = synced.pop("messages")
    assert synced == {
        "ticket_id": ticket["ticket_id"],
        "status": "OPEN",
        "subject": "I need help configuring my email client",
    }
    after = messages[1]["seq"]
    for message in messages:
        assert message.pop("id").startswith("msg_")
        assert message.pop("seq")
        assert datetime.fromisoformat(message.pop("timestamp")).tzinfo
    assert messages == [
        {
            "content": "I need help configuring my email client",
            "sender": "You",
            "is_agent": False,
        },
        {
            "content": "I'll help you configure your email client.",
            "sender": "Ann",
            "is_agent": True,
        },
        {
            "content": "I am using Thunderbird on Ubuntu 22.04",
            "sender": "You",
            "is_agent": False,
        },
    ]
    newer = said(await user.get(f"{place}/sync", params={"after_seq": after}))
    assert [each["content"] for each in newer["messages"]] == [body["content"]]


async def test_5_update_xmpp_presence(
    user: httpx.AsyncClient, agent: httpx.AsyncClient, ticket: Json, jid: str
) -> None:
    body = {"jid": jid, "status": "available", "show": "chat"}
    told = said(await user.post("/api/v1/xmpp/presence", json=body))
    assert told == {"success": True, "jid": jid, "status": "available"}
    seen = said(await agent.get("/api/v1/xmpp/presence", params={"jid": jid}))
    assert {"jid": jid, "status": "available", "show": "chat"}.items() <= seen.items()
    shown = said(await agent.get(f"/api/tickets/{ticket['ticket_id']}"))
    assert shown["customer"]["presence"] == {"status": "available", "show": "chat"}


async def test_somebody_elses_ticket_does_not_exist(stack: Stack, ticket: Json, jid: str) -> None:
    place = f"{TICKETS}/{ticket['ticket_id']}"
    token = stack.token("customer", "mallory", "--email", "mallory@example.com")
    async with stack.client(token) as mallory:
        said(await mallory.get(f"{place}/sync"), 404)
        said(await mallory.post(f"{place}/messages", json={"content": "x", "jid": jid}), 404)
        said(await mallory.post(TICKETS, json={"jid": jid, "message": "x"}), 403)
        assert said(await mallory.get(TICKETS, params={"jid": jid})) == []


def said(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    return answer.json()
