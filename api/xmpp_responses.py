"""Seed 000: which XMPP tickets wait for an answer, and answering them."""

from typing import Annotated

from fastapi import Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import Once
from api.ownership import Author, author_of
from api.paging import Page
from api.routes import Routes
from api.services import ServicesDep
from api.ticket_bodies import AddMessage
from api.tickets import Ref, nudge
from api.xmpp_access import find_xmpp_ticket, noted, said_by
from api.xmpp_bodies import RespondToTicket
from api.xmpp_views import SUPPORT, PendingTicket, Responded, pending_ticket
from domain.errors import IdempotencyKeyReused, TicketIsClosed, TicketNotFound, UnknownAgent
from domain.ids import message_id_text
from domain.models import AuthorKind
from domain.principals import Principal, Role, Scope
from store import reading, tickets, xmpp_desk
from store.tickets import TicketRow

STAFF = allow(Role.AGENT, Role.ADMIN, Scope.XMPP)

router = Routes(prefix="/api/v1/tickets", tags=["XMPP: webhooks and polling"])


@router.get("/pending-responses", dependencies=[STAFF])
async def list_pending_responses(
    services: ServicesDep, page: Page = 1, limit: Annotated[int, Query(ge=1, le=100)] = 100
) -> list[PendingTicket]:
    """All XMPP tickets that are not closed and whose last public message is the customer's,
    the newest ticket first."""
    async with services.database.begin() as session:
        found = await xmpp_desk.awaiting(session, offset=(page - 1) * limit, limit=limit)
        newest = await reading.newest_entries(
            session,
            [row.ticket.id for row in found],
            private=False,
            author=AuthorKind.CUSTOMER,
        )
    return [pending_ticket(row, entry) for row in found for entry in newest.get(row.ticket.id, ())]


@router.post(
    "/{ticket_id}/respond",
    response_model=Responded,
    dependencies=[STAFF],
    responses=describe(TicketNotFound, TicketIsClosed, IdempotencyKeyReused, UnknownAgent),
)
async def respond_to_ticket(
    ref: Ref, body: RespondToTicket, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Reply to the customer of any XMPP ticket. How the reply gets there is the ticket's matter:
    by the bridge, or fetched by the polling client."""
    sent_at = body.timestamp.isoformat() if body.timestamp else None
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        row = await find_xmpp_ticket(session, ref, caller, lock=True)
        author = await _replier(session, caller, body, row)
        draft = said_by(author, body.response, once, noted(None, sent_at=sent_at))
        written = await tickets.write(session, row, draft, services.config.policy)
        told = Responded(
            status="ok",
            ticket_id=row.ticket.number,
            message="Response sent",
            message_id=message_id_text(written.entry.id),
        )
        response = await once.answer(session, 200, told)
    nudge(services, written)
    return response


async def _replier(
    session: AsyncSession, caller: Principal, body: RespondToTicket, row: TicketRow
) -> Author:
    if caller.role is Role.SERVICE and body.agent_id is None:
        # Customers have no use for the name of a key.
        return Author(AuthorKind.AGENT, None, SUPPORT)
    reply = AddMessage(content=body.response, sender_type=AuthorKind.AGENT, agent_id=body.agent_id)
    return await author_of(session, caller, reply, row.customer)
