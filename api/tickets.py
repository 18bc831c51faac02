"""Seed 004: tickets over every channel."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Depends, Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.attachment_references import resolved
from api.discretion import for_customers
from api.errors import describe
from api.idempotency import Once, json_answer
from api.ownership import author_of, meet_customer, require_access, require_agent
from api.routes import Routes
from api.services import ServicesDep
from api.ticket_bodies import AddMessage, CreateTicket, UpdateTicket
from api.ticket_timelines import progress_of, shown_ticket
from api.views import (
    AssignedView,
    TicketStatusView,
    TicketView,
    TimelineEntry,
    status_view,
    timeline_entry,
)
from domain import ticket_rules as rules
from domain.errors import (
    EngineUnavailable,
    IdempotencyKeyReused,
    NothingToUpdate,
    TicketIsClosed,
    TicketNotFound,
)
from domain.ids import TicketRef, parse_ticket_ref
from domain.life import ProcessView
from domain.models import AuthorKind, Channel, ThreadKind, ThreadRef, TicketStatus
from domain.principals import Principal, Role, Scope
from domain.text import IdText
from domain.ticket_life import Assign, ChangeTicket, Command
from store import reading, tickets
from store.tables import Customer
from store.threads import Draft
from store.tickets import NewTicket, TicketRow, Written
from workflows.engine import NewTicketFacts

STAFF = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.TICKETS)
FOLLOWERS = allow(Role.CUSTOMER, Role.VISITOR, Role.AGENT, Role.ADMIN, Scope.TICKETS)
"""Visitors too: their chat may have become a ticket."""

router = Routes(prefix="/api/tickets", tags=["Tickets"])


async def _ref(
    ticket_id: Annotated[str, Path(description="`tkt_…`, a UUID, or the ticket's number.")],
) -> TicketRef:
    return parse_ticket_ref(ticket_id)


Ref = Annotated[TicketRef, Depends(_ref)]


@router.post(
    "/create",
    status_code=201,
    response_model=TicketView,
    dependencies=[EVERYBODY],
    responses=describe(IdempotencyKeyReused),
)
async def create_ticket(
    body: CreateTicket, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Open a ticket with its first message."""
    await services.count_message(caller)
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        written = await _open(session, body, caller, services, once)
        row = await tickets.find(session, written.ticket_id)
        view = await shown_ticket(session, row, internal=not caller.is_customer)
        response = await once.answer(session, 201, view)
    facts = NewTicketFacts(view.number, body.source.channel, body.priority)
    nudge(services, written, facts)
    return response


@router.get(
    "/{ticket_id}",
    response_model=TicketView,
    dependencies=[FOLLOWERS],
    responses=describe(TicketNotFound),
)
async def get_ticket(ref: Ref, caller: Caller, services: ServicesDep) -> Response:
    async with services.database.begin() as session:
        row = await _find(session, ref, caller)
        return json_answer(await shown_ticket(session, row, internal=not caller.is_customer))


@router.put(
    "/{ticket_id}",
    response_model=TicketView,
    dependencies=[STAFF],
    responses=describe(TicketNotFound, NothingToUpdate, TicketIsClosed, EngineUnavailable),
)
async def update_ticket(
    ref: Ref, body: UpdateTicket, caller: Caller, services: ServicesDep
) -> Response:
    """Change status, priority, agent, snooze, subject or tags, all or nothing of the first four.

    They are judged by the ticket's workflow: of two who want different things at once, one is
    told that it was too late (409).
    """
    commands = body.commands()
    if not commands and body.subject is None and body.tags is None:
        raise NothingToUpdate
    async with services.database.begin() as session:
        row = await tickets.find(session, ref)
        if body.assigned_agent_id is not None:
            await require_agent(session, body.assigned_agent_id)
    await _change(services, row, caller, commands)
    if body.subject is not None or body.tags is not None:
        async with services.database.begin() as session:
            await tickets.edit(
                session,
                row.ticket.id,
                by=caller.id,
                subject=body.subject,
                tags=body.tags,
                closed_just_now=body.status is TicketStatus.CLOSED,
            )
    return json_answer(await _fresh_view(services, row.ticket.id, caller))


@router.post(
    "/{ticket_id}/message",
    response_model=TicketView,
    dependencies=[FOLLOWERS],
    responses=describe(TicketNotFound, TicketIsClosed),
)
async def add_message(
    ref: Ref, body: AddMessage, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Write a public message or a private note.

    A customer who writes into a closed ticket gets the ticket that follows it, see
    `follow_up_of`.
    """
    await services.count_message(caller)
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        row = await _find(session, ref, caller, lock=True)
        author = await author_of(session, caller, body, row.customer)
        draft = Draft(
            author=author.kind,
            author_id=author.id,
            author_name=author.name,
            content=body.content,
            visibility=body.visibility,
            attachments=await resolved(session, caller, body.attachments),
            metadata=body.metadata,
            source=once.source,
            external_id=once.key,
        )
        written = await tickets.write(session, row, draft, services.config.policy)
        if written.ticket_id != row.ticket.id:
            row = await tickets.find(session, written.ticket_id)
        view = await shown_ticket(session, row, internal=not caller.is_customer)
        response = await once.answer(session, 200, view)
    nudge(services, written)
    return response


@router.get(
    "/{ticket_id}/messages",
    response_model=list[TimelineEntry],
    dependencies=[FOLLOWERS],
    responses=describe(TicketNotFound),
)
async def list_messages(
    ref: Ref,
    caller: Caller,
    services: ServicesDep,
    after_seq: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[TimelineEntry]:
    """The whole log, a part at a time: the first `limit` entries that follow `after_seq`."""
    async with services.database.begin() as session:
        row = await _find(session, ref, caller)
        entries = await reading.entries(
            session, row.ticket.id, after_seq=after_seq, limit=limit, private=not caller.is_customer
        )
        if caller.is_customer:
            return [timeline_entry(for_customers(entry)) for entry in entries]
        progress = await progress_of(session, row, entries)
    return [timeline_entry(entry, progress.get(entry.seq)) for entry in entries]


@router.get(
    "/{ticket_id}/status",
    response_model=TicketStatusView,
    dependencies=[FOLLOWERS],
    responses=describe(TicketNotFound),
)
async def get_ticket_status(ref: Ref, caller: Caller, services: ServicesDep) -> Response:
    """Whether somebody has answered; cheap enough to poll."""
    async with services.database.begin() as session:
        row = await _find(session, ref, caller)
        seq = row.thread.last_agent_seq
        reply = await reading.entry(session, row.ticket.id, seq) if seq is not None else None
    return json_answer(status_view(row, reply))


@router.put(
    "/{ticket_id}/assign",
    response_model=AssignedView,
    dependencies=[STAFF],
    responses=describe(TicketNotFound, TicketIsClosed, EngineUnavailable),
)
async def assign_ticket(
    ref: Ref, agent_id: Annotated[IdText, Query()], caller: Caller, services: ServicesDep
) -> Response:
    async with services.database.begin() as session:
        row = await tickets.find(session, ref)
        await require_agent(session, agent_id)
    await _change(services, row, caller, [Assign(agent_id=agent_id)])
    ticket = await _fresh_view(services, row.ticket.id, caller)
    return json_answer(AssignedView(success=True, ticket=ticket))


@router.get(
    "/{ticket_id}/process",
    response_model=ProcessView,
    dependencies=[STAFF],
    responses=describe(TicketNotFound, EngineUnavailable),
)
async def get_process(ref: Ref, services: ServicesDep) -> ProcessView:
    """What the ticket waits for, as its workflow says."""
    async with services.database.begin() as session:
        row = await tickets.find(session, ref)
    if row.thread.open:
        return await services.engine.process(_thread(row.ticket.id))
    # Its workflow has ended, and Temporal forgets it in time.
    state = tickets.state_of(row.ticket)
    return ProcessView(
        status=state.status,
        waiting_for=rules.waiting_for(state),
        alarms=[],
        handled_seq=row.thread.handled_seq,
    )


async def _open(
    session: AsyncSession,
    body: CreateTicket,
    caller: Principal,
    services: ServicesDep,
    once: Once,
) -> Written:
    customer = await meet_customer(session, caller, body)
    new = NewTicket(
        customer_id=customer.id,
        channel=body.source.channel,
        subject=body.subject,
        priority=body.priority,
        tags=tuple(body.tags),
        channel_identity=_address(body, customer),
        outlet=services.config.outlet_of(body.source.channel),
        origin_platform_id=body.source.origin_platform_id,
        is_bot_handoff=body.source.is_bot_handoff,
    )
    first = Draft(
        author=AuthorKind.CUSTOMER,
        author_id=str(customer.id),
        author_name=customer.name,
        content=body.initial_message,
        metadata=body.metadata,
        attachments=await resolved(session, caller, body.attachments),
        source=once.source,
        external_id=once.key,
    )
    return await tickets.open_ticket(session, new, first, services.config.policy)


def _address(body: CreateTicket, customer: Customer) -> str | None:
    """Where replies go, if anywhere."""
    named = body.customer
    if body.source.channel is Channel.EMAIL:
        return named.channel_identity or named.primary_email or customer.email
    return named.channel_identity


async def _find(
    session: AsyncSession, ref: TicketRef, caller: Principal, *, lock: bool = False
) -> TicketRow:
    row = await tickets.find(session, ref, lock=lock)
    await require_access(session, caller, row)
    return row


async def _fresh_view(services: ServicesDep, ticket_id: UUID, caller: Principal) -> TicketView:
    async with services.database.begin() as session:
        row = await tickets.find(session, ticket_id)
        return await shown_ticket(session, row, internal=not caller.is_customer)


async def _change(
    services: ServicesDep, row: TicketRow, caller: Principal, commands: list[Command]
) -> None:
    if not row.thread.open:
        raise TicketIsClosed
    if commands:
        order = ChangeTicket(by=caller.id, commands=commands)
        await services.engine.change_ticket(row.ticket.id, order, cause=uuid4().hex)


def nudge(services: ServicesDep, written: Written, facts: NewTicketFacts | None = None) -> None:
    """After the commit. `facts` of a ticket that was opened just now."""
    if written.entry.nudge:
        thread = _thread(written.ticket_id)
        services.engine.nudge_soon(thread, facts, at_once=written.goes_out)


def _thread(ticket_id: UUID) -> ThreadRef:
    return ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
