"""Calling subscribers: what they get, and what is made of their answers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from aiohttp import web
from sqlalchemy import select, text
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.webhooks import CallWebhook
from api.views import timeline_entry
from channels.safe_http import SafeClient
from domain.ids import ticket_id_text, webhook_event_id_text
from domain.models import Visibility
from domain.webhooks import Attempt, Subscription
from store import reading, webhook_events, webhooks
from store.database import Database
from store.webhook_tables import WebhookEvent
from tests.activities.subscriber import Subscriber, subscriber
from tests.store.chatting import new_conversation
from tests.store.writing import number_of, open_ticket, write, write_event


@pytest.fixture
async def receiver() -> AsyncIterator[Subscriber]:
    async with subscriber() as running:
        yield running


@pytest.fixture
async def caller(database: Database, receiver: Subscriber) -> AsyncIterator[CallWebhook]:
    async with SafeClient(frozenset({receiver.host})) as client:
        yield CallWebhook(database, client)


@pytest.fixture
async def subscription_id(database: Database, receiver: Subscriber) -> UUID:
    return await receiver.subscribe(database)


async def events(database: Database) -> list[WebhookEvent]:
    async with database.begin() as session:
        query = select(WebhookEvent).order_by(WebhookEvent.seq, WebhookEvent.kind)
        return list(await session.scalars(query))


async def ping(database: Database, subscription_id: UUID) -> UUID:
    async with database.begin() as session:
        return (await webhook_events.ping(session, subscription_id)).id


async def attempts(database: Database, subscription_id: UUID) -> list[Attempt]:
    """Of the only event."""
    async with database.begin() as session:
        page, _ = await webhook_events.page(session, subscription_id, None, offset=0, limit=10)
    [event] = page
    return event.attempts


async def found(database: Database, subscription_id: UUID) -> Subscription:
    async with database.begin() as session:
        return await webhooks.get(session, subscription_id)


async def call(caller: CallWebhook, event_id: UUID) -> timedelta | None:
    """How long to wait until the next try; None when there will be none."""
    try:
        await ActivityEnvironment().run(caller.call_webhook, event_id)
    except ApplicationError as error:
        failure = error
    else:
        return None
    assert failure.category is ApplicationErrorCategory.BENIGN
    assert failure.next_retry_delay is not None
    return failure.next_retry_delay


class TestPayload:
    async def test_message_of_a_ticket(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        ticket_id = await open_ticket(database)
        told = {event.kind: event for event in await events(database)}
        for event in told.values():
            assert await call(caller, event.id) is None
        message = told["message.created"]
        payload = next(each for each in receiver.received if each["type"] == "message.created")
        assert payload["id"] == webhook_event_id_text(message.id)
        assert datetime.fromisoformat(payload["timestamp"]) == message.created_at
        data = payload["data"]
        assert (data["thread"], data["seq"]) == ("ticket", 1)
        assert data["ticket"]["ticket_id"] == ticket_id_text(ticket_id)
        assert data["ticket"]["number"] == await number_of(database, ticket_id)
        assert (data["ticket"]["subject"], data["ticket"]["status"]) == ("Help", "new")
        assert data["ticket"]["customer"]["primary_email"] == "jo@example.com"

    async def test_entry_is_shown_as_the_api_shows_it(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        ticket_id = await open_ticket(database)
        seqs = [
            await write(database, ticket_id, "a note", Visibility.PRIVATE),
            await write_event(database, ticket_id, type="status_changed", before="new"),
        ]
        for event in await events(database):
            await call(caller, event.id)
        for seq in seqs:
            async with database.begin() as session:
                entry = await reading.entry(session, ticket_id, seq)
            assert entry is not None
            shown = timeline_entry(entry).model_dump(mode="json", exclude={"delivery"})
            [payload] = [each for each in receiver.received if each["data"]["seq"] == seq]
            assert payload["data"]["message"] == shown

    async def test_conversation(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        conversation_id = await new_conversation(database, "billing")
        for event in await events(database):
            await call(caller, event.id)
        data = receiver.received[0]["data"]
        assert data["thread"] == "conversation"
        assert data["conversation"]["conversation_id"] == str(conversation_id)
        assert (data["conversation"]["status"], data["conversation"]["tags"]) == (
            "QUEUED",
            ["billing"],
        )

    async def test_ping(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        await call(caller, await ping(database, subscription_id))
        [payload] = receiver.received
        assert (payload["type"], payload["data"]) == ("ping", {})

    async def test_what_was_erased_is_not_told(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        await open_ticket(database)
        async with database.begin() as session:
            await session.execute(text("UPDATE messages SET content = ''"))
        for event in await events(database):
            await call(caller, event.id)
        assert [each["data"]["message"]["content"] for each in receiver.received] == ["", ""]


class TestSignature:
    async def test_id_of_the_call_is_the_events(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        event_id = await ping(database, subscription_id)
        await call(caller, event_id)
        assert receiver.ids == [webhook_event_id_text(event_id)]
        assert receiver.headers[0]["content-type"] == "application/json"

    async def test_both_secrets_sign_after_a_rotation(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        async with database.begin() as session:
            await webhooks.rotate_secret(session, subscription_id, new)
        await call(caller, await ping(database, subscription_id))
        assert receiver.verified_by(receiver.secret)
        assert receiver.verified_by(new)
        assert not receiver.verified_by("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")

    async def test_old_secret_signs_for_a_day_only(
        self, database: Database, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        new = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        async with database.begin() as session:
            await webhooks.rotate_secret(session, subscription_id, new)
            await session.execute(
                text("UPDATE webhook_subscriptions SET old_secret_until = now() - interval '1 s'")
            )
        async with SafeClient(frozenset({receiver.host})) as client:
            event_id = await ping(database, subscription_id)
            await call(CallWebhook(database, client), event_id)
        assert receiver.verified_by(new)
        assert not receiver.verified_by(receiver.secret)


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    async def test_2xx_is_a_success(
        self,
        database: Database,
        caller: CallWebhook,
        receiver: Subscriber,
        subscription_id: UUID,
        status: int,
    ) -> None:
        receiver.default = status
        event_id = await ping(database, subscription_id)
        assert await call(caller, event_id) is None
        assert await call(caller, event_id) is None
        assert len(receiver.ids) == 1
        [attempt] = await attempts(database, subscription_id)
        assert (attempt.status, attempt.error) == (status, None)

    @pytest.mark.parametrize("status", [301, 302, 400, 401, 404, 429, 500, 503])
    async def test_anything_else_is_tried_again(
        self,
        database: Database,
        caller: CallWebhook,
        receiver: Subscriber,
        subscription_id: UUID,
        status: int,
    ) -> None:
        receiver.default = status
        assert await call(caller, await ping(database, subscription_id)) == timedelta(seconds=5)
        [attempt] = await attempts(database, subscription_id)
        assert (attempt.status, attempt.error) == (status, f"The address answered {status}.")

    async def test_redirect_is_not_followed(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        receiver.answers = [web.Response(status=307, headers={"Location": receiver.url})]
        assert await call(caller, await ping(database, subscription_id)) is not None
        assert len(receiver.ids) == 1

    async def test_wish_for_time_is_heard(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        at = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
        for spelled, seconds in (
            ("120", (120, 120)),
            (at, (590, 600)),
            ("soon", (5, 5)),
            ("9" * 400, (3600, 3600)),
            ("-5", (5, 5)),
            ("", (5, 5)),
        ):
            answer = web.Response(status=503, headers={"Retry-After": spelled})
            receiver.answers = [answer]
            waits = await call(caller, await self.fresh_ping(database, receiver))
            assert waits is not None
            assert seconds[0] <= waits.total_seconds() <= seconds[1], spelled

    async def fresh_ping(self, database: Database, receiver: Subscriber) -> UUID:
        return await ping(database, await receiver.subscribe(database))

    async def test_410_disables(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        receiver.default = 410
        assert await call(caller, await ping(database, subscription_id)) is None
        now = await found(database, subscription_id)
        assert (now.active, now.disabled_reason) == (False, "The address answered 410.")

    async def test_private_address_disables(self, database: Database, receiver: Subscriber) -> None:
        """Which a name can have got since it was checked."""
        subscription_id = await receiver.subscribe(database)
        async with SafeClient() as strict:
            event_id = await ping(database, subscription_id)
            assert await call(CallWebhook(database, strict), event_id) is None
        assert receiver.ids == []
        now = await found(database, subscription_id)
        assert not now.active
        assert now.disabled_reason == "This address leads into a private network."

    async def test_nobody_there_is_tried_again(self, database: Database) -> None:
        async with subscriber() as gone:
            subscription_id = await gone.subscribe(database)
        async with SafeClient(frozenset({gone.host})) as client:
            event_id = await ping(database, subscription_id)
            assert await call(CallWebhook(database, client), event_id) == timedelta(seconds=5)
        [attempt] = await attempts(database, subscription_id)
        assert attempt.status is None
        assert attempt.error == "No connection to the address could be made."

    async def test_long_answer_is_not_kept(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        receiver.answers = [web.Response(body=b"x" * 3_000_000)]
        assert await call(caller, await ping(database, subscription_id)) is None


class TestTwice:
    async def test_second_caller_waits_for_the_first(
        self, database: Database, caller: CallWebhook, receiver: Subscriber, subscription_id: UUID
    ) -> None:
        event_id = await ping(database, subscription_id)
        async with database.begin() as session:
            await webhook_events.begin_call(session, event_id, datetime.now(UTC))
        wait = await call(caller, event_id)
        assert wait is not None
        assert timedelta(seconds=15) < wait <= webhook_events.CALL_LASTS
        assert receiver.ids == []

    async def test_unknown_event_is_done(self, caller: CallWebhook) -> None:
        assert await call(caller, UUID(int=1)) is None
