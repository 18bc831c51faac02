"""Replies on their way out, by a real Temporal server. What an outlet does: tests/bridge."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from temporalio.api.enums.v1 import EventType as EventKind
from temporalio.client import Client, WorkflowExecutionStatus

from channels.outlet import NotNow, Paused, Uncertain, Undeliverable
from domain.deadlines import DeadlinePolicy
from domain.deliveries import Limit, piece_id
from domain.models import AuthorKind, DeliveryState, EventType, TicketStatus, Visibility
from domain.names import ticket_workflow_id
from domain.ticket_life import SetStatus
from store import delivery_news, pacing
from store.database import Database
from tests.workflows.desk import PATIENCE, Desk, thread_ref
from tests.workflows.outlets import (
    ADDRESS,
    RecordingOutlet,
    open_pushed,
    progress,
    until,
    until_states,
)
from tests.workflows.policies import CHAT
from workers.deliveries import make_delivery_worker
from workers.threads import Policies, make_worker
from workflows.engine import Engine

SENT, FAILED, PENDING, UNKNOWN, DELIVERED = (
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.PENDING,
    DeliveryState.UNKNOWN,
    DeliveryState.DELIVERED,
)


@pytest.fixture
async def outlet(client: Client, desk: Desk) -> AsyncIterator[RecordingOutlet]:
    """An outlet that works."""
    outlet = RecordingOutlet()
    async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
        yield outlet


class TestSending:
    async def test_replies_go_out_in_their_order(self, desk: Desk, outlet: RecordingOutlet) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        texts = [f"reply {number}" for number in range(10)]
        for text in texts:
            await desk.write(ticket_id, AuthorKind.AGENT, text)
        await until_states(desk, ticket_id, *[SENT] * 10)
        assert outlet.texts(ticket_id) == texts
        assert all(outgoing.address == ADDRESS for outgoing, _ in outlet.sent)

    async def test_assistants_answer_goes_out(self, desk: Desk, outlet: RecordingOutlet) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        await desk.write(ticket_id, AuthorKind.AI, "Try this.")
        await until_states(desk, ticket_id, SENT)

    async def test_notes_and_the_customers_own_words_stay(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        await desk.write(ticket_id, AuthorKind.AGENT, "a note", Visibility.PRIVATE)
        await desk.write(ticket_id, AuthorKind.CUSTOMER, "more")
        await desk.write(ticket_id, AuthorKind.AGENT, "a reply")
        await until_states(desk, ticket_id, SENT)
        assert outlet.texts(ticket_id) == ["a reply"]

    async def test_ticket_without_an_outlet_sends_nothing(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await desk.open()
        await desk.write(ticket_id, AuthorKind.AGENT, "a reply")
        await desk.until_handled(ticket_id)
        assert await progress(desk, ticket_id) == {}


class TestFailures:
    async def test_passing_trouble_is_waited_out_and_later_replies_wait_too(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [NotNow(retry_after=timedelta(milliseconds=50))] * 3
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await desk.write(ticket_id, AuthorKind.AGENT, "second")
        await until_states(desk, ticket_id, SENT, SENT)
        assert outlet.texts(ticket_id) == ["first", "second"]
        assert [each.attempts for each in outlet.tried if each.content == "first"] == [1, 2, 3, 4]

    async def test_second_attempt_knows_of_the_first(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["reply"] = [NotNow(retry_after=timedelta(milliseconds=50))]
        await desk.write(ticket_id, AuthorKind.AGENT, "reply")
        await until_states(desk, ticket_id, SENT)
        first, second = outlet.tried
        assert first.first_tried_at is None
        assert second.first_tried_at is not None

    async def test_why_it_waits_can_be_read(self, desk: Desk, outlet: RecordingOutlet) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["reply"] = [NotNow("The server is away.", timedelta(minutes=5))]
        await desk.write(ticket_id, AuthorKind.AGENT, "reply")
        known = await until(desk, ticket_id, lambda known: known[2].error is not None)
        assert (known[2].state, known[2].error) == (PENDING, "The server is away.")

    async def test_what_never_arrives_is_told_to_agents_and_holds_nothing_up(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [Undeliverable("blocked", "The customer has blocked us.")]
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await desk.write(ticket_id, AuthorKind.AGENT, "second")
        await until_states(desk, ticket_id, FAILED, SENT)
        told = [
            entry
            for entry in await desk.log(ticket_id)
            if entry.event and entry.event["type"] == EventType.DELIVERY_FAILED
        ]
        assert len(told) == 1
        assert told[0].visibility == Visibility.PRIVATE
        assert told[0].event is not None
        assert told[0].event["of_seq"] == 2
        assert told[0].event["cause"] == "blocked"
        assert told[0].event["error"] == "The customer has blocked us."

    async def test_patience_ends(self, client: Client, desk: Desk) -> None:
        outlet = RecordingOutlet()
        outlet.fails["reply"] = [NotNow()]
        async with make_delivery_worker(client, desk.database, outlet, timedelta(0)):
            ticket_id = await open_pushed(desk, outlet.name)
            await desk.write(ticket_id, AuthorKind.AGENT, "reply")
            await until_states(desk, ticket_id, FAILED)

    async def test_fault_of_ours_is_tried_again(self, desk: Desk, outlet: RecordingOutlet) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["reply"] = [RuntimeError("a fault")]
        await desk.write(ticket_id, AuthorKind.AGENT, "reply")
        await until_states(desk, ticket_id, SENT)


class TestPlatformThatCannotBeAsked:
    """What may have got through is not sent again: the platform's own news are waited for."""

    @pytest.fixture
    async def outlet(self, client: Client, desk: Desk) -> AsyncIterator[RecordingOutlet]:
        outlet = RecordingOutlet(looks=False)
        patience, news_within = timedelta(hours=1), timedelta(seconds=2)
        async with make_delivery_worker(client, desk.database, outlet, patience, news_within):
            yield outlet

    async def test_silence_ends_in_unknown_and_agents_are_told(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [Uncertain()]
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await desk.write(ticket_id, AuthorKind.AGENT, "second")
        await until_states(desk, ticket_id, UNKNOWN, SENT)
        assert [each.content for each in outlet.tried] == ["first", "second"]
        told = [entry.event for entry in await desk.log(ticket_id) if entry.event]
        assert [each["of_seq"] for each in told if each["type"] == "delivery_unknown"] == [2]

    async def test_word_of_the_platform_counts_and_nothing_is_doubled(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [Uncertain()]
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await until(desk, ticket_id, lambda known: known[2].error is not None)
        async with desk.database.begin() as session:
            ours = piece_id(outlet.tried[0], 0)
            await delivery_news.news(session, outlet.name, "theirs-1", ours, DELIVERED)
        await desk.write(ticket_id, AuthorKind.AGENT, "second")
        await until_states(desk, ticket_id, DELIVERED, SENT)
        assert [each.content for each in outlet.tried] == ["first", "second"]

    async def test_what_was_refused_for_certain_is_sent_again(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [NotNow(retry_after=timedelta(milliseconds=50))] * 2
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await until_states(desk, ticket_id, SENT)
        assert len(outlet.tried) == 3

    async def test_what_was_refused_is_no_longer_under_way(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        """A colleague who writes the same elsewhere is not taken for it."""
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [Undeliverable("blocked", "The customer has blocked us.")]
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await until_states(desk, ticket_id, FAILED)
        async with desk.database.begin() as session:
            assert not await delivery_news.claim_echo(
                session, outlet.name, ADDRESS, None, "theirs-1", "first"
            )

    async def test_paused_channel_sends_nothing_until_it_is_resumed(
        self, desk: Desk, outlet: RecordingOutlet
    ) -> None:
        outlet.limits = [Limit(1000, timedelta(seconds=1))]
        ticket_id = await open_pushed(desk, outlet.name)
        outlet.fails["first"] = [Paused("The token is refused.")]
        await desk.write(ticket_id, AuthorKind.AGENT, "first")
        await until(desk, ticket_id, lambda known: known[2].error == "The token is refused.")
        told = [entry.event for entry in await desk.log(ticket_id) if entry.event]
        assert [each["cause"] for each in told if each["type"] == "delivery_delayed"] == ["paused"]
        async with desk.database.begin() as session:
            assert [each.outlet for each in await pacing.pauses(session)] == [outlet.name]
            assert await pacing.resume(session, outlet.name)
        assert len(outlet.tried) == 1


class TestPieces:
    async def test_long_text_goes_out_in_pieces_and_in_order(
        self, client: Client, desk: Desk
    ) -> None:
        outlet = RecordingOutlet(looks=False, limits=[Limit(100, timedelta(seconds=1))], longest=9)
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            ticket_id = await open_pushed(desk, outlet.name)
            await desk.write(ticket_id, AuthorKind.AGENT, "one two three four")
            await desk.write(ticket_id, AuthorKind.AGENT, "five")
            await until_states(desk, ticket_id, SENT, SENT)
        assert outlet.texts(ticket_id) == ["one two", "three", "four", "five"]

    async def test_piece_that_fails_later_is_tried_alone(self, client: Client, desk: Desk) -> None:
        outlet = RecordingOutlet(looks=False, longest=9)
        outlet.fails["three"] = [NotNow(retry_after=timedelta(milliseconds=50))]
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            ticket_id = await open_pushed(desk, outlet.name)
            await desk.write(ticket_id, AuthorKind.AGENT, "one two three four")
            await until_states(desk, ticket_id, SENT)
        assert outlet.texts(ticket_id) == ["one two", "three", "four"]


class TestLimits:
    async def test_no_more_than_the_platform_takes(self, client: Client, desk: Desk) -> None:
        within = timedelta(seconds=1)
        outlet = RecordingOutlet(looks=False, limits=[Limit(3, within)])
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            tickets = [await open_pushed(desk, outlet.name) for _ in range(2)]
            for number in range(4):
                for ticket_id in tickets:
                    await desk.write(ticket_id, AuthorKind.AGENT, f"reply {number}")
            for ticket_id in tickets:
                await until_states(desk, ticket_id, *[SENT] * 4)
                assert outlet.texts(ticket_id) == [f"reply {number}" for number in range(4)]
        at = sorted(outgoing.at for outgoing, _ in outlet.sent if outgoing.at)
        assert all(later - at[place] > within for place, later in enumerate(at[3:]))


class TestWithoutSomebodyToSend:
    async def test_closed_ticket_still_sends_what_was_said(
        self, client: Client, desk: Desk
    ) -> None:
        outlet = RecordingOutlet()
        ticket_id = await open_pushed(desk, outlet.name)
        await desk.write(ticket_id, AuthorKind.AGENT, "goodbye")
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        handle = client.get_workflow_handle(ticket_workflow_id(ticket_id))
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            await until_states(desk, ticket_id, SENT)
            await handle.result()

    async def test_lost_workflow_of_a_closed_ticket_is_made_anew(
        self, client: Client, desk: Desk
    ) -> None:
        """As the relay does: a nudge for whatever has been pending for long."""
        outlet = RecordingOutlet()
        ticket_id = await open_pushed(desk, outlet.name)
        await desk.write(ticket_id, AuthorKind.AGENT, "goodbye")
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        await client.get_workflow_handle(ticket_workflow_id(ticket_id)).terminate()
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            await desk.engine.nudge(thread_ref(ticket_id))
            await until_states(desk, ticket_id, SENT)
        assert outlet.texts(ticket_id) == ["goodbye"]


class TestAccountThatNobodyServes:
    """It was renamed, or switched off."""

    @pytest.fixture
    async def desk(
        self, client: Client, engine: Engine, database: Database, policy: DeadlinePolicy
    ) -> AsyncIterator[Desk]:
        policies = Policies(
            policy, CHAT, delivery_patience=timedelta(0), unserved_after=timedelta(seconds=1)
        )
        async with make_worker(client, database, policies, task_queue=engine.task_queue):
            yield Desk(database, engine, policy)

    async def test_agents_are_told(self, desk: Desk) -> None:
        ticket_id = await open_pushed(desk, "nobody")
        await desk.write(ticket_id, AuthorKind.AGENT, "a reply")
        await until_states(desk, ticket_id, FAILED)
        told = [entry.event["type"] for entry in await desk.log(ticket_id) if entry.event]
        assert told[-1] == EventType.DELIVERY_FAILED

    async def test_closed_ticket_ends(self, client: Client, desk: Desk) -> None:
        ticket_id = await open_pushed(desk, "nobody")
        await desk.write(ticket_id, AuthorKind.AGENT, "goodbye")
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        await client.get_workflow_handle(ticket_workflow_id(ticket_id)).result()
        assert [each.state for each in (await progress(desk, ticket_id)).values()] == [FAILED]


async def test_what_nobody_served_for_long_goes_out_when_somebody_does(
    client: Client, engine: Engine, database: Database, policy: DeadlinePolicy
) -> None:
    policies = Policies(policy, CHAT, unserved_after=timedelta(milliseconds=300))
    async with make_worker(client, database, policies, task_queue=engine.task_queue):
        desk = Desk(database, engine, policy)
        outlet = RecordingOutlet()
        ticket_id = await open_pushed(desk, outlet.name)
        await desk.write(ticket_id, AuthorKind.AGENT, "a reply")
        await until_given_up_on_an_activity(client, ticket_id)
        async with make_delivery_worker(client, database, outlet, timedelta(hours=1)):
            await until_states(desk, ticket_id, SENT)


async def until_given_up_on_an_activity(client: Client, ticket_id: UUID) -> None:
    handle = client.get_workflow_handle(ticket_workflow_id(ticket_id))
    timed_out = EventKind.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
    async with asyncio.timeout(PATIENCE):
        while timed_out not in [each.event_type async for each in handle.fetch_history_events()]:
            await asyncio.sleep(0.05)
