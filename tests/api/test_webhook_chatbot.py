"""A chatbot hands over to people: one ticket for each session."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from domain.models import TicketStatus
from domain.principals import Role, Scope
from store.database import Database
from tests.api.desk import set_status
from tests.api.people import as_, with_key

Json = dict[str, Any]
Hand = Callable[..., Awaitable[Json]]

HANDOFF = "/api/webhooks/chatbot"
ADA = as_(Role.AGENT, "ada", name="Ada")
SEED: Json = {
    "session_id": "chat_session_xyz",
    "customer_email": "user@example.com",
    "customer_name": "Jane Smith",
    "subject": "Account locked",
    "initial_message": "I've tried resetting my password 3 times but my account is still locked",
    "priority": "high",
    "tags": ["account_access"],
}
TRANSCRIPT: list[Json] = [
    {"sender": "bot", "text": "Hi! How can I help?", "timestamp": "2025-01-19T10:00:00Z"},
    {"sender": "customer", "text": "My account is locked."},
    {"sender": "bot", "text": "Have you tried resetting your password?"},
]


@pytest.fixture
async def key(database: Database) -> dict[str, str]:
    return await with_key(database, Scope.HANDOFF)


@pytest.fixture
def hand(client: httpx.AsyncClient, key: dict[str, str]) -> Hand:
    async def hand(headers: dict[str, str] | None = None, **more: object) -> Json:
        body = SEED | more
        answer = await client.post(HANDOFF, headers=key | (headers or {}), json=body)
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    return hand


async def whole(client: httpx.AsyncClient, told: Json) -> Json:
    answer = await client.get(f"/api/tickets/{told['ticket_id']}", headers=ADA)
    assert answer.status_code == 200
    shown: Json = answer.json()
    return shown


def contents(ticket: Json) -> list[str]:
    return [each["content"] for each in ticket["timeline"]]


async def count(database: Database, table: str) -> int:
    async with database.begin() as session:
        found = await session.scalar(text(f"SELECT count(*) FROM {table}"))
    assert found is not None
    return int(found)


async def test_hand_off_is_answered_as_the_seed_says(hand: Hand, client: httpx.AsyncClient) -> None:
    told = await hand()
    assert told == {
        "success": True,
        "ticket_id": told["ticket_id"],
        "message": f"Ticket #{told['ticket_id']} created. An agent will respond shortly.",
    }
    ticket = await whole(client, told)
    assert ticket["source"] == {
        "channel": "chatbot",
        "origin_platform_id": "chat_session_xyz",
        "is_bot_handoff": True,
    }
    assert (ticket["subject"], ticket["priority"]) == ("Account locked", "high")
    assert ticket["tags"] == ["account_access"]
    assert ticket["customer"]["name"] == "Jane Smith"
    assert ticket["customer"]["primary_email"] == "user@example.com"
    assert contents(ticket) == [SEED["initial_message"]]
    assert ticket["timeline"][0]["sender_name"] == "Jane Smith"


async def test_transcript_stands_before_the_message(hand: Hand, client: httpx.AsyncClient) -> None:
    ticket = await whole(client, await hand(transcript=TRANSCRIPT, metadata={"page": "/login"}))
    *before, message = ticket["timeline"]
    assert [(each["sender_type"], each["sender_name"], each["content"]) for each in before] == [
        ("ai", "Chatbot", "Hi! How can I help?"),
        ("customer", "Jane Smith", "My account is locked."),
        ("ai", "Chatbot", "Have you tried resetting your password?"),
    ]
    assert all(each["metadata"]["transcript"] for each in before)
    assert before[0]["metadata"]["sent_at"].startswith("2025-01-19T10:00:00")
    assert message["content"] == SEED["initial_message"]
    assert message["metadata"] == {"page": "/login"}


async def test_assistant_leaves_it_to_people(
    hand: Hand, client: httpx.AsyncClient, database: Database
) -> None:
    await hand(transcript=TRANSCRIPT)
    async with database.begin() as session:
        row = (await session.execute(text("SELECT handed_over, handled_seq FROM threads"))).one()
    assert tuple(row) == (True, 0)


async def test_same_session_again_is_written_into_its_ticket(
    hand: Hand, client: httpx.AsyncClient
) -> None:
    first = await hand(transcript=TRANSCRIPT)
    longer = [*TRANSCRIPT, {"sender": "customer", "text": "Yes."}]
    again = await hand(transcript=longer, initial_message="Still locked", customer_email=None)
    assert again == {
        "success": True,
        "ticket_id": first["ticket_id"],
        "message": f"Added to ticket #{first['ticket_id']}. An agent will respond shortly.",
    }
    said = contents(await whole(client, first))
    assert said == [
        *(each["text"] for each in TRANSCRIPT),
        SEED["initial_message"],
        "Yes.",
        "Still locked",
    ]


async def test_after_a_closed_ticket_comes_one_that_follows_it(
    hand: Hand, client: httpx.AsyncClient, database: Database
) -> None:
    first = await hand(transcript=TRANSCRIPT)
    await set_status(database, first["ticket_id"], TicketStatus.CLOSED)
    second = await hand(transcript=TRANSCRIPT, initial_message="Locked again")
    assert "created" in second["message"]
    ticket = await whole(client, second)
    assert ticket["follow_up_of"] == first["ticket_id"]
    assert ticket["source"]["is_bot_handoff"] is True
    assert contents(ticket) == ["Locked again"]
    assert (await hand())["ticket_id"] == second["ticket_id"]


async def test_other_session_of_the_same_customer_is_another_ticket(
    hand: Hand, client: httpx.AsyncClient
) -> None:
    first = await hand()
    second = await hand(session_id="another", customer_email="USER@example.com")
    assert second["ticket_id"] != first["ticket_id"]
    customers = {(await whole(client, each))["customer"]["internal_id"] for each in (first, second)}
    assert len(customers) == 1


async def test_nobody_need_be_named(hand: Hand, client: httpx.AsyncClient) -> None:
    nameless = {"customer_email": None, "customer_name": None}
    first = await hand(**nameless)
    assert (await hand(**nameless))["ticket_id"] == first["ticket_id"]
    customer = (await whole(client, first))["customer"]
    assert (customer["name"], customer["primary_email"]) == (None, None)


async def test_phone_is_kept_and_no_known_one_is_overwritten(
    hand: Hand, database: Database
) -> None:
    await hand(customer_phone="+15550100")
    await hand(customer_phone="+15550199")
    async with database.begin() as session:
        assert await session.scalar(text("SELECT phone FROM customers")) == "+15550100"


async def test_ten_at_once_are_one_ticket(
    hand: Hand, client: httpx.AsyncClient, database: Database
) -> None:
    told = await asyncio.gather(
        *(hand(transcript=TRANSCRIPT, initial_message=f"Help {n}") for n in range(10))
    )
    assert len({each["ticket_id"] for each in told}) == 1
    assert sum("created" in each["message"] for each in told) == 1
    assert await count(database, "customers") == 1
    said = contents(await whole(client, told[0]))
    assert said[:3] == [each["text"] for each in TRANSCRIPT]
    assert sorted(said[3:]) == [f"Help {n}" for n in range(10)]


async def test_same_idempotency_key_gets_the_same_answer(
    hand: Hand, client: httpx.AsyncClient, key: dict[str, str]
) -> None:
    once = {"Idempotency-Key": "k1"}
    first, again = [await hand(once, transcript=TRANSCRIPT) for _ in "12"]
    assert first == again
    assert len(contents(await whole(client, first))) == 4
    refused = await client.post(HANDOFF, headers=key | once, json=SEED)
    assert refused.status_code == 409


async def test_what_does_not_fit_is_refused_whole(
    client: httpx.AsyncClient, key: dict[str, str], database: Database
) -> None:
    entry = TRANSCRIPT[0]
    for wrong in (
        {"session_id": ""},
        {"session_id": None},
        {"session_id": "x" * 201},
        {"customer_email": "nobody"},
        {"subject": " "},
        {"initial_message": "\0"},
        {"transcript": [entry] * 201},
        {"transcript": [entry | {"sender": "agent"}]},
        {"transcript": [entry | {"text": ""}]},
        {"transcript": [entry | {"timestamp": "yesterday"}]},
        {"metadata": {"x": "y" * 9_000}},
        {"priority": "highest"},
    ):
        answer = await client.post(HANDOFF, headers=key, json=SEED | wrong)
        assert answer.status_code == 422, wrong
    long = [entry | {"text": "x" * 2_000}] * 200
    answer = await client.post(HANDOFF, headers=key, json=SEED | {"transcript": long})
    assert answer.status_code == 413
    assert await count(database, "threads") == 0


async def test_longest_transcript_is_taken(hand: Hand, client: httpx.AsyncClient) -> None:
    told = await hand(transcript=[{"sender": "bot", "text": str(n)} for n in range(200)])
    answer = await client.get(f"/api/tickets/{told['ticket_id']}/messages?limit=500", headers=ADA)
    assert [each["content"] for each in answer.json()][:200] == [str(n) for n in range(200)]


async def test_only_chatbots_and_admins_may(client: httpx.AsyncClient, database: Database) -> None:
    for scope, status in ((Scope.TICKETS, 403), (Scope.XMPP, 403), (Scope.ADMIN, 200)):
        headers = await with_key(database, scope)
        assert (await client.post(HANDOFF, headers=headers, json=SEED)).status_code == status
    assert (await client.post(HANDOFF, headers=ADA, json=SEED)).status_code == 403
    assert (await client.post(HANDOFF, json=SEED)).status_code == 401
