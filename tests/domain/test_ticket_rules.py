"""The rules of a ticket's life, every status against everything that can move it."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from domain import ticket_rules as rules
from domain.deadlines import DeadlineKind, DeadlinePolicy, first_deadlines
from domain.errors import Conflict, IllegalTransition, TicketIsClosed
from domain.events import Event, Head
from domain.life import one_line
from domain.models import AuthorKind, Channel, EventType, Priority, TicketStatus, Visibility
from domain.ticket_life import (
    Assign,
    Command,
    SetPriority,
    SetStatus,
    Snooze,
    TicketState,
    Wake,
)
from domain.ticket_rules import Decision, Trigger

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
POLICY = DeadlinePolicy(
    first_response=dict(zip(Priority, (8 * HOUR, 4 * HOUR, HOUR, HOUR / 4), strict=True)),
    resolution=dict(zip(Priority, (72 * HOUR, 24 * HOUR, 8 * HOUR, 4 * HOUR), strict=True)),
    auto_close=timedelta(days=7),
)
NEW, OPEN, PENDING, RESOLVED, CLOSED = TicketStatus

# Rows: what happens. Columns: new, open, pending_customer, resolved, closed. "-": impossible.
TABLE = """
customer_wrote         new              open             open             open      -
agent_replied          pending_customer pending_customer pending_customer resolved  -
auto_close_due         -                -                -                closed    -
set_new                new              -                -                -         -
set_open               open             open             open             open      -
set_pending_customer   pending_customer pending_customer pending_customer pending_customer -
set_resolved           resolved         resolved         resolved         resolved  -
set_closed             closed           closed           closed           closed    -
"""
EXPECTED = {
    (Trigger(trigger), status): after
    for trigger, *afters in (line.split() for line in TABLE.strip().splitlines())
    for status, after in zip(TicketStatus, afters, strict=True)
}
COMMANDS: list[Command] = [
    *(SetStatus(status=status) for status in TicketStatus),
    *(SetPriority(priority=priority) for priority in Priority),
    Assign(agent_id="ada"),
    Assign(agent_id=None),
    Snooze(until=NOW + HOUR),
    Wake(),
]


def ticket(status: TicketStatus = NEW, **changes: object) -> TicketState:
    state = TicketState(
        version=3,
        number=1,
        channel=Channel.WEB,
        status=status,
        priority=Priority.MEDIUM,
        created_at=NOW,
        deadlines=first_deadlines(POLICY, Priority.MEDIUM, NOW),
    )
    return state.model_copy(update=changes)


def said(author: AuthorKind, visibility: Visibility = Visibility.PUBLIC, seq: int = 1) -> Head:
    return Head(seq=seq, author=author, visibility=visibility, at=NOW + timedelta(minutes=1))


def obey(state: TicketState, *commands: Command) -> Decision:
    return rules.obey(state, commands, "ada", NOW, POLICY)


def hear(state: TicketState, *heads: Head) -> Decision:
    return rules.hear(state, heads, NOW, POLICY)


class TestTransitions:
    def test_table_covers_everything(self) -> None:
        assert set(EXPECTED) == set(product(Trigger, TicketStatus))

    @pytest.mark.parametrize(("trigger", "status"), list(product(Trigger, TicketStatus)))
    def test_every_trigger_in_every_status(self, trigger: Trigger, status: TicketStatus) -> None:
        expected = EXPECTED[trigger, status]
        if expected == "-":
            refusal = TicketIsClosed if status is CLOSED else IllegalTransition
            with pytest.raises(refusal):
                rules.next_status(status, trigger)
        else:
            assert rules.next_status(status, trigger) == expected


class TestObey:
    @pytest.mark.parametrize(("status", "command"), list(product(TicketStatus, COMMANDS)))
    def test_every_command_in_every_status(self, status: TicketStatus, command: Command) -> None:
        """Either refused, or carried out; and then the same again changes nothing."""
        impossible = (
            status is CLOSED
            or (isinstance(command, SetStatus) and command.status is NEW and status is not NEW)
            or (isinstance(command, Snooze) and status is RESOLVED)
        )
        if impossible:
            with pytest.raises(Conflict):
                obey(ticket(status), command)
            return
        after = obey(ticket(status), command)
        assert (after.state != ticket(status)) == bool(after.events)
        if after.state.status is not CLOSED:
            again = obey(after.state, command)
            assert (again.state, again.events) == (after.state, [])

    def test_all_or_nothing(self) -> None:
        with pytest.raises(IllegalTransition):
            obey(ticket(OPEN), SetPriority(priority=Priority.HIGH), SetStatus(status=NEW))

    def test_events_name_who_did_it(self) -> None:
        (event,) = obey(ticket(OPEN), SetStatus(status=RESOLVED)).events
        assert (event.by, event.before, event.after) == ("ada", "open", "resolved")

    def test_higher_priority_brings_deadlines_forward(self) -> None:
        after = obey(ticket(), SetPriority(priority=Priority.URGENT)).state
        assert after.deadlines[DeadlineKind.FIRST_RESPONSE].due_at == NOW + HOUR / 4
        assert after.deadlines[DeadlineKind.RESOLUTION].due_at == NOW + 4 * HOUR

    def test_priority_leaves_a_deadline_alone_that_was_met(self) -> None:
        answered = hear(ticket(), said(AuthorKind.AGENT)).state
        after = obey(answered, SetPriority(priority=Priority.URGENT)).state
        first = DeadlineKind.FIRST_RESPONSE
        assert after.deadlines[first] == answered.deadlines[first]

    def test_resolving_meets_deadlines_and_starts_the_wait(self) -> None:
        after = obey(ticket(OPEN), SetStatus(status=RESOLVED)).state
        assert all(deadline.met_at == NOW for deadline in after.deadlines.values())
        assert after.auto_close_at == NOW + POLICY.auto_close

    def test_reopening_sets_a_new_resolution_deadline(self) -> None:
        resolved = obey(ticket(OPEN), SetStatus(status=RESOLVED)).state
        later = NOW + timedelta(days=2)
        after = rules.obey(resolved, [SetStatus(status=OPEN)], "ada", later, POLICY).state
        resolution = after.deadlines[DeadlineKind.RESOLUTION]
        assert (resolution.due_at, resolution.pending) == (later + 24 * HOUR, True)
        assert after.auto_close_at is None

    def test_resolving_ends_a_snooze(self) -> None:
        after = obey(ticket(OPEN, snoozed_until=NOW + HOUR), SetStatus(status=RESOLVED))
        assert after.state.snoozed_until is None
        assert [event.type for event in after.events] == [
            EventType.STATUS_CHANGED,
            EventType.WOKEN,
        ]


class TestHear:
    def test_private_note_changes_nothing(self) -> None:
        note = said(AuthorKind.AGENT, Visibility.PRIVATE)
        assert hear(ticket(), note) == Decision(ticket())

    def test_system_and_assistant_change_nothing(self) -> None:
        heads = (said(AuthorKind.SYSTEM), said(AuthorKind.AI))
        assert hear(ticket(OPEN), *heads) == Decision(ticket(OPEN))

    def test_agents_reply_meets_the_first_response(self) -> None:
        after = hear(ticket(), said(AuthorKind.AGENT)).state
        assert after.status is PENDING
        first = after.deadlines[DeadlineKind.FIRST_RESPONSE]
        assert first.met_at == NOW + timedelta(minutes=1)

    def test_second_reply_does_not_meet_it_again(self) -> None:
        first = hear(ticket(), said(AuthorKind.AGENT)).state
        later = said(AuthorKind.AGENT).model_copy(update={"at": NOW + HOUR})
        assert hear(first, later) == Decision(first)

    def test_customer_reopens_and_wakes(self) -> None:
        after = hear(ticket(PENDING, snoozed_until=NOW + HOUR), said(AuthorKind.CUSTOMER))
        assert (after.state.status, after.state.snoozed_until) == (OPEN, None)

    def test_each_message_of_a_burst_counts_in_its_turn(self) -> None:
        burst = (said(AuthorKind.AGENT, seq=1), said(AuthorKind.CUSTOMER, seq=2))
        after = hear(ticket(), *burst)
        assert after.state.status is OPEN
        assert [event.after for event in after.events] == ["pending_customer", "open"]

    @pytest.mark.parametrize("status", [NEW, OPEN, PENDING, RESOLVED])
    def test_ends_when_its_customer_is_erased(self, status: TicketStatus) -> None:
        erased = Event(type=EventType.ERASED, visibility=Visibility.PUBLIC)
        head = said(AuthorKind.SYSTEM).model_copy(update={"event": erased})
        after = hear(ticket(status, snoozed_until=NOW + HOUR), head).state
        assert (after.status, after.snoozed_until) == (CLOSED, None)
        assert rules.alarms(after) == []

    def test_closed_ticket_hears_nothing(self) -> None:
        assert hear(ticket(CLOSED), said(AuthorKind.CUSTOMER)) == Decision(ticket(CLOSED))


class TestExpire:
    def test_nothing_before_its_time(self) -> None:
        assert rules.expire(ticket(), NOW + HOUR, POLICY) == Decision(ticket())

    def test_breach_is_told_once(self) -> None:
        after = rules.expire(ticket(), NOW + 4 * HOUR, POLICY)
        (event,) = after.events
        assert (event.type, event.deadline) == (
            EventType.DEADLINE_BREACHED,
            DeadlineKind.FIRST_RESPONSE,
        )
        assert after.state.breached
        again = rules.expire(after.state, NOW + 5 * HOUR, POLICY)
        assert again == Decision(after.state)

    def test_late_reply_that_is_heard_first_is_a_breach_all_the_same(self) -> None:
        """The worker was away when the time came, and when the reply did."""
        late = Head(
            seq=2,
            author=AuthorKind.AGENT,
            visibility=Visibility.PUBLIC,
            at=NOW + 4 * HOUR + timedelta.resolution,
        )
        after = rules.hear(ticket(), [late], NOW + 5 * HOUR, POLICY)
        assert EventType.DEADLINE_BREACHED in [event.type for event in after.events]
        assert after.state.deadlines[DeadlineKind.FIRST_RESPONSE].met_at == late.at

    @pytest.mark.parametrize(
        "command",
        [SetStatus(status=TicketStatus.RESOLVED), SetPriority(priority=Priority.LOW)],
    )
    def test_command_that_comes_too_late_undoes_no_breach(self, command: Command) -> None:
        long_after = NOW + 1000 * HOUR
        after = rules.obey(ticket(), [command], "ada", long_after, POLICY)
        kinds = [event.deadline for event in after.events if event.deadline]
        assert kinds == [DeadlineKind.FIRST_RESPONSE, DeadlineKind.RESOLUTION]
        assert all(each.breached_at for each in after.state.deadlines.values())

    def test_command_that_changes_nothing_tells_nothing(self) -> None:
        same = SetPriority(priority=ticket().priority)
        after = rules.obey(ticket(), [same], "ada", NOW + 1000 * HOUR, POLICY)
        assert after == Decision(ticket())

    def test_reply_in_time_that_is_heard_late_is_none(self) -> None:
        in_time = Head(
            seq=2, author=AuthorKind.AGENT, visibility=Visibility.PUBLIC, at=NOW + 4 * HOUR
        )
        after = rules.hear(ticket(), [in_time], NOW + 5 * HOUR, POLICY)
        assert not rules.expire(after.state, NOW + 5 * HOUR, POLICY).events
        assert not after.state.breached

    def test_late_reply_leaves_the_breach_on_record(self) -> None:
        breached = rules.expire(ticket(), NOW + 4 * HOUR, POLICY).state
        first = hear(breached, said(AuthorKind.AGENT)).state.deadlines[DeadlineKind.FIRST_RESPONSE]
        assert first.breached_at is not None
        assert first.met_at is not None

    def test_resolved_ticket_closes_in_time(self) -> None:
        resolved = obey(ticket(OPEN), SetStatus(status=RESOLVED)).state
        assert rules.expire(resolved, NOW + POLICY.auto_close, POLICY).state.status is CLOSED

    def test_snooze_ends_in_time(self) -> None:
        asleep = obey(ticket(OPEN), Snooze(until=NOW + HOUR)).state
        assert rules.expire(asleep, NOW + HOUR, POLICY).state.snoozed_until is None


class TestAlarms:
    def test_soonest_first(self) -> None:
        asleep = obey(ticket(OPEN), Snooze(until=NOW + HOUR)).state
        assert [alarm.what for alarm in rules.alarms(asleep)] == [
            "wakes",
            "first response due",
            "resolution due",
        ]

    def test_none_once_closed(self) -> None:
        assert rules.alarms(obey(ticket(OPEN), SetStatus(status=CLOSED)).state) == []

    @pytest.mark.parametrize("status", TicketStatus)
    def test_details_are_one_line(self, status: TicketStatus) -> None:
        line = one_line(rules.waiting_for(ticket(status)), rules.alarms(ticket(status)))
        assert line
        assert "\n" not in line
