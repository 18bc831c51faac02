"""Tickets: opening them, writing into them, and the lifecycle as their workflows decide it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from domain.deadlines import DeadlinePolicy, Deadlines, first_deadlines
from domain.deliveries import goes_out
from domain.errors import IdempotencyKeyReused, NothingToUpdate, TicketIsClosed, TicketNotFound
from domain.events import Event
from domain.ids import TicketRef, new_id
from domain.models import (
    AuthorKind,
    Channel,
    EventType,
    Priority,
    ThreadKind,
    TicketStatus,
    Visibility,
)
from domain.ticket_life import TicketState
from store import deliveries, threads
from store.deliveries import Destination
from store.tables import Customer, Thread, Ticket
from store.team_news import Assigned, announce
from store.threads import Appended, Draft, Locked


@dataclass(frozen=True, slots=True)
class NewTicket:
    customer_id: UUID
    channel: Channel
    subject: str
    priority: Priority = Priority.MEDIUM
    tags: tuple[str, ...] = ()
    channel_identity: str | None = None
    outlet: str | None = None
    origin_platform_id: str | None = None
    is_bot_handoff: bool = False
    follow_up_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket, the head of its log, and its customer."""

    ticket: Ticket
    thread: Thread
    customer: Customer

    @property
    def locked(self) -> Locked:
        """The thread, for a row that was found with `lock`."""
        return _locked(self.thread)


@dataclass(frozen=True, slots=True)
class Written:
    """A message was written into `ticket_id`, which is another one than was asked for when
    that one was closed."""

    ticket_id: UUID
    entry: Appended
    goes_out: bool = False
    """Somebody outside waits for it."""


async def open_ticket(
    session: AsyncSession, new: NewTicket, first: Draft, policy: DeadlinePolicy
) -> Written:
    """Open a ticket with its first message. Its workflow has to be nudged after the commit.

    The same message again, by its `external_id`, is the same ticket. Raises IdempotencyKeyReused.
    """
    known = await threads.find(session, first)
    if known is not None:
        return Written(known.thread_id, known)
    now = await session.scalar(select(func.now()))
    if now is None:
        raise RuntimeError("the database has no clock")
    thread = await threads.create(session, new_id(), ThreadKind.TICKET)
    ticket = _new_row(thread.id, new, policy, now)
    _note_whose_turn(ticket, first)
    session.add(ticket)
    await session.flush()
    return Written(thread.id, await threads.append(session, thread, first))


async def write(
    session: AsyncSession,
    row: TicketRow,
    draft: Draft,
    policy: DeadlinePolicy,
    *,
    promises: bool = False,
    outside: bool = False,
) -> Written:
    """Write a message into a locked ticket; with `promises`, one after which the customer waits
    for an answer as before; with `outside`, one that the customer has already.

    A customer who writes into a closed ticket is never turned away: the message goes into the
    ticket that follows it, which is opened if need be. Anybody else gets TicketIsClosed.
    Raises IdempotencyKeyReused.
    """
    known = await threads.find(session, draft)
    if known is not None:
        if not await _continues(session, known.thread_id, row.ticket.id):
            raise IdempotencyKeyReused
        return Written(known.thread_id, known)
    if row.thread.open:
        entry = await threads.append(session, row.locked, draft)
        sent_out = not outside and await _send_out(session, row.ticket, entry, draft)
        if entry.created:
            _show_newest(row.thread, entry)
            if not promises:
                _note_whose_turn(row.ticket, draft)
        return Written(row.ticket.id, entry, goes_out=sent_out)
    if draft.author is not AuthorKind.CUSTOMER or row.customer.erased_at is not None:
        raise TicketIsClosed
    follows = Ticket.follow_up_of == row.ticket.id
    follower = await session.scalar(select(Ticket.id).where(follows))
    if follower is not None:
        return await write(session, await find(session, follower, lock=True), draft, policy)
    return await _follow_up(session, row.ticket, draft, policy)


async def edit(
    session: AsyncSession,
    ticket_id: UUID,
    *,
    by: str,
    subject: str | None = None,
    tags: list[str] | None = None,
    closed_just_now: bool = False,
) -> None:
    """Change what a ticket is called. This is text, and so no business of its workflow.

    Raises TicketNotFound, NothingToUpdate, and TicketIsClosed unless it was this very request
    that closed the ticket.
    """
    if subject is None and tags is None:
        raise NothingToUpdate
    ticket, thread = await _lock(session, ticket_id)
    if not thread.open and not closed_just_now:
        raise TicketIsClosed
    if subject in (None, ticket.subject) and tags in (None, ticket.tags):
        return
    ticket.subject = subject if subject is not None else ticket.subject
    ticket.tags = tags if tags is not None else ticket.tags
    if thread.open:
        await threads.append_event(session, thread, Event(type=EventType.DETAILS_CHANGED, by=by))
    else:
        await threads.touch(session, ticket_id)


async def find(session: AsyncSession, ref: TicketRef, *, lock: bool = False) -> TicketRow:
    """With `lock`, nobody else writes to it until the transaction ends. Raises TicketNotFound."""
    query = _FIND[isinstance(ref, UUID), lock]
    row = (await session.execute(query, {"ref": ref})).one_or_none()
    if row is None and lock:
        # One that was given to another customer while its lock was waited for matches nobody; the
        # next statement sees whose it is.
        row = (await session.execute(query, {"ref": ref})).one_or_none()
    if row is None:
        raise TicketNotFound
    return TicketRow(*row)


def rows() -> Select[Ticket, Thread, Customer]:
    """All tickets with what belongs to them, to be narrowed."""
    return (
        select(Ticket, Thread, Customer)
        .join(Thread, Thread.id == Ticket.id)
        .join(Customer, Customer.id == Ticket.customer_id)
    )


async def load(session: AsyncSession, ticket_id: UUID) -> tuple[TicketState, Locked]:
    """A ticket's lifecycle as its row has it, locked. Raises TicketNotFound."""
    ticket, thread = await _lock(session, ticket_id)
    return state_of(ticket), thread


def state_of(ticket: Ticket) -> TicketState:
    """A ticket's lifecycle, as its workflow knows it."""
    return TicketState.model_validate(
        {
            "version": ticket.version,
            "number": ticket.number,
            "channel": ticket.channel,
            "status": ticket.status,
            "priority": ticket.priority,
            "agent_id": ticket.assigned_agent_id,
            "outlet": ticket.outlet,
            "created_at": ticket.created_at,
            "deadlines": ticket.deadlines,
            "snoozed_until": ticket.snoozed_until,
            "auto_close_at": ticket.auto_close_at,
            "last_cause": ticket.last_cause,
        }
    )


async def record(
    session: AsyncSession, thread: Locked, state: TicketState, events: list[Event]
) -> Locked:
    """Write what a locked ticket's workflow has decided, with the events that tell of it.

    The caller has checked that the row's version is the one on which the decision was made:
    a worker that was thought dead, or one that died before it could remember its own write,
    must never undo what came after. Returns the thread with the events appended.
    """
    for event in events:
        thread = await threads.append_event(session, thread, event)
        if event.type is EventType.ASSIGNED and event.after and event.after != event.by:
            await announce(session, Assigned(event.after, str(thread.id)))
    await session.execute(
        update(Ticket)
        .where(Ticket.id == thread.id)
        .values(
            status=state.status,
            priority=state.priority,
            assigned_agent_id=state.agent_id,
            snoozed_until=state.snoozed_until,
            auto_close_at=state.auto_close_at,
            deadlines=deadlines_json(state.deadlines),
            breached=state.breached,
            version=state.version,
            last_cause=state.last_cause,
            **_UNASKED_FOR if state.status is TicketStatus.CLOSED else {},
        )
        # The activity works on rows, not on loaded objects.
        .execution_options(synchronize_session=False)
    )
    if not events:
        await threads.touch(session, thread.id)
    if state.status is TicketStatus.CLOSED:
        await threads.close(session, thread.id)
    return thread


def _new_row(ticket_id: UUID, new: NewTicket, policy: DeadlinePolicy, now: datetime) -> Ticket:
    return Ticket(
        id=ticket_id,
        customer_id=new.customer_id,
        channel=new.channel,
        channel_identity=new.channel_identity,
        outlet=new.outlet,
        origin_platform_id=new.origin_platform_id,
        is_bot_handoff=new.is_bot_handoff,
        subject=new.subject,
        tags=list(new.tags),
        status=TicketStatus.NEW,
        priority=new.priority,
        deadlines=deadlines_json(first_deadlines(policy, new.priority, now)),
        breached=False,
        version=0,
        follow_up_of=new.follow_up_of,
        created_at=now,
    )


async def _send_out(session: AsyncSession, ticket: Ticket, entry: Appended, draft: Draft) -> bool:
    """Put a reply into the outbox. Its workflow sends it when it hears of the message."""
    outward = entry.created and goes_out(draft.author, draft.visibility)
    if not (outward and ticket.outlet and ticket.channel_identity):
        return False
    to = Destination(ticket.outlet, ticket.channel_identity)
    await deliveries.create(session, ticket.id, entry.seq, to)
    return True


async def _lock(session: AsyncSession, ticket_id: UUID) -> tuple[Ticket, Locked]:
    row = (await session.execute(_LOCK, {"ref": ticket_id})).one_or_none()
    if row is None:
        raise TicketNotFound
    ticket, thread = row
    return ticket, _locked(thread)


def _locked(thread: Thread) -> Locked:
    return Locked(thread.id, thread.open, thread.last_seq, thread.handled_seq)


def _show_newest(thread: Thread, entry: Appended) -> None:
    """What the database has just made of the row, without asking for it again."""
    set_committed_value(thread, "last_seq", entry.seq)
    set_committed_value(thread, "updated_at", entry.created_at)
    set_committed_value(thread, "last_message_at", entry.created_at)


def _note_whose_turn(ticket: Ticket, draft: Draft) -> None:
    """Nothing is written unless it changes, nor of channels where nobody asks for it."""
    is_asked_for = ticket.channel == Channel.XMPP and ticket.channel_identity is not None
    if is_asked_for and draft.visibility is Visibility.PUBLIC:
        ticket.awaits_reply = draft.author is AuthorKind.CUSTOMER


async def _continues(session: AsyncSession, ticket_id: UUID, earlier_id: UUID) -> bool:
    """Whether a ticket is an earlier one, or follows it, however far."""
    link: UUID | None = ticket_id
    while link is not None and link != earlier_id:
        link = await session.scalar(select(Ticket.follow_up_of).where(Ticket.id == link))
    return link is not None


async def _follow_up(
    session: AsyncSession, closed: Ticket, draft: Draft, policy: DeadlinePolicy
) -> Written:
    new = NewTicket(
        customer_id=closed.customer_id,
        channel=Channel(closed.channel),
        subject=closed.subject,
        priority=Priority(closed.priority),
        tags=tuple(closed.tags),
        channel_identity=closed.channel_identity,
        outlet=closed.outlet,
        origin_platform_id=closed.origin_platform_id,
        follow_up_of=closed.id,
    )
    return await open_ticket(session, new, draft, policy)


def deadlines_json(deadlines: Deadlines) -> dict[str, Any]:
    """As a ticket's row keeps them."""
    return {kind: deadline.model_dump(mode="json") for kind, deadline in deadlines.items()}


_UNASKED_FOR = {"awaits_reply": False}
# Built once: to build a statement takes longer than to run it.
_FIND = {
    (by_id, lock): statement.with_for_update(of=(Thread, Ticket), key_share=True)
    if lock
    else statement
    for by_id, statement in (
        (True, rows().where(Ticket.id == bindparam("ref"))),
        (False, rows().where(Ticket.number == bindparam("ref"))),
    )
    for lock in (True, False)
}
# Both are locked: a row that is only joined is as old as the statement, however long that
# waited for the lock.
_LOCK = (
    select(Ticket, Thread)
    .join(Thread, Thread.id == Ticket.id)
    .where(Ticket.id == bindparam("ref"))
    .with_for_update(of=(Thread, Ticket), key_share=True)
)
