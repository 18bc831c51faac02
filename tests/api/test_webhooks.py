"""What platforms tell us: who may, and what becomes of it."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from api.config import ApiConfig
from channels.accounts import Accounts, Meta
from domain.deadlines import DeadlinePolicy
from domain.deliveries import piece_id
from domain.errors import TicketIsClosed
from domain.models import Channel, TicketStatus
from domain.principals import Role
from store import contacts, delivery_news, outbox
from store.database import Database
from store.threads import Draft
from tests.api.conftest import client_of
from tests.api.desk import set_status
from tests.api.people import as_
from tests.api.platforms import (
    ACCOUNTS,
    APP_SECRET,
    AT,
    NUMBER,
    PAGE,
    PLATFORMS,
    VERIFY_TOKEN,
    Json,
    call,
    echoed,
    merged,
    messenger,
    said,
    signed,
    whatsapp,
    x_message,
)

ADA = as_(Role.AGENT, "ada", name="Ada")
SEED_FACEBOOK: Json = {
    "object": "page",
    "entry": [
        {
            "messaging": [
                {
                    "sender": {"id": "1234567890"},
                    "message": {"mid": "msg_id", "text": "I need help with my order"},
                }
            ]
        }
    ],
}
SEED_WHATSAPP: Json = {
    "entry": [
        {
            "changes": [
                {
                    "value": {
                        "messages": [
                            {
                                "from": "+15550100",
                                "id": "wamid.xyz",
                                "text": {"body": "Hello, I have a question"},
                            }
                        ]
                    }
                }
            ]
        }
    ]
}
SEED_TWITTER: Json = {
    "direct_message_events": [
        {
            "id": "dm_id",
            "message_create": {
                "sender_id": "123456",
                "message_data": {"text": "Help with my account"},
            },
        }
    ]
}
SEEDS = (
    (Channel.FACEBOOK, SEED_FACEBOOK, "1234567890", "I need help with my order"),
    (Channel.WHATSAPP, SEED_WHATSAPP, "+15550100", "Hello, I have a question"),
    (Channel.TWITTER, SEED_TWITTER, "123456", "Help with my account"),
)


@pytest.fixture
def config(config: ApiConfig) -> ApiConfig:
    return config.model_copy(update={"accounts": ACCOUNTS})


async def tell(client: httpx.AsyncClient, channel: Channel, body: Json | bytes) -> None:
    answer = await call(client, channel, body)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"}), answer.text


async def tickets(client: httpx.AsyncClient) -> list[Json]:
    """All of them as staff see them, the oldest first."""
    page = (await client.get("/api/tickets/?page_size=100", headers=ADA)).json()["tickets"]
    ids = [each["ticket_id"] for each in reversed(page)]
    return [(await client.get(f"/api/tickets/{each}", headers=ADA)).json() for each in ids]


async def the_ticket(client: httpx.AsyncClient) -> Json:
    (ticket,) = await tickets(client)
    return ticket


def contents(ticket: Json) -> list[str]:
    return [each["content"] for each in ticket["timeline"]]


async def count(database: Database, table: str) -> int:
    async with database.begin() as session:
        found = await session.scalar(text(f"SELECT count(*) FROM {table}"))
    assert found is not None
    return int(found)


async def reply(client: httpx.AsyncClient, ticket: Json, words: str) -> Json:
    answer = await client.post(
        f"/api/tickets/{ticket['ticket_id']}/message", headers=ADA, json={"content": words}
    )
    assert answer.status_code == 200, answer.text
    shown: Json = answer.json()["timeline"][-1]
    return shown


async def send(database: Database, ticket: Json, name: str | None) -> str:
    """Send the next reply as its workflow does; without a `name` the platform has not answered.
    Returns what goes along with it."""
    async with database.begin() as session:
        now = await session.scalar(text("SELECT clock_timestamp()"))
        assert now is not None
        thread_id = UUID(ticket["ticket_id"].removeprefix("tkt_"))
        outgoing = await outbox.next_pending(session, thread_id, now)
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, 0, 1, None)
    if name is not None:
        async with database.begin() as session:
            await delivery_news.sent(session, outgoing, 0, name)
    return piece_id(outgoing, 0)


class TestSignatures:
    @pytest.mark.parametrize(("channel", "body", "who", "words"), SEEDS)
    async def test_body_of_the_seed_opens_a_ticket(
        self, client: httpx.AsyncClient, channel: Channel, body: Json, who: str, words: str
    ) -> None:
        await tell(client, channel, body)
        ticket = await the_ticket(client)
        assert ticket["source"]["channel"] == channel
        assert ticket["customer"]["channel_identity"] == who
        assert ticket["subject"] == words
        assert contents(ticket) == [words]
        assert ticket["timeline"][0]["sender_type"] == "customer"

    @pytest.mark.parametrize("channel", PLATFORMS)
    async def test_without_the_right_signature_it_is_403_and_nothing_is_stored(
        self, client: httpx.AsyncClient, database: Database, channel: Channel
    ) -> None:
        raw = json.dumps(said(channel, "15550100", "m1", "Hi")).encode()
        other = dict.fromkeys(signed(channel, raw), "sha256=" + "0" * 64)
        of_other_bytes = signed(channel, raw + b" ")
        upper = {name: value.upper() for name, value in signed(channel, raw).items()}
        empty = dict.fromkeys(signed(channel, raw), "")
        strange = {name.encode(): b"sha256=\xff\xfe" for name in signed(channel, raw)}
        for headers in ({}, other, of_other_bytes, upper, empty, strange):
            url = f"/api/webhooks/{channel}"
            answer = await client.post(url, content=raw, headers=headers)
            assert answer.status_code == 403
            assert "signature" in answer.json()["detail"]
        # Not even read: it need not be JSON to be refused.
        assert (await client.post(f"/api/webhooks/{channel}", content=b"{")).status_code == 403
        for table in ("customers", "threads", "messages"):
            assert await count(database, table) == 0

    async def test_signature_is_over_the_raw_bytes(self, client: httpx.AsyncClient) -> None:
        raw = (
            rb'{"object":"page","entry":[{"id":"1","time":1,"messaging":[{"sender":{"id":"2"},'
            rb'"recipient":{"id":"1"},"timestamp":1,"message":{"mid":"m_1","text":"caf\u00e9"}}]}]}'
        )
        known = "sha256=9d4499d6b17a9697bdaae913adc760e087bdd6a14aa47973f7af6eb26718d3ef"
        for body, status in ((raw, 200), (raw.replace(rb"\u00e9", "é".encode()), 403)):
            answer = await client.post(
                "/api/webhooks/facebook", content=body, headers={"X-Hub-Signature-256": known}
            )
            assert answer.status_code == status

    @pytest.mark.parametrize("channel", PLATFORMS)
    async def test_signed_rubbish_is_422_and_what_is_not_known_is_200(
        self, client: httpx.AsyncClient, database: Database, channel: Channel
    ) -> None:
        for rubbish in (b"", b"{", b"\xff", b"[" * 5_000, b'{"a": NaN}', b"1e999"):
            assert (await call(client, channel, rubbish)).status_code == 422
        for unknown in (b"{}", b"[]", b"1", b"null", b'"x"', b'{"entry": 5, "data": []}'):
            await tell(client, channel, unknown)
        assert await count(database, "threads") == 0

    async def test_meta_may_send_3_mb_and_x_256_kb(self, client: httpx.AsyncClient) -> None:
        for channel, most in ((Channel.FACEBOOK, 3 * 2**20), (Channel.TWITTER, 256 * 2**10)):
            body = json.dumps(said(channel, "15550100", "m1", "Hi")).encode()
            await tell(client, channel, body.ljust(most))
            assert (await call(client, channel, body.ljust(most + 1))).status_code == 413

    @pytest.mark.parametrize("channel", PLATFORMS)
    async def test_token_is_not_asked_for_and_does_no_harm(
        self, client: httpx.AsyncClient, channel: Channel
    ) -> None:
        raw = json.dumps(said(channel, "15550100", "m1", "Hi")).encode()
        headers = signed(channel, raw) | {"Authorization": "Bearer rubbish"}
        answer = await client.post(f"/api/webhooks/{channel}", content=raw, headers=headers)
        assert answer.status_code == 200


class TestSettings:
    @pytest.fixture
    def config(self, config: ApiConfig) -> ApiConfig:
        return config.model_copy(update={"accounts": Accounts()})

    async def test_without_its_secret_a_webhook_names_the_setting(
        self, client: httpx.AsyncClient
    ) -> None:
        asked = {"hub.mode": "subscribe", "hub.verify_token": "x", "hub.challenge": "1"}
        for method, path, params, setting in (
            ("POST", "facebook", {}, "META_APP_SECRET"),
            ("POST", "whatsapp", {}, "META_APP_SECRET"),
            ("POST", "twitter", {}, "X_CONSUMER_SECRET"),
            ("GET", "facebook", asked, "META_VERIFY_TOKEN"),
            ("GET", "whatsapp", asked, "META_VERIFY_TOKEN"),
            ("GET", "twitter", {"crc_token": "x"}, "X_CONSUMER_SECRET"),
        ):
            answer = await client.request(method, f"/api/webhooks/{path}", params=params)
            assert answer.status_code == 503
            assert setting in answer.json()["detail"]
            assert int(answer.headers["Retry-After"]) > 0

    async def test_with_the_secret_alone_messages_are_taken_and_nothing_goes_out(
        self, app: FastAPI, database: Database, config: ApiConfig
    ) -> None:
        secret_alone = config.model_copy(update={"accounts": Accounts(meta=Meta(APP_SECRET))})
        app.state.services = replace(app.state.services, config=secret_alone)
        async with client_of(app) as client:
            await tell(client, Channel.FACEBOOK, said(Channel.FACEBOOK, "7", "m1", "Hi"))
            await tell(client, Channel.FACEBOOK, said(Channel.FACEBOOK, "7", "m2", "Hello?"))
            ticket = await the_ticket(client)
            assert contents(ticket) == ["Hi", "Hello?"]
            await reply(client, ticket, "Yes?")
        assert await count(database, "deliveries") == 0


class TestHandshakes:
    @pytest.mark.parametrize("path", ["facebook", "whatsapp"])
    async def test_meta_gets_its_challenge_for_the_right_word(
        self, client: httpx.AsyncClient, path: str
    ) -> None:
        asked = {
            "hub.mode": "subscribe",
            "hub.verify_token": VERIFY_TOKEN,
            "hub.challenge": "12345",
        }
        answer = await client.get(f"/api/webhooks/{path}", params=asked)
        assert (answer.status_code, answer.text) == (200, "12345")
        assert answer.headers["Content-Type"].startswith("text/plain")
        for wrong in (
            {"hub.verify_token": "TOKEN"},
            {"hub.verify_token": VERIFY_TOKEN + "é"},
            {"hub.mode": "unsubscribe"},
            {"hub.verify_token": ""},
        ):
            answer = await client.get(f"/api/webhooks/{path}", params=asked | wrong)
            assert answer.status_code == 403
            assert "hub.verify_token" in answer.json()["detail"]
        assert (await client.get(f"/api/webhooks/{path}")).status_code == 403

    async def test_x_gets_its_token_signed(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/webhooks/twitter?crc_token=challenge_string")
        assert answer.json() == {
            "response_token": "sha256=v1WdiCVwy17uGTMWveHGlqQXN/qW1bQraNXXByRO2YA="
        }
        assert (await client.get("/api/webhooks/twitter")).status_code == 422

    async def test_crc_signs_nothing_that_could_be_a_body(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        forged = json.dumps(x_message("1", "5", "6", "Hi"))
        for token in (forged, "{}", "[]", '"x"', " {}", "x" * 201, ""):
            answer = await client.get("/api/webhooks/twitter", params={"crc_token": token})
            assert answer.status_code == 422, token


class TestLimits:
    @pytest.fixture
    def config(self, config: ApiConfig) -> ApiConfig:
        return config.model_copy(update={"rate_limit_webhook": 3, "rate_limit_caller": 1})

    async def test_calls_are_counted_by_channel_once_their_signature_holds(
        self, client: httpx.AsyncClient
    ) -> None:
        for _ in range(10):
            assert (await client.post("/api/webhooks/whatsapp")).status_code == 403
        for _ in range(3):
            await tell(client, Channel.WHATSAPP, {})
        refused = await call(client, Channel.WHATSAPP, {})
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0
        await tell(client, Channel.FACEBOOK, {})


@pytest.mark.parametrize("channel", PLATFORMS)
class TestSaid:
    async def test_what_follows_goes_into_the_active_ticket(
        self, client: httpx.AsyncClient, channel: Channel
    ) -> None:
        for n, words in enumerate(("My order is late.", "Hello?")):
            await tell(client, channel, said(channel, "15550100", f"m{n}", words, n))
        ticket = await the_ticket(client)
        assert contents(ticket) == ["My order is late.", "Hello?"]
        assert ticket["timeline"][1]["metadata"]["sent_at"].startswith("20")
        await tell(client, channel, said(channel, "15550199", "m2", "Me too"))
        assert len(await tickets(client)) == 2

    async def test_closed_ticket_is_followed_by_one_that_names_it(
        self, client: httpx.AsyncClient, database: Database, channel: Channel
    ) -> None:
        await tell(client, channel, said(channel, "15550100", "m1", "First"))
        old = await the_ticket(client)
        await set_status(database, old["ticket_id"], TicketStatus.CLOSED)
        await tell(client, channel, said(channel, "15550100", "m2", "Second"))
        await tell(client, channel, said(channel, "15550100", "m1", "First"))
        _, new = await tickets(client)
        assert new["follow_up_of"] == old["ticket_id"]
        assert contents(new) == ["Second"]

    async def test_same_name_again_is_the_same_message_whatever_it_says(
        self, client: httpx.AsyncClient, channel: Channel
    ) -> None:
        await tell(client, channel, said(channel, "15550100", "m1", "one"))
        await tell(client, channel, said(channel, "15550100", "m1", "two"))
        bodies = [said(channel, "15550100", "m2", words) for words in ("three", "four")]
        await tell(client, channel, merged(bodies))
        assert contents(await the_ticket(client)) == ["one", "three"]

    async def test_same_message_ten_times_at_once_is_one(
        self, client: httpx.AsyncClient, channel: Channel
    ) -> None:
        body = said(channel, "15550100", "m1", "one")
        await asyncio.gather(*(tell(client, channel, body) for _ in range(10)))
        assert contents(await the_ticket(client)) == ["one"]

    async def test_first_messages_at_once_are_one_ticket(
        self, client: httpx.AsyncClient, channel: Channel
    ) -> None:
        bodies = [said(channel, "15550100", f"m{n}", str(n)) for n in range(10)]
        await asyncio.gather(*(tell(client, channel, body) for body in bodies))
        assert sorted(contents(await the_ticket(client))) == [str(n) for n in range(10)]

    async def test_replies_go_out_by_the_account(
        self, client: httpx.AsyncClient, database: Database, channel: Channel
    ) -> None:
        await tell(client, channel, said(channel, "15550100", "m1", "Hi"))
        shown = await reply(client, await the_ticket(client), "Hello")
        assert shown["delivery"]["state"] == "pending"
        async with database.begin() as session:
            row = (await session.execute(text("SELECT outlet, address FROM deliveries"))).one()
            heard = (await session.execute(text("SELECT outlet, address FROM contacts"))).one()
        address = "+15550100" if channel is Channel.WHATSAPP else "15550100"
        account = {Channel.FACEBOOK: PAGE, Channel.WHATSAPP: NUMBER}.get(channel, "3003")
        assert tuple(row) == tuple(heard) == (f"{channel}-{account}", address)

    async def test_other_accounts_are_not_ours(
        self, client: httpx.AsyncClient, database: Database, channel: Channel
    ) -> None:
        raw = json.dumps(said(channel, "15550100", "m1", "Hi"))
        ours = {Channel.FACEBOOK: PAGE, Channel.WHATSAPP: NUMBER}.get(channel, "3003")
        await tell(client, channel, raw.replace(f'"{ours}"', '"4004"').encode())
        assert await count(database, "threads") == 0

    async def test_odd_event_does_not_cost_the_others(
        self, client: httpx.AsyncClient, channel: Channel
    ) -> None:
        good = [said(channel, "15550100", f"m{n}", str(n), n) for n in range(3)]
        raw = json.dumps(merged(good)).replace('"m1"', '{"nobody": ["expects"]}')
        await tell(client, channel, raw.encode())
        assert contents(await the_ticket(client)) == ["0", "2"]


class TestTrouble:
    """Three messages of which one cannot be taken."""

    BODY = merged([said(Channel.WHATSAPP, "15550100", f"m{n}", str(n), n) for n in range(3)])

    @staticmethod
    def fail_with(error: Exception) -> Callable[..., Awaitable[contacts.Heard]]:
        hear = contacts.hear

        async def sometimes(
            session: AsyncSession,
            channel: Channel,
            outlet: str | None,
            sender: contacts.Sender,
            draft: Draft,
            policy: DeadlinePolicy,
        ) -> contacts.Heard:
            if draft.content == "1":
                raise error
            return await hear(session, channel, outlet, sender, draft, policy)

        return sometimes

    async def test_what_cannot_be_taken_does_not_cost_the_others(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(contacts, "hear", self.fail_with(TicketIsClosed()))
        await tell(client, Channel.WHATSAPP, self.BODY)
        assert contents(await the_ticket(client)) == ["0", "2"]

    async def test_without_the_database_it_is_503_and_goes_on_when_it_is_sent_again(
        self, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gone = OperationalError("no connection", None, Exception())
        with monkeypatch.context() as broken:
            broken.setattr(contacts, "hear", self.fail_with(gone))
            answer = await call(client, Channel.WHATSAPP, self.BODY)
        assert answer.status_code == 503
        await tell(client, Channel.WHATSAPP, self.BODY)
        assert contents(await the_ticket(client)) == ["0", "1", "2"]


class TestOpenedByBackEnds:
    async def create(self, client: httpx.AsyncClient, channel: Channel, **customer: str) -> Json:
        body = {
            "source": {"channel": channel},
            "customer": customer,
            "subject": "Your order",
            "initial_message": "Where is it?",
        }
        answer = await client.post("/api/tickets/create", headers=ADA, json=body)
        assert answer.status_code == 201, answer.text
        ticket: Json = answer.json()
        return ticket

    async def test_customer_writes_on_in_the_same_ticket(self, client: httpx.AsyncClient) -> None:
        for channel, spelled in (
            (Channel.WHATSAPP, "1 (555) 01-00"),
            (Channel.FACEBOOK, "15550100"),
            (Channel.TWITTER, "15550100"),
        ):
            opened = await self.create(client, channel, channel_identity=spelled)
            await tell(client, channel, said(channel, "15550100", "m1", "Hello?"))
            again = (await client.get(f"/api/tickets/{opened['ticket_id']}", headers=ADA)).json()
            assert contents(again) == ["Where is it?", "Hello?"]
            shown = await reply(client, opened, "On its way.")
            assert shown["delivery"]["state"] == "pending"

    async def test_phone_number_is_spelled_as_whatsapp_does(
        self, client: httpx.AsyncClient
    ) -> None:
        for spelled, known in (
            ("+15550100", "+15550100"),
            ("15550100", "+15550100"),
            ("+1 555-0100", "+15550100"),
            ("US.13491208655302741918", "US.13491208655302741918"),
        ):
            ticket = await self.create(client, Channel.WHATSAPP, channel_identity=spelled)
            assert ticket["customer"]["channel_identity"] == known

    async def test_mail_goes_to_the_address_that_is_known(
        self, app: FastAPI, config: ApiConfig, database: Database
    ) -> None:
        by_mail = config.model_copy(update={"email_address": "help@desk.example"})
        app.state.services = replace(app.state.services, config=by_mail)
        async with client_of(app) as client:
            ticket = await self.create(client, Channel.EMAIL, primary_email="jo@example.com")
            await reply(client, ticket, "On its way.")
        async with database.begin() as session:
            row = (await session.execute(text("SELECT outlet, address FROM deliveries"))).one()
        assert tuple(row) == ("email-help@desk.example", "jo@example.com")


class TestFiles:
    async def test_file_stands_in_the_message_and_is_to_be_fetched(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        document = {
            "id": "media-1",
            "filename": "invoice.pdf",
            "mime_type": "application/pdf",
            "sha256": "ab" * 32,
            "caption": "My invoice",
        }
        message = {"id": "wamid.1", "from": "15550100", "type": "document", "document": document}
        for _ in range(2):
            await tell(client, Channel.WHATSAPP, whatsapp({"messages": [message]}))
        ticket = await the_ticket(client)
        assert contents(ticket) == ["My invoice"]
        (file,) = ticket["timeline"][0]["attachments"]
        assert file["id"].startswith("att_")
        assert (file["name"], file["size"]) == ("invoice.pdf", None)
        assert await count(database, "errands") == 1
        assert await count(database, "attachment_uses") == 1


class TestEchoes:
    @pytest.mark.parametrize("channel", [Channel.FACEBOOK, Channel.TWITTER])
    async def test_what_a_person_writes_elsewhere_stands_in_the_log_and_does_not_go_out(
        self, client: httpx.AsyncClient, database: Database, channel: Channel
    ) -> None:
        await tell(client, channel, echoed(channel, "7", "e0", "Nobody asked"))
        assert await count(database, "threads") == 0
        await tell(client, channel, said(channel, "7", "m1", "Hi"))
        for _ in range(2):
            await tell(client, channel, echoed(channel, "7", "e1", "Hello from the inbox", 1))
        shown = (await the_ticket(client))["timeline"][1]
        assert shown["sender_type"] == "agent"
        assert shown["sender_name"] == {Channel.FACEBOOK: "Page inbox"}.get(channel, "X")
        assert shown["visibility"] == "public"
        assert shown["metadata"]["outside"] is True
        assert shown["delivery"] is None
        assert await count(database, "deliveries") == 0

    async def test_echo_of_ours_is_no_second_message(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        await tell(client, Channel.FACEBOOK, said(Channel.FACEBOOK, "7", "m1", "Hi"))
        ticket = await the_ticket(client)
        await reply(client, ticket, "Hello")
        ours = await send(database, ticket, None)
        body = echoed(Channel.FACEBOOK, "7", "mid.1", "Hello", 1, metadata=ours, app_id=5)
        for _ in range(2):
            await tell(client, Channel.FACEBOOK, body)
        timeline = (await the_ticket(client))["timeline"]
        assert [each["content"] for each in timeline] == ["Hi", "Hello"]
        assert timeline[1]["delivery"]["state"] == "sent"

    async def test_what_another_program_sends_along_does_not_make_it_ours(
        self, client: httpx.AsyncClient
    ) -> None:
        await tell(client, Channel.FACEBOOK, said(Channel.FACEBOOK, "7", "m1", "Hi"))
        body = echoed(Channel.FACEBOOK, "7", "m2", "Hello", 1, metadata="campaign 7", app_id=5)
        await tell(client, Channel.FACEBOOK, body)
        assert contents(await the_ticket(client)) == ["Hi", "Hello"]


class TestNews:
    async def test_reply_goes_from_sent_to_read_and_never_back(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        await tell(client, Channel.WHATSAPP, said(Channel.WHATSAPP, "15550100", "m1", "Hi"))
        ticket = await the_ticket(client)
        await reply(client, ticket, "Hello")
        await send(database, ticket, "wamid.out")
        for status, state in (
            ("delivered", "delivered"),
            ("read", "read"),
            ("delivered", "read"),
            ("sent", "read"),
        ):
            told = {"id": "wamid.out", "status": status, "timestamp": str(AT)}
            body = whatsapp({"statuses": [told | {"recipient_id": "15550100"}]})
            await tell(client, Channel.WHATSAPP, body)
            assert (await the_ticket(client))["timeline"][1]["delivery"]["state"] == state

    async def test_customer_has_written_whichever_of_their_names_the_ticket_has(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        """WhatsApp tells the number in one body, and keeps it back in another."""
        told = {"type": "text", "text": {"body": "Hi"}, "from_user_id": "US.1"}
        first = told | {"id": "m1", "timestamp": str(AT)}
        second = told | {"id": "m2", "timestamp": str(AT + 60), "from": "15550100"}
        for message in (first, second):
            await tell(client, Channel.WHATSAPP, whatsapp({"messages": [message]}))
        ticket = await the_ticket(client)
        await reply(client, ticket, "Hello")
        async with database.begin() as session:
            thread_id = UUID(ticket["ticket_id"].removeprefix("tkt_"))
            outgoing = await outbox.next_pending(session, thread_id, datetime.now(UTC))
        assert outgoing is not None
        assert outgoing.address == "US.1"
        assert outgoing.heard_at == datetime.fromtimestamp(AT + 60, UTC)

    async def test_news_that_are_faster_than_the_answer_to_us_count(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        await tell(client, Channel.WHATSAPP, said(Channel.WHATSAPP, "15550100", "m1", "Hi"))
        ticket = await the_ticket(client)
        await reply(client, ticket, "Hello")
        told = {"id": "wamid.out", "status": "read", "timestamp": str(AT)}
        await tell(client, Channel.WHATSAPP, whatsapp({"statuses": [told]}))
        await send(database, ticket, "wamid.out")
        assert (await the_ticket(client))["timeline"][1]["delivery"]["state"] == "read"

    async def test_watermark_tells_of_all_before_it(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        await tell(client, Channel.FACEBOOK, said(Channel.FACEBOOK, "7", "m1", "Hi"))
        ticket = await the_ticket(client)
        await reply(client, ticket, "Hello")
        await send(database, ticket, "mid.out")
        until = 4_000_000_000_000
        await tell(client, Channel.FACEBOOK, messenger({"read": {"watermark": until}}, "7"))
        assert (await the_ticket(client))["timeline"][1]["delivery"]["state"] == "read"


def reaction(name: str, to: str, emoji: str | None, second: int = 0) -> Json:
    told = {"message_id": to} | ({"emoji": emoji} if emoji else {})
    message = {"id": name, "from": "15550100", "type": "reaction", "reaction": told}
    return whatsapp({"messages": [message | {"timestamp": str(AT + second)}]})


class TestReactions:
    async def test_reaction_is_told_to_staff_alone(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        await tell(client, Channel.WHATSAPP, said(Channel.WHATSAPP, "15550100", "m1", "Hi"))
        ticket = await the_ticket(client)
        await reply(client, ticket, "Hello")
        await send(database, ticket, "wamid.out")
        for _ in range(2):
            await tell(client, Channel.WHATSAPP, reaction("r1", "wamid.out", "👍"))
            await tell(client, Channel.WHATSAPP, reaction("r2", "m1", "🎉"))
            await tell(client, Channel.WHATSAPP, reaction("r3", "wamid.out", None))
            await tell(client, Channel.WHATSAPP, reaction("r4", "nobody's", "👍"))
        told = (await the_ticket(client))["timeline"][2:]
        assert [(each["content"], each["event"].get("emoji")) for each in told] == [
            ("The customer reacted to message 2.", "👍"),
            ("The customer reacted to message 1.", "🎉"),
            ("The customer took back a reaction to message 2.", None),
        ]
        assert {each["visibility"] for each in told} == {"private"}
        async with database.begin() as session:
            row = (await session.execute(text("SELECT handled_seq, last_seq FROM threads"))).one()
        assert row.last_seq == 5


class TestOrder:
    """However often, in whatever parts and order: the same comes of it."""

    @staticmethod
    def bodies(who: str) -> list[Json]:
        """About four customers of one platform."""
        people = [f"{who}{n}" for n in range(4)]
        channel = Channel.WHATSAPP
        spoken = [
            said(channel, person, f"m-{person}-{n}", f"Message {n}.", n)
            for person in people
            for n in range(6)
        ]
        statuses = [
            whatsapp({"statuses": [{"id": f"out-{person}", "status": status, "timestamp": "1"}]})
            for person in people
            for status in ("sent", "delivered", "read")
        ]
        reactions = [_reacted(person, f"r-{person}", f"m-{person}-1", 9) for person in people]
        return [*spoken, *statuses, *reactions]

    async def test_five_times_shuffled_split_and_merged_is_the_same_as_once(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        once = await self._after(client, database, "1555010", rounds=0)
        for seed in range(3):
            many = await self._after(client, database, f"1555{seed + 2}10", rounds=5, seed=seed)
            assert many == once

    async def _after(
        self, client: httpx.AsyncClient, database: Database, who: str, rounds: int, seed: int = 0
    ) -> object:
        by_chance = random.Random(seed)
        people = [f"{who}{n}" for n in range(4)]
        # Each has a ticket, and an answer that has gone out.
        for person in people:
            first = said(Channel.WHATSAPP, person, f"m-{person}-0", "Message 0.")
            await tell(client, Channel.WHATSAPP, first)
        for ticket in await tickets(client):
            whose = ticket["customer"]["channel_identity"].removeprefix("+")
            if whose in people:
                await reply(client, ticket, "Hello")
                await send(database, ticket, f"out-{whose}")
        bodies = self.bodies(who)
        for _ in range(rounds):
            by_chance.shuffle(bodies)
            for part in _parts(bodies, by_chance):
                await tell(client, Channel.WHATSAPP, part)
        await tell(client, Channel.WHATSAPP, merged(self.bodies(who)))
        return await _state(database, who)


def _reacted(person: str, name: str, to: str, second: int) -> Json:
    body = reaction(name, to, "👍", second)
    body["entry"][0]["changes"][0]["value"]["messages"][0]["from"] = person
    return body


def _parts(bodies: Sequence[Json], by_chance: random.Random) -> list[Json]:
    left, parts = list(bodies), []
    while left:
        size = by_chance.randint(1, 7)
        parts.append(merged(left[:size]))
        left = left[size:]
    return parts


async def _state(database: Database, who: str) -> object:
    """Of all customers whose addresses begin so: who has which tickets, what was said in them and
    to what they reacted, by which names, and what became of what we have said."""
    async with database.begin() as session:
        rows = await session.execute(_STATE, {"like": f"+{who}%"})
        return sorted(str(tuple(row)).replace(who, "…") for row in rows)


_STATE = text(
    """
    SELECT channel_identity, said.external_id, said.author,
        coalesce(meant.external_id, said.content), said.event ->> 'emoji', deliveries.state
    FROM tickets JOIN messages AS said ON said.thread_id = tickets.id
        LEFT JOIN deliveries USING (thread_id, seq)
        LEFT JOIN messages AS meant ON meant.thread_id = tickets.id
            AND meant.seq = (said.event ->> 'of_seq')::int
    WHERE channel_identity LIKE :like
    UNION ALL
    SELECT channel_identity, 'tickets', count(*)::text, '', NULL, NULL FROM tickets
    WHERE channel_identity LIKE :like GROUP BY channel_identity
    """
)
