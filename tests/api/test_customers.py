"""Customers over HTTP: who they are, and what is wanted of them as a whole."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from temporalio.testing import ActivityEnvironment

from activities.customers import CustomerActivities
from api.services import Services
from domain.ids import customer_id_text, parse_request_id
from domain.principals import Role, Scope
from store.database import Database
from tests.api.chatting import code, said
from tests.api.conftest import client_of
from tests.api.people import as_, with_key

Json = dict[str, Any]
AGENT, ADMIN = as_(Role.AGENT, "ada"), as_(Role.ADMIN, "boss")
JANE = as_(Role.CUSTOMER, "jane", email="jane@a.org")
NOBODY = f"/api/customers/cust_{uuid4().hex}"
CarryOut = Callable[[Json], Awaitable[Json]]


@pytest.fixture
def carry_out(app: FastAPI, client: httpx.AsyncClient) -> CarryOut:
    """Do what was asked for, as its errand does; returns the request after it."""
    services: Services = app.state.services

    async def run(request: Json) -> Json:
        activities = CustomerActivities(services.database, services.blobs)
        await ActivityEnvironment().run(
            activities.carry_out, parse_request_id(request["request_id"])
        )
        place = f"/api/customers/requests/{request['request_id']}"
        return said(await client.get(place, headers=ADMIN))  # type: ignore[no-any-return]

    return run


async def opened(client: httpx.AsyncClient, **customer: str) -> str:
    """A ticket by somebody; returns their address."""
    body = {
        "source": {"channel": "whatsapp"},
        "customer": customer,
        "subject": "Help",
        "initial_message": "Hello",
    }
    ticket = said(await client.post("/api/tickets/create", json=body, headers=ADMIN), 201)
    return f"/api/customers/{ticket['customer']['internal_id']}"


def id_in(place: str) -> str:
    return place.rsplit("/", 1)[-1]


async def ask(client: httpx.AsyncClient, place: str, body: Json | None = None) -> Json:
    request: Json = said(await client.post(place, json=body, headers=ADMIN), 202)
    assert request["state"] == "pending"
    return request


async def merged(client: httpx.AsyncClient, carry_out: CarryOut, left: str, into: str) -> Json:
    return await carry_out(await ask(client, f"{left}/merge", {"into": id_in(into)}))


class TestReading:
    async def test_staff_see_by_what_names_somebody_is_known(
        self, client: httpx.AsyncClient
    ) -> None:
        place = await opened(client, name="Jane", channel_identity="49170")
        shown = said(await client.get(place, headers=AGENT))
        assert shown["identities"] == [{"channel": "whatsapp", "identity": "+49170"}]
        assert (shown["status"], shown["merged_into"], shown["erased_at"]) == ("active", None, None)

    async def test_customers_see_themselves_alone(self, client: httpx.AsyncClient) -> None:
        own = await opened(client, primary_email="jane@a.org", channel_identity="49170")
        other = await opened(client, primary_email="joe@a.org")
        shown = said(await client.get(own, headers=JANE))
        assert (shown["primary_email"], shown["identities"]) == ("jane@a.org", None)
        for place in (other, NOBODY):
            assert (await client.get(place, headers=JANE)).status_code == 404


class TestListing:
    async def found(self, client: httpx.AsyncClient, **params: object) -> list[str | None]:
        answer = await client.get("/api/customers", params=params, headers=AGENT)  # type: ignore[arg-type]
        page = said(answer)
        assert page["total_count"] >= len(page["customers"])
        return [each["name"] for each in page["customers"]]

    async def test_newest_first_a_page_at_a_time(self, client: httpx.AsyncClient) -> None:
        for number in range(5):
            await opened(client, name=f"Jane {number}", channel_identity=str(number))
        assert await self.found(client, page_size=2) == ["Jane 4", "Jane 3"]
        assert await self.found(client, page_size=2, page=3) == ["Jane 0"]

    async def test_finds_by_each_name(self, client: httpx.AsyncClient) -> None:
        await opened(client, name="Jane Doe", primary_email="Jane@a.org", channel_identity="49170")
        await opened(client, name="Joe", primary_email="joe@a.org", channel_identity="49171")
        for params in (
            {"q": "jane d"},
            {"q": "JANE@"},
            {"email": "jane@A.org"},
            {"identity": "49170"},
            {"channel": "whatsapp", "identity": "49170"},
            {"channel": "whatsapp", "q": "ja"},
        ):
            assert await self.found(client, **params) == ["Jane Doe"], params
        for nothing in (
            {"q": "doe"},
            {"q": "ja%"},
            {"email": "jane"},
            {"channel": "web"},
            {"channel": "xmpp", "identity": "49170"},
            {"phone": "1"},
        ):
            assert await self.found(client, **nothing) == [], nothing

    async def test_merged_ones_are_found_as_the_other(
        self, client: httpx.AsyncClient, carry_out: CarryOut
    ) -> None:
        left = await opened(client, name="Jane", primary_email="j@a.org", channel_identity="1")
        into = await opened(client, name="J. Doe", primary_email="j@b.org", channel_identity="2")
        await merged(client, carry_out, left, into)
        for params in ({}, {"email": "j@a.org"}, {"identity": "1"}):
            assert await self.found(client, **params) == ["J. Doe"], params

    async def test_a_crowd_is_searched_by_index(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        async with database.begin() as session:
            await session.execute(_CROWD)
        async with database.begin() as session:
            await session.execute(text("ANALYZE customers"))
            await session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = await session.scalars(text(_SEARCH))
        assert any("customers_by_name" in line for line in plan)
        assert await self.found(client, q="person 4711") == ["Person 4711"]

    async def test_customers_may_not(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/api/customers", headers=JANE)).status_code == 403


class TestChanging:
    async def test_staff_change_and_clear(self, client: httpx.AsyncClient) -> None:
        place = await opened(client, name="Jane", primary_email="jane@a.org")
        body = {"name": "Jane Doe", "phone": "0170", "primary_email": None}
        shown = said(await client.patch(place, json=body, headers=AGENT))
        assert (shown["name"], shown["phone"], shown["primary_email"]) == ("Jane Doe", "0170", None)

    async def test_nothing_to_change(self, client: httpx.AsyncClient) -> None:
        place = await opened(client, name="Jane")
        refused = await client.patch(place, json={}, headers=AGENT)
        assert (refused.status_code, refused.json()["detail"]) == (400, "No updates provided")

    async def test_email_of_somebody_else(self, client: httpx.AsyncClient) -> None:
        await opened(client, primary_email="jane@a.org")
        place = await opened(client, primary_email="joe@a.org")
        for email in ("jane@a.org", "JANE@A.ORG"):
            refused = await client.patch(place, json={"primary_email": email}, headers=AGENT)
            assert code(refused) == (409, "email_taken")
            assert "cust_" not in refused.text

    async def test_customers_change_their_own_name_and_phone(
        self, client: httpx.AsyncClient
    ) -> None:
        own = await opened(client, primary_email="jane@a.org")
        other = await opened(client, primary_email="joe@a.org")
        shown = said(await client.patch(own, json={"name": "J", "phone": "1"}, headers=JANE))
        assert (shown["name"], shown["phone"]) == ("J", "1")
        refused = await client.patch(own, json={"primary_email": "x@a.org"}, headers=JANE)
        assert refused.status_code == 403
        assert (await client.patch(other, json={"name": "J"}, headers=JANE)).status_code == 404


class TestIdentities:
    async def test_added_and_taken_away(self, client: httpx.AsyncClient) -> None:
        place = await opened(client, name="Jane")
        body = {"channel": "xmpp", "identity": "Jane@A.org/phone"}
        shown = said(await client.post(f"{place}/identities", json=body, headers=AGENT), 201)
        assert shown["identities"] == [{"channel": "xmpp", "identity": "jane@a.org"}]
        again = await client.post(f"{place}/identities", json=body, headers=AGENT)
        assert len(said(again, 201)["identities"]) == 1
        gone = f"{place}/identities/xmpp/jane%40a.org"
        assert said(await client.delete(gone, headers=AGENT))["identities"] == []
        assert (await client.delete(gone, headers=AGENT)).status_code == 404

    async def test_with_a_slash(self, client: httpx.AsyncClient) -> None:
        place = await opened(client, name="Jane")
        body = {"channel": "web", "identity": "a/b"}
        said(await client.post(f"{place}/identities", json=body, headers=AGENT), 201)
        gone = await client.delete(f"{place}/identities/web/a%2Fb", headers=AGENT)
        assert said(gone)["identities"] == []

    async def test_of_somebody_else(self, client: httpx.AsyncClient) -> None:
        other = await opened(client, channel_identity="49170")
        place = await opened(client, name="Jane")
        body = {"channel": "whatsapp", "identity": "49170"}
        refused = await client.post(f"{place}/identities", json=body, headers=AGENT)
        assert code(refused) == (409, "identity_taken")
        assert id_in(other) not in refused.text
        gone = await client.delete(f"{place}/identities/whatsapp/49170", headers=AGENT)
        assert gone.status_code == 404

    async def test_no_jid(self, client: httpx.AsyncClient) -> None:
        place = await opened(client, name="Jane")
        body = {"channel": "xmpp", "identity": "a b"}
        refused = await client.post(f"{place}/identities", json=body, headers=AGENT)
        assert refused.status_code == 422


class TestMerging:
    async def test_old_id_says_who_it_is_now(
        self, client: httpx.AsyncClient, carry_out: CarryOut
    ) -> None:
        left, into = await opened(client, name="A"), await opened(client, name="B")
        request = await merged(client, carry_out, left, into)
        assert (request["state"], request["kind"], request["into"]) == (
            "done",
            "merge",
            id_in(into),
        )
        shown = said(await client.get(left, headers=AGENT))
        assert (shown["status"], shown["merged_into"]) == ("merged", id_in(into))
        owned = said(await client.get(f"{left}/tickets", headers=AGENT))
        assert len(owned) == 2
        refused = await client.patch(left, json={"name": "C"}, headers=AGENT)
        assert code(refused) == (409, "customer_merged")

    async def test_old_token_acts_for_the_other(
        self, client: httpx.AsyncClient, carry_out: CarryOut
    ) -> None:
        left = await opened(client, primary_email="jane@a.org", channel_identity="1")
        into = await opened(client, primary_email="jane@b.org", channel_identity="2")
        await merged(client, carry_out, left, into)
        shown = said(await client.get(left, headers=JANE))
        assert shown["customer_id"] == id_in(into)
        by_id = as_(Role.CUSTOMER, id_in(left))
        assert len(said(await client.get(f"{left}/tickets", headers=by_id))) == 2
        for ticket in said(await client.get(f"{into}/tickets", headers=by_id)):
            place = f"/api/tickets/{ticket['ticket_id']}"
            said(await client.get(place, headers=by_id))
            said(await client.post(f"{place}/message", json={"content": "Hi"}, headers=by_id))

    async def test_same_key_again_is_the_same_request(self, client: httpx.AsyncClient) -> None:
        left, into = await opened(client, name="A"), await opened(client, name="B")
        headers = ADMIN | {"Idempotency-Key": "1"}
        body = {"into": id_in(into)}
        first = said(await client.post(f"{left}/merge", json=body, headers=headers), 202)
        assert said(await client.post(f"{left}/merge", json=body, headers=headers), 202) == first

    async def test_what_cannot_be_merged(self, client: httpx.AsyncClient) -> None:
        left = await opened(client, name="A")
        for into, status in ((id_in(left), 409), (id_in(NOBODY), 404), ("x", 404)):
            refused = await client.post(f"{left}/merge", json={"into": into}, headers=AGENT)
            assert refused.status_code == status

    async def test_undone(self, client: httpx.AsyncClient, carry_out: CarryOut) -> None:
        left, into = await opened(client, name="A"), await opened(client, name="B")
        request = await merged(client, carry_out, left, into)
        place = f"/api/customers/requests/{request['request_id']}"
        undoing = await carry_out(await ask(client, f"{place}/undo"))
        assert (undoing["state"], undoing["undoes"]) == ("done", request["request_id"])
        assert said(await client.get(place, headers=AGENT))["state"] == "undone"
        assert said(await client.get(left, headers=AGENT))["status"] == "active"
        assert code(await client.post(f"{place}/undo", headers=AGENT)) == (409, "not_undoable")

    async def test_keys_for_tickets_may_not(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        left, into = await opened(client, name="A"), await opened(client, name="B")
        body = {"into": id_in(into)}
        for scope, status in ((Scope.TICKETS, 403), (Scope.ADMIN, 202)):
            key = await with_key(database, scope)
            answer = await client.post(f"{left}/merge", json=body, headers=key)
            assert answer.status_code == status


class TestExporting:
    async def test_customers_get_their_own(
        self, client: httpx.AsyncClient, carry_out: CarryOut
    ) -> None:
        own = await opened(client, name="Jane", primary_email="jane@a.org")
        other = await opened(client, primary_email="joe@a.org")
        assert (await client.post(f"{other}/export", headers=JANE)).status_code == 404
        request = said(await client.post(f"{own}/export", headers=JANE), 202)
        assert request["download"] is None
        early = await client.get(
            f"/api/customers/requests/{request['request_id']}/file", headers=JANE
        )
        assert code(early) == (409, "export_not_ready")
        request = await carry_out(request)
        answer = await client.get(request["download"], headers=JANE)
        assert said(answer)["customer"]["name"] == "Jane"
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert said(await client.get(f"{own}/requests", headers=JANE)) == [request]

    async def test_nobody_elses_file(self, client: httpx.AsyncClient, carry_out: CarryOut) -> None:
        place = await opened(client, primary_email="joe@a.org")
        await opened(client, primary_email="jane@a.org")
        request = await carry_out(await ask(client, f"{place}/export"))
        told = f"/api/customers/requests/{request['request_id']}"
        for address in (request["download"], told):
            assert (await client.get(address, headers=JANE)).status_code == 404
            assert (await client.get(address, headers=AGENT)).status_code == 200

    async def test_customers_do_not_see_what_the_desk_does(
        self, client: httpx.AsyncClient, carry_out: CarryOut
    ) -> None:
        left = await opened(client, name="A")
        own = await opened(client, primary_email="jane@a.org")
        request = await merged(client, carry_out, left, own)
        place = f"/api/customers/requests/{request['request_id']}"
        assert (await client.get(place, headers=JANE)).status_code == 404
        assert said(await client.get(f"{own}/requests", headers=JANE)) == []


class TestErasing:
    async def test_nothing_is_shown_any_more(
        self, client: httpx.AsyncClient, database: Database, carry_out: CarryOut
    ) -> None:
        place = await opened(client, name="Jane", primary_email="jane@a.org", channel_identity="1")
        async with database.begin() as session:
            # As its workflow does when it hears of it.
            await session.execute(text("UPDATE threads SET open = false"))
        request = await carry_out(await ask(client, f"{place}/erase"))
        assert (request["state"], request["error"]) == ("done", None)
        shown = said(await client.get(place, headers=AGENT))
        assert shown["status"] == "erased"
        assert shown["erased_at"] is not None
        assert (shown["name"], shown["primary_email"], shown["identities"]) == (None, None, [])
        (ticket,) = said(await client.get(f"{place}/tickets", headers=AGENT))
        assert ticket["subject"] == "[erased]"
        whole = await client.get(f"/api/tickets/{ticket['ticket_id']}", headers=AGENT)
        assert "Hello" not in whole.text
        for change in ("erase", "export"):
            assert code(await client.post(f"{place}/{change}", headers=ADMIN)) == (
                409,
                "customer_erased",
            )
        assert (await client.get(place, headers=JANE)).status_code == 404

    async def test_only_admins(self, client: httpx.AsyncClient, database: Database) -> None:
        place = await opened(client, primary_email="jane@a.org")
        for headers in (AGENT, JANE, await with_key(database, Scope.TICKETS)):
            assert (await client.post(f"{place}/erase", headers=headers)).status_code == 403

    async def test_one_thing_at_a_time(self, client: httpx.AsyncClient) -> None:
        left, into = await opened(client, name="A"), await opened(client, name="B")
        await ask(client, f"{left}/erase")
        for place, body in ((f"{left}/erase", None), (f"{into}/merge", {"into": id_in(left)})):
            refused = await client.post(place, json=body, headers=ADMIN)
            assert code(refused) == (409, "customer_busy")

    async def test_visitor_starts_anew(
        self, app: FastAPI, client: httpx.AsyncClient, database: Database, carry_out: CarryOut
    ) -> None:
        async with client_of(app) as browser:
            begun = said(await browser.post("/api/customer/sessions", json={"fingerprint": "f"}))
            place = f"/api/customers/{begun['visitorId']}"
            async with database.begin() as session:
                await session.execute(text("UPDATE threads SET open = false"))
                await session.execute(text("UPDATE conversations SET status = 'CLOSED'"))
            await carry_out(await ask(client, f"{place}/erase"))
            token = {"Authorization": f"Bearer {begun['token']}"}
            again = said(await browser.post("/api/customer/sessions", json={}, headers=token))
        assert again["visitorId"] != begun["visitorId"]
        assert UUID(again["conversationId"]) != UUID(begun["conversationId"])
        assert customer_id_text(UUID(again["visitorId"][5:])) == again["visitorId"]


_CROWD = text(
    """
    INSERT INTO customers (id, name, email, created_at)
    SELECT gen_random_uuid(), 'Person ' || number, 'p' || number || '@a.org', now()
    FROM generate_series(1, 10000) AS number
    """
)
_SEARCH = """
EXPLAIN SELECT * FROM customers
WHERE merged_into IS NULL AND erased_at IS NULL
    AND (lower(name) ~>=~ 'person 47' AND lower(name) ~<~ 'person 48'
        OR lower(email) ~>=~ 'person 47' AND lower(email) ~<~ 'person 48')
ORDER BY created_at DESC, id DESC LIMIT 20
"""
