"""Subscriptions, what they are told of, and what becomes of it; without a call."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update

from domain.conversation_life import ToTicket
from domain.errands import ErrandKind
from domain.errors import (
    TooManyWebhooks,
    WebhookEventIsPending,
    WebhookEventNotFound,
    WebhookIsDisabled,
    WebhookNotFound,
)
from domain.ids import new_id
from domain.models import AuthorKind, Visibility
from domain.webhooks import MOST_SUBSCRIPTIONS, EventState, Subscription, again_after
from store import threads, webhook_events, webhooks
from store.database import Database
from store.errand_tables import StoredErrand
from store.threads import Draft
from store.webhook_events import Call, Outcome, Recorded
from store.webhook_tables import WebhookEvent, WebhookSubscription
from store.webhooks import Changes
from tests.store.chatting import new_conversation, order
from tests.store.writing import open_ticket, write, write_event

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SOON = timedelta(seconds=2)
TAKEN = Outcome(200, 12)
BROKEN = Outcome(500, 12, "The address answered 500.")
GONE = Outcome(410, 12, "The address answered 410.", fatal=True)


async def subscribe(database: Database, *events: str, url: str = "https://a.example/") -> UUID:
    async with database.begin() as session:
        made = await webhooks.create(
            session, url=url, events=list(events), description="", secret="whsec_AA==", by="user:1"
        )
    return made.id


async def found(database: Database, subscription_id: UUID) -> Subscription:
    async with database.begin() as session:
        return await webhooks.get(session, subscription_id)


async def events(database: Database, subscription_id: UUID) -> list[WebhookEvent]:
    """In the order of their entries."""
    async with database.begin() as session:
        mine = select(WebhookEvent).where(WebhookEvent.subscription_id == subscription_id)
        rows = await session.scalars(mine.order_by(WebhookEvent.created_at, WebhookEvent.kind))
        return list(rows)


async def kinds(database: Database, subscription_id: UUID) -> list[tuple[int | None, str]]:
    return sorted((each.seq, each.kind) for each in await events(database, subscription_id))


async def errands(database: Database) -> set[UUID]:
    async with database.begin() as session:
        mine = select(StoredErrand.id).where(StoredErrand.kind == ErrandKind.WEBHOOK)
        return set(await session.scalars(mine))


async def begin(database: Database, event_id: UUID, now: datetime = NOW) -> Call | timedelta | None:
    async with database.begin() as session:
        return await webhook_events.begin_call(session, event_id, now)


async def record(
    database: Database, event_id: UUID, outcome: Outcome, now: datetime = NOW
) -> Recorded:
    async with database.begin() as session:
        return await webhook_events.record(session, event_id, outcome, now)


async def ping(database: Database, subscription_id: UUID) -> UUID:
    async with database.begin() as session:
        return (await webhook_events.ping(session, subscription_id)).id


async def fail_for_good(database: Database, event_id: UUID, now: datetime = NOW) -> datetime:
    """Try an event until it is given up; returns when."""
    while True:
        assert isinstance(await begin(database, event_id, now), Call)
        recorded = await record(database, event_id, BROKEN, now)
        if recorded.again is None:
            return now
        now += recorded.again


class TestWhatIsTold:
    async def test_new_ticket(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        await open_ticket(database)
        assert await kinds(database, subscription_id) == [
            (1, "message.created"),
            (1, "ticket.created"),
        ]

    async def test_message_note_and_event(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        ticket_id = await open_ticket(database)
        await write(database, ticket_id)
        await write(database, ticket_id, visibility=Visibility.PRIVATE)
        await write_event(database, ticket_id, type="status_changed")
        assert (await kinds(database, subscription_id))[2:] == [
            (2, "message.created"),
            (3, "note.created"),
            (4, "ticket.status_changed"),
        ]

    async def test_conversation_and_the_ticket_as_which_it_goes_on(
        self, database: Database
    ) -> None:
        subscription_id = await subscribe(
            database, "conversation.created", "conversation.closed", "ticket.created"
        )
        conversation_id = await new_conversation(database)
        await order(database, conversation_id, ToTicket())
        told = [each.kind for each in await events(database, subscription_id)]
        assert sorted(told) == ["conversation.closed", "conversation.created", "ticket.created"]

    @pytest.mark.parametrize(
        ("wanted", "told"),
        [
            (["message.created"], ["message.created"]),
            (["message.*"], ["message.created"]),
            (["ticket.*"], ["ticket.assigned", "ticket.created"]),
            (
                ["ticket.created", "ticket.*", "*"],
                ["message.created", "ticket.assigned", "ticket.created"],
            ),
            (["note.*", "conversation.*", "ticket.closed"], []),
        ],
    )
    async def test_each_kind_that_is_wanted_once(
        self, database: Database, wanted: list[str], told: list[str]
    ) -> None:
        subscription_id = await subscribe(database, *wanted)
        ticket_id = await open_ticket(database)
        await write_event(database, ticket_id, type="assigned")
        kinds_told = [kind for _, kind in await kinds(database, subscription_id)]
        assert sorted(kinds_told) == told

    async def test_each_subscription_for_itself_with_an_errand_for_each(
        self, database: Database
    ) -> None:
        one, other = [await subscribe(database, "message.*") for _ in range(2)]
        await open_ticket(database)
        told = await events(database, one) + await events(database, other)
        assert len(told) == 2
        assert await errands(database) == {each.id for each in told}
        assert {each.state for each in told} == {EventState.PENDING}

    async def test_nothing_is_told_of_what_was_not_committed(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        ticket_id = await open_ticket(database)
        async with database.begin() as session:
            thread = await threads.lock(session, ticket_id)
            await threads.append(session, thread, Draft(AuthorKind.AI, "Never said."))
            await session.rollback()
        assert len(await events(database, subscription_id)) == 2

    async def test_same_message_again_is_told_once(self, database: Database) -> None:
        subscription_id = await subscribe(database, "message.*")
        ticket_id = await open_ticket(database)
        draft = Draft(AuthorKind.AI, "Hello", source="test", external_id="a")
        for _ in range(2):
            async with database.begin() as session:
                await threads.append(session, await threads.lock(session, ticket_id), draft)
        assert len(await events(database, subscription_id)) == 2

    async def test_paused_and_deleted_are_told_nothing(self, database: Database) -> None:
        paused, deleted = [await subscribe(database, "*") for _ in range(2)]
        async with database.begin() as session:
            await webhooks.update(session, paused, Changes(active=False))
            await webhooks.delete(session, deleted)
        await open_ticket(database)
        assert await events(database, paused) + await events(database, deleted) == []
        assert await errands(database) == set()


class TestSubscriptions:
    async def test_there_are_only_so_many(self, database: Database) -> None:
        last, *_ = [await subscribe(database, "*") for _ in range(MOST_SUBSCRIPTIONS)]
        with pytest.raises(TooManyWebhooks):
            await subscribe(database, "*")
        async with database.begin() as session:
            await webhooks.delete(session, last)
        await subscribe(database, "*")

    async def test_deleted_one_is_gone_with_its_secret(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        async with database.begin() as session:
            await webhooks.delete(session, subscription_id)
        with pytest.raises(WebhookNotFound):
            await found(database, subscription_id)
        async with database.begin() as session:
            assert await webhooks.list_all(session) == []
            row = await session.get_one(WebhookSubscription, subscription_id)
            assert (row.secret, row.old_secret, row.url) == ("", None, "")

    async def test_rotation_keeps_the_old_secret_for_a_day(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        async with database.begin() as session:
            rotated = await webhooks.rotate_secret(session, subscription_id, "whsec_BB==")
        assert (rotated.secret, rotated.old_secret) == ("whsec_BB==", "whsec_AA==")
        assert rotated.old_secret_until is not None
        left = rotated.old_secret_until - datetime.now(UTC)
        assert timedelta(hours=23) < left <= timedelta(hours=24)

    async def test_secret_is_in_no_representation(self, database: Database) -> None:
        assert "whsec_" not in repr(await found(database, await subscribe(database, "*")))

    async def test_made_active_again_starts_anew(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        event_id = await ping(database, subscription_id)
        await begin(database, event_id)
        await record(database, event_id, GONE)
        async with database.begin() as session:
            again = await webhooks.update(session, subscription_id, Changes(active=True))
        assert (again.active, again.disabled_reason, again.failing_since) == (True, None, None)


class TestCalls:
    @pytest.fixture
    async def subscription_id(self, database: Database) -> UUID:
        return await subscribe(database, "*")

    @pytest.fixture
    async def event_id(self, database: Database, subscription_id: UUID) -> UUID:
        return await ping(database, subscription_id)

    async def test_success_ends_event_and_errand(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        assert isinstance(await begin(database, event_id), Call)
        assert await record(database, event_id, TAKEN) == Recorded()
        [event] = await events(database, subscription_id)
        assert (event.state, event.finished_at, event.calling_until) == ("delivered", NOW, None)
        assert await errands(database) == set()
        assert await begin(database, event_id) is None

    async def test_event_that_is_called_is_called_by_nobody_else(
        self, database: Database, event_id: UUID
    ) -> None:
        await begin(database, event_id)
        wait = await begin(database, event_id, NOW + timedelta(seconds=5))
        assert wait == webhook_events.CALL_LASTS - timedelta(seconds=5)

    async def test_caller_who_died_is_replaced(self, database: Database, event_id: UUID) -> None:
        await begin(database, event_id)
        assert isinstance(await begin(database, event_id, NOW + webhook_events.CALL_LASTS), Call)

    async def test_failure_is_tried_again_and_not_before_its_time(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        await begin(database, event_id)
        again = timedelta(seconds=5)
        assert await record(database, event_id, BROKEN) == Recorded(again=again)
        assert await begin(database, event_id, NOW + again - SOON) == SOON
        assert isinstance(await begin(database, event_id, NOW + again), Call)
        assert (await found(database, subscription_id)).failing_since == NOW

    async def test_success_of_another_event_ends_the_failing(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        other = await ping(database, subscription_id)
        for each in (event_id, other):
            await begin(database, each)
        await record(database, event_id, BROKEN)
        await record(database, other, TAKEN)
        assert (await found(database, subscription_id)).failing_since is None

    async def test_slow_subscriber_is_called_by_a_few_at_a_time(
        self, database: Database, subscription_id: UUID
    ) -> None:
        ids = [await ping(database, subscription_id) for _ in range(9)]
        begun = [await begin(database, each) for each in ids]
        assert [isinstance(each, Call) for each in begun] == [True] * 8 + [False]
        assert isinstance(begun[-1], timedelta)
        await record(database, ids[0], TAKEN)
        assert isinstance(await begin(database, ids[-1]), Call)

    async def test_who_has_waited_long_waits_longer(
        self, database: Database, subscription_id: UUID
    ) -> None:
        """Or a backlog would do nothing but ask for its turn."""
        *ids, last = [await ping(database, subscription_id) for _ in range(9)]
        created = (await events(database, subscription_id))[-1].created_at
        for each in ids:
            await begin(database, each, created + timedelta(seconds=280))
        for age, wait in ((0, 2), (40, 40), (299, 299)):
            waits = await begin(database, last, created + timedelta(seconds=age))
            assert waits == timedelta(seconds=wait)
        assert isinstance(await begin(database, last, created + timedelta(seconds=300)), Call)

    async def test_failing_subscriber_by_fewer_still(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        await begin(database, event_id)
        await record(database, event_id, BROKEN)
        ids = [await ping(database, subscription_id) for _ in range(3)]
        begun = [await begin(database, each) for each in ids]
        assert [isinstance(each, Call) for each in begun] == [True, True, False]

    async def test_410_disables_at_once_and_fails_all(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        await ping(database, subscription_id)
        await begin(database, event_id)
        assert (await record(database, event_id, GONE)).disabled == "The address answered 410."
        now = await found(database, subscription_id)
        assert (now.active, now.disabled_reason) == (False, "The address answered 410.")
        assert {each.state for each in await events(database, subscription_id)} == {"failed"}
        assert await errands(database) == set()

    async def test_three_days_without_success_disable(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        given_up = await fail_for_good(database, event_id)
        assert timedelta(days=2, hours=20) < given_up - NOW < timedelta(days=3, hours=1)
        now = await found(database, subscription_id)
        assert (now.active, now.disabled_reason) == (False, "It took nothing for three days.")

    async def test_one_event_that_is_never_taken_does_not(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        assert isinstance(await begin(database, event_id), Call)
        await record(database, event_id, BROKEN)
        other = await ping(database, subscription_id)
        assert isinstance(await begin(database, other), Call)
        await record(database, other, TAKEN)
        await fail_for_good(database, event_id, NOW + timedelta(seconds=5))
        assert (await found(database, subscription_id)).active
        states = {each.id: each.state for each in await events(database, subscription_id)}
        assert states == {event_id: "failed", other: "delivered"}

    async def test_event_of_one_that_was_paused_fails_in_its_turn(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        async with database.begin() as session:
            await webhooks.update(session, subscription_id, Changes(active=False))
        assert await begin(database, event_id) is None
        [event] = await events(database, subscription_id)
        assert event.state == "failed"
        assert await errands(database) == set()

    async def test_event_of_a_deleted_one_ends(
        self, database: Database, subscription_id: UUID, event_id: UUID
    ) -> None:
        await begin(database, event_id)
        async with database.begin() as session:
            await webhooks.delete(session, subscription_id)
        await record(database, event_id, BROKEN)
        assert await begin(database, event_id, NOW + timedelta(seconds=5)) is None
        assert await errands(database) == set()

    async def test_errand_without_an_event_ends(self, database: Database) -> None:
        assert await begin(database, new_id()) is None


class TestPages:
    async def test_newest_first_with_attempts_by_state(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        ids = [await ping(database, subscription_id) for _ in range(3)]
        await begin(database, ids[0])
        await record(database, ids[0], BROKEN)
        await begin(database, ids[0], NOW + timedelta(seconds=5))
        await record(database, ids[0], TAKEN, NOW + timedelta(seconds=5))
        async with database.begin() as session:
            page, total = await webhook_events.page(
                session, subscription_id, None, offset=0, limit=2
            )
            done, _ = await webhook_events.page(
                session, subscription_id, EventState.DELIVERED, offset=0, limit=10
            )
        assert ([each.id for each in page], total) == (ids[:0:-1], 3)
        assert [each.id for each in done] == ids[:1]
        assert [(each.number, each.status) for each in done[0].attempts] == [(1, 500), (2, 200)]


class TestRedelivery:
    async def test_starts_anew_by_the_same_id(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        event_id = await ping(database, subscription_id)
        await begin(database, event_id)
        await record(database, event_id, TAKEN)
        async with database.begin() as session:
            again = await webhook_events.redeliver(session, subscription_id, event_id)
        assert (again.id, again.state, again.finished_at) == (event_id, "pending", None)
        assert await errands(database) == {event_id}
        assert isinstance(await begin(database, event_id), Call)
        assert (await record(database, event_id, BROKEN)).again == timedelta(seconds=5)

    async def test_what_is_pending_is_left_alone(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        event_id = await ping(database, subscription_id)
        with pytest.raises(WebhookEventIsPending):
            async with database.begin() as session:
                await webhook_events.redeliver(session, subscription_id, event_id)

    async def test_another_subscriptions_event_is_not_found(self, database: Database) -> None:
        subscription_id, other = [await subscribe(database, "*") for _ in range(2)]
        event_id = await ping(database, other)
        with pytest.raises(WebhookEventNotFound):
            async with database.begin() as session:
                await webhook_events.redeliver(session, subscription_id, event_id)

    async def test_not_while_it_is_disabled(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        event_id = await ping(database, subscription_id)
        await begin(database, event_id)
        await record(database, event_id, GONE)
        async with database.begin() as session:
            with pytest.raises(WebhookIsDisabled):
                await webhook_events.redeliver(session, subscription_id, event_id)
            with pytest.raises(WebhookIsDisabled):
                await webhook_events.ping(session, subscription_id)


class TestHousekeeping:
    async def count(self, database: Database) -> int:
        async with database.begin() as session:
            return await session.scalar(select(func.count()).select_from(WebhookEvent)) or 0

    async def test_finished_events_go_after_a_week(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        old, new, pending = [await ping(database, subscription_id) for _ in range(3)]
        for each in (old, new):
            await begin(database, each)
            await record(database, each, TAKEN, datetime.now(UTC))
        async with database.begin() as session:
            await session.execute(
                update(WebhookEvent)
                .where(WebhookEvent.id == old)
                .values(finished_at=text("now() - interval '8 days'"))
            )
        async with database.begin() as session:
            assert await webhook_events.forget_old(session)
        async with database.begin() as session:
            assert not await webhook_events.forget_old(session)
        assert {each.id for each in await events(database, subscription_id)} == {new, pending}

    async def test_deleted_subscription_goes_with_its_events(self, database: Database) -> None:
        subscription_id = await subscribe(database, "*")
        await ping(database, subscription_id)
        async with database.begin() as session:
            await webhooks.delete(session, subscription_id)
            await session.execute(
                text("UPDATE webhook_subscriptions SET deleted_at = now() - interval '2 hours'")
            )
        async with database.begin() as session:
            await webhooks.forget_deleted(session)
            assert await session.get(WebhookSubscription, subscription_id) is not None
            await webhook_events.forget_old(session)
            await webhooks.forget_deleted(session)
        async with database.begin() as session:
            assert await session.get(WebhookSubscription, subscription_id) is None


class TestPace:
    def test_three_days(self) -> None:
        waits: list[timedelta] = []
        while (wait := again_after(len(waits) + 1, None)) is not None:
            waits.append(wait)
        assert waits == sorted(waits)
        assert waits[:3] == [timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)]
        assert timedelta(days=2, hours=20) < sum(waits, timedelta()) <= timedelta(days=3)

    def test_wishes_are_heard_within_bounds(self) -> None:
        assert again_after(1, timedelta(minutes=2)) == timedelta(minutes=2)
        assert again_after(1, timedelta(days=9)) == timedelta(hours=1)
        assert again_after(4, timedelta(seconds=1)) == timedelta(hours=2)
        assert again_after(1, timedelta(days=-9)) == timedelta(seconds=5)
