"""Seed 001's family: tickets of a JID, for back ends, agents and the customers themselves."""

import random
import string
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from api.config import ApiConfig
from domain.models import TicketStatus
from domain.principals import Role, Scope
from store.database import Database
from tests.api.desk import set_status
from tests.api.people import as_, with_key

Json = dict[str, Any]
Create = Callable[..., Awaitable[Json]]

TICKETS = "/api/v1/xmpp/tickets"
PRESENCE = "/api/v1/xmpp/presence"
JID = "user@example.com"
ADA = as_(Role.AGENT, "ada", name="Ada")
EVE = as_(Role.CUSTOMER, "eve", email=JID)
MALLORY = as_(Role.CUSTOMER, "mallory", email="mallory@example.com")


@pytest.fixture
async def key(database: Database) -> dict[str, str]:
    return await with_key(database, Scope.XMPP)


@pytest.fixture
def create(client: httpx.AsyncClient, key: dict[str, str]) -> Create:
    async def create(headers: dict[str, str] | None = None, **changes: object) -> Json:
        body = {"jid": JID, "message": "My mail is broken. Help!"} | changes
        answer = await client.post(TICKETS, json=body, headers=headers or key)
        assert answer.status_code == 200, answer.text
        ticket: Json = answer.json()
        return ticket

    return create


async def send(
    client: httpx.AsyncClient, headers: dict[str, str], ticket: Json, **body: object
) -> httpx.Response:
    path = f"{TICKETS}/{ticket['ticket_id']}/messages"
    return await client.post(path, headers=headers, json={"content": "text"} | body)


async def sync(
    client: httpx.AsyncClient, headers: dict[str, str], ticket: Json, **params: int
) -> httpx.Response:
    path = f"{TICKETS}/{ticket['ticket_id']}/sync"
    return await client.get(path, headers=headers, params=params)


async def listed(
    client: httpx.AsyncClient, headers: dict[str, str], **params: str | int
) -> list[Json]:
    answer = await client.get(TICKETS, headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()
    return found


def incompressible(length: int) -> str:
    """PostgreSQL packs repeated letters before it asks whether they fit into an index."""
    return "".join(random.Random(1).choices(string.ascii_lowercase + string.digits, k=length))


async def whole(client: httpx.AsyncClient, ticket: Json) -> Json:
    """The ticket as seed 004 shows it to staff."""
    answer = await client.get(f"/api/tickets/{ticket['ticket_id']}", headers=ADA)
    shown: Json = answer.json()
    return shown


class TestCreate:
    async def test_always_a_new_ticket(self, create: Create) -> None:
        first, second = await create(), await create()
        assert first["ticket_id"] != second["ticket_id"]
        assert UUID(first.pop("ticket_id")).version == 4
        assert first == {"success": True, "subject": "My mail is broken.", "status": "OPEN"}

    async def test_jid_is_kept_bare_and_the_resource_beside(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await whole(client, await create(jid="USER@Example.com/laptop"))
        assert ticket["customer"]["channel_identity"] == JID
        assert ticket["timeline"][0]["metadata"] == {"resource": "laptop"}
        ticket = await whole(client, await create(resource="desktop"))
        assert ticket["timeline"][0]["metadata"] == {"resource": "desktop"}

    async def test_one_jid_is_one_customer(self, create: Create, client: httpx.AsyncClient) -> None:
        people = {
            (await whole(client, await create(jid=jid)))["customer"]["internal_id"]
            for jid in (JID, f"{JID}/x", "User@example.com")
        }
        assert len(people) == 1

    async def test_once_for_each_key(self, create: Create, key: dict[str, str]) -> None:
        headers = key | {"Idempotency-Key": "k1"}
        assert await create(headers) == await create(headers)

    @pytest.mark.parametrize(
        "wrong", [{"jid": "example.com"}, {"message": " "}, {"resource": "x" * 1024}, {"jid": None}]
    )
    async def test_what_makes_no_sense_is_refused(
        self, client: httpx.AsyncClient, key: dict[str, str], wrong: Json
    ) -> None:
        body = {"jid": JID, "message": "m"} | wrong
        assert (await client.post(TICKETS, json=body, headers=key)).status_code == 422


class TestList:
    async def test_newest_first_in_the_seeds_words(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        old, new = await create(), await create(jid="other@example.com")
        path = f"/api/tickets/{old['ticket_id']}"
        answer = await client.put(path, headers=ADA, json={"subject": "Connection Issues"})
        assert answer.status_code == 200
        found = await listed(client, key)
        assert [each["id"] for each in found] == [new["ticket_id"], old["ticket_id"]]
        ticket = found[1]
        assert datetime.fromisoformat(ticket.pop("created_at")).tzinfo
        assert datetime.fromisoformat(ticket.pop("last_message")).tzinfo
        assert ticket == {
            "id": old["ticket_id"],
            "subject": "Connection Issues",
            "status": "OPEN",
            "priority": "NORMAL",
            "jid": JID,
        }

    async def test_filters_combine(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        made = [await create(jid=jid) for jid in (JID, JID, "other@example.com", JID, JID)]
        ids = [each["ticket_id"] for each in made]
        for ticket_id, status in (
            (ids[0], TicketStatus.CLOSED),
            (ids[1], TicketStatus.RESOLVED),
            (ids[3], TicketStatus.PENDING_CUSTOMER),
        ):
            await set_status(database, ticket_id, status)

        async def found(**params: str | int) -> list[str]:
            return [each["id"] for each in await listed(client, key, **params)]

        assert await found(jid=JID) == [ids[4], ids[3], ids[1], ids[0]]
        assert await found(jid="USER@example.com/x") == await found(jid=JID)
        assert await found(status="OPEN") == [ids[4], ids[3], ids[2]]
        assert await found(status="RESOLVED") == [ids[1]]
        assert await found(status="CLOSED") == [ids[0]]
        assert await found(jid=JID, status="OPEN", limit=1) == [ids[4]]
        assert await found(jid=JID, status="OPEN", limit=1, page=2) == [ids[3]]
        assert await found(jid="nobody@example.com") == []

    async def test_how_many_there_are(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        made = [await create() for _ in range(3)]
        await set_status(database, made[0]["ticket_id"], TicketStatus.CLOSED)
        cases: tuple[tuple[dict[str, str], str], ...] = (
            ({}, "3"),
            ({"status": "OPEN"}, "2"),
            ({"jid": JID, "status": "CLOSED"}, "1"),
        )
        for params, total in cases:
            answer = await client.get(TICKETS, headers=key, params={"limit": "1"} | params)
            assert (len(answer.json()), answer.headers["X-Total-Count"]) == (1, total)

    async def test_last_message_is_the_last_public_one(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        sent = (await send(client, key, ticket)).json()
        note = {"content": "secret", "visibility": "private"}
        path = f"/api/tickets/{ticket['ticket_id']}/message"
        await client.post(path, headers=ADA, json=note)
        assert (await listed(client, key))[0]["last_message"] == sent["timestamp"]

    async def test_customers_see_their_own(self, create: Create, client: httpx.AsyncClient) -> None:
        await create(jid="other@example.com")
        assert await listed(client, EVE) == []
        own = await create(EVE)
        assert [each["id"] for each in await listed(client, EVE)] == [own["ticket_id"]]
        assert await listed(client, EVE, jid="other@example.com") == []
        assert len(await listed(client, ADA)) == 2

    async def test_tickets_of_other_channels_are_not_there(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        body = {"subject": "s", "initial_message": "m"}
        web = (await client.post("/api/tickets/create", headers=ADA, json=body)).json()
        assert await listed(client, key) == []
        assert (await sync(client, key, web)).status_code == 404
        assert (await send(client, key, web)).status_code == 404


class TestMessages:
    async def test_key_writes_what_the_customer_says_and_an_agent_answers(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        await send(client, key, ticket, content="one", jid=f"{JID}/laptop")
        await send(client, ADA, ticket, content="two", jid=JID)
        await send(client, as_(Role.ADMIN), ticket, content="three")
        shown = (await sync(client, key, ticket)).json()["messages"]
        assert [(each["content"], each["sender"], each["is_agent"]) for each in shown[1:]] == [
            ("one", "You", False),
            ("two", "Ada", True),
            ("three", "You", False),
        ]

    async def test_answer_names_the_message(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        sent = (await send(client, key, ticket, jid=JID)).json()
        newest = (await sync(client, key, ticket)).json()["messages"][-1]
        assert sent == {
            "success": True,
            "message_id": newest["id"],
            "timestamp": newest["timestamp"],
            "ticket_id": ticket["ticket_id"],
        }

    async def test_jid_of_somebody_else_finds_no_ticket(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        for headers in (key, ADA):
            answer = await send(client, headers, ticket, jid="other@example.com")
            assert answer.status_code == 404

    async def test_any_jid_of_the_customer_is_the_customers(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        customer_id = (await whole(client, ticket))["customer"]["internal_id"]
        other = {
            "source": {"channel": "xmpp"},
            "customer": {"internal_id": customer_id, "channel_identity": "user@home.example"},
            "subject": "s",
            "initial_message": "m",
        }
        made = await client.post("/api/tickets/create", headers=as_(Role.ADMIN), json=other)
        assert made.status_code == 201
        assert (await send(client, key, ticket, jid="user@home.example")).status_code == 200

    async def test_closed_ticket_is_followed_by_another(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        ticket = await create()
        await set_status(database, ticket["ticket_id"], TicketStatus.CLOSED)
        assert (await send(client, ADA, ticket)).status_code == 409
        sent = (await send(client, key, ticket)).json()
        assert sent["ticket_id"] != ticket["ticket_id"]
        followed = (await whole(client, sent))["follow_up_of"]
        assert UUID(followed.removeprefix("tkt_")) == UUID(ticket["ticket_id"])
        assert (await send(client, key, ticket)).json()["ticket_id"] == sent["ticket_id"]

    async def test_once_for_each_key(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        headers = key | {"Idempotency-Key": "k1"}
        first, again = [await send(client, headers, ticket) for _ in "12"]
        assert first.text == again.text
        assert (await send(client, headers, ticket, content="other")).status_code == 409


class TestSync:
    async def test_only_what_is_public(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        path = f"/api/tickets/{ticket['ticket_id']}"
        note = {"content": "secret", "visibility": "private"}
        await client.post(f"{path}/message", headers=ADA, json=note)
        await client.put(path, headers=ADA, json={"subject": "Another"})
        model = {"content": "Restart it.", "sender_type": "ai"}
        await client.post(f"{path}/message", headers=as_(Role.ADMIN), json=model)
        shown = (await sync(client, key, ticket)).json()
        assert shown["subject"] == "Another"
        assert [(each["content"], each["sender"]) for each in shown["messages"]] == [
            ("My mail is broken. Help!", "You"),
            ("Restart it.", "AI Assistant"),
        ]

    async def test_what_follows(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        for n in range(5):
            await send(client, ADA, ticket, content=str(n))
        for params, seqs in (
            ({"after_seq": 3}, [4, 5, 6]),
            ({"after_seq": 3, "limit": 2}, [4, 5]),
            ({"after_seq": 6}, []),
            ({"limit": 2}, [5, 6]),
        ):
            shown = (await sync(client, key, ticket, **params)).json()
            assert [each["seq"] for each in shown["messages"]] == seqs


class TestCustomers:
    async def test_email_that_is_the_jid_opens_and_reads_ones_own(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create(EVE, jid="User@Example.com/phone")
        assert (await send(client, EVE, ticket, jid=JID)).status_code == 200
        assert len((await sync(client, EVE, ticket)).json()["messages"]) == 2

    async def test_known_jid_is_ones_own(self, create: Create, client: httpx.AsyncClient) -> None:
        first = await create()
        customer_id = (await whole(client, first))["customer"]["internal_id"]
        user = as_(Role.CUSTOMER, customer_id)
        assert [each["id"] for each in await listed(client, user)] == [first["ticket_id"]]
        assert (await send(client, user, first, jid=JID)).status_code == 200
        await create(user)

    async def test_other_jids_are_refused(self, create: Create, client: httpx.AsyncClient) -> None:
        own = await create(EVE)
        for headers in (MALLORY, as_(Role.CUSTOMER, "frank"), as_(Role.CUSTOMER, JID)):
            for path, body in (
                (TICKETS, {"jid": JID, "message": "m"}),
                (PRESENCE, {"jid": JID, "status": "available"}),
            ):
                assert (await client.post(path, headers=headers, json=body)).status_code == 403
            assert (await send(client, headers, own, jid=JID)).status_code == 404
            assert (await send(client, headers, own)).status_code == 404
            assert (await sync(client, headers, own)).status_code == 404
        assert (await send(client, EVE, own, jid="mallory@example.com")).status_code == 403

    async def test_claimed_jid_shows_nothing_of_its_owner(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        """Neither what the owner wrote before the claim, nor what comes after it."""
        before = await create()
        claimed = await create(EVE)
        after = await create()
        body = {"from_jid": JID, "body": "my secret"}
        told = await client.post("/api/v1/webhooks/xmpp/incoming", headers=key, json=body)
        assert [each["id"] for each in await listed(client, EVE)] == [claimed["ticket_id"]]
        for ticket in (before, after, told.json()):
            assert (await sync(client, EVE, ticket)).status_code == 404
            assert (await send(client, EVE, ticket, jid=JID)).status_code == 404


class TestPresence:
    async def test_shown_to_agents_by_resource_and_as_a_whole(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        assert (await whole(client, ticket))["customer"]["presence"] is None
        for body in (
            {"jid": f"{JID}/phone", "status": "available", "show": "away"},
            {"jid": JID, "resource": "desk", "status": "available", "show": "chat"},
            {"jid": JID, "status": "unavailable", "show": "chat"},
        ):
            told = await client.post(PRESENCE, headers=key, json=body)
            assert told.json() == {"success": True, "jid": JID, "status": body["status"]}
        shown = await client.get(PRESENCE, headers=ADA, params={"jid": "USER@example.com/x"})
        assert shown.json() == {
            "jid": JID,
            "status": "available",
            "show": "chat",
            "resources": [
                {"resource": "", "status": "unavailable", "show": None},
                {"resource": "desk", "status": "available", "show": "chat"},
                {"resource": "phone", "status": "available", "show": "away"},
            ],
        }
        best = {"status": "available", "show": "chat"}
        assert (await whole(client, ticket))["customer"]["presence"] == best

    async def test_customers_are_not_shown_it(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        customer_id = (await whole(client, ticket))["customer"]["internal_id"]
        user = as_(Role.CUSTOMER, customer_id)
        said = {"jid": JID, "status": "available"}
        assert (await client.post(PRESENCE, headers=user, json=said)).status_code == 200
        view = await client.get(f"/api/tickets/{ticket['ticket_id']}", headers=user)
        assert view.json()["customer"]["presence"] is None
        asked = await client.get(PRESENCE, headers=user, params={"jid": JID})
        assert asked.status_code == 403

    async def test_ends_by_itself(
        self, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        said = {"jid": JID, "status": "available"}
        await client.post(PRESENCE, headers=key, json=said)
        async with database.begin() as session:
            await session.execute(text("UPDATE xmpp_presences SET until = clock_timestamp()"))
        shown = (await client.get(PRESENCE, headers=key, params={"jid": JID})).json()
        assert shown == {"jid": JID, "status": "unavailable", "show": None, "resources": []}

    async def test_longest_jid_and_resource_are_kept(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        jid, resource = f"{incompressible(1011)}@example.com", incompressible(1023)
        for said in ({"jid": f"{jid}/{resource}"}, {"jid": jid, "resource": resource}):
            body = said | {"status": "available"}
            assert (await client.post(PRESENCE, headers=key, json=body)).status_code == 200
        shown = (await client.get(PRESENCE, headers=key, params={"jid": jid})).json()
        assert [each["resource"] for each in shown["resources"]] == [resource]

    async def test_of_many_clients_the_latest_twenty_are_known(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        others = {"jid": "other@example.com/desk", "status": "available"}
        await client.post(PRESENCE, headers=key, json=others)
        for n in (*range(10, 32), 12):
            said = {"jid": f"{JID}/{n}", "status": "available"}
            assert (await client.post(PRESENCE, headers=key, json=said)).status_code == 200
        shown = (await client.get(PRESENCE, headers=key, params={"jid": JID})).json()
        assert [each["resource"] for each in shown["resources"]] == [
            *(str(n) for n in range(12, 32))
        ]
        shown = (await client.get(PRESENCE, headers=key, params={"jid": others["jid"]})).json()
        assert len(shown["resources"]) == 1

    async def test_email_speaks_for_the_clients_of_its_jid_while_nobody_is_known_by_it(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        """Once the bridge has met its owner, it knows better who is there."""
        await create(EVE)
        said = {"jid": JID, "status": "unavailable"}
        assert (await client.post(PRESENCE, headers=EVE, json=said)).status_code == 200
        await create()
        assert (await client.post(PRESENCE, headers=EVE, json=said)).status_code == 403

    @pytest.mark.parametrize(
        "wrong",
        [
            {"jid": "example.com"},
            {"status": "busy"},
            {"show": "online"},
            {"status": None},
            {"resource": "ü" * 512},
            {"jid": "x" * 1012 + "@example.com"},
        ],
    )
    async def test_what_makes_no_sense_is_refused(
        self, client: httpx.AsyncClient, key: dict[str, str], wrong: Json
    ) -> None:
        body = {"jid": JID, "status": "available"} | wrong
        assert (await client.post(PRESENCE, headers=key, json=body)).status_code == 422


class TestSeed004:
    """Tickets of channel xmpp by the omnichannel family."""

    OUTLET = "xmpp-support@example.com"

    @pytest.fixture
    def config(self, config: ApiConfig) -> ApiConfig:
        return config.model_copy(update={"xmpp_outlet": self.OUTLET})

    async def open(self, client: httpx.AsyncClient, channel: str, identity: str) -> httpx.Response:
        body = {
            "source": {"channel": channel},
            "customer": {"channel_identity": identity},
            "subject": "s",
            "initial_message": "m",
        }
        return await client.post("/api/tickets/create", headers=as_(Role.ADMIN), json=body)

    async def test_jid_is_kept_bare_and_its_replies_go_out(
        self, app: FastAPI, client: httpx.AsyncClient, key: dict[str, str], database: Database
    ) -> None:
        made = (await self.open(client, "xmpp", "USER@Example.com/phone")).json()
        assert made["customer"]["channel_identity"] == JID
        path = f"/api/tickets/{made['ticket_id']}/message"
        await client.post(path, headers=ADA, json={"content": "hello"})
        async with database.begin() as session:
            rows = (await session.execute(text("SELECT outlet, address FROM deliveries"))).all()
        assert [tuple(row) for row in rows] == [(self.OUTLET, JID)]
        # It is brought, so nobody has to fetch it.
        path = f"/api/v1/webhooks/xmpp/user/{JID}/active-ticket"
        assert (await client.get(path, headers=key)).status_code == 404

    async def test_what_is_no_jid_is_refused(self, client: httpx.AsyncClient) -> None:
        assert (await self.open(client, "xmpp", "+15550100")).status_code == 422

    async def test_other_channels_have_no_outlet(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        assert (await self.open(client, "whatsapp", "+15550100")).status_code == 201
        async with database.begin() as session:
            assert await session.scalar(text("SELECT outlet FROM tickets")) is None


class TestPace:
    @pytest.fixture
    def config(self, config: ApiConfig) -> ApiConfig:
        """Few enough for the slowest machine to exceed in ten seconds."""
        return config.model_copy(update={"rate_limit_messages": 3})

    async def test_each_jid_opens_tickets_at_a_pace_of_its_own(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        for _ in range(3):
            await create()
        body = {"jid": JID, "message": "m"}
        assert (await client.post(TICKETS, json=body, headers=key)).status_code == 429
        await create(jid="other@example.com")

    async def test_each_jid_writes_at_a_pace_of_its_own_and_agents_at_none(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket, other = await create(), await create(jid="other@example.com")
        answers = [await send(client, key, ticket, jid=JID) for _ in range(3)]
        assert [each.status_code for each in answers] == [200] * 2 + [429]
        assert (await send(client, key, other, jid="other@example.com")).status_code == 200
        answers = [await send(client, ADA, ticket, jid=JID) for _ in range(4)]
        assert {each.status_code for each in answers} == {200}
