"""Live chat from the customer's side: sessions, messages, closing, going on as a ticket."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, update

from api.app import create_app
from api.config import ApiConfig
from api.visitors import VisitorTokens
from domain.assistance import AssistPolicy
from domain.ids import customer_id_text, parse_customer_id
from domain.models import AuthorKind, ThreadKind
from domain.principals import Role, Scope
from store import conversations, customers
from store.database import Database
from store.tables import Customer, IdempotencyKey
from store.threads import Draft, append
from tests.api.chatting import ASHIK, BEA, JANE, Chat, Json, code, said
from tests.api.conftest import JudgingEngine, client_of
from tests.api.people import SECRET, as_, bearer, visitor, with_key
from workflows.engine import Engine

SESSIONS = "/api/customer/sessions"


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


async def changed_chat(
    config: ApiConfig, database: Database, **changes: object
) -> AsyncIterator[Chat]:
    changed = config.model_copy(update=changes)
    engine = JudgingEngine(database, changed)
    app = create_app(changed, database, cast("Engine", engine))
    async with client_of(app) as opened:
        yield Chat(opened, engine)


@pytest.fixture
async def trusting(config: ApiConfig, database: Database) -> AsyncIterator[Chat]:
    async for chat in changed_chat(config, database, trust_fingerprint=True):
        yield chat


@pytest.fixture
async def assisted(config: ApiConfig, database: Database) -> AsyncIterator[Chat]:
    async for chat in changed_chat(config, database, assistance=AssistPolicy(model=True)):
        yield chat


@pytest.fixture
async def busy(config: ApiConfig, database: Database) -> AsyncIterator[Chat]:
    """One that is not afraid of many visitors."""
    async for chat in changed_chat(config, database, rate_limit_visitors=1000):
        yield chat


async def customer_of(database: Database, customer_id: UUID) -> Customer:
    async with database.begin() as session:
        return await customers.get(session, customer_id)


class TestSession:
    async def test_begins_a_conversation_in_the_queue(self, chat: Chat) -> None:
        session = (await chat.visit()).session
        assert set(session) == {
            "conversationId", "status", "token", "expiresAt", "visitorId", "lastSeq",
        }  # fmt: skip
        UUID(session["conversationId"])
        parse_customer_id(session["visitorId"])
        assert (session["status"], session["lastSeq"]) == ("QUEUED", 1)
        assert datetime.fromisoformat(session["expiresAt"]).tzinfo
        (nudged,) = chat.engine.nudged
        assert (nudged.kind, str(nudged.id)) == (
            ThreadKind.CONVERSATION, session["conversationId"],
        )  # fmt: skip

    async def test_keeps_who_they_say_they_are(self, chat: Chat, database: Database) -> None:
        visitor = await chat.visit(email="jane@example.com", tags=["billing"], metadata={"a": 1})
        state = await chat.state(visitor)
        assert state["customer"] == {
            "id": visitor.session["visitorId"], "displayName": "Jane Doe", "phone": "0123456789",
        }  # fmt: skip
        assert (state["tags"], state["metadata"]) == (["billing"], {"a": 1})
        async with database.begin() as session:
            row = await conversations.find(session, UUID(visitor.conversation_id))
        assert row.conversation.contact_email == "jane@example.com"

    async def test_an_address_is_no_proof(
        self, client: httpx.AsyncClient, chat: Chat, database: Database
    ) -> None:
        known = as_(Role.CUSTOMER, "jane", email="jane@example.com")
        ticket = {"subject": "s", "initial_message": "m"}
        said(await client.post("/api/tickets/create", json=ticket, headers=known), 201)
        visitor = await chat.visit(email="jane@example.com")
        customer = await customer_of(database, visitor.customer_id)
        assert customer.email is None
        mine = said(await client.get("/api/tickets/", headers=known))
        assert mine["tickets"][0]["customer"]["internal_id"] != visitor.session["visitorId"]

    async def test_token_resumes(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        again = await chat.visit(visitor.headers, fingerprint="another", contact="999")
        assert again.conversation_id == visitor.conversation_id
        assert again.session["visitorId"] == visitor.session["visitorId"]
        assert again.session["lastSeq"] == 2
        assert (await chat.state(again))["customer"]["phone"] == "999"
        assert len(chat.engine.nudged) == 1

    async def test_token_is_enough(self, chat: Chat) -> None:
        visitor = await chat.visit()
        bodies: tuple[object, ...] = (None, {})
        for body in bodies:
            again = said(await chat.client.post(SESSIONS, json=body, headers=visitor.headers))
            assert again["conversationId"] == visitor.conversation_id

    async def test_after_the_end_the_same_visitor_begins_anew(self, chat: Chat) -> None:
        visitor = await chat.closed()
        again = await chat.visit(visitor.headers)
        assert again.conversation_id != visitor.conversation_id
        assert again.session["visitorId"] == visitor.session["visitorId"]
        assert again.session["status"] == "QUEUED"

    async def test_fingerprint_alone_is_a_new_visitor(self, chat: Chat) -> None:
        first, second = await chat.visit(), await chat.visit()
        assert first.conversation_id != second.conversation_id
        assert first.session["visitorId"] != second.session["visitorId"]

    async def test_other_tokens_are_as_none(self, chat: Chat, database: Database) -> None:
        visitor = await chat.visit()
        expired = VisitorTokens(SECRET, timedelta(seconds=-1)).issue(visitor.customer_id).token
        others = (
            bearer("garbage"),
            bearer(expired),
            ASHIK,
            as_(Role.ADMIN),
            await with_key(database, Scope.ADMIN),
            {"Authorization": "Basic amFuZTpkb2U="},
        )
        for headers in others:
            other = await chat.visit(headers)
            assert other.session["visitorId"] != visitor.session["visitorId"]

    async def test_somebody_by_no_name_at_all_is_400(self, chat: Chat) -> None:
        for body in (None, {}, {"fingerprint": " "}, {"displayName": "Jane"}):
            refused = await chat.client.post(SESSIONS, json=body)
            assert code(refused) == (400, "invalid")
            assert refused.json()["detail"][0]["loc"] == ["body", "fingerprint"]

    async def test_signed_identity_of_the_site_is_that_customer(
        self, chat: Chat, database: Database
    ) -> None:
        jwt = as_(Role.CUSTOMER, "eve", email="eve@example.com", name="Eve")
        first, again = await chat.visit(jwt), await chat.visit(jwt, displayName="Mallory")
        assert first.conversation_id == again.conversation_id
        assert (await chat.state(again))["customer"]["displayName"] == "Eve"
        by_visitor_token = await chat.visit(first.headers)
        assert by_visitor_token.conversation_id == first.conversation_id
        said(await chat.client.get(first.place, headers=jwt))
        assert (await customer_of(database, first.customer_id)).email == "eve@example.com"

    async def test_site_identities_differ(self, chat: Chat) -> None:
        ids = {
            (await chat.visit(as_(Role.CUSTOMER, sub))).conversation_id
            for sub in ("eve", "adam", customer_id_text(uuid4()))
        }
        assert len(ids) == 3

    async def test_visitor_who_was_forgotten_comes_back_as_the_same(self, chat: Chat) -> None:
        forgotten = uuid4()
        again = await chat.visit(visitor(forgotten))
        assert again.customer_id == forgotten

    async def test_many_at_once_with_one_token_get_one_conversation(self, chat: Chat) -> None:
        visitor = await chat.closed()
        again = await asyncio.gather(*(chat.visit(visitor.headers) for _ in range(10)))
        assert len({each.conversation_id for each in again}) == 1

    async def test_more_is_no_mistake(self, chat: Chat) -> None:
        await chat.visit(channel="web", somethingElse={"a": [1]}, metadata=None)


class TestTrustedFingerprint:
    async def test_resumes(self, trusting: Chat) -> None:
        first, again = await trusting.visit(), await trusting.visit()
        other = await trusting.visit(fingerprint="another")
        assert first.session["conversationId"] == again.session["conversationId"]
        assert other.conversation_id != first.conversation_id

    async def test_many_at_once_get_one_conversation(self, trusting: Chat) -> None:
        found = await asyncio.gather(*(trusting.visit() for _ in range(10)))
        assert len({each.conversation_id for each in found}) == 1

    async def test_only_new_ones_are_counted(self, trusting: Chat) -> None:
        for _ in range(12):
            await trusting.visit()
        for number in range(9):
            await trusting.visit(fingerprint=f"new-{number}")
        refused = await trusting.client.post(SESSIONS, json=JANE | {"fingerprint": "one more"})
        assert refused.status_code == 429

    async def test_is_not_what_others_can_claim_later(self, chat: Chat, trusting: Chat) -> None:
        untrusted = await chat.visit()
        assert (await trusting.visit()).conversation_id != untrusted.conversation_id


class TestLimit:
    async def test_ten_new_visitors_a_minute(self, chat: Chat) -> None:
        visitors = [await chat.visit() for _ in range(10)]
        refused = await chat.client.post(SESSIONS, json=JANE)
        assert code(refused) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        for known in visitors:
            await chat.visit(known.headers)
        await chat.visit(as_(Role.CUSTOMER, "eve"))

    async def test_is_that_of_the_address(self, chat: Chat) -> None:
        for number in range(10):
            await chat.visit(bearer(f"guess-{number}"))
        for headers in (bearer("another guess"), ASHIK):
            refused = await chat.client.post(SESSIONS, json=JANE, headers=headers)
            assert refused.status_code == 429

    async def test_refused_ones_leave_nothing(self, chat: Chat, database: Database) -> None:
        for _ in range(11):
            await chat.client.post(SESSIONS, json=JANE, headers={"Idempotency-Key": uuid4().hex})
        async with database.begin() as session:
            assert await session.scalar(select(func.count()).select_from(Customer)) == 10

    async def test_twenty_messages_in_ten_seconds(self, chat: Chat) -> None:
        visitor = await chat.visit()
        for _ in range(20):
            await chat.ask(visitor)
        place = f"{visitor.place}/messages"
        refused = await chat.client.post(place, json={"content": "!"}, headers=visitor.headers)
        assert refused.status_code == 429


class TestIdempotentSession:
    KEY = {"Idempotency-Key": "again"}  # noqa: RUF012

    async def test_is_the_same_visitor_with_a_fresh_token(
        self, chat: Chat, database: Database
    ) -> None:
        first = await chat.visit(self.KEY)
        await chat.ask(first)
        again = await chat.visit(self.KEY)
        for field in ("conversationId", "status", "visitorId", "lastSeq"):
            assert again.session[field] == first.session[field]
        said(await chat.client.get(first.place, headers=again.headers))

    async def test_no_token_is_kept(self, chat: Chat, database: Database) -> None:
        visitor = await chat.visit(self.KEY)
        async with database.begin() as session:
            kept = (await session.connection()).exec_driver_sql(
                "SELECT string_agg(body, '') FROM idempotency_keys"
            )
            body = (await kept).scalar_one()
        assert visitor.conversation_id in body
        assert "oken" not in body
        assert visitor.session["token"] not in body

    async def test_other_body_is_409(self, chat: Chat) -> None:
        await chat.visit(self.KEY)
        refused = await chat.client.post(SESSIONS, json=JANE | {"contact": "1"}, headers=self.KEY)
        assert code(refused) == (409, "idempotency_key_reused")

    async def test_many_at_once_are_one(self, chat: Chat) -> None:
        found = await asyncio.gather(*(chat.visit(self.KEY) for _ in range(10)))
        assert len({each.conversation_id for each in found}) == 1

    async def test_is_counted_once(self, chat: Chat) -> None:
        for _ in range(12):
            await chat.visit(self.KEY)
        await chat.visit()

    async def test_after_minutes_it_is_another(self, chat: Chat, database: Database) -> None:
        """So that a key which is no secret gives nobody the token of somebody else."""
        first = await chat.visit(self.KEY)
        await _age_keys(database, timedelta(minutes=4))
        assert (await chat.visit(self.KEY)).conversation_id == first.conversation_id
        await _age_keys(database, timedelta(minutes=2))
        other = await chat.visit(self.KEY, fingerprint="another")
        assert other.customer_id != first.customer_id
        assert (await chat.visit(self.KEY, fingerprint="another")).session["visitorId"] == (
            other.session["visitorId"]
        )

    async def test_of_somebody_with_a_token_it_is_for_a_day(
        self, chat: Chat, database: Database
    ) -> None:
        visitor = await chat.visit()
        again = await chat.visit(visitor.headers | self.KEY)
        await chat.ask(visitor)
        await _age_keys(database, timedelta(hours=23))
        assert (await chat.visit(visitor.headers | self.KEY)).session["lastSeq"] == (
            again.session["lastSeq"]
        )

    async def test_many_at_once_with_an_old_key_are_one(
        self, chat: Chat, database: Database
    ) -> None:
        first = await chat.visit(self.KEY)
        await _age_keys(database, timedelta(minutes=6))
        found = await asyncio.gather(*(chat.visit(self.KEY) for _ in range(8)))
        assert len({each.conversation_id for each in found} - {first.conversation_id}) == 1

    def test_the_document_asks_for_random_keys(self, app: FastAPI) -> None:
        operation = app.openapi()["paths"][SESSIONS]["post"]
        (header,) = [each for each in operation["parameters"] if each["in"] == "header"]
        assert "random" in header["description"]

    async def test_of_another_visitor_is_another(self, chat: Chat) -> None:
        first = await chat.visit(self.KEY)
        other = await chat.visit(visitor(uuid4()) | self.KEY)
        assert other.conversation_id != first.conversation_id


async def _age_keys(database: Database, by: timedelta) -> None:
    async with database.begin() as session:
        older = IdempotencyKey.created_at - by
        await session.execute(update(IdempotencyKey).values(created_at=older))


@pytest.mark.parametrize("more", [{"agentId": "agent-123"}, {"visibility": "private"}])
@pytest.mark.parametrize("what", ["messages", "close", "to-ticket"])
async def test_customers_are_no_agents(chat: Chat, what: str, more: Json) -> None:
    visitor = await chat.accepted()
    refused = await chat.client.post(
        f"{visitor.place}/{what}", json={"content": "Hi", **more}, headers=visitor.headers
    )
    assert code(refused) == (403, "forbidden")
    harmless = {"content": "Hi", "agentId": None, "visibility": "public"}
    status = 201 if what == "messages" else 200
    place = f"{visitor.place}/{what}"
    said(await chat.client.post(place, json=harmless, headers=visitor.headers), status)


class TestMessages:
    async def test_message_is_answered_as_it_stands(self, chat: Chat) -> None:
        visitor = await chat.visit()
        message = await chat.ask(visitor, "Hello!", metadata={"source": "web"})
        assert message["id"].startswith("msg_")
        assert datetime.fromisoformat(message.pop("createdAt")).tzinfo
        del message["id"]
        assert message == {
            "conversationId": visitor.conversation_id,
            "seq": 2,
            "sender": {
                "role": "CUSTOMER", "id": visitor.session["visitorId"], "displayName": "Jane Doe",
            },
            "content": "Hello!",
            "attachments": [],
            "metadata": {"source": "web"},
            "visibility": "public",
        }  # fmt: skip

    async def test_history_is_chronological_without_events_and_notes(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        await chat.reply(visitor, "Hi.")
        await chat.reply(visitor, "Asks often.", visibility="private")
        await chat.ask(visitor, "Thanks.")
        answer = await chat.client.get(f"{visitor.place}/messages", headers=visitor.headers)
        history = said(answer)
        assert [each["content"] for each in history] == ["Hello!", "Hi.", "Thanks."]
        assert [each["sender"]["role"] for each in history] == ["CUSTOMER", "AGENT", "CUSTOMER"]
        assert "Asks often" not in answer.text

    async def test_what_the_system_says_is_a_message(self, chat: Chat, database: Database) -> None:
        visitor = await chat.visit()
        async with database.begin() as session:
            row = await conversations.find(session, UUID(visitor.conversation_id), lock=True)
            await append(session, row.locked, Draft(AuthorKind.SYSTEM, "Nobody is free."))
        (told,) = said(await chat.client.get(f"{visitor.place}/messages", headers=visitor.headers))
        assert (told["sender"]["role"], told["content"]) == ("SYSTEM", "Nobody is free.")

    async def test_pages_are_full_whatever_events_stand_between(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        for number in range(4):
            said(await chat.client.post(f"{visitor.desk}/accept", headers=ASHIK))
            await chat.ask(visitor, str(number))
            said(await chat.client.post(f"{visitor.desk}/release", headers=ASHIK))

        async def page(**query: int) -> list[str]:
            answer = await chat.client.get(
                f"{visitor.place}/messages", params=query, headers=visitor.headers
            )
            return [each["content"] for each in said(answer)]

        everything = ["Hello!", "0", "1", "2", "3"]
        assert await page() == everything
        assert await page(limit=2) == ["2", "3"]
        assert await page(limit=2, afterSeq=0) == ["Hello!", "0"]
        assert await page(afterSeq=10_000) == []
        collected: list[str] = []
        after = 0
        while len(collected) < len(everything):
            answer = await chat.client.get(
                f"{visitor.place}/messages",
                params={"limit": 1, "afterSeq": after},
                headers=visitor.headers,
            )
            (message,) = said(answer)
            collected.append(message["content"])
            after = message["seq"]
        assert collected == everything

    async def test_same_key_is_said_once(self, chat: Chat) -> None:
        visitor = await chat.visit()
        headers = visitor.headers | {"Idempotency-Key": "1"}
        place = f"{visitor.place}/messages"
        answers = await asyncio.gather(
            *(chat.client.post(place, json={"content": "a"}, headers=headers) for _ in range(5))
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        assert (await chat.state(visitor))["lastSeq"] == 2
        other = await chat.client.post(place, json={"content": "b"}, headers=headers)
        assert code(other) == (409, "idempotency_key_reused")

    @pytest.mark.parametrize(
        "body",
        [
            None, {}, [], "text", {"content": ""}, {"content": "  "}, {"content": None},
            {"content": 7}, {"content": "\0"}, {"content": "\ud800"}, {"content": "x" * 16_001},
            {"content": "x", "metadata": []}, {"content": "x", "metadata": {"a": "y" * 9_000}},
        ],
    )  # fmt: skip
    async def test_what_does_not_fit_is_400(self, chat: Chat, body: object) -> None:
        visitor = await chat.visit()
        headers = visitor.headers | {"Content-Type": "application/json"}
        refused = await chat.client.post(
            f"{visitor.place}/messages", content=json.dumps(body), headers=headers
        )
        assert code(refused) == (400, "invalid")
        assert refused.json()["detail"][0]["loc"][0] == "body"

    async def test_what_is_no_json_is_400(self, chat: Chat) -> None:
        visitor = await chat.visit()
        headers = visitor.headers | {"Content-Type": "application/json"}
        for body in (b"", b"{", b"\xff", b'{"content": NaN}'):
            for key in ({}, {"Idempotency-Key": "k"}):
                refused = await chat.client.post(
                    f"{visitor.place}/messages", content=body, headers=headers | key
                )
                assert refused.status_code == 400, body

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=501", "limit=x", "afterSeq=-1", "afterSeq=x", "limit=%00"]
    )
    async def test_query_that_does_not_fit_is_400(self, chat: Chat, query: str) -> None:
        visitor = await chat.visit()
        refused = await chat.client.get(
            f"{visitor.place}/messages?{query}", headers=visitor.headers
        )
        assert code(refused) == (400, "invalid")

    async def test_ids_that_cannot_be_are_not_found(self, chat: Chat) -> None:
        visitor = await chat.visit()
        for odd in ("1", "x", "tkt_" + "0" * 32, str(uuid4())):
            answer = await chat.client.get(
                f"/api/customer/conversations/{odd}", headers=visitor.headers
            )
            assert code(answer) == (404, "not_found")


class TestClose:
    async def test_customer_closes(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        closed = said(await chat.client.post(f"{visitor.place}/close", headers=visitor.headers))
        assert (closed["status"], closed["id"]) == ("CLOSED", visitor.conversation_id)
        assert closed["closedAt"]
        again = said(await chat.client.post(f"{visitor.place}/close", headers=visitor.headers))
        assert again["status"] == "CLOSED"

    async def test_reason_is_kept(self, chat: Chat) -> None:
        visitor = await chat.visit()
        closed = said(
            await chat.client.post(
                f"{visitor.place}/close", json={"reason": "solved"}, headers=visitor.headers
            )
        )
        assert closed["closeReason"] == "solved"
        shown = said(await chat.client.get(visitor.place, headers=visitor.headers))
        assert shown["closeReason"] == "solved"

    async def test_reason_of_the_agent_is_the_desks(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        body = {"reason": "rude"}
        said(await chat.client.post(f"{visitor.desk}/close", json=body, headers=ASHIK))
        shown = said(await chat.client.get(visitor.place, headers=visitor.headers))
        again = said(await chat.client.post(f"{visitor.place}/close", headers=visitor.headers))
        assert shown["closeReason"] is again["closeReason"] is None
        assert again["status"] == "CLOSED"
        at_the_desk = said(await chat.client.get(visitor.desk, headers=BEA))
        assert at_the_desk["closeReason"] == "rude"

    async def test_reason_of_nobody_is_shown(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        said(await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers))
        assert (await chat.state(visitor))["closeReason"] == "to_ticket"

    async def test_reason_of_a_customer_with_an_account(self, chat: Chat) -> None:
        jwt = as_(Role.CUSTOMER, "bob", email="bob@example.com")
        visitor = await chat.visit(jwt)
        body = {"reason": "solved"}
        closed = said(await chat.client.post(f"{visitor.place}/close", json=body, headers=jwt))
        assert closed["closeReason"] == "solved"

    async def test_closed_is_gone_but_readable(self, chat: Chat) -> None:
        visitor = await chat.closed()
        place, headers = visitor.place, visitor.headers
        for refused in (
            await chat.client.post(f"{place}/messages", json={"content": "?"}, headers=headers),
            await chat.client.post(f"{place}/to-ticket", headers=headers),
            await chat.client.post(f"{place}/assistant", headers=headers),
        ):
            assert code(refused) == (410, "gone")
        history = said(await chat.client.get(f"{place}/messages", headers=headers))
        assert [each["content"] for each in history] == ["Hello!"]
        assert said(await chat.client.get(place, headers=headers))["status"] == "CLOSED"

    async def test_nobody_is_asked_about_what_is_over(self, chat: Chat) -> None:
        visitor = await chat.closed()
        orders = chat.engine.orders
        await chat.client.post(f"{visitor.place}/close", headers=visitor.headers)
        await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers)
        assert chat.engine.orders == orders

    async def test_temporal_down_is_503_and_messages_are_taken(self, chat: Chat) -> None:
        visitor = await chat.visit()
        chat.engine.works = False
        refused = await chat.client.post(f"{visitor.place}/close", headers=visitor.headers)
        assert code(refused) == (503, "unavailable")
        assert refused.headers["Retry-After"]
        await chat.ask(visitor)
        await chat.visit()


class TestAssistant:
    async def test_without_one_is_409(self, chat: Chat) -> None:
        visitor = await chat.visit()
        refused = await chat.client.post(f"{visitor.place}/assistant", headers=visitor.headers)
        assert code(refused) == (409, "no_assistant")

    async def test_with_one(self, assisted: Chat) -> None:
        visitor = await assisted.visit()
        for _ in range(2):
            answer = await assisted.client.post(
                f"{visitor.place}/assistant", headers=visitor.headers
            )
            assert said(answer)["status"] == "QUEUED"
        assert assisted.engine.orders == 1

    async def test_is_not_where_it_is_switched_off(
        self, config: ApiConfig, database: Database
    ) -> None:
        nowhere = AssistPolicy(channels=frozenset({"web"}), model=True)
        async for chat in changed_chat(config, database, assistance=nowhere):
            visitor = await chat.visit()
            refused = await chat.client.post(f"{visitor.place}/assistant", headers=visitor.headers)
            assert code(refused) == (409, "no_assistant")


class TestToTicket:
    async def test_ticket_and_conversation_name_each_other(
        self, chat: Chat, database: Database
    ) -> None:
        visitor = await chat.waiting()
        answer = await chat.client.post(
            f"{visitor.place}/to-ticket",
            json={"email": "jane@example.com"},
            headers=visitor.headers,
        )
        ticket = said(answer)
        assert ticket["conversation_id"] == visitor.conversation_id
        assert ticket["customer"]["channel_identity"] == "jane@example.com"
        assert ticket["customer"]["primary_email"] is None
        assert ticket["deadlines"] == {}
        assert "Hello!" in [entry["content"] for entry in ticket["timeline"]]
        state = await chat.state(visitor)
        assert (state["status"], state["ticketId"]) == ("CLOSED", ticket["ticket_id"])
        assert (await customer_of(database, visitor.customer_id)).email is None
        assert chat.engine.nudged[-1].kind is ThreadKind.TICKET

    async def test_again_is_the_same_ticket(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        place = f"{visitor.place}/to-ticket"
        first = said(await chat.client.post(place, headers=visitor.headers))
        again = said(await chat.client.post(place, headers=visitor.headers))
        assert again == first
        keyed = visitor.headers | {"Idempotency-Key": "t"}
        for _ in range(2):
            assert said(await chat.client.post(place, headers=keyed)) == first
        other = await chat.client.post(place, json={"email": "a@b.c"}, headers=keyed)
        assert code(other) == (409, "idempotency_key_reused")

    async def test_without_notes(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        await chat.reply(visitor, "Asks often.", visibility="private")
        answer = await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers)
        assert said(answer)["conversation_id"] == visitor.conversation_id
        assert "Asks often" not in answer.text

    async def test_visitor_follows_the_ticket(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        ticket = said(await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers))
        place = f"/api/tickets/{ticket['ticket_id']}"
        said(await chat.client.get(place, headers=visitor.headers))
        said(await chat.client.get(f"{place}/status", headers=visitor.headers))
        body = {"content": "Any news?"}
        written = said(
            await chat.client.post(f"{place}/message", json=body, headers=visitor.headers)
        )
        assert written["timeline"][-1]["sender_type"] == "customer"
        log = said(await chat.client.get(f"{place}/messages", headers=visitor.headers))
        assert log[-1]["content"] == "Any news?"

    async def test_visitor_is_no_agent_there(self, chat: Chat) -> None:
        visitor = await chat.waiting()
        ticket = said(await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers))
        place = f"/api/tickets/{ticket['ticket_id']}/message"
        for more in ({"sender_type": "agent"}, {"visibility": "private"}, {"agent_id": "a"}):
            refused = await chat.client.post(
                place, json={"content": "x"} | more, headers=visitor.headers
            )
            assert refused.status_code == 403

    async def test_other_peoples_tickets_do_not_exist(self, busy: Chat) -> None:
        visitor, other = await busy.waiting(), await busy.waiting()
        ticket = said(await busy.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers))
        place = f"/api/tickets/{ticket['ticket_id']}"
        for path in (place, f"{place}/messages", f"{place}/status"):
            assert code(await busy.client.get(path, headers=other.headers)) == (404, "not_found")
        refused = await busy.client.post(
            f"{place}/message", json={"content": "Mine?"}, headers=other.headers
        )
        assert refused.status_code == 404
