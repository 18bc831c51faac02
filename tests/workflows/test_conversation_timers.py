"""The clocks of a live conversation, on the server that skips time.

The database's clock does not skip: what is written there is given the time that the server has.
"""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from temporalio.api.enums.v1 import EventType as HistoryEvent
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from domain.conversation_life import ConversationState, Release
from domain.deadlines import DeadlinePolicy
from domain.events import Event
from domain.models import AuthorKind, ConversationStatus, EventType, Side, Visibility
from domain.names import conversation_workflow_id
from store import conversations, threads
from store.database import Database
from store.threads import Draft
from tests.workflows.chat_desk import ChatDesk, chat_ref
from tests.workflows.policies import CHAT
from workers.threads import Policies, make_worker
from workflows.engine import Engine

MINUTE = timedelta(minutes=1)
QUEUED, ASSIGNED, CONNECTED, CLOSED = ConversationStatus


class SkippingDesk(ChatDesk):
    """A desk at which time is the Temporal server's."""

    def __init__(
        self, database: Database, engine: Engine, environment: WorkflowEnvironment
    ) -> None:
        super().__init__(database, engine, CHAT)
        self.environment = environment

    @property
    def client(self) -> Client:
        return self.environment.client

    async def pass_time(self, duration: timedelta) -> None:
        await self.environment.sleep(duration)

    async def say_now(self, conversation_id: UUID, author: AuthorKind) -> None:
        now = await self.environment.get_current_time()
        async with self.database.begin() as session:
            row = await conversations.find(session, conversation_id, lock=True)
            said = await conversations.write(session, row, Draft(author, "SECRET words"))
            await session.execute(
                text("UPDATE messages SET created_at = :now WHERE id = :id"),
                {"now": now, "id": said.id},
            )
        if said.nudge:
            await self.engine.nudge(chat_ref(conversation_id))
        await self.until_handled(conversation_id)

    async def tell_now(
        self, conversation_id: UUID, kind: EventType, side: Side, by: str | None = None
    ) -> None:
        """As `store.attendance` does."""
        since = await self.environment.get_current_time()
        event = Event(type=kind, visibility=Visibility.PUBLIC, side=side, by=by, since=since)
        async with self.database.begin() as session:
            row = await conversations.find(session, conversation_id, lock=True)
            await threads.append_event(session, row.locked, event)
        await self.engine.nudge(chat_ref(conversation_id))
        await self.until_handled(conversation_id)

    async def timers(self, conversation_id: UUID) -> int:
        """How often its workflow has set one."""
        handle = self.client.get_workflow_handle(conversation_workflow_id(conversation_id))
        history = await handle.fetch_history()
        kinds = [event.event_type for event in history.events]
        return kinds.count(HistoryEvent.EVENT_TYPE_TIMER_STARTED)


@pytest.fixture
async def chat(
    skipping: WorkflowEnvironment, database: Database, policy: DeadlinePolicy
) -> AsyncIterator[SkippingDesk]:
    engine = Engine(skipping.client, task_queue=f"test-{uuid4().hex}")
    async with make_worker(
        skipping.client, database, Policies(policy, CHAT), task_queue=engine.task_queue
    ):
        yield SkippingDesk(database, engine, skipping)


@pytest.fixture
async def waiting(chat: SkippingDesk) -> UUID:
    """Of a customer who waits in the queue, on a page that is open."""
    await chat.hire("bob", "eve")
    conversation_id = await chat.start()
    await chat.tell_now(conversation_id, EventType.ARRIVED, Side.CUSTOMER)
    return conversation_id


def is_(status: ConversationStatus) -> Callable[[ConversationState], bool]:
    return lambda state: state.status is status


def was_told(state: ConversationState) -> bool:
    return state.queue_timeout_at is None


class TestQueueTimeout:
    async def test_is_told_once_and_in_words(self, chat: SkippingDesk, waiting: UUID) -> None:
        await chat.pass_time(4 * MINUTE)
        assert "queue_timeout" not in await chat.events(waiting)
        await chat.pass_time(2 * MINUTE)
        await chat.until(waiting, was_told)
        await chat.pass_time(60 * MINUTE)
        assert (await chat.events(waiting)).count("queue_timeout") == 1
        words = [entry for entry in await chat.log(waiting) if entry.event is None]
        assert [(entry.author, entry.visibility) for entry in words] == [
            (AuthorKind.SYSTEM, Visibility.PUBLIC)
        ]
        assert "leave this as a ticket" in words[0].content

    async def test_accepting_still_works_afterwards(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.pass_time(6 * MINUTE)
        await chat.until(waiting, was_told)
        await chat.accept(waiting, "bob")
        assert (await chat.state(waiting)).status is CONNECTED

    async def test_accepted_in_time_is_not_told(self, chat: SkippingDesk, waiting: UUID) -> None:
        await chat.accept(waiting, "bob")
        await chat.pass_time(10 * MINUTE)
        assert "queue_timeout" not in await chat.events(waiting)

    async def test_given_back_waits_anew(self, chat: SkippingDesk, waiting: UUID) -> None:
        await chat.accept(waiting, "bob")
        await chat.pass_time(10 * MINUTE)
        await chat.order(waiting, Release(agent_id="bob"))
        await chat.pass_time(4 * MINUTE)
        assert "queue_timeout" not in await chat.events(waiting)
        await chat.pass_time(2 * MINUTE)
        await chat.until(waiting, was_told)


class TestAgentGrace:
    async def test_agent_who_stays_away_loses_it(self, chat: SkippingDesk, waiting: UUID) -> None:
        before = await chat.state(waiting)
        await chat.accept(waiting, "bob")
        await chat.tell_now(waiting, EventType.DISCONNECTED, Side.AGENT, "bob")
        await chat.pass_time(MINUTE / 2)
        assert (await chat.state(waiting)).agent_id == "bob"
        await chat.pass_time(MINUTE)
        state = await chat.until(waiting, is_(QUEUED))
        assert (state.queued_at, state.agent_id) == (before.queued_at, None)

    async def test_agent_who_is_back_in_time_keeps_it(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.accept(waiting, "bob")
        await chat.tell_now(waiting, EventType.DISCONNECTED, Side.AGENT, "bob")
        await chat.pass_time(MINUTE / 2)
        await chat.tell_now(waiting, EventType.ARRIVED, Side.AGENT, "bob")
        await chat.pass_time(5 * MINUTE)
        assert (await chat.state(waiting)).agent_id == "bob"

    async def test_next_agent_is_not_charged_with_it(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.accept(waiting, "bob")
        await chat.tell_now(waiting, EventType.DISCONNECTED, Side.AGENT, "bob")
        await chat.pass_time(2 * MINUTE)
        await chat.until(waiting, is_(QUEUED))
        await chat.accept(waiting, "eve")
        await chat.pass_time(5 * MINUTE)
        assert (await chat.state(waiting)).agent_id == "eve"


class TestCustomerGone:
    async def test_nobody_waits_for_who_left_the_queue(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.tell_now(waiting, EventType.DISCONNECTED, Side.CUSTOMER)
        await chat.pass_time(14 * MINUTE)
        assert (await chat.state(waiting)).status is QUEUED
        await chat.pass_time(2 * MINUTE)
        state = await chat.until(waiting, is_(CLOSED))
        assert not state.as_ticket
        assert (await chat.events(waiting))[-2:] == ["customer_gone", "closed"]

    async def test_question_that_was_left_behind_is_a_ticket(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.say_now(waiting, AuthorKind.CUSTOMER)
        await chat.tell_now(waiting, EventType.DISCONNECTED, Side.CUSTOMER)
        await chat.pass_time(16 * MINUTE)
        assert (await chat.until(waiting, is_(CLOSED))).as_ticket

    async def test_who_is_back_in_time_keeps_the_place(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.tell_now(waiting, EventType.DISCONNECTED, Side.CUSTOMER)
        await chat.pass_time(10 * MINUTE)
        await chat.tell_now(waiting, EventType.ARRIVED, Side.CUSTOMER)
        await chat.pass_time(60 * MINUTE)
        assert (await chat.state(waiting)).status is QUEUED


class TestSilence:
    async def test_closes_in_its_time(self, chat: SkippingDesk, waiting: UUID) -> None:
        await chat.accept(waiting, "bob")
        await chat.pass_time(29 * MINUTE)
        assert (await chat.state(waiting)).status is CONNECTED
        await chat.pass_time(2 * MINUTE)
        await chat.until(waiting, is_(CLOSED))
        assert (await chat.events(waiting))[-2:] == ["idle", "closed"]
        async with chat.database.begin() as session:
            row = (await conversations.find(session, waiting)).conversation
        assert row.close_reason == "idle"

    async def test_every_word_puts_it_off_and_costs_no_timer(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.accept(waiting, "bob")
        before = await chat.timers(waiting)
        for _ in range(10):
            for author in (AuthorKind.CUSTOMER, AuthorKind.AGENT):
                await chat.pass_time(MINUTE)
                await chat.say_now(waiting, author)
        assert await chat.timers(waiting) == before
        await chat.pass_time(29 * MINUTE)
        assert (await chat.state(waiting)).status is CONNECTED
        await chat.pass_time(2 * MINUTE)
        await chat.until(waiting, is_(CLOSED))
        assert await chat.timers(waiting) == before + 1

    async def test_who_waits_with_an_open_page_is_not_idle(
        self, chat: SkippingDesk, waiting: UUID
    ) -> None:
        await chat.pass_time(timedelta(hours=5))
        await chat.until(waiting, was_told)
        assert (await chat.state(waiting)).status is QUEUED
