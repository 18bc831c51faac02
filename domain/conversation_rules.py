"""The rules of a live conversation, as pure functions; see `domain.ticket_rules` for the pattern.

What people command (`obey`), what is written into it (`hear`), and times that come (`expire`).
Whether an agent has room, and whether there is an assistant, is not known here: that is looked up
when the decision is written.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from domain.conversation_life import (
    Accept,
    ChangeConversation,
    Close,
    ConversationPolicy,
    ConversationState,
    GoOnWithAssistant,
    Release,
    ToTicket,
    Transfer,
)
from domain.errors import (
    ConversationIsClosed,
    ConversationTaken,
    NotAccepted,
    NotAssigned,
)
from domain.events import Event, Head
from domain.life import Alarm
from domain.life import Decision as AnyDecision
from domain.models import AuthorKind, ConversationStatus, EventType, Side, Visibility

Decision = AnyDecision[ConversationState]

QUEUED, ASSIGNED, CONNECTED, CLOSED = (
    ConversationStatus.QUEUED,
    ConversationStatus.ASSIGNED,
    ConversationStatus.CONNECTED,
    ConversationStatus.CLOSED,
)
_TO_TICKET = "to_ticket"
_AGENT_GONE = "agent_gone"
_SIGNED_OFF = "signed_off"


def obey(
    state: ConversationState, order: ChangeConversation, now: datetime, policy: ConversationPolicy
) -> Decision:
    """Carry out what a person, or the allocator, commands.

    Raises ConversationTaken, ConversationIsClosed, NotAssigned and NotAccepted. A command that
    asks for what is the case already changes nothing and leaves no event.
    """
    decision = Decision(state)
    command, by = order.command, order.by
    if state.status is CLOSED:
        done = isinstance(command, Close) or (isinstance(command, ToTicket) and state.as_ticket)
        if done:
            return decision
        raise ConversationIsClosed
    match command:
        case Accept(agent_id=agent_id, any_team=any_team):
            if state.agent_id == agent_id:
                return decision
            if state.status is not QUEUED:
                raise ConversationTaken
            return _assign(decision, agent_id, EventType.ASSIGNED, by, now, any_team=any_team)
        case Close():
            _require_assigned(state, command.agent_id)
            return _close(decision, by)
        case Transfer(to_agent_id=to_agent_id):
            _require_assigned(state, command.agent_id)
            if state.agent_id == to_agent_id:
                return decision
            return _assign(decision, to_agent_id, EventType.TRANSFERRED, by, now)
        case Release():
            _require_assigned(state, command.agent_id)
            if state.status is QUEUED:
                raise NotAccepted
            return _release(decision, None, by, now, policy)
        case ToTicket():
            _require_assigned(state, command.agent_id)
            return _close(decision, by, _TO_TICKET, as_ticket=True)
        case GoOnWithAssistant():
            return _go_on_with_assistant(decision, by)


def hear(
    state: ConversationState, heads: Sequence[Head], now: datetime, policy: ConversationPolicy
) -> Decision:
    """Take note of what was said, and of who came and went."""
    decision = Decision(state)
    for head in heads:
        if decision.state.status is CLOSED:
            break
        if head.event is not None:
            decision = _hear_event(decision, head, head.event, now, policy)
        elif head.visibility is Visibility.PUBLIC and head.author is not AuthorKind.SYSTEM:
            decision = _hear_words(decision, head)
    return decision


def expire(state: ConversationState, now: datetime, policy: ConversationPolicy) -> Decision:
    """Do what is due at `now`."""
    decision = Decision(state)
    if state.queue_timeout_at is not None and state.queue_timeout_at <= now:
        decision = decision.then(_told(EventType.QUEUE_TIMEOUT, QUEUED), queue_timeout_at=None)
    agent_due = _agent_due(state, policy)
    if agent_due is not None and agent_due <= now:
        decision = _release(decision, _AGENT_GONE, None, now, policy)
    customer_due = _customer_due(state, policy)
    if customer_due is not None and customer_due <= now:
        told = _told(EventType.CUSTOMER_GONE, decision.state.status)
        decision = decision.then(told, customer_gone_at=None)
        if decision.state.status is QUEUED:
            return _close_by_itself(decision, EventType.CUSTOMER_GONE)
    idle_due = _idle_due(decision.state, policy)
    if idle_due is not None and idle_due <= now:
        decision = decision.then(_told(EventType.IDLE, decision.state.status))
        return _close_by_itself(decision, EventType.IDLE)
    return decision


def alarms(state: ConversationState, policy: ConversationPolicy) -> list[Alarm]:
    """What will happen by itself, the soonest first."""
    return sorted(_alarms(state, policy), key=lambda alarm: alarm.at)


def waiting_for(state: ConversationState) -> str:
    """What the conversation waits for, as a sentence for operators."""
    match state.status:
        case ConversationStatus.QUEUED if state.with_assistant:
            return "the assistant answers; waiting for an agent too"
        case ConversationStatus.QUEUED if state.queue_timeout_at is None:
            return "waiting for an agent, and the customer was told that nobody is free"
        case ConversationStatus.QUEUED:
            return "waiting for an agent"
        case ConversationStatus.CLOSED:
            return "closed, and goes on as a ticket" if state.as_ticket else "closed"
        case _ if state.agent_gone_at is not None:
            return "waiting for its agent to come back"
        case _ if state.unanswered:
            return "waiting for the agent's answer"
        case _:
            return "waiting for the customer"


def _require_assigned(state: ConversationState, agent_id: str | None) -> None:
    if agent_id is not None and agent_id != state.agent_id:
        raise NotAssigned


def _assign(
    decision: Decision,
    agent_id: str,
    told: EventType,
    by: str | None,
    now: datetime,
    *,
    any_team: bool = False,
) -> Decision:
    before = decision.state.agent_id
    decision = decision.then(
        _told(told, ASSIGNED, before=before, after=agent_id, by=by, any_team=any_team),
        status=ASSIGNED,
        agent_id=agent_id,
        assigned_at=now,
        queue_timeout_at=None,
        agent_gone_at=None,
        agent_spoke=False,
        released_by=None,
        with_assistant=False,
    )
    return _connect(decision)


def _connect(decision: Decision) -> Decision:
    state = decision.state
    both_spoke = state.agent_spoke and state.customer_spoke
    if state.status is ASSIGNED and (both_spoke or state.customer_here):
        return decision.then(_told(EventType.CONNECTED, CONNECTED), status=CONNECTED)
    return decision


def _release(
    decision: Decision,
    cause: str | None,
    by: str | None,
    now: datetime,
    policy: ConversationPolicy,
) -> Decision:
    before = decision.state.agent_id
    return decision.then(
        _told(EventType.RELEASED, QUEUED, before=before, by=by, cause=cause),
        status=QUEUED,
        agent_id=None,
        assigned_at=None,
        agent_gone_at=None,
        agent_spoke=False,
        with_assistant=False,
        queue_timeout_at=now + policy.queue_timeout,
        # Who was gone is welcome to it when back; who gave it away is not asked again.
        released_by=before if cause is None else None,
        released_at=now,
    )


def _close(
    decision: Decision, by: str | None, cause: str | None = None, *, as_ticket: bool = False
) -> Decision:
    return decision.then(
        _told(EventType.CLOSED, CLOSED, by=by, cause=cause),
        status=CLOSED,
        as_ticket=as_ticket,
        queue_timeout_at=None,
        customer_gone_at=None,
        agent_gone_at=None,
    )


def _close_by_itself(decision: Decision, cause: EventType) -> Decision:
    """Whoever has asked something and got no answer is not forgotten: it becomes a ticket."""
    return _close(decision, None, cause, as_ticket=decision.state.unanswered)


def _go_on_with_assistant(decision: Decision, by: str | None) -> Decision:
    """Who has an agent has no need of it."""
    if decision.state.with_assistant or decision.state.status is not QUEUED:
        return decision
    told = _told(EventType.ASSISTANT, decision.state.status, by=by)
    return decision.then(told, with_assistant=True, handed_over=False, queue_timeout_at=None)


def _hand_over(decision: Decision, now: datetime, policy: ConversationPolicy) -> Decision:
    """Who has waited for nobody, because of the assistant, waits from now on."""
    again = decision.state.with_assistant and decision.state.status is QUEUED
    due = now + policy.queue_timeout if again else decision.state.queue_timeout_at
    return decision.then(handed_over=True, with_assistant=False, queue_timeout_at=due)


def _hear_words(decision: Decision, head: Head) -> Decision:
    decision = decision.then(last_word_at=head.at, last_word_by=head.author)
    if head.author is AuthorKind.CUSTOMER:
        return _connect(decision.then(customer_spoke=True))
    if head.author is AuthorKind.AGENT:
        spoke = decision.state.agent_id is not None
        return _connect(decision.then(agent_spoke=spoke, handed_over=False, with_assistant=False))
    return decision


def _hear_event(
    decision: Decision, head: Head, event: Event, now: datetime, policy: ConversationPolicy
) -> Decision:
    state = decision.state
    is_agents = state.agent_id is not None and event.by == state.agent_id
    match event.type:
        case EventType.ARRIVED if event.side is Side.CUSTOMER:
            return _connect(decision.then(customer_here=True, customer_gone_at=None))
        case EventType.DISCONNECTED if event.side is Side.CUSTOMER:
            return decision.then(customer_here=False, customer_gone_at=event.since or head.at)
        case EventType.ARRIVED if is_agents:
            return decision.then(agent_gone_at=None)
        case EventType.DISCONNECTED if is_agents:
            return decision.then(agent_gone_at=event.since or head.at)
        case EventType.SIGNED_OFF if is_agents:
            return _release(decision, _SIGNED_OFF, None, now, policy)
        case EventType.HANDED_OVER:
            return _hand_over(decision, now, policy)
        case EventType.ERASED:
            return _close(decision, None, EventType.ERASED)
        case _:
            return decision


def _agent_due(state: ConversationState, policy: ConversationPolicy) -> datetime | None:
    return state.agent_gone_at + policy.agent_grace if state.agent_gone_at else None


def _customer_due(state: ConversationState, policy: ConversationPolicy) -> datetime | None:
    """When the customer counts as gone: so long after the last socket, or in the queue, for those
    who never had one, after they came into it; and never so soon after a word, because who writes
    needs no socket to be there."""
    since = state.customer_gone_at
    if since is None and state.status is QUEUED and not state.customer_here:
        since = state.released_at or state.queued_at
    return max(since, state.last_word_at) + policy.customer_grace if since else None


def _idle_due(state: ConversationState, policy: ConversationPolicy) -> datetime | None:
    """Who waits in the queue is not idle, however silent."""
    if state.assigned_at is None or state.status is CLOSED:
        return None
    return max(state.last_word_at, state.assigned_at) + policy.idle_timeout


def _alarms(state: ConversationState, policy: ConversationPolicy) -> Iterator[Alarm]:
    if state.queue_timeout_at is not None:
        yield Alarm(what="queue times out", at=state.queue_timeout_at)
    for what, at in (
        ("back to the queue", _agent_due(state, policy)),
        ("customer counts as gone", _customer_due(state, policy)),
        ("closes for silence", _idle_due(state, policy)),
    ):
        if at is not None:
            yield Alarm(what=what, at=at)


def _told(
    kind: EventType,
    status: ConversationStatus,
    *,
    before: str | None = None,
    after: str | None = None,
    by: str | None = None,
    cause: str | None = None,
    any_team: bool = False,
) -> Event:
    """Everything that happens to a conversation may be known to both sides."""
    return Event(
        type=kind,
        visibility=Visibility.PUBLIC,
        status=status,
        before=before,
        after=after,
        by=by,
        cause=cause,
        any_team=any_team or None,
    )
