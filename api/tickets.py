"""Seed 004: tickets over every channel."""

from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import Depends, Path, Query, Response
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import Once, json_answer
from api.ownership import author_of, meet_customer, own_customer, require_access, require_agent
from api.paging import DEFAULT_PAGE_SIZE, Page, PageSize
from api.routes import Routes
from api.services import ServicesDep
from api.ticket_bodies import AddMessage, CreateTicket, UpdateTicket
from api.views import (
    AssignedView,
    TicketPage,
    TicketStatusView,
    TicketView,
    TimelineEntry,
    status_view,
    ticket_view,
    timeline_entry,
)
from domain import ticket_rules as rules
from domain.errors import (
    CustomerNotFound,
    EngineUnavailable,
    IdempotencyKeyReused,
    NothingToUpdate,
    TicketIsClosed,
    TicketNotFound,
)
from domain.ids import TicketRef, parse_customer_id, parse_ticket_ref
from domain.life import ProcessView
from domain.models import AuthorKind, Channel, Priority, ThreadKind, ThreadRef, TicketStatus
from domain.principals import Principal, Role, Scope
from domain.text import IdText, ShortText, TagText
from domain.ticket_life import Assign, ChangeTicket, Command
from store import threads, ticket_lists, tickets
from store.threads import Draft
from store.ticket_lists import TicketFilter
from store.tickets import NewTicket, TicketRow, Written
from workflows.engine import NewTicketFacts

TIMELINE = 200
"""So many entries, the newest, stand in a ticket; `…/messages` gives all."""

STAFF = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.TICKETS)

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
        view = await _view(session, row, caller)
        response = await once.answer(session, 201, view)
    facts = NewTicketFacts(view.number, body.source.channel, body.priority)
    _nudge(services, written, facts)
    return response


@router.get("", include_in_schema=False, response_model=TicketPage, dependencies=[EVERYBODY])
@router.get(
    "/",
    response_model=TicketPage,
    dependencies=[EVERYBODY],
    responses=describe(CustomerNotFound),
)
async def list_tickets(
    caller: Caller,
    services: ServicesDep,
    status: TicketStatus | None = None,
    assigned_agent_id: IdText | None = None,
    priority: Priority | None = None,
    channel: Channel | None = None,
    tag: TagText | None = None,
    customer_id: IdText | None = None,
    q: Annotated[ShortText | None, Query(description="Words of the subject or a message.")] = None,
    breached: Annotated[bool | None, Query(description="A deadline has passed.")] = None,
    snoozed: bool | None = None,
    created_after: AwareDatetime | None = None,
    created_before: AwareDatetime | None = None,
    sort: Annotated[
        Literal["created", "attention"],
        Query(description="Newest first; `attention`: first those whose deadline has passed."),
    ] = "created",
    page: Page = 1,
    page_size: PageSize = DEFAULT_PAGE_SIZE,
) -> Response:
    """List tickets, the newest first. A change does not move a ticket. Filters combine."""
    internal = caller.role is not Role.CUSTOMER
    async with services.database.begin() as session:
        whose = await _whose(session, caller, customer_id)
        wanted = TicketFilter(
            status=status,
            assigned_agent_id=assigned_agent_id,
            priority=priority,
            channel=channel,
            tag=tag,
            customer_id=whose,
            q=q or None,
            private=internal,
            breached=breached if internal else None,
            snoozed=snoozed if internal else None,
            created_after=created_after,
            created_before=created_before,
        )
        found = await ticket_lists.page(
            session,
            wanted,
            offset=(page - 1) * page_size,
            limit=page_size,
            breached_first=sort == "attention" and internal,
        )
        total = await ticket_lists.count(session, wanted)
        newest = await threads.newest_entries(
            session, [row.ticket.id for row in found], private=internal
        )
    return json_answer(
        TicketPage(
            tickets=[
                ticket_view(row, newest.get(row.ticket.id, ()), internal=internal) for row in found
            ],
            total_count=total,
            page=page,
            page_size=page_size,
        )
    )


@router.get(
    "/{ticket_id}",
    response_model=TicketView,
    dependencies=[EVERYBODY],
    responses=describe(TicketNotFound),
)
async def get_ticket(ref: Ref, caller: Caller, services: ServicesDep) -> Response:
    async with services.database.begin() as session:
        row = await _find(session, ref, caller)
        return json_answer(await _view(session, row, caller))


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
    dependencies=[EVERYBODY],
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
            attachments=[each.model_dump(mode="json") for each in body.attachments],
            metadata=body.metadata,
            source=once.source,
            external_id=once.key,
        )
        written = await tickets.write(session, row, draft, services.config.policy)
        if written.ticket_id != row.ticket.id:
            row = await tickets.find(session, written.ticket_id)
        view = await _view(session, row, caller)
        response = await once.answer(session, 200, view)
    _nudge(services, written)
    return response


@router.get(
    "/{ticket_id}/messages",
    response_model=list[TimelineEntry],
    dependencies=[EVERYBODY],
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
    internal = caller.role is not Role.CUSTOMER
    async with services.database.begin() as session:
        row = await _find(session, ref, caller)
        entries = await threads.entries(
            session, row.ticket.id, after_seq=after_seq, limit=limit, private=internal
        )
    return [timeline_entry(entry) for entry in entries]


@router.get(
    "/{ticket_id}/status",
    response_model=TicketStatusView,
    dependencies=[EVERYBODY],
    responses=describe(TicketNotFound),
)
async def get_ticket_status(ref: Ref, caller: Caller, services: ServicesDep) -> Response:
    """Whether somebody has answered; cheap enough to poll."""
    async with services.database.begin() as session:
        row = await _find(session, ref, caller)
        seq = row.thread.last_agent_seq
        reply = await threads.entry(session, row.ticket.id, seq) if seq is not None else None
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
        channel_identity=body.customer.channel_identity,
        origin_platform_id=body.source.origin_platform_id,
        is_bot_handoff=body.source.is_bot_handoff,
    )
    first = Draft(
        author=AuthorKind.CUSTOMER,
        author_id=str(customer.id),
        author_name=customer.name,
        content=body.initial_message,
        metadata=body.metadata,
        attachments=[each.model_dump(mode="json") for each in body.attachments],
        source=once.source,
        external_id=once.key,
    )
    return await tickets.open_ticket(session, new, first, services.config.policy)


async def _find(
    session: AsyncSession, ref: TicketRef, caller: Principal, *, lock: bool = False
) -> TicketRow:
    row = await tickets.find(session, ref, lock=lock)
    await require_access(session, caller, row)
    return row


async def _view(session: AsyncSession, row: TicketRow, caller: Principal) -> TicketView:
    internal = caller.role is not Role.CUSTOMER
    timeline = await threads.entries(session, row.ticket.id, limit=TIMELINE, private=internal)
    return ticket_view(row, timeline, internal=internal)


async def _fresh_view(services: ServicesDep, ticket_id: UUID, caller: Principal) -> TicketView:
    async with services.database.begin() as session:
        return await _view(session, await tickets.find(session, ticket_id), caller)


async def _change(
    services: ServicesDep, row: TicketRow, caller: Principal, commands: list[Command]
) -> None:
    if not row.thread.open:
        raise TicketIsClosed
    if commands:
        order = ChangeTicket(by=caller.id, commands=commands)
        await services.engine.change_ticket(row.ticket.id, order, cause=uuid4().hex)


async def _whose(session: AsyncSession, caller: Principal, customer_id: str | None) -> UUID | None:
    """Whose tickets are listed: customers see their own, whatever they ask for."""
    if caller.role is not Role.CUSTOMER:
        return parse_customer_id(customer_id) if customer_id else None
    own = await own_customer(session, caller)
    if customer_id is not None and (own is None or parse_customer_id(customer_id) != own.id):
        raise CustomerNotFound
    # A customer who has never written has no tickets, which is what an unused id has.
    return own.id if own else uuid4()


def _nudge(services: ServicesDep, written: Written, facts: NewTicketFacts | None = None) -> None:
    if written.entry.nudge:
        services.engine.nudge_soon(_thread(written.ticket_id), facts)


def _thread(ticket_id: UUID) -> ThreadRef:
    return ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
