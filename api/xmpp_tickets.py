"""Seed 001: tickets of people who write over XMPP."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import Attempt, Once, json_answer
from api.ownership import own_customer
from api.paging import DEFAULT_PAGE_SIZE, TOTAL_COUNT, Page, PageSize, describe_total
from api.routes import Routes
from api.services import Services, ServicesDep
from api.tickets import Ref, nudge
from api.xmpp_access import (
    as_customer,
    author_of,
    facts_of,
    find_xmpp_ticket,
    meet_jid,
    noted,
    pace_of,
    require_jid,
    require_jid_of,
    said_by,
)
from api.xmpp_bodies import CreateXmppTicket, JidText, SendXmppMessage
from api.xmpp_views import (
    CreatedXmppTicket,
    SentXmppMessage,
    SyncedXmppTicket,
    XmppStatus,
    XmppTicket,
    created_ticket,
    sent_message,
    status_word,
    statuses_of,
    synced_message,
    xmpp_ticket,
)
from channels.jids import bare_jid, parse_jid
from domain.errors import IdempotencyKeyReused, TicketIsClosed, TicketNotFound
from domain.models import Channel
from domain.principals import Principal, Role, Scope
from domain.subjects import subject_of
from store import reading, ticket_lists, tickets
from store.ticket_lists import TicketFilter
from store.tickets import NewTicket, TicketRow, Written

EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.XMPP)

router = Routes(prefix="/api/v1/xmpp/tickets", tags=["XMPP: tickets"])


@router.post(
    "",
    response_model=CreatedXmppTicket,
    dependencies=[EVERYBODY],
    responses=describe(IdempotencyKeyReused),
)
async def create_xmpp_ticket(
    body: CreateXmppTicket, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Open a new ticket of a JID, whose replies are fetched by `…/sync`.

    A customer's token opens tickets for the JIDs by which its customer is known, and for the one
    that is its `email`; anybody else's JID is 403.
    """
    jid = parse_jid(body.jid)
    await services.count_message(caller, on_behalf_of=pace_of(jid.bare))
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        written = await _open(session, body, caller, services, once)
        row = await tickets.find(session, written.ticket_id)
        response = await once.answer(session, 200, created_ticket(row))
    nudge(services, written, facts_of(row))
    return response


@router.get(
    "",
    dependencies=[EVERYBODY],
    responses=describe_total("How many there are on all pages."),
)
async def list_xmpp_tickets(
    caller: Caller,
    services: ServicesDep,
    response: Response,
    jid: Annotated[JidText | None, Query(description="Bare or full.")] = None,
    status: XmppStatus | None = None,
    limit: PageSize = DEFAULT_PAGE_SIZE,
    page: Page = 1,
) -> list[XmppTicket]:
    """The newest first. Customers see their own."""
    statuses = statuses_of(status) if status else None
    async with services.database.begin() as session:
        own = await own_customer(session, caller) if caller.is_customer else None
        if caller.is_customer and own is None:
            response.headers[TOTAL_COUNT] = "0"
            return []
        wanted = TicketFilter(
            channel=Channel.XMPP,
            channel_identity=bare_jid(jid) if jid else None,
            customer_id=own.id if own else None,
            statuses=statuses,
        )
        found = await ticket_lists.page(session, wanted, offset=(page - 1) * limit, limit=limit)
        total = await ticket_lists.count(session, wanted)
        ids = [row.ticket.id for row in found]
        newest = await reading.newest_entries(session, ids, private=False)
    response.headers[TOTAL_COUNT] = str(total)
    return [xmpp_ticket(row, next(iter(newest.get(row.ticket.id, ())), None)) for row in found]


@router.post(
    "/{ticket_id}/messages",
    response_model=SentXmppMessage,
    dependencies=[EVERYBODY],
    responses=describe(TicketNotFound, TicketIsClosed, IdempotencyKeyReused),
)
async def send_xmpp_message(
    ref: Ref, body: SendXmppMessage, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Write into a ticket.

    A customer's token, a service key and an admin write what the customer says; an agent's token
    writes the agent's own reply. A `jid` that is not the ticket's customer's is 404; a customer's
    token that names somebody else's, 403. What a customer writes into a closed ticket goes into
    the one that follows it, see `ticket_id`.
    """
    is_reply = caller.role is Role.AGENT
    jid = parse_jid(body.jid) if body.jid is not None else None
    whose = None if is_reply else pace_of(jid.bare if jid else ref)
    await services.count_message(caller, on_behalf_of=whose)
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        row = await _find_for(session, ref, body, caller)
        metadata = {} if is_reply else noted(jid)
        draft = said_by(author_of(caller, row), body.content, once, metadata)
        written = await tickets.write(session, row, draft, services.config.policy)
        response = await once.answer(session, 200, sent_message(written))
    nudge(services, written)
    return response


@router.get(
    "/{ticket_id}/sync",
    response_model=SyncedXmppTicket,
    dependencies=[EVERYBODY],
    responses=describe(TicketNotFound),
)
async def sync_xmpp_ticket(
    ref: Ref,
    caller: Caller,
    services: ServicesDep,
    after_seq: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """A ticket and its public messages in their order: the newest `limit`, or the first that
    follow `after_seq`."""
    async with services.database.begin() as session:
        row = await find_xmpp_ticket(session, ref, caller)
        found = await reading.entries(
            session, row.ticket.id, after_seq=after_seq, limit=limit, private=False, events=False
        )
    return json_answer(
        SyncedXmppTicket(
            ticket_id=row.ticket.id,
            status=status_word(row.ticket.status),
            subject=row.ticket.subject,
            messages=[synced_message(entry) for entry in found],
            updated_at=row.thread.updated_at,
        )
    )


async def _open(
    session: AsyncSession,
    body: CreateXmppTicket,
    caller: Principal,
    services: Services,
    once: Attempt,
) -> Written:
    jid = parse_jid(body.jid)
    customer = await meet_jid(session, caller, jid)
    new = NewTicket(
        customer_id=customer.id,
        channel=Channel.XMPP,
        subject=subject_of(body.message, jid.bare),
        channel_identity=jid.bare,
    )
    author = as_customer(customer, jid.bare)
    first = said_by(author, body.message, once, noted(jid, body.resource))
    return await tickets.open_ticket(session, new, first, services.config.policy)


async def _find_for(
    session: AsyncSession, ref: Ref, body: SendXmppMessage, caller: Principal
) -> TicketRow:
    """The ticket, locked, for somebody who writes as `body.jid`."""
    row = await find_xmpp_ticket(session, ref, caller, lock=True)
    if body.jid is not None:
        jid = parse_jid(body.jid)
        await require_jid(session, caller, jid)
        if not caller.is_customer:
            await require_jid_of(session, row, jid)
    return row
