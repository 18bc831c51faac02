"""What agents are offered over REST."""

from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.services import Helpers, Services
from assistant.advice import BuiltInAdviser
from assistant.case import Case
from domain.ids import article_id_text, ticket_id_text
from domain.knowledge import Audience, Writing
from domain.models import Visibility
from domain.principals import Role, Scope
from store import articles
from store.database import Database
from tests.api.people import as_, with_key
from tests.store.writing import open_ticket, write

AGENT = as_(Role.AGENT, "ada")
KINDS = ["reply", "summary", "subject", "triage"]


class Fails(BuiltInAdviser):
    name = "broken"

    async def subject(self, case: Case) -> str:
        raise ConnectionError


def place(ticket_id: UUID | str, kind: str) -> str:
    spelled = ticket_id if isinstance(ticket_id, str) else ticket_id_text(ticket_id)
    return f"/api/tickets/{spelled}/suggestions/{kind}"


async def test_reply_is_taken_from_a_public_article(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.begin() as session:
        public = await articles.create(
            session, Writing(title="Returning a bicycle", body="Within 30 days.")
        )
        await articles.create(
            session,
            Writing(title="Returning a bicycle", body="Secretly 60.", audience=Audience.INTERNAL),
        )
    ticket_id = await open_ticket(database)
    asked = {"content": "How do I return a bicycle?", "sender_type": "customer"}
    url = f"/api/tickets/{ticket_id_text(ticket_id)}/message"
    sent = await client.post(url, json=asked, headers=await with_key(database, Scope.TICKETS))
    assert sent.status_code == 200, sent.text
    answer = await client.post(place(ticket_id, "reply"), headers=AGENT)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert "Within 30 days." in said["reply"]
    assert said["sources"] == [{"id": article_id_text(public.id), "title": "Returning a bicycle"}]
    assert said["by"] == "built-in"


async def test_nothing_is_written_by_it(client: httpx.AsyncClient, database: Database) -> None:
    ticket_id = await open_ticket(database)
    for kind in KINDS:
        assert (await client.post(place(ticket_id, kind), headers=AGENT)).status_code == 200
    log = await client.get(
        f"/api/tickets/{ticket_id_text(ticket_id)}/messages?after_seq=0", headers=AGENT
    )
    assert len(log.json()) == 1


async def test_private_notes_are_not_in_it(client: httpx.AsyncClient, database: Database) -> None:
    ticket_id = await open_ticket(database)
    await write(database, ticket_id, "hush", Visibility.PRIVATE)
    for kind in KINDS:
        assert "hush" not in (await client.post(place(ticket_id, kind), headers=AGENT)).text


async def test_model_that_fails_is_not_noticed(
    client: httpx.AsyncClient, database: Database, app: FastAPI
) -> None:
    services: Services = app.state.services
    app.state.services = replace(services, helpers=Helpers(adviser=Fails()))
    ticket_id = await open_ticket(database)
    assert (await client.post(place(ticket_id, "subject"), headers=AGENT)).json()[
        "by"
    ] == "built-in"
    assert (await client.post(place(ticket_id, "triage"), headers=AGENT)).json()["by"] == "broken"


@pytest.mark.parametrize("kind", KINDS)
async def test_is_for_agents(client: httpx.AsyncClient, database: Database, kind: str) -> None:
    ticket_id = await open_ticket(database)
    assert (await client.post(place(ticket_id, kind))).status_code == 401
    for caller in (as_(Role.CUSTOMER, "ada"), as_(Role.VISITOR), await with_key(database)):
        assert (await client.post(place(ticket_id, kind), headers=caller)).status_code == 403
    allowed = await with_key(database, Scope.TICKETS)
    assert (await client.post(place(ticket_id, kind), headers=allowed)).status_code == 200


@pytest.mark.parametrize("ref", ["tkt_" + "0" * 32, "99999", "x", "0" * 5_000])
async def test_no_such_ticket(client: httpx.AsyncClient, ref: str) -> None:
    assert (await client.post(place(ref, "summary"), headers=AGENT)).status_code == 404


@pytest.mark.parametrize("kind", ["reply", "summary"])
async def test_conversations_too(client: httpx.AsyncClient, kind: str) -> None:
    begun = await client.post("/api/customer/sessions", json={"fingerprint": "f"})
    session = begun.json()
    await client.post(
        f"/api/customer/conversations/{session['conversationId']}/messages",
        json={"content": "Where is my parcel?"},
        headers={"Authorization": f"Bearer {session['token']}"},
    )
    url = "/api/agent/conversations/{}/suggestions/" + kind
    answer = await client.post(url.format(session["conversationId"]), headers=AGENT)
    assert answer.status_code == 200, answer.text
    assert answer.json()[kind]
    missing = await client.post(url.format(uuid4()), headers=AGENT)
    assert missing.status_code == 404
