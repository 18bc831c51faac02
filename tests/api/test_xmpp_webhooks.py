"""Seed 000's family: what comes in, and how the answers are fetched."""

import asyncio
import random
import string
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import text

from api.config import ApiConfig
from domain.models import TicketStatus
from domain.principals import Role, Scope
from store.database import Database
from tests.api.desk import move_to_bridge, set_status
from tests.api.people import as_, with_key

Json = dict[str, Any]
Say = Callable[..., Awaitable[Json]]

INCOMING = "/api/v1/webhooks/xmpp/incoming"
PENDING = "/api/v1/tickets/pending-responses"
JID = "user@domain.com"
ADA = as_(Role.AGENT, "ada", name="Ada")


@pytest.fixture
async def key(database: Database) -> dict[str, str]:
    return await with_key(database, Scope.XMPP)


@pytest.fixture
def say(client: httpx.AsyncClient, key: dict[str, str]) -> Say:
    async def say(body: str = "I need help", jid: str = f"{JID}/phone", **more: object) -> Json:
        answer = await client.post(
            INCOMING, headers=key, json={"from_jid": jid, "body": body} | more
        )
        assert answer.status_code == 200, answer.text
        told: Json = answer.json()
        return told

    return say


async def active(client: httpx.AsyncClient, headers: dict[str, str], jid: str) -> httpx.Response:
    path = f"/api/v1/webhooks/xmpp/user/{quote(jid, safe='')}/active-ticket"
    return await client.get(path, headers=headers)


async def messages(
    client: httpx.AsyncClient, headers: dict[str, str], ticket: object, **params: int
) -> httpx.Response:
    path = f"/api/v1/webhooks/xmpp/tickets/{ticket}/messages"
    return await client.get(path, headers=headers, params=params)


async def respond(
    client: httpx.AsyncClient, headers: dict[str, str], ticket: object, **body: object
) -> httpx.Response:
    path = f"/api/v1/tickets/{ticket}/respond"
    return await client.post(path, headers=headers, json={"response": "Reset it."} | body)


async def whole(client: httpx.AsyncClient, ticket: object) -> Json:
    """The ticket as seed 004 shows it to staff."""
    answer = await client.get(f"/api/tickets/{ticket}", headers=ADA)
    assert answer.status_code == 200
    shown: Json = answer.json()
    return shown


class TestIncoming:
    async def test_first_message_opens_a_ticket_and_the_next_is_written_into_it(
        self, say: Say, client: httpx.AsyncClient
    ) -> None:
        first = await say("My login fails. It says no.")
        second = await say("Hello?", jid="USER@Domain.com/tablet")
        assert first["created"] is True
        assert second["created"] is False
        assert first["ticket_id"] == second["ticket_id"]
        assert (first["status"], second["status"]) == ("ok", "ok")
        ticket = await whole(client, first["ticket_id"])
        assert ticket["subject"] == "My login fails."
        assert ticket["customer"]["channel_identity"] == JID
        assert [each["content"] for each in ticket["timeline"]] == [
            "My login fails. It says no.",
            "Hello?",
        ]
        assert ticket["timeline"][1]["message_id"] == second["message_id"]

    async def test_first_messages_at_once_are_one_ticket(self, say: Say) -> None:
        told = await asyncio.gather(*(say(str(n), jid=f"{JID}/{n}") for n in range(15)))
        assert len({each["ticket_id"] for each in told}) == 1
        assert sum(each["created"] for each in told) == 1

    async def test_closed_ticket_is_followed_by_one_that_names_it(
        self, say: Say, client: httpx.AsyncClient, database: Database
    ) -> None:
        old = await say("First question.")
        await set_status(database, old["ticket_id"], TicketStatus.CLOSED)
        new = await say("Second question.")
        assert new["created"] is True
        ticket = await whole(client, new["ticket_id"])
        assert ticket["follow_up_of"] == (await whole(client, old["ticket_id"]))["ticket_id"]
        assert ticket["subject"] == "Second question."
        assert (await say())["ticket_id"] == new["ticket_id"]

    async def test_resolved_ticket_is_still_the_active_one(
        self, say: Say, database: Database
    ) -> None:
        ticket = (await say())["ticket_id"]
        await set_status(database, ticket, TicketStatus.RESOLVED)
        assert (await say())["ticket_id"] == ticket

    async def test_same_stanza_again_is_the_same_message(
        self, say: Say, client: httpx.AsyncClient, database: Database
    ) -> None:
        first = await say(id="stanza-1")
        await say("more")
        assert await say(id="stanza-1") == first
        await set_status(database, first["ticket_id"], TicketStatus.CLOSED)
        await say("a new ticket")
        assert await say(id="stanza-1") == first
        assert (await whole(client, first["ticket_id"]))["last_seq"] == 2

    async def test_same_stanza_id_from_two_jids_is_two_messages(self, say: Say) -> None:
        first = await say(id="stanza-1")
        other = await say(id="stanza-1", jid="other@domain.com")
        assert other["created"] is True
        assert other["message_id"] != first["message_id"]

    async def test_same_stanza_id_with_other_words_is_refused(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        await say("one", id="stanza-1")
        body = {"from_jid": JID, "body": "two", "id": "stanza-1"}
        assert (await client.post(INCOMING, headers=key, json=body)).status_code == 409

    async def test_same_idempotency_key_gets_the_same_answer(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        headers = key | {"Idempotency-Key": "k1"}
        body = {"from_jid": JID, "body": "x"}
        first, again = [await client.post(INCOMING, headers=headers, json=body) for _ in "12"]
        assert first.text == again.text
        other = body | {"body": "y"}
        assert (await client.post(INCOMING, headers=headers, json=other)).status_code == 409

    @pytest.mark.parametrize("kind", ["groupchat", "headline", "error"])
    async def test_what_nobody_says_to_us_is_ignored(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], kind: str
    ) -> None:
        assert await say(message_type=kind, jid="room.domain.com") == {
            "status": "ignored",
            "ticket_id": None,
            "message_id": None,
            "created": False,
        }
        assert (await client.get(PENDING, headers=key)).json() == []

    @pytest.mark.parametrize("kind", [None, "chat", "normal", "something-new"])
    async def test_other_types_are_messages(self, say: Say, kind: str | None) -> None:
        assert (await say(message_type=kind))["status"] == "ok"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"from_jid": "domain.com"},
            {"from_jid": "@domain.com"},
            {"from_jid": ""},
            {"from_jid": None},
            {"body": ""},
            {"body": " \n"},
            {"body": "x" * 16_001},
            {"body": "a\0b"},
            {"timestamp": "yesterday"},
            {"id": ""},
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, client: httpx.AsyncClient, key: dict[str, str], wrong: Json
    ) -> None:
        body = {"from_jid": JID, "body": "x"} | wrong
        assert (await client.post(INCOMING, headers=key, json=body)).status_code == 422

    async def test_longest_jid_with_the_longest_id_is_kept(self, say: Say) -> None:
        letters = random.Random(1)
        local = "".join(letters.choices(string.ascii_lowercase + string.digits, k=1012))
        stanza = "".join(chr(letters.randrange(0x1F300, 0x1F600)) for _ in range(200))
        jid = f"{local}@domain.com"[1:]
        first = await say(jid=jid, id=stanza)
        assert await say(jid=jid, id=stanza) == first

    async def test_ticket_of_the_bridge_is_not_written_into(
        self, say: Say, database: Database
    ) -> None:
        pushed = (await say())["ticket_id"]
        await move_to_bridge(database, pushed, "xmpp-support@domain.com")
        assert (await say())["ticket_id"] != pushed

    async def test_ticket_that_somebody_else_has_opened_under_the_jid_is_not_written_into(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        claimed = await client.post(
            "/api/v1/xmpp/tickets",
            headers=as_(Role.CUSTOMER, "mallory", email=JID),
            json={"jid": JID, "message": "It is me."},
        )
        assert claimed.status_code == 200
        assert (await active(client, key, JID)).status_code == 404
        told = await say("my secret")
        assert told["created"] is True
        assert (await whole(client, told["ticket_id"]))["follow_up_of"] is None
        assert (await active(client, key, JID)).json()["ticket_id"] == str(told["ticket_id"])


class TestPace:
    @pytest.fixture
    def config(self, config: ApiConfig) -> ApiConfig:
        """Few enough for the slowest machine to exceed in ten seconds."""
        return config.model_copy(update={"rate_limit_messages": 3})

    async def test_each_jid_has_a_pace_of_its_own(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        async def said(jid: str) -> httpx.Response:
            return await client.post(INCOMING, headers=key, json={"from_jid": jid, "body": "x"})

        answers = [await said(f"{JID}/{n}") for n in range(4)]
        assert [each.status_code for each in answers] == [200] * 3 + [429]
        assert int(answers[-1].headers["Retry-After"]) <= 10
        assert (await said("other@domain.com")).status_code == 200


class TestActiveTicket:
    @pytest.mark.parametrize(
        "spelling",
        [
            "user@bücher.example",
            "USER@Bücher.Example",
            "user@xn--bcher-kva.example",
            "user@bücher.example/phone",
            "user@bücher.example/a/b/active-ticket",
            "user@bücher.example/?#%",
        ],
    )
    async def test_any_spelling_of_the_jid_finds_it(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], spelling: str
    ) -> None:
        ticket = (await say(jid="user@bücher.example/phone"))["ticket_id"]
        found = (await active(client, key, spelling)).json()
        assert found.pop("created_at")
        assert found == {"ticket_id": str(ticket), "status": "OPEN"}

    async def test_slash_of_a_resource_needs_no_encoding(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        await say()
        path = f"/api/v1/webhooks/xmpp/user/{JID}/phone/active-ticket"
        assert (await client.get(path, headers=key)).status_code == 200

    @pytest.mark.parametrize(
        ("status", "word"),
        [
            (TicketStatus.OPEN, "OPEN"),
            (TicketStatus.PENDING_CUSTOMER, "OPEN"),
            (TicketStatus.RESOLVED, "RESOLVED"),
        ],
    )
    async def test_status_is_in_the_seeds_words(
        self,
        say: Say,
        client: httpx.AsyncClient,
        key: dict[str, str],
        database: Database,
        status: TicketStatus,
        word: str,
    ) -> None:
        await set_status(database, (await say())["ticket_id"], status)
        assert (await active(client, key, JID)).json()["status"] == word

    async def test_none_is_404(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        assert (await active(client, key, JID)).status_code == 404
        await set_status(database, (await say())["ticket_id"], TicketStatus.CLOSED)
        refused = await active(client, key, JID)
        assert (refused.status_code, refused.json()["detail"]) == (404, "Ticket not found")

    async def test_newest_of_several(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        await say()
        body = {"jid": JID, "message": "Another matter."}
        await client.post("/api/v1/xmpp/tickets", headers=key, json=body)
        assert (await active(client, key, JID)).json()["ticket_id"] == "2"

    async def test_no_jid_is_422(self, client: httpx.AsyncClient, key: dict[str, str]) -> None:
        assert (await active(client, key, "domain.com")).status_code == 422


class TestMessages:
    async def test_public_messages_in_their_order(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = (await say("Help"))["ticket_id"]
        path = f"/api/tickets/{ticket}/message"
        note = {"content": "secret", "visibility": "private"}
        await client.post(path, headers=ADA, json=note)
        answer = {"content": "From the model", "sender_type": "ai"}
        await client.post(path, headers=as_(Role.ADMIN), json=answer)
        await respond(client, ADA, ticket)
        await respond(client, key, ticket, response="By nobody in particular.")
        answer_ = await messages(client, key, ticket)
        assert answer_.headers["X-Total-Count"] == "4"
        shown = [
            (each["message_type"], each["sender"], each["is_customer"], each["seq"])
            for each in answer_.json()
        ]
        assert shown == [
            ("CUSTOMER", JID, True, 1),
            ("AI", "AI Assistant", False, 3),
            ("AGENT", "Ada", False, 4),
            ("AGENT", "Support Agent", False, 5),
        ]

    async def test_newest_twenty_and_how_many_there_are(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = (await say())["ticket_id"]
        for n in range(30):
            await respond(client, key, ticket, response=str(n))
        newest = await messages(client, key, ticket)
        assert [each["content"] for each in newest.json()] == [str(n) for n in range(10, 30)]
        assert newest.headers["X-Total-Count"] == "31"
        assert len((await messages(client, key, ticket, limit=2)).json()) == 2
        part = (await messages(client, key, ticket, after_seq=5, limit=3)).json()
        assert [each["seq"] for each in part] == [6, 7, 8]

    async def test_system_events_do_not_count(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        ticket = (await say())["ticket_id"]
        change = {"subject": "Another"}
        answer = await client.put(f"/api/tickets/{ticket}", headers=ADA, json=change)
        assert answer.json()["last_seq"] == 2
        polled = await messages(client, key, ticket)
        assert (len(polled.json()), polled.headers["X-Total-Count"]) == (1, "1")

    async def test_ticket_of_the_bridge_is_shown_to_people_alone(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        """A client that fetched its replies would bring them a second time."""
        ticket = (await say())["ticket_id"]
        await move_to_bridge(database, ticket, "xmpp-support@domain.com")
        for headers in (key, await with_key(database, Scope.ADMIN)):
            assert (await messages(client, headers, ticket)).status_code == 404
        for headers in (ADA, as_(Role.ADMIN)):
            assert (await messages(client, headers, ticket)).status_code == 200

    async def test_last_words_stay_to_be_fetched_when_the_ticket_is_closed(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        ticket = (await say())["ticket_id"]
        await respond(client, key, ticket, response="Goodbye.")
        await set_status(database, ticket, TicketStatus.CLOSED)
        assert (await active(client, key, JID)).status_code == 404
        left = (await messages(client, key, ticket, after_seq=1)).json()
        assert [each["content"] for each in left] == ["Goodbye."]

    async def test_tickets_of_other_channels_are_not_found(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        body = {"subject": "s", "initial_message": "m"}
        web = (await client.post("/api/tickets/create", headers=ADA, json=body)).json()["number"]
        assert (await messages(client, key, web)).status_code == 404
        assert (await respond(client, key, web)).status_code == 404
        assert (await client.get(PENDING, headers=key)).json() == []


class TestPending:
    async def test_those_whose_last_public_message_is_the_customers(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        answered = (await say(jid="a@domain.com"))["ticket_id"]
        await respond(client, key, answered)
        closed = (await say(jid="b@domain.com"))["ticket_id"]
        await set_status(database, closed, TicketStatus.CLOSED)
        noted = (await say("Help. Me.", jid="c@domain.com/desk"))["ticket_id"]
        note = {"content": "secret", "visibility": "private"}
        await client.post(f"/api/tickets/{noted}/message", headers=ADA, json=note)
        pushed = (await say("Old", jid="d@domain.com"))["ticket_id"]
        await say("New", jid="d@domain.com")
        await move_to_bridge(database, pushed, "xmpp-support@domain.com")
        resolved = (await say(jid="e@domain.com"))["ticket_id"]
        await set_status(database, resolved, TicketStatus.RESOLVED)
        listed = (await client.get(PENDING, headers=key)).json()
        assert [
            (each["id"], each["from_jid"], each["body"], each["status"]) for each in listed
        ] == [
            (resolved, "e@domain.com", "I need help", "resolved"),
            (pushed, "d@domain.com", "New", "open"),
            (noted, "c@domain.com/desk", "Help. Me.", "open"),
        ]
        assert listed[2]["subject"] == "Help."

    async def test_in_pages(self, say: Say, client: httpx.AsyncClient, key: dict[str, str]) -> None:
        numbers = [(await say(jid=f"{n}@domain.com"))["ticket_id"] for n in range(5)]
        pages = [
            (await client.get(PENDING, headers=key, params={"page": n, "limit": 2})).json()
            for n in (1, 2, 3, 4)
        ]
        assert [[each["id"] for each in page] for page in pages] == [
            numbers[:2:-1],
            numbers[2:0:-1],
            numbers[:1],
            [],
        ]

    async def test_metadata_cannot_send_the_answer_to_somebody_else(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = (await say())["ticket_id"]
        for resource in ({"a": 1}, 5, ""):
            body = {"content": "x", "sender_type": "customer", "metadata": {"resource": resource}}
            path = f"/api/tickets/{ticket}/message"
            await client.post(path, headers=as_(Role.ADMIN), json=body)
            assert (await client.get(PENDING, headers=key)).json()[0]["from_jid"] == JID


class TestRespond:
    async def test_reply_is_the_agents(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = (await say())["ticket_id"]
        told = (await respond(client, ADA, ticket, timestamp="2024-01-15T10:05:00Z")).json()
        reply = (await whole(client, ticket))["timeline"][-1]
        assert told == {
            "status": "ok",
            "ticket_id": ticket,
            "message": "Response sent",
            "message_id": reply["message_id"],
        }
        assert (reply["sender_type"], reply["agent_id"]) == ("agent", "ada")
        named = await respond(client, key, ticket, agent_id="ada")
        assert named.status_code == 200
        assert (await whole(client, ticket))["timeline"][-1]["sender_name"] == "Ada"

    async def test_nobody_answers_for_another_agent(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = (await say())["ticket_id"]
        assert (await respond(client, ADA, ticket, agent_id="grace")).status_code == 403
        assert (await respond(client, key, ticket, agent_id="nobody")).status_code == 422

    async def test_all_three_spellings_of_the_id(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        number = (await say())["ticket_id"]
        ticket_id = (await whole(client, number))["ticket_id"]
        for spelling in (number, ticket_id, ticket_id.removeprefix("tkt_")):
            assert (await respond(client, key, spelling)).status_code == 200

    async def test_once_for_each_key(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = (await say())["ticket_id"]
        headers = key | {"Idempotency-Key": "k1"}
        first, again = [await respond(client, headers, ticket) for _ in "12"]
        assert first.text == again.text
        assert (await whole(client, ticket))["last_seq"] == 2

    async def test_closed_ticket_is_409_and_unknown_404(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        ticket = (await say())["ticket_id"]
        await set_status(database, ticket, TicketStatus.CLOSED)
        assert (await respond(client, key, ticket)).status_code == 409
        assert (await respond(client, key, 99)).status_code == 404

    async def test_bridge_gets_the_reply_to_what_came_through_it_and_no_other(
        self, say: Say, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        pulled = (await say(jid="a@domain.com"))["ticket_id"]
        pushed = (await say(jid="b@domain.com"))["ticket_id"]
        pushed_id = await move_to_bridge(database, pushed, "xmpp-support@domain.com")
        for ticket in (pulled, pushed):
            assert (await respond(client, key, ticket)).status_code == 200
        async with database.begin() as session:
            rows = (await session.execute(text("SELECT thread_id, address FROM deliveries"))).all()
        assert [tuple(row) for row in rows] == [(pushed_id, "b@domain.com")]


async def test_customers_are_kept_out(client: httpx.AsyncClient) -> None:
    eve = as_(Role.CUSTOMER, "eve", email=JID)
    assert (await client.get(PENDING, headers=eve)).status_code == 403
    assert (await active(client, eve, JID)).status_code == 403
    assert (await messages(client, eve, 1)).status_code == 403
    assert (await respond(client, eve, 1)).status_code == 403
    body = {"from_jid": JID, "body": "x"}
    for headers in (eve, ADA):
        assert (await client.post(INCOMING, headers=headers, json=body)).status_code == 403
