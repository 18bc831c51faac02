"""Live conversations: starting them, writing into them, and the lifecycle as workflows decide it.

A transaction locks a conversation with its thread first, and the agent who takes it last.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.assistance import AssistPolicy
from domain.conversation_life import ConversationState
from domain.deadlines import DeadlinePolicy
from domain.errors import (
    ConversationIsClosed,
    ConversationNotFound,
    NoAssistant,
    NotAssigned,
)
from domain.events import Event
from domain.ids import new_id
from domain.models import (
    AuthorKind,
    ConversationStatus,
    EventType,
    Side,
    ThreadKind,
    Visibility,
)
from domain.telling import told_of_timeout
from store import allocator, assistance, command_texts, handover, presences, threads
from store.presences import Person
from store.tables import Agent, Conversation, Customer, Message, Thread
from store.threads import Appended, Draft, Locked


@dataclass(frozen=True, slots=True)
class NewConversation:
    customer_id: UUID
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """`nudge` is false for a conversation that was resumed."""

    conversation_id: UUID
    nudge: bool


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """A conversation, the head of its log, its customer, and the agent who has or had it."""

    conversation: Conversation
    thread: Thread
    customer: Customer
    agent: Agent | None

    @property
    def locked(self) -> Locked:
        """The thread, for a row that was found with `lock`."""
        return _locked(self.thread)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about what is decided while writing."""

    capacity: int
    """Conversations at once, of agents for whom nothing else is said."""
    tickets: DeadlinePolicy
    assistance: AssistPolicy = field(default_factory=AssistPolicy)


async def start(session: AsyncSession, new: NewConversation, queue_timeout: timedelta) -> Started:
    """Resume the customer's open conversation, or begin one; never two, however many ask.

    The customer exists. A new conversation has to be nudged after the commit.
    """
    await session.execute(_LOCK_CUSTOMER, {"id": new.customer_id})
    known = await open_of(session, new.customer_id)
    if known is not None:
        return Started(known, nudge=False)
    # The page may be open already, from the conversation before.
    person = Person(Side.CUSTOMER, str(new.customer_id))
    await presences.take_turns(session, [person])
    here = await presences.is_here(session, person)
    thread = await threads.create(session, new_id(), ThreadKind.CONVERSATION)
    now = (await session.execute(select(func.now()))).scalar_one()
    state = ConversationState(
        version=0,
        status=ConversationStatus.QUEUED,
        queued_at=now,
        queue_timeout_at=now + queue_timeout,
        last_word_at=now,
    )
    session.add(
        Conversation(
            id=thread.id,
            customer_id=new.customer_id,
            tags=list(new.tags),
            meta=new.metadata,
            created_at=now,
            customer_present=here,
            agent_absent=False,
            **_columns(state),
        )
    )
    await session.flush()
    queued = Event(
        type=EventType.QUEUED, visibility=Visibility.PUBLIC, status=ConversationStatus.QUEUED
    )
    thread = await threads.append_event(session, thread, queued)
    if here:
        arrived = queued.model_copy(update={"type": EventType.ARRIVED, "side": Side.CUSTOMER})
        await threads.append_event(session, thread, arrived)
    return Started(thread.id, nudge=True)


async def write(
    session: AsyncSession, row: ConversationRow, draft: Draft, *, only: str | None = None
) -> Appended:
    """Write a message into a locked conversation; with `only`, if that agent has it.

    What was written before is found, whatever has become of the conversation since: a draft with
    an `external_id` has a `source` that names the conversation. Raises ConversationIsClosed,
    NotAssigned and IdempotencyKeyReused.
    """
    known = await threads.find(session, draft)
    if known is not None:
        return known
    if not row.thread.open:
        raise ConversationIsClosed
    if only not in (None, row.conversation.agent_id):
        raise NotAssigned
    return await threads.append(session, row.locked, draft)


async def find(
    session: AsyncSession, conversation_id: UUID, *, lock: bool = False
) -> ConversationRow:
    """With `lock`, nobody else writes to it until the end. Raises ConversationNotFound."""
    row = (await session.execute(_FIND[lock], {"id": conversation_id})).one_or_none()
    if row is None and lock:
        # See `tickets.find`.
        row = (await session.execute(_FIND[lock], {"id": conversation_id})).one_or_none()
    if row is None:
        raise ConversationNotFound
    return ConversationRow(*row)


async def require_assistant(session: AsyncSession, policy: AssistPolicy) -> None:
    """Raises NoAssistant where customers cannot go on with one."""
    if not await assistance.is_there(session, policy):
        raise NoAssistant


async def set_contact_email(session: AsyncSession, conversation_id: UUID, email: str) -> None:
    """Note where the customer wants to be answered, should it go on as a ticket."""
    await session.execute(
        update(Conversation).where(Conversation.id == conversation_id).values(contact_email=email)
    )


async def open_of(session: AsyncSession, customer_id: UUID) -> UUID | None:
    """The open conversation of a customer: one at most, but for those who were merged while both
    were talking; then it is the newer one."""
    return await session.scalar(
        select(Conversation.id)
        .where(
            Conversation.customer_id == customer_id,
            Conversation.status != ConversationStatus.CLOSED,
        )
        .order_by(Conversation.created_at.desc())
        .limit(1)
    )


async def newest_of(session: AsyncSession, customer_id: UUID) -> UUID | None:
    """The open conversation of a customer, or else the last one."""
    return await session.scalar(
        select(Conversation.id)
        .where(Conversation.customer_id == customer_id)
        .order_by(Conversation.created_at.desc())
        .limit(1)
    )


async def of_agent(
    session: AsyncSession,
    agent_id: str,
    statuses: set[ConversationStatus],
    *,
    offset: int = 0,
    limit: int = 100,
) -> list[ConversationRow]:
    """Conversations that an agent has or had, the newest first."""
    query = (
        rows()
        .where(Conversation.agent_id == agent_id, Conversation.status.in_(statuses))
        .order_by(Conversation.created_at.desc(), Conversation.id)
        .offset(offset)
        .limit(limit)
    )
    return [ConversationRow(*row) for row in await session.execute(query)]


async def count_of_agent(
    session: AsyncSession, agent_id: str, statuses: set[ConversationStatus]
) -> int:
    query = (
        select(func.count())
        .select_from(Conversation)
        .where(Conversation.agent_id == agent_id, Conversation.status.in_(statuses))
    )
    return (await session.execute(query)).scalar_one()


def rows() -> Select[Conversation, Thread, Customer, Agent]:
    """All conversations with what belongs to them, to be narrowed. There may be no agent."""
    return (
        select(Conversation, Thread, Customer, Agent)
        .join(Thread, Thread.id == Conversation.id)
        .join(Customer, Customer.id == Conversation.customer_id)
        .outerjoin(Agent, Agent.id == Conversation.agent_id)
    )


async def load(
    session: AsyncSession, conversation_id: UUID
) -> tuple[ConversationState, ConversationRow]:
    """A conversation's lifecycle as its row and its log have it, locked.

    Raises ConversationNotFound.
    """
    row = await find(session, conversation_id, lock=True)
    return await whole_state(session, row), row


async def whole_state(session: AsyncSession, row: ConversationRow) -> ConversationState:
    """A conversation's lifecycle, with what only the log knows."""
    last = (await session.execute(_LAST_WORD, {"id": row.conversation.id})).one_or_none()
    state = state_of(row)
    if last is None:
        return state
    spoken = {"last_word_at": last.created_at, "last_word_by": AuthorKind(last.author)}
    return state.model_copy(update=spoken)


def state_of(row: ConversationRow) -> ConversationState:
    """A conversation's lifecycle as far as it stands in the row: the last word does not."""
    return ConversationState.model_validate(
        row.conversation.state
        | {"version": row.conversation.version, "last_cause": row.conversation.last_cause}
    )


async def record(
    session: AsyncSession,
    row: ConversationRow,
    state: ConversationState,
    events: list[Event],
    rules: Rules,
) -> Locked:
    """Write what a locked conversation's workflow has decided, with the events that tell of it.

    The caller has checked that the row's version is the one on which the decision was made.
    Returns the thread with the events appended. Raises, before anything is written, what
    `allocator.take` raises when the agent to whom it goes cannot take it, and NoAssistant.
    """
    conversation, thread = row.conversation, row.locked
    agent = row.agent
    if state.agent_id is not None and state.agent_id != conversation.agent_id:
        needed = () if any(map(_goes_to_any_team, events)) else tuple(conversation.tags)
        unasked = any(event.type is EventType.ASSIGNED and event.by is None for event in events)
        agent = await allocator.take(
            session, state.agent_id, needed, rules.capacity, unasked=unasked
        )
        if any(event.by == agent.id for event in events):
            # Whoever accepts is there, be it without a socket.
            await session.execute(_SEEN, {"id": agent.id})
    if any(event.type is EventType.ASSISTANT for event in events):
        await require_assistant(session, rules.assistance)
        await assistance.take_back(session, conversation.id)
    speaks = any(event.type in _WITH_WORDS for event in events)
    said = await command_texts.take(session, state.last_cause) if speaks else None
    for event in events:
        thread = await _tell(session, thread, event, agent, said, rules)
    values: dict[str, Any] = _columns(state)
    if state.agent_id != conversation.agent_id:
        values["agent_absent"] = False
    if state.ended:
        values["closed_at"] = func.now()
        values["close_reason"] = said or _cause_of(events)
    if state.as_ticket and conversation.ticket_id is None:
        values["ticket_id"] = await handover.open_ticket(
            session, conversation, row.customer, thread, rules.tickets
        )
    await session.execute(
        update(Conversation)
        .where(Conversation.id == thread.id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if not events:
        await threads.touch(session, thread.id)
    if state.ended:
        await threads.close(session, thread.id)
    return thread


async def _tell(
    session: AsyncSession,
    thread: Locked,
    event: Event,
    agent: Agent | None,
    said: str | None,
    rules: Rules,
) -> Locked:
    names_agent = event.type in (EventType.ASSIGNED, EventType.TRANSFERRED) and agent is not None
    thread = await threads.append_event(
        session,
        thread,
        event,
        agentName=agent.name or agent.id if agent is not None and names_agent else None,
        reason=said if event.type is EventType.CLOSED else None,
    )
    if event.type is EventType.QUEUE_TIMEOUT:
        assisted = await assistance.is_there(session, rules.assistance)
        message = Draft(AuthorKind.SYSTEM, told_of_timeout(assistant=assisted))
        thread = threads.after_append(thread, await threads.append(session, thread, message))
    if said is not None and event.type is EventType.TRANSFERRED:
        author = await session.get(Agent, event.by) if event.by else None
        note = Draft(
            AuthorKind.AGENT,
            said,
            author_id=event.by,
            author_name=author.name or author.id if author else None,
            visibility=Visibility.PRIVATE,
        )
        thread = threads.after_append(thread, await threads.append(session, thread, note))
    return thread


def _goes_to_any_team(event: Event) -> bool:
    return event.type is EventType.TRANSFERRED or bool(event.any_team)


def _cause_of(events: list[Event]) -> str | None:
    return next((event.cause for event in events if event.type is EventType.CLOSED), None)


def _columns(state: ConversationState) -> dict[str, Any]:
    return {
        "status": state.status,
        "agent_id": state.agent_id,
        "queued_at": state.queued_at,
        "state": state.as_written().model_dump(mode="json", exclude={"version", "last_cause"}),
        "version": state.version,
        "last_cause": state.last_cause,
    }


def _locked(thread: Thread) -> Locked:
    return Locked(thread.id, thread.open, thread.last_seq, thread.handled_seq)


_WITH_WORDS = {EventType.CLOSED, EventType.TRANSFERRED}
"""Commands along with which people say something."""
# Built once: to build a statement takes longer than to run it.
_BY_ID = rows().where(Conversation.id == bindparam("id"))
_FIND = {
    False: _BY_ID,
    # Both are locked: a row that is only joined is as old as the statement, however long that
    # waited for the lock.
    True: _BY_ID.with_for_update(of=(Thread, Conversation), key_share=True).execution_options(
        # And what the session knows already is older still.
        populate_existing=True
    ),
}
_LOCK_CUSTOMER = (
    select(Customer.id).where(Customer.id == bindparam("id")).with_for_update(key_share=True)
)
_SEEN = text("UPDATE agents SET gone_at = NULL, last_seen_at = now() WHERE id = :id")
_MESSAGES = Message.__table__.c
_LAST_WORD = (
    select(_MESSAGES.author, _MESSAGES.created_at)
    .where(
        _MESSAGES.thread_id == bindparam("id"),
        _MESSAGES.author != AuthorKind.SYSTEM,
        _MESSAGES.visibility == Visibility.PUBLIC,
    )
    .order_by(_MESSAGES.seq.desc())
    .limit(1)
)
