"""Seed 004: the list of tickets, and what it can be narrowed to."""

from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import Query, Response
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import json_answer
from api.ownership import own_customer
from api.paging import DEFAULT_PAGE_SIZE, Page, PageSize
from api.routes import Routes
from api.services import ServicesDep
from api.views import TicketPage, ticket_view
from domain.errors import CustomerNotFound
from domain.ids import parse_customer_id
from domain.models import Channel, Priority, TicketStatus
from domain.principals import Principal, Role, Scope
from domain.text import IdText, ShortText, TagText
from store import reading, ticket_lists
from store.ticket_lists import TicketFilter

EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.TICKETS)

router = Routes(prefix="/api/tickets", tags=["Tickets"])


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
    internal = not caller.is_customer
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
        newest = await reading.newest_entries(
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


async def _whose(session: AsyncSession, caller: Principal, customer_id: str | None) -> UUID | None:
    """Whose tickets are listed: customers see their own, whatever they ask for."""
    if not caller.is_customer:
        return parse_customer_id(customer_id) if customer_id else None
    own = await own_customer(session, caller)
    if customer_id is not None and (own is None or parse_customer_id(customer_id) != own.id):
        raise CustomerNotFound
    # A customer who has never written has no tickets, which is what an unused id has.
    return own.id if own else uuid4()
