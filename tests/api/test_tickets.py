"""Tickets over HTTP: who may do what, and what comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from api.config import ApiConfig
from domain.ids import parse_ticket_ref
from domain.models import AuthorKind, TicketStatus, Visibility
from domain.principals import Role, Scope
from store import tickets
from store.database import Database
from store.threads import Draft
from tests.api.conftest import PretendedEngine
from tests.api.people import as_, with_key

Json = dict[str, Any]
Create = Callable[..., Awaitable[Json]]

ADA = as_(Role.AGENT, "ada", name="Ada")
EVE = as_(Role.CUSTOMER, "eve", email="eve@example.com", name="Eve")
MALLORY = as_(Role.CUSTOMER, "mallory", email="mallory@example.com")


@pytest.fixture
async def key(database: Database) -> dict[str, str]:
    return await with_key(database, Scope.TICKETS)


@pytest.fixture
def create(client: httpx.AsyncClient, key: dict[str, str]) -> Create:
    async def create(headers: dict[str, str] | None = None, **changes: object) -> Json:
        body = {
            "subject": "Cannot check out",
            "initial_message": "The page stays blank.",
            "customer": {"primary_email": "eve@example.com", "name": "Eve"},
        }
        response = await client.post(
            "/api/tickets/create", json=body | changes, headers=headers or key
        )
        assert response.status_code == 201, response.text
        ticket: Json = response.json()
        return ticket

    return create


async def write(
    client: httpx.AsyncClient, ticket: Json, headers: dict[str, str], **body: object
) -> httpx.Response:
    path = f"/api/tickets/{ticket['ticket_id']}/message"
    return await client.post(path, json={"content": "text"} | body, headers=headers)


async def close(database: Database, ticket: Json) -> None:
    """As the ticket's workflow does it."""
    ref = parse_ticket_ref(ticket["ticket_id"])
    assert isinstance(ref, UUID)
    async with database.begin() as session:
        state, thread = await tickets.load(session, ref)
        closed = state.model_copy(
            update={"status": TicketStatus.CLOSED, "version": state.version + 1}
        )
        await tickets.record(session, thread, closed, [])


class TestCreate:
    async def test_known_address_is_the_known_customer(self, create: Create) -> None:
        first = await create()
        second = await create(customer={"primary_email": "EVE@example.com"})
        assert first["customer"]["internal_id"] == second["customer"]["internal_id"]

    @pytest.mark.parametrize("address", ["İ@example.com", "ΑΣ@example.com", "a@ΑΣ", "STRASSE@ß.de"])
    async def test_letters_of_all_alphabets_are_folded_alike(
        self, create: Create, address: str
    ) -> None:
        known = [
            (await create(customer={"primary_email": spelling}))["customer"]["internal_id"]
            for spelling in (address, address)
        ]
        assert len(set(known)) == 1

    async def test_known_identity_is_the_known_customer_on_its_channel_only(
        self, create: Create
    ) -> None:
        def on(channel: str) -> Json:
            return {
                "source": {"channel": channel, "origin_platform_id": "+15550100"},
                "customer": {"channel_identity": "+15550100"},
            }

        whatsapp, again, chat = [
            (await create(**on(channel)))["customer"]["internal_id"]
            for channel in ("whatsapp", "whatsapp", "facebook")
        ]
        assert whatsapp == again
        assert whatsapp != chat

    async def test_fifty_first_messages_of_one_person_meet_in_one_customer(
        self, create: Create
    ) -> None:
        created = await asyncio.gather(*(create() for _ in range(50)))
        assert len({ticket["customer"]["internal_id"] for ticket in created}) == 1
        assert len({ticket["number"] for ticket in created}) == 50

    async def test_unknown_internal_id_is_refused(
        self, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        body = {
            "subject": "s",
            "initial_message": "m",
            "customer": {"internal_id": "cust_" + "0" * 32},
        }
        response = await client.post("/api/tickets/create", json=body, headers=key)
        assert response.status_code == 422

    async def test_normal_is_medium(self, create: Create) -> None:
        assert (await create(priority="normal"))["priority"] == "medium"

    async def test_customer_opens_a_ticket_for_herself(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create(EVE, customer={})
        assert ticket["customer"]["primary_email"] == "eve@example.com"
        path = f"/api/tickets/{ticket['ticket_id']}"
        assert (await client.get(path, headers=EVE)).status_code == 200

    async def test_customer_without_address_finds_her_ticket_again(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        frank = as_(Role.CUSTOMER, "frank")
        ticket = await create(frank, customer={})
        page = (await client.get("/api/tickets/", headers=frank)).json()
        assert [each["ticket_id"] for each in page["tickets"]] == [ticket["ticket_id"]]

    @pytest.mark.parametrize(
        "named",
        [
            {"customer": {"primary_email": "mallory@example.com"}},
            {"customer": {"internal_id": "cust_" + "0" * 32}},
            {"customer": {"channel_identity": "+15550100"}},
            {"customer": {}, "source": {"channel": "whatsapp", "origin_platform_id": "+1555"}},
        ],
    )
    async def test_customer_cannot_open_one_for_somebody_else(
        self, client: httpx.AsyncClient, named: Json
    ) -> None:
        body = {"subject": "s", "initial_message": "m", **named}
        response = await client.post("/api/tickets/create", json=body, headers=EVE)
        assert response.status_code == 403


class TestIds:
    async def test_three_spellings_are_one_ticket(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        uuid = UUID(ticket["ticket_id"].removeprefix("tkt_"))
        for spelling in (ticket["ticket_id"], str(uuid), str(uuid).upper(), ticket["number"]):
            found = await client.get(f"/api/tickets/{spelling}", headers=key)
            assert found.json()["ticket_id"] == ticket["ticket_id"]

    @pytest.mark.parametrize(
        "nobody", ["0", "99999999999999999999", "tkt_", "tkt_xyz", "0" * 32, "-1", "1.0", "٣"]
    )
    async def test_what_names_no_ticket_is_not_found(
        self, client: httpx.AsyncClient, key: dict[str, str], nobody: str
    ) -> None:
        response = await client.get(f"/api/tickets/{nobody}", headers=key)
        told = {"detail": "Ticket not found", "code": "not_found"}
        assert (response.status_code, response.json()) == (404, told)


class TestAddresses:
    async def test_list_has_two_spellings(self, create: Create, client: httpx.AsyncClient) -> None:
        await create()
        for path in ("/api/tickets", "/api/tickets/"):
            assert (await client.get(path, headers=ADA)).json()["total_count"] == 1
            assert (await client.get(path)).status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            {"content": " \n\t"},
            {"content": "x", "attachments": [{"url": "javascript:alert(1)"}]},
            {"content": "x", "attachments": [{"url": "file:///etc/passwd"}]},
        ],
    )
    async def test_blank_text_and_odd_addresses_are_refused(
        self, create: Create, client: httpx.AsyncClient, body: Json
    ) -> None:
        assert (await write(client, await create(), ADA, **body)).status_code == 422


class TestPrivacy:
    async def test_other_peoples_tickets_do_not_exist(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        base = f"/api/tickets/{ticket['ticket_id']}"
        for path in (base, f"{base}/status", f"{base}/messages"):
            assert (await client.get(path, headers=MALLORY)).status_code == 404
        assert (await write(client, ticket, MALLORY)).status_code == 404
        assert (await client.get("/api/tickets/", headers=MALLORY)).json()["tickets"] == []

    async def test_customer_sees_no_note_and_no_deadline(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        await write(client, ticket, ADA, content="psst", visibility="private")
        base = f"/api/tickets/{ticket['ticket_id']}"
        seen = (await client.get(base, headers=EVE)).json()
        assert [entry["content"] for entry in seen["timeline"]] == ["The page stays blank."]
        assert seen["deadlines"] == {}
        assert "psst" not in (await client.get(f"{base}/messages", headers=EVE)).text
        assert "psst" not in (await client.get("/api/tickets/", headers=EVE)).text
        found = await client.get("/api/tickets/", params={"q": "psst"}, headers=EVE)
        assert found.json()["total_count"] == 0

    async def test_notes_do_not_count_as_replies(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        await write(client, ticket, ADA, visibility="private")
        path = f"/api/tickets/{ticket['ticket_id']}/status"
        assert (await client.get(path, headers=EVE)).json()["has_agent_reply"] is False

    async def test_other_customers_are_not_found(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        customer_id = (await create())["customer"]["internal_id"]
        for path in (f"/api/customers/{customer_id}", f"/api/customers/{customer_id}/tickets"):
            assert (await client.get(path, headers=EVE)).status_code == 200
            assert (await client.get(path, headers=MALLORY)).status_code == 404


class TestAuthors:
    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            (EVE, {"sender_type": "agent"}),
            (EVE, {"sender_type": "ai"}),
            (EVE, {"sender_type": "system"}),
            (EVE, {"visibility": "private"}),
            (EVE, {"agent_id": "ada"}),
            (ADA, {"sender_type": "customer"}),
            (ADA, {"sender_type": "ai"}),
            (ADA, {"agent_id": "grace"}),
        ],
    )
    async def test_nobody_writes_as_somebody_else(
        self, create: Create, client: httpx.AsyncClient, headers: dict[str, str], body: Json
    ) -> None:
        assert (await write(client, await create(), headers, **body)).status_code == 403

    async def test_back_end_writes_for_customers_and_agents(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        ticket = await create()
        await client.get("/api/tickets/", headers=ADA)
        await write(client, ticket, key, sender_type="customer")
        view = (await write(client, ticket, key, sender_type="agent", agent_id="ada")).json()
        newest = view["timeline"][-1]
        assert (newest["agent_id"], newest["sender_name"]) == ("ada", "Ada")
        assert view["timeline"][-2]["sender_type"] == "customer"

    async def test_unknown_agent_is_refused(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        response = await write(client, await create(), key, sender_type="agent", agent_id="nobody")
        assert response.status_code == 422

    async def test_nobody_writes_as_the_system(
        self, create: Create, client: httpx.AsyncClient, key: dict[str, str]
    ) -> None:
        response = await write(client, await create(), key, sender_type="system")
        assert response.status_code == 422


class TestPace:
    @pytest.fixture
    def config(self, config: ApiConfig) -> ApiConfig:
        """Few enough for the slowest machine to exceed in ten seconds."""
        return config.model_copy(update={"rate_limit_messages": 3})

    async def test_customer_who_writes_too_fast_is_told_to_wait(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        answers = [await write(client, ticket, EVE) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429]
        assert int(answers[-1].headers["Retry-After"]) <= 10

    async def test_agents_may_write_as_fast_as_they_can(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        answers = [await write(client, ticket, ADA) for _ in range(4)]
        assert {answer.status_code for answer in answers} == {200}


class TestIdempotency:
    async def test_second_message_with_the_key_is_the_first(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        headers = ADA | {"Idempotency-Key": "k1"}
        first = await write(client, ticket, headers)
        await write(client, ticket, ADA)
        again = await write(client, ticket, headers)
        assert (again.status_code, again.text) == (first.status_code, first.text)
        newest = await client.get(f"/api/tickets/{ticket['ticket_id']}", headers=ADA)
        assert newest.json()["last_seq"] == 3

    async def test_same_key_with_another_body_is_refused(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        headers = ADA | {"Idempotency-Key": "k1"}
        await write(client, ticket, headers, content="one")
        assert (await write(client, ticket, headers, content="two")).status_code == 409

    async def test_order_of_fields_makes_no_other_body(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}/message"
        headers = ADA | {"Idempotency-Key": "k1", "Content-Type": "application/json"}
        bodies = (
            '{"content": "x", "visibility": "public"}',
            '{"visibility":"public","content":"x"}',
        )
        first, second = [await client.post(path, content=body, headers=headers) for body in bodies]
        assert second.text == first.text

    async def test_keys_of_two_callers_are_two(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        ticket = await create()
        for person in ("ada", "grace"):
            headers = as_(Role.AGENT, person) | {"Idempotency-Key": "k1"}
            assert (await write(client, ticket, headers, content=person)).status_code == 200

    async def test_refused_request_leaves_its_key_free(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        headers = ADA | {"Idempotency-Key": "k1"}
        nothing = {"ticket_id": "tkt_" + "0" * 32}
        assert (await write(client, nothing, headers)).status_code == 404
        ticket = await create()
        assert (await write(client, ticket, headers)).status_code == 200

    async def test_fifty_creates_at_once_are_one_ticket(
        self, create: Create, key: dict[str, str]
    ) -> None:
        headers = key | {"Idempotency-Key": "k1"}
        created = await asyncio.gather(*(create(headers) for _ in range(50)))
        assert all(ticket == created[0] for ticket in created)

    async def test_answer_survives_the_key(
        self, create: Create, key: dict[str, str], database: Database
    ) -> None:
        """Long after the answer was forgotten, the log still knows what was written."""
        headers = key | {"Idempotency-Key": "k1"}
        first = await create(headers)
        async with database.begin() as session:
            await session.execute(text("DELETE FROM idempotency_keys"))
        assert (await create(headers))["ticket_id"] == first["ticket_id"]

    @pytest.mark.parametrize("change", [{"content": "other"}, {"visibility": "private"}])
    async def test_forgotten_key_is_not_taken_for_another_message(
        self, create: Create, client: httpx.AsyncClient, database: Database, change: Json
    ) -> None:
        ticket = await create()
        headers = ADA | {"Idempotency-Key": "k1"}
        await write(client, ticket, headers)
        async with database.begin() as session:
            await session.execute(text("DELETE FROM idempotency_keys"))
        assert (await write(client, ticket, headers, **change)).status_code == 409
        assert (await write(client, await create(), headers)).status_code == 409


class TestClosed:
    async def test_customer_gets_the_ticket_that_follows(
        self, create: Create, client: httpx.AsyncClient, database: Database
    ) -> None:
        ticket = await create()
        await close(database, ticket)
        following = (await write(client, ticket, EVE)).json()
        assert following["follow_up_of"] == ticket["ticket_id"]
        assert following["status"] == "new"
        again = (await write(client, ticket, EVE)).json()
        assert again["ticket_id"] == following["ticket_id"]
        assert again["last_seq"] == 2

    async def test_two_at_once_get_one_ticket(
        self, create: Create, client: httpx.AsyncClient, database: Database
    ) -> None:
        ticket = await create()
        await close(database, ticket)
        answers = await asyncio.gather(*(write(client, ticket, EVE) for _ in range(10)))
        assert len({answer.json()["ticket_id"] for answer in answers}) == 1

    async def test_agent_is_told_that_it_is_closed(
        self, create: Create, client: httpx.AsyncClient, database: Database
    ) -> None:
        ticket = await create()
        await close(database, ticket)
        assert (await write(client, ticket, ADA)).status_code == 409
        base = f"/api/tickets/{ticket['ticket_id']}"
        for change in ({"status": "open"}, {"tags": ["x"]}, {"priority": "low"}):
            assert (await client.put(base, json=change, headers=ADA)).status_code == 409
        view = (await client.get(f"{base}/process", headers=ADA)).json()
        assert view["waiting_for"] == "closed"


class TestUpdate:
    async def test_nothing_to_update(self, create: Create, client: httpx.AsyncClient) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}"
        for nothing in ({}, {"status": None}, {"unknown": 1}):
            response = await client.put(path, json=nothing, headers=ADA)
            assert response.status_code == 400
            assert response.json()["detail"] == "No updates provided"

    async def test_subject_and_tags_are_changed_while_temporal_is_down(
        self, create: Create, client: httpx.AsyncClient, engine: PretendedEngine
    ) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}"
        engine.works = False
        body = {"subject": "Payment page blank", "tags": ["b", "a", "b"]}
        changed = (await client.put(path, json=body, headers=ADA)).json()
        assert (changed["subject"], changed["tags"]) == ("Payment page blank", ["b", "a"])

    async def test_lifecycle_is_unavailable_while_temporal_is_down(
        self, create: Create, client: httpx.AsyncClient, engine: PretendedEngine
    ) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}"
        engine.works = False
        response = await client.put(path, json={"status": "open", "tags": ["x"]}, headers=ADA)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert (await client.get(path, headers=ADA)).json()["tags"] == []

    @pytest.mark.parametrize(
        "until", ["2020-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "soon", 1e300]
    )
    async def test_snooze_until_no_sensible_time_is_refused(
        self, create: Create, client: httpx.AsyncClient, until: object
    ) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}"
        response = await client.put(path, json={"snoozed_until": until}, headers=ADA)
        assert response.status_code == 422

    async def test_assigning_to_nobody_known_is_refused(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}"
        response = await client.put(f"{path}/assign?agent_id=nobody", headers=ADA)
        assert response.status_code == 422
        response = await client.put(path, json={"assigned_agent_id": "nobody"}, headers=ADA)
        assert response.status_code == 422


class TestPatience:
    async def test_call_that_never_ends_is_given_up(
        self,
        create: Create,
        client: httpx.AsyncClient,
        engine: PretendedEngine,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        path = f"/api/tickets/{(await create())['ticket_id']}/process"
        monkeypatch.setattr("api.routes._PATIENCE", 0.1)
        monkeypatch.setattr(engine, "check", asyncio.Event().wait)
        response = await client.get(path, headers=ADA)
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0


class TestList:
    async def test_newest_first_and_in_pages(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        numbers = [(await create())["number"] for _ in range(5)]
        pages = [
            (await client.get(f"/api/tickets/?page={n}&page_size=2", headers=ADA)).json()
            for n in (1, 2, 3, 4)
        ]
        listed = [ticket["number"] for page in pages for ticket in page["tickets"]]
        assert listed == numbers[::-1]
        assert {page["total_count"] for page in pages} == {5}

    async def test_a_change_moves_nothing(self, create: Create, client: httpx.AsyncClient) -> None:
        tickets = [await create() for _ in range(3)]
        await write(client, tickets[0], ADA)
        listed = (await client.get("/api/tickets/", headers=ADA)).json()["tickets"]
        assert [each["number"] for each in listed] == [3, 2, 1]

    @pytest.mark.parametrize(
        ("params", "numbers"),
        [
            ({"priority": "high"}, [2]),
            ({"channel": "email"}, [3]),
            ({"tag": "billing"}, [2, 1]),
            ({"tag": "billing", "priority": "high"}, [2]),
            ({"status": "closed"}, [3]),
            ({"status": "new"}, [2, 1]),
            ({"q": "refund"}, [2]),
            ({"q": "REFUNDS please"}, [2]),
            ({"q": "invoic"}, [1]),
            ({"q": "secret"}, [1]),
            ({"q": "nowhere"}, []),
            ({"q": "'; DROP TABLE tickets --"}, []),
            ({"q": "&|!:*()<->"}, []),
            ({"q": "%"}, []),
            ({"snoozed": "true"}, []),
            ({"breached": "false", "priority": "high"}, [2]),
            ({"assigned_agent_id": "nobody"}, []),
            ({"created_after": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, []),
        ],
    )
    async def test_filters(
        self,
        create: Create,
        client: httpx.AsyncClient,
        database: Database,
        params: dict[str, str],
        numbers: list[int],
    ) -> None:
        one = await create(subject="My invoice", tags=["billing"])
        await create(initial_message="Refunds, please!", tags=["billing", "vip"], priority="high")
        await close(database, await create(source={"channel": "email"}))
        await write(client, one, ADA, content="a secret note", visibility="private")
        page = (await client.get("/api/tickets/", params=params, headers=ADA)).json()
        assert [ticket["number"] for ticket in page["tickets"]] == numbers
        assert page["total_count"] == len(numbers)

    async def test_each_shows_its_newest_message(
        self, create: Create, client: httpx.AsyncClient
    ) -> None:
        await write(client, await create(), ADA, content="latest")
        (ticket,) = (await client.get("/api/tickets/", headers=ADA)).json()["tickets"]
        assert [entry["content"] for entry in ticket["timeline"]] == ["latest"]

    async def test_breached_come_first_for_those_who_ask(
        self, create: Create, client: httpx.AsyncClient, database: Database
    ) -> None:
        first = await create()
        await create()
        ref = parse_ticket_ref(first["ticket_id"])
        assert isinstance(ref, UUID)
        async with database.begin() as session:
            state, thread = await tickets.load(session, ref)
            late = next(iter(state.deadlines.values())).model_copy(
                update={"breached_at": state.created_at}
            )
            breached = state.model_copy(
                update={"version": 1, "deadlines": dict.fromkeys(state.deadlines, late)}
            )
            await tickets.record(session, thread, breached, [])
        page = (await client.get("/api/tickets/?sort=attention", headers=ADA)).json()
        assert [ticket["number"] for ticket in page["tickets"]] == [1, 2]


class TestMessages:
    async def test_whole_log_in_parts(
        self, create: Create, client: httpx.AsyncClient, database: Database, config: ApiConfig
    ) -> None:
        ticket = await create()
        ref = parse_ticket_ref(ticket["ticket_id"])
        async with database.begin() as session:
            for n in range(250):
                row = await tickets.find(session, ref, lock=True)
                await session.refresh(row.thread)
                draft = Draft(AuthorKind.AGENT, str(n), visibility=Visibility.PUBLIC)
                await tickets.write(session, row, draft, config.policy)
        base = f"/api/tickets/{ticket['ticket_id']}"
        timeline = (await client.get(base, headers=ADA)).json()["timeline"]
        assert [entry["seq"] for entry in timeline] == list(range(52, 252))
        seqs, after = [], 0
        while part := (
            await client.get(f"{base}/messages?after_seq={after}&limit=100", headers=ADA)
        ).json():
            seqs += [entry["seq"] for entry in part]
            after = seqs[-1]
        assert seqs == list(range(1, 252))
