"""Live chat: nobody sees or does anything in other people's conversations."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.access import Anybody, Members
from domain.principals import Role, Scope
from store.database import Database
from tests.api.chatting import ADMIN, ASHIK, BEA, Chat, Visitor, said
from tests.api.conftest import JudgingEngine
from tests.api.matrix import Endpoint, endpoints, operations
from tests.api.people import as_, with_key
from tests.api.schemas import sample

SECRET_NOTE = "Asks often; be kind."
SECRET_NAME = "Jane the Unmistakable"


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def others(chat: Chat) -> Visitor:
    """Somebody else's conversation, with an agent and a note."""
    visitor = await chat.accepted(displayName=SECRET_NAME)
    await chat.ask(visitor, SECRET_NAME)
    await chat.reply(visitor, SECRET_NOTE, visibility="private")
    return visitor


def of_live_chat(app: FastAPI, *prefixes: str) -> list[Endpoint]:
    return [each for each in endpoints(app) if each.path.startswith(prefixes)]


def bodies(app: FastAPI) -> dict[tuple[str, str], Any]:
    """A body that is right, for each operation that takes one."""
    document = app.openapi()
    return {
        (method, path): sample(
            document, operation["requestBody"]["content"]["application/json"]["schema"]
        )
        for method, path, operation in operations(app)
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }


async def test_other_customers_find_nothing(
    app: FastAPI, chat: Chat, client: httpx.AsyncClient, others: Visitor
) -> None:
    strangers = (
        (await chat.visit()).headers,
        as_(Role.VISITOR),
        as_(Role.CUSTOMER, "mallory", email="mallory@example.com"),
    )
    given = bodies(app)
    tried = 0
    before = await chat.state(others)
    for endpoint in of_live_chat(app, "/api/customer/conversations"):
        for headers in strangers:
            answer = await client.request(
                endpoint.method,
                endpoint.path.format(conversation_id=others.conversation_id),
                json=given.get((endpoint.method, endpoint.path)),
                headers=headers,
            )
            assert (answer.status_code, answer.json()["detail"]) == (
                404, "Conversation not found",
            ), endpoint  # fmt: skip
            unknown = await client.request(
                endpoint.method,
                endpoint.address,
                json=given.get((endpoint.method, endpoint.path)),
                headers=headers,
            )
            assert unknown.text == answer.text
            tried += 1
    assert tried >= 6 * len(strangers)
    assert await chat.state(others) == before


async def test_customers_see_nothing_of_the_desk(
    app: FastAPI, chat: Chat, client: httpx.AsyncClient, others: Visitor
) -> None:
    """Not even of their own conversation."""
    given = bodies(app)
    callers = (others.headers, as_(Role.VISITOR), as_(Role.CUSTOMER))
    found = of_live_chat(app, "/api/agent/", "/api/admin/")
    assert len(found) > 12
    for endpoint in found:
        path = endpoint.path.format(conversation_id=others.conversation_id, agent_id="agent-123")
        for headers in callers:
            answer = await client.request(
                endpoint.method,
                path,
                json=given.get((endpoint.method, endpoint.path)),
                headers=headers,
            )
            assert answer.status_code == 403, endpoint
            assert SECRET_NAME not in answer.text


async def test_agents_do_not_come_in_by_the_customers_door(
    app: FastAPI, client: httpx.AsyncClient, database: Database, others: Visitor
) -> None:
    callers = (
        ASHIK,
        as_(Role.ADMIN),
        await with_key(database, Scope.TICKETS),
        await with_key(database, Scope.ADMIN),
    )
    for endpoint in of_live_chat(app, "/api/customer/conversations"):
        path = endpoint.path.format(conversation_id=others.conversation_id)
        for headers in callers:
            answer = await client.request(endpoint.method, path, headers=headers)
            assert answer.status_code == 403, endpoint


async def test_notes_never_reach_customers(
    app: FastAPI, client: httpx.AsyncClient, chat: Chat, others: Visitor
) -> None:
    """In no answer to anything that they can call, whatever becomes of the conversation."""
    given = bodies(app)
    answers = [
        await client.request(
            endpoint.method,
            endpoint.path.format(conversation_id=others.conversation_id),
            json=given.get((endpoint.method, endpoint.path)),
            headers=others.headers,
        )
        for endpoint in of_live_chat(app, "/api/customer/conversations")
    ]
    again = await chat.visit(others.headers)
    seen = said(await chat.client.get(again.place, headers=again.headers))
    assert seen["status"] in ("QUEUED", "ASSIGNED", "CONNECTED")
    for answer in answers:
        assert answer.status_code < 500
        assert SECRET_NOTE not in answer.text
    assert any(SECRET_NAME in answer.text for answer in answers)


@pytest.mark.parametrize("ending", ["close", "to-ticket"])
async def test_who_did_what_and_why_never_reaches_customers(
    app: FastAPI, client: httpx.AsyncClient, chat: Chat, others: Visitor, ending: str
) -> None:
    """But for the name of the agent who has it. In no answer, nor in those of their ticket."""
    said(await client.post("/api/agent/sessions", headers=BEA))
    body = {"toAgentId": "bea", "reason": SECRET_NOTE, "note": SECRET_NOTE}
    for what in ("transfer", "release", "accept", ending):
        headers = ASHIK if what == "accept" else ADMIN
        said(await client.post(f"{others.desk}/{what}", json=body, headers=headers))
    shown = said(await client.get(others.desk, headers=ADMIN))
    places = [
        (endpoint.method, endpoint.path.format(conversation_id=others.conversation_id))
        for endpoint in of_live_chat(app, "/api/customer/conversations")
    ]
    if ending == "to-ticket":
        place = f"/api/tickets/{shown['ticketId']}"
        places += [("GET", place), ("GET", f"{place}/messages"), ("GET", f"{place}/status")]
    elif ending == "close":
        assert shown["closeReason"] == SECRET_NOTE
    given = {"content": "Thank you.", "email": "jane@example.com"}
    for method, place in places:
        answer = await client.request(method, place, json=given, headers=others.headers)
        assert answer.status_code in (200, 201, 410), place
        for secret in (SECRET_NOTE, "boss", '"bea"', "to bea."):
            assert secret not in answer.text, place


def test_who_may_call_is_as_the_contract_says(app: FastAPI) -> None:
    people = frozenset({Role.VISITOR, Role.CUSTOMER})
    desk = frozenset({Role.AGENT, Role.ADMIN})
    for endpoint in of_live_chat(app, "/api/customer/", "/api/agent/", "/api/admin/"):
        if endpoint.path == "/api/customer/sessions":
            assert isinstance(endpoint.rule, Anybody)
            continue
        if endpoint.path.startswith("/api/customer/"):
            expected = Members(people, frozenset())
        elif endpoint.path.startswith("/api/agent/"):
            expected = Members(desk, frozenset({Scope.TICKETS}))
        else:
            expected = Members(frozenset({Role.ADMIN}), frozenset({Scope.ADMIN}))
        assert endpoint.rule == expected, endpoint


def test_visitors_reach_tickets_by_their_id_alone(app: FastAPI) -> None:
    reached = {
        str(each)
        for each in of_live_chat(app, "/api/tickets", "/api/customers")
        if isinstance(each.rule, Members) and Role.VISITOR in each.rule.roles
    }
    assert reached == {
        "GET /api/tickets/{ticket_id}",
        "GET /api/tickets/{ticket_id}/messages",
        "GET /api/tickets/{ticket_id}/status",
        "POST /api/tickets/{ticket_id}/message",
    }


def test_the_document_says_400_and_422_only_where_they_come(app: FastAPI) -> None:
    may_make_no_sense = {
        ("POST", f"/api/agent/conversations/{{conversation_id}}/{what}")
        for what in ("accept", "messages", "close", "transfer", "release", "to-ticket")
    } | {("POST", "/api/customer/conversations/{conversation_id}/messages")}
    for method, path, operation in operations(app):
        told = set(operation["responses"])
        if path.startswith(("/api/customer/", "/api/agent/", "/api/admin/", "/actuator/")):
            assert "400" in told, (method, path)
            assert ("422" in told) is ((method, path) in may_make_no_sense), (method, path)
        else:
            assert "422" in told, (method, path)
    assert "HTTPValidationError" not in app.openapi()["components"]["schemas"]
