"""The ticket workflow on a real Temporal server."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from domain.deadlines import DeadlineKind
from domain.errors import EngineUnavailable, IllegalTransition, TicketIsClosed
from domain.models import AuthorKind, EventType, Priority, TicketStatus, Visibility
from domain.names import AGENT_ATTRIBUTE, STATUS_ATTRIBUTE, ticket_workflow_id
from domain.ticket_life import Assign, ChangeTicket, SetPriority, SetStatus, Snooze, TicketState
from tests.workflows.desk import Desk, thread_ref


def is_(status: TicketStatus) -> Callable[[TicketState], bool]:
    return lambda state: state.status is status


class TestMessages:
    async def test_first_message_is_handled(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.until_handled(ticket_id)
        assert (await desk.state(ticket_id)).status is TicketStatus.NEW

    async def test_agents_reply_waits_for_the_customer(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.write(ticket_id, AuthorKind.AGENT)
        state = await desk.until(ticket_id, is_(TicketStatus.PENDING_CUSTOMER))
        assert state.deadlines[DeadlineKind.FIRST_RESPONSE].met_at is not None

    async def test_customer_reopens_a_resolved_ticket(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, SetStatus(status=TicketStatus.RESOLVED))
        await desk.write(ticket_id, AuthorKind.CUSTOMER)
        await desk.until(ticket_id, is_(TicketStatus.OPEN))

    async def test_private_note_changes_nothing(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.write(ticket_id, AuthorKind.AGENT, visibility=Visibility.PRIVATE)
        await desk.until_handled(ticket_id)
        assert [entry.seq for entry in await desk.log(ticket_id)] == [1, 2]

    async def test_message_before_a_command_counts_before_it(self, desk: Desk) -> None:
        """The nudge for the reply is lost, and yet the command finds the reply heard."""
        ticket_id = await desk.open()
        await desk.until_handled(ticket_id)
        silent = Desk(desk.database, _Deaf(), desk.policy)  # type: ignore[arg-type]
        await silent.write(ticket_id, AuthorKind.AGENT)
        await desk.change(ticket_id, SetPriority(priority=Priority.HIGH))
        events = [entry.event["type"] for entry in await desk.log(ticket_id) if entry.event]
        assert events == [EventType.STATUS_CHANGED, EventType.PRIORITY_CHANGED]


class _Deaf:
    async def nudge(self, *_: object) -> None:
        return


class TestCommands:
    async def test_command_is_written_when_it_returns(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, Assign(agent_id="ada"), SetStatus(status=TicketStatus.OPEN))
        state = await desk.state(ticket_id)
        assert (state.agent_id, state.status) == ("ada", TicketStatus.OPEN)

    async def test_impossible_command_is_refused_and_leaves_nothing(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, SetStatus(status=TicketStatus.OPEN))
        before = await desk.log(ticket_id)
        with pytest.raises(IllegalTransition, match="open cannot become new"):
            await desk.change(ticket_id, SetStatus(status=TicketStatus.NEW))
        assert await desk.log(ticket_id) == before

    async def test_same_update_twice_is_carried_out_once(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        resolve = ChangeTicket(by="ada", commands=[SetStatus(status=TicketStatus.RESOLVED)])
        await desk.engine.change_ticket(ticket_id, resolve, cause="one")
        await desk.change(ticket_id, SetStatus(status=TicketStatus.OPEN))
        await desk.engine.change_ticket(ticket_id, resolve, cause="one")
        assert (await desk.state(ticket_id)).status is TicketStatus.OPEN

    async def test_fifty_at_once_are_all_carried_out_or_refused_by_the_rules(
        self, desk: Desk
    ) -> None:
        ticket_id = await desk.open()
        wanted = [TicketStatus.OPEN, TicketStatus.PENDING_CUSTOMER, TicketStatus.RESOLVED] * 17
        orders = [desk.change(ticket_id, SetStatus(status=status)) for status in wanted[:50]]
        outcomes = await asyncio.gather(*orders, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {type(None), IllegalTransition}
        chain = [entry.event for entry in await desk.log(ticket_id) if entry.event]
        befores = [event["before"] for event in chain]
        afters = [event["after"] for event in chain]
        assert befores == ["new", *afters[:-1]]

    @pytest.mark.alone
    async def test_commands_are_carried_out_while_somebody_floods_the_ticket(
        self, desk: Desk
    ) -> None:
        ticket_id = await desk.open()

        async def flood() -> None:
            while True:
                await desk.write(ticket_id, AuthorKind.CUSTOMER)

        async with asyncio.TaskGroup() as group:
            floods = [group.create_task(flood()) for _ in range(6)]
            for priority in (Priority.HIGH, Priority.LOW, Priority.URGENT):
                await desk.change(ticket_id, SetPriority(priority=priority))
            await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
            for each in floods:
                each.cancel()
        await desk.until_handled(ticket_id)
        state = await desk.state(ticket_id)
        assert (state.status, state.priority) == (TicketStatus.CLOSED, Priority.URGENT)

    async def test_command_for_a_ticket_whose_workflow_never_started(self, desk: Desk) -> None:
        ticket_id = await desk.open(nudge=False)
        await desk.change(ticket_id, SetStatus(status=TicketStatus.OPEN))
        assert (await desk.state(ticket_id)).status is TicketStatus.OPEN

    async def test_closing_ends_the_workflow(self, desk: Desk, client: Client) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        handle = client.get_workflow_handle(ticket_workflow_id(ticket_id))
        await asyncio.wait_for(handle.result(), 10)
        description = await handle.describe()
        assert description.status is WorkflowExecutionStatus.COMPLETED

    async def test_closed_is_final(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        with pytest.raises(TicketIsClosed):
            await desk.change(ticket_id, SetStatus(status=TicketStatus.OPEN))

    async def test_customer_who_writes_after_the_close_gets_a_new_ticket(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        follower = await desk.write(ticket_id, AuthorKind.CUSTOMER)
        await desk.until_handled(follower)
        assert follower != ticket_id
        assert await desk.write(ticket_id, AuthorKind.CUSTOMER) == follower

    async def test_nudge_for_a_closed_ticket_is_harmless(self, desk: Desk, client: Client) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, SetStatus(status=TicketStatus.CLOSED))
        before = await desk.log(ticket_id)
        handle = client.get_workflow_handle(ticket_workflow_id(ticket_id))
        await handle.result()
        await desk.engine.nudge(thread_ref(ticket_id))
        await asyncio.wait_for(handle.result(), 10)
        assert await desk.log(ticket_id) == before


class TestTimers:
    async def test_breach_comes_within_a_second(self, desk: Desk) -> None:
        desk.policy.first_response[Priority.URGENT] = timedelta(seconds=1)
        ticket_id = await desk.open(priority=Priority.URGENT)
        state = await desk.until(ticket_id, lambda state: state.breached)
        due = state.deadlines[DeadlineKind.FIRST_RESPONSE].due_at
        (breach,) = [entry for entry in await desk.log(ticket_id) if entry.event]
        assert timedelta(0) <= breach.created_at - due < timedelta(seconds=1)

    async def test_snooze_ends_by_itself(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        until = datetime.now(UTC) + timedelta(seconds=1)
        await desk.change(ticket_id, Snooze(until=until))
        await desk.until(ticket_id, lambda state: state.snoozed_until is None)
        assert datetime.now(UTC) >= until


class TestShown:
    async def test_process_says_what_it_waits_for(self, desk: Desk) -> None:
        ticket_id = await desk.open()
        await desk.until_handled(ticket_id)
        await desk.change(ticket_id, SetStatus(status=TicketStatus.PENDING_CUSTOMER))
        view = await desk.engine.process(thread_ref(ticket_id))
        assert view.waiting_for == "waiting for the customer"
        assert [alarm.what for alarm in view.alarms] == ["first response due", "resolution due"]

    async def test_process_of_no_workflow_is_unavailable(self, desk: Desk) -> None:
        ticket_id = await desk.open(nudge=False)
        with pytest.raises(EngineUnavailable):
            await desk.engine.process(thread_ref(ticket_id))

    async def test_search_attributes_follow_the_ticket(self, desk: Desk, client: Client) -> None:
        ticket_id = await desk.open()
        await desk.change(ticket_id, Assign(agent_id="ada"), SetStatus(status=TicketStatus.OPEN))
        description = await client.get_workflow_handle(ticket_workflow_id(ticket_id)).describe()
        shown = {pair.key.name: pair.value for pair in description.typed_search_attributes}
        assert (shown[STATUS_ATTRIBUTE], shown[AGENT_ATTRIBUTE]) == ("open", "ada")
