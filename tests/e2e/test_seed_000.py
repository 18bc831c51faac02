"""Seed 000 from its first line on: what the document shows is what its client sees."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from tests.e2e.polling import WEBHOOKS, PollingClient
from tests.e2e.stack import Stack, until

Json = dict[str, Any]

PENDING = "/api/v1/tickets/pending-responses"
INTERVAL = 0.05
"""Seconds: a client in more of a hurry than the document's."""


@pytest.fixture(scope="module")
def tokens(shared_stack: Stack) -> dict[str, str]:
    """From the command line, which takes its time."""
    made = shared_stack.house.run("key", "create", "--name", "seed 000", "--scope", "xmpp")
    assert made.stdout.startswith("sk_")
    return {
        "polling client": made.stdout.strip(),
        "agent": shared_stack.token("agent", "ann", "--name", "Ann"),
    }


@pytest_asyncio.fixture
async def api(stack: Stack, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """The document's client: `Authorization: Bearer sk_…`."""
    async with stack.client(tokens["polling client"]) as client:
        yield client


@pytest_asyncio.fixture
async def agent(stack: Stack, tokens: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with stack.client(tokens["agent"]) as client:
        yield client


@pytest.fixture
def jid() -> str:
    """Of somebody who has never written."""
    return f"user-{uuid4().hex}@domain.com"


def incoming(jid: str, **changes: object) -> Json:
    return {
        "from_jid": f"{jid}/resource",
        "to_jid": "support@domain.com",
        "body": "I need help",
        "message_type": "chat",
        "thread_id": None,
        "timestamp": "2024-01-15T10:00:00Z",
    } | changes


async def test_1_receive_incoming_message(api: httpx.AsyncClient, jid: str) -> None:
    first = said(await api.post(f"{WEBHOOKS}/incoming", json=incoming(jid)))
    assert first == {
        "status": "ok",
        "ticket_id": first["ticket_id"],
        "message_id": first["message_id"],
        "created": True,
    }
    assert isinstance(first["ticket_id"], int)
    again = said(await api.post(f"{WEBHOOKS}/incoming", json=incoming(jid, body="Hello?")))
    assert (again["ticket_id"], again["created"]) == (first["ticket_id"], False)


async def test_2_fetch_pending_tickets(api: httpx.AsyncClient, jid: str) -> None:
    body = "I can't log into my account"
    told = said(await api.post(f"{WEBHOOKS}/incoming", json=incoming(jid, body=body)))
    listed = said(await api.get(PENDING))
    (ticket,) = [each for each in listed if each["id"] == told["ticket_id"]]
    assert datetime.fromisoformat(ticket.pop("created_at")).tzinfo
    assert ticket == {
        "id": told["ticket_id"],
        "from_jid": f"{jid}/resource",
        "subject": body,
        "body": body,
        "status": "open",
    }


async def test_3_send_ticket_response(api: httpx.AsyncClient, jid: str) -> None:
    number = said(await api.post(f"{WEBHOOKS}/incoming", json=incoming(jid)))["ticket_id"]
    reply = {
        "response": "Please try resetting your password...",
        "timestamp": "2024-01-15T10:05:00Z",
    }
    told = said(await api.post(f"/api/v1/tickets/{number}/respond", json=reply))
    expected = {"status": "ok", "ticket_id": number, "message": "Response sent"}
    assert expected.items() <= told.items()
    assert number not in [each["id"] for each in said(await api.get(PENDING))]


async def test_4_get_users_active_ticket(
    api: httpx.AsyncClient, agent: httpx.AsyncClient, jid: str
) -> None:
    place = f"{WEBHOOKS}/user/{jid}/active-ticket"
    assert (await api.get(place)).status_code == 404
    number = said(await api.post(f"{WEBHOOKS}/incoming", json=incoming(jid)))["ticket_id"]
    ticket = said(await api.get(place))
    assert datetime.fromisoformat(ticket.pop("created_at")).tzinfo
    assert ticket == {"ticket_id": str(number), "status": "OPEN"}
    said(await agent.put(f"/api/tickets/{number}", json={"status": "resolved"}))
    assert said(await api.get(place))["status"] == "RESOLVED"
    said(await agent.put(f"/api/tickets/{number}", json={"status": "closed"}))
    assert (await api.get(place)).status_code == 404


async def test_5_get_ticket_messages(
    api: httpx.AsyncClient, agent: httpx.AsyncClient, jid: str
) -> None:
    body = "I need help with login"
    number = said(await api.post(f"{WEBHOOKS}/incoming", json=incoming(jid, body=body)))[
        "ticket_id"
    ]
    reply = {"response": "I'll help you with that. Let me look into your account."}
    said(await api.post(f"/api/v1/tickets/{number}/respond", json=reply))
    said(await agent.post(f"/api/v1/tickets/{number}/respond", json={"response": "Found it."}))
    note = {"content": "A difficult one.", "visibility": "private"}
    said(await agent.post(f"/api/tickets/{number}/message", json=note))
    messages = said(await api.get(f"{WEBHOOKS}/tickets/{number}/messages?limit=20"))
    for message in messages:
        assert message.pop("id").startswith("msg_")
        assert message.pop("seq")
        assert datetime.fromisoformat(message.pop("timestamp")).tzinfo
    assert messages == [
        {"content": body, "message_type": "CUSTOMER", "sender": jid, "is_customer": True},
        {
            "content": "I'll help you with that. Let me look into your account.",
            "message_type": "AGENT",
            "sender": "Support Agent",
            "is_customer": False,
        },
        {
            "content": "Found it.",
            "message_type": "AGENT",
            "sender": "Ann",
            "is_customer": False,
        },
    ]


async def test_message_flow_example(
    api: httpx.AsyncClient, agent: httpx.AsyncClient, jid: str, tmp_path: Path
) -> None:
    user = PollingClient(api, f"{jid}/resource", tmp_path, INTERVAL)
    number = await user.hear("I can't login")
    said(await agent.post(f"/api/v1/tickets/{number}/respond", json={"response": "Try resetting"}))
    await until_delivered(user, ["Try resetting"])
    assert await user.hear("That worked, thanks!") == number
    assert user.watching
    said(await agent.put(f"/api/tickets/{number}", json={"status": "resolved"}))
    await asyncio.wait_for(user.stopped(), 10)
    assert user.delivered == ["Try resetting"]


async def test_each_reply_is_delivered_once_while_the_client_is_restarted(
    api: httpx.AsyncClient, agent: httpx.AsyncClient, jid: str, tmp_path: Path
) -> None:
    replies = [f"reply {n}" for n in range(15)]
    first = PollingClient(api, jid, tmp_path, INTERVAL)
    number = await first.hear("I can't login")
    clients = [first]
    for n, reply in enumerate(replies):
        said(await agent.post(f"/api/v1/tickets/{number}/respond", json={"response": reply}))
        if n % 4 == 1:
            await clients[-1].kill()
            clients.append(PollingClient(api, jid, tmp_path, INTERVAL))
        elif n % 4 == 3:
            # It comes back after some replies were written while it was away.
            clients[-1].watch()
            await until_all_delivered(clients, replies[: n + 1])
    clients[-1].watch()
    await until_all_delivered(clients, replies)
    said(await agent.put(f"/api/tickets/{number}", json={"status": "resolved"}))
    await asyncio.wait_for(clients[-1].stopped(), 10)
    assert delivered_by(clients) == replies


async def test_each_of_many_users_gets_their_own_replies(
    api: httpx.AsyncClient, agent: httpx.AsyncClient, jid: str, tmp_path: Path
) -> None:
    users = [PollingClient(api, f"{n}-{jid}", tmp_path, INTERVAL) for n in range(5)]
    numbers = await asyncio.gather(*(user.hear("Help") for user in users))
    assert len(set(numbers)) == 5
    for number in numbers:
        reply = {"response": f"for {number}"}
        said(await agent.post(f"/api/v1/tickets/{number}/respond", json=reply))
    for number in numbers:
        said(await agent.put(f"/api/tickets/{number}", json={"status": "resolved"}))
    await asyncio.wait_for(asyncio.gather(*(user.stopped() for user in users)), 20)
    assert [user.delivered for user in users] == [[f"for {number}"] for number in numbers]


async def test_next_message_after_a_closed_ticket_opens_one_that_is_watched(
    api: httpx.AsyncClient, agent: httpx.AsyncClient, jid: str, tmp_path: Path
) -> None:
    user = PollingClient(api, jid, tmp_path, INTERVAL)
    old = await user.hear("One thing")
    said(await agent.put(f"/api/tickets/{old}", json={"status": "closed"}))
    await asyncio.wait_for(user.stopped(), 10)
    new = await user.hear("Another thing")
    assert new != old
    said(await agent.post(f"/api/v1/tickets/{new}/respond", json={"response": "Yes?"}))
    await until_delivered(user, ["Yes?"])
    tickets = [said(await agent.get(f"/api/tickets/{number}")) for number in (old, new)]
    assert tickets[1]["follow_up_of"] == tickets[0]["ticket_id"]
    await user.kill()


async def until_delivered(user: PollingClient, expected: list[str]) -> None:
    await until_all_delivered([user], expected)


async def until_all_delivered(clients: list[PollingClient], expected: list[str]) -> None:
    async def all_there() -> bool:
        return delivered_by(clients) == expected

    await until(all_there, 20, f"{len(expected)} replies delivered, each once and in order")


def delivered_by(clients: list[PollingClient]) -> list[str]:
    return [text for client in clients for text in client.delivered]


def said(answer: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401  JSON
    assert answer.status_code == status, answer.text
    return answer.json()
