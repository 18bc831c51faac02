"""The rules of a ticket's life, as pure functions.

Three things move a ticket: what people command (`obey`), what is written into it (`hear`), and
times that come (`expire`). Each takes a state and returns the next one with the events that tell
of it; none of them knows a clock, a database or a workflow.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from domain.deadlines import Deadline, DeadlineKind, DeadlinePolicy, Deadlines
from domain.errors import IllegalTransition, TicketIsClosed
from domain.events import Event, Head
from domain.life import Alarm, clock_time
from domain.life import Decision as AnyDecision
from domain.models import AuthorKind, EventType, TicketStatus, Visibility
from domain.ticket_life import (
    Assign,
    Command,
    SetPriority,
    SetStatus,
    Snooze,
    TicketState,
    Wake,
)

NEW, OPEN, PENDING, RESOLVED, CLOSED = (
    TicketStatus.NEW,
    TicketStatus.OPEN,
    TicketStatus.PENDING_CUSTOMER,
    TicketStatus.RESOLVED,
    TicketStatus.CLOSED,
)


Decision = AnyDecision[TicketState]


class Trigger(StrEnum):
    """What can move a ticket from one status to another."""

    CUSTOMER_WROTE = "customer_wrote"
    AGENT_REPLIED = "agent_replied"
    AUTO_CLOSE_DUE = "auto_close_due"
    SET_NEW = "set_new"
    SET_OPEN = "set_open"
    SET_PENDING = "set_pending_customer"
    SET_RESOLVED = "set_resolved"
    SET_CLOSED = "set_closed"


_SETS = {
    NEW: Trigger.SET_NEW,
    OPEN: Trigger.SET_OPEN,
    PENDING: Trigger.SET_PENDING,
    RESOLVED: Trigger.SET_RESOLVED,
    CLOSED: Trigger.SET_CLOSED,
}

TRANSITIONS: dict[Trigger, dict[TicketStatus, TicketStatus]] = {
    Trigger.CUSTOMER_WROTE: {NEW: NEW, OPEN: OPEN, PENDING: OPEN, RESOLVED: OPEN},
    Trigger.AGENT_REPLIED: {NEW: PENDING, OPEN: PENDING, PENDING: PENDING, RESOLVED: RESOLVED},
    Trigger.AUTO_CLOSE_DUE: {RESOLVED: CLOSED},
    Trigger.SET_NEW: {NEW: NEW},
    Trigger.SET_OPEN: {NEW: OPEN, OPEN: OPEN, PENDING: OPEN, RESOLVED: OPEN},
    Trigger.SET_PENDING: {NEW: PENDING, OPEN: PENDING, PENDING: PENDING, RESOLVED: PENDING},
    Trigger.SET_RESOLVED: {NEW: RESOLVED, OPEN: RESOLVED, PENDING: RESOLVED, RESOLVED: RESOLVED},
    Trigger.SET_CLOSED: {NEW: CLOSED, OPEN: CLOSED, PENDING: CLOSED, RESOLVED: CLOSED},
}
"""From trigger and status to the next status. What is not here is impossible."""


def next_status(status: TicketStatus, trigger: Trigger) -> TicketStatus:
    """The status after `trigger`. Raises TicketIsClosed and IllegalTransition."""
    after = TRANSITIONS[trigger].get(status)
    if after is not None:
        return after
    if status is CLOSED:
        raise TicketIsClosed
    raise IllegalTransition(f"A ticket that is {status} cannot become {_wanted(trigger)}.")


def obey(
    state: TicketState, commands: Sequence[Command], by: str, now: datetime, policy: DeadlinePolicy
) -> Decision:
    """Carry out what a person commands, all or nothing.

    Raises TicketIsClosed and IllegalTransition. A command that asks for what is the case
    already changes nothing and leaves no event.
    """
    if state.status is CLOSED:
        raise TicketIsClosed
    # What was missed until now is missed, whatever the command makes of the promise.
    missed = decision = _breach(Decision(state), before=now)
    for command in commands:
        decision = _obey_one(decision, command, by, now, policy)
    return Decision(state) if decision == missed else decision


def hear(
    state: TicketState, heads: Sequence[Head], now: datetime, policy: DeadlinePolicy
) -> Decision:
    """Take note of messages. Private notes and system events change nothing.

    What had been missed before a message came was missed, however late the message is heard.
    """
    decision = Decision(state)
    for head in heads:
        if head.visibility is Visibility.PUBLIC and decision.state.status is not CLOSED:
            decision = _breach(decision, before=head.at)
            decision = _hear_one(decision, head, now, policy)
    return decision


def expire(state: TicketState, now: datetime, policy: DeadlinePolicy) -> Decision:
    """Do what is due at `now`."""
    decision = _breach(Decision(state), before=now + timedelta.resolution)
    if state.snoozed_until is not None and state.snoozed_until <= now:
        decision = _wake(decision, by=None)
    if state.auto_close_at is not None and state.auto_close_at <= now:
        decision = _move(decision, Trigger.AUTO_CLOSE_DUE, None, now, policy)
    return decision


def alarms(state: TicketState) -> list[Alarm]:
    """What will happen by itself, the soonest first."""
    return sorted(_alarms(state), key=lambda alarm: alarm.at)


def waiting_for(state: TicketState) -> str:
    """What the ticket waits for, as a sentence for operators."""
    match state.status:
        case _ if state.snoozed_until is not None:
            return f"snoozed until {clock_time(state.snoozed_until)}"
        case TicketStatus.NEW:
            return "waiting for a first reply by an agent"
        case TicketStatus.OPEN:
            return "waiting for an agent"
        case TicketStatus.PENDING_CUSTOMER:
            return "waiting for the customer"
        case TicketStatus.RESOLVED:
            return "resolved, waiting whether the customer agrees"
        case TicketStatus.CLOSED:
            return "closed"


def _obey_one(
    decision: Decision, command: Command, by: str, now: datetime, policy: DeadlinePolicy
) -> Decision:
    state = decision.state
    match command:
        case SetStatus(status=status):
            return _move(decision, _SETS[status], by, now, policy)
        case SetPriority(priority=priority) if priority is not state.priority:
            limits = {
                DeadlineKind.FIRST_RESPONSE: policy.first_response[priority],
                DeadlineKind.RESOLUTION: policy.resolution[priority],
            }
            deadlines = {
                kind: deadline.model_copy(update={"due_at": state.created_at + limits[kind]})
                if deadline.pending
                else deadline
                for kind, deadline in state.deadlines.items()
            }
            return decision.then(
                _changed(EventType.PRIORITY_CHANGED, state.priority, priority, by),
                priority=priority,
                deadlines=deadlines,
            )
        case Assign(agent_id=agent_id) if agent_id != state.agent_id:
            return decision.then(
                _changed(EventType.ASSIGNED, state.agent_id, agent_id, by), agent_id=agent_id
            )
        case Snooze(until=until):
            if state.status in (RESOLVED, CLOSED):
                raise IllegalTransition(
                    f"A ticket that is {state.status} cannot be snoozed. Reopen it first."
                )
            if until == state.snoozed_until:
                return decision
            return decision.then(
                Event(type=EventType.SNOOZED, after=until.isoformat(), by=by), snoozed_until=until
            )
        case Wake():
            return _wake(decision, by)
        case _:
            return decision


def _hear_one(decision: Decision, head: Head, now: datetime, policy: DeadlinePolicy) -> Decision:
    if head.event is not None and head.event.type is EventType.ERASED:
        return _move(decision, Trigger.SET_CLOSED, None, now, policy)
    if head.author is AuthorKind.CUSTOMER:
        return _move(_wake(decision, by=None), Trigger.CUSTOMER_WROTE, None, now, policy)
    if head.author is AuthorKind.AGENT:
        met = _meet(decision.state.deadlines, DeadlineKind.FIRST_RESPONSE, head.at)
        return _move(decision.then(deadlines=met), Trigger.AGENT_REPLIED, None, now, policy)
    return decision


def _move(
    decision: Decision, trigger: Trigger, by: str | None, now: datetime, policy: DeadlinePolicy
) -> Decision:
    before = decision.state.status
    after = next_status(before, trigger)
    if after is before:
        return decision
    told = _changed(EventType.STATUS_CHANGED, before, after, by)
    told.visibility = Visibility.PUBLIC
    decision = decision.then(told, status=after, auto_close_at=None)
    deadlines = decision.state.deadlines
    if after in (RESOLVED, CLOSED):
        for kind in DeadlineKind:
            deadlines = _meet(deadlines, kind, now)
        auto_close_at = now + policy.auto_close if after is RESOLVED else None
        decision = _wake(decision, by)
        return decision.then(deadlines=deadlines, auto_close_at=auto_close_at)
    if before is RESOLVED:
        again = Deadline(due_at=now + policy.resolution[decision.state.priority])
        return decision.then(deadlines=deadlines | {DeadlineKind.RESOLUTION: again})
    return decision


def _breach(decision: Decision, before: datetime) -> Decision:
    """Tell of the promises that were to be kept before then, and were not."""
    deadlines = decision.state.deadlines
    for kind, deadline in sorted(deadlines.items(), key=lambda item: item[1].due_at):
        if deadline.pending and deadline.due_at < before:
            breached = deadline.model_copy(update={"breached_at": deadline.due_at})
            decision = decision.then(
                Event(type=EventType.DEADLINE_BREACHED, deadline=kind),
                deadlines=decision.state.deadlines | {kind: breached},
            )
    return decision


def _wake(decision: Decision, by: str | None) -> Decision:
    if decision.state.snoozed_until is None:
        return decision
    return decision.then(Event(type=EventType.WOKEN, by=by), snoozed_until=None)


def _meet(deadlines: Deadlines, kind: DeadlineKind, at: datetime) -> Deadlines:
    deadline = deadlines[kind]
    if deadline.met_at is not None:
        return deadlines
    return deadlines | {kind: deadline.model_copy(update={"met_at": at})}


def _alarms(state: TicketState) -> Iterator[Alarm]:
    for kind, deadline in state.deadlines.items():
        if deadline.pending:
            yield Alarm(what=f"{kind.replace('_', ' ')} due", at=deadline.due_at)
    if state.snoozed_until is not None:
        yield Alarm(what="wakes", at=state.snoozed_until)
    if state.auto_close_at is not None:
        yield Alarm(what="auto-closes", at=state.auto_close_at)


def _changed(kind: EventType, before: str | None, after: str | None, by: str | None) -> Event:
    return Event(type=kind, before=before, after=after, by=by)


def _wanted(trigger: Trigger) -> str:
    return trigger.removeprefix("set_").replace("_", " ")
