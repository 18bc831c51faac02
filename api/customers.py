"""Seed 004: customers."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.errors import describe
from api.ownership import own_customer
from api.routes import Routes
from api.services import ServicesDep
from api.views import CustomerTicket, CustomerView, customer_ticket
from domain.errors import CustomerNotFound
from domain.ids import customer_id_text, parse_customer_id
from domain.principals import Principal, Role, Scope
from store import customers, ticket_lists
from store.tables import Customer
from store.ticket_lists import TicketFilter

EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.TICKETS)
CustomerId = Annotated[str, Path(description="`cust_…`")]

router = Routes(prefix="/api/customers", tags=["Customers"])


@router.get("/{customer_id}", dependencies=[EVERYBODY], responses=describe(CustomerNotFound))
async def get_customer(
    customer_id: CustomerId, caller: Caller, services: ServicesDep
) -> CustomerView:
    async with services.database.begin() as session:
        customer = await _find(session, parse_customer_id(customer_id), caller)
    return CustomerView(
        customer_id=customer_id_text(customer.id),
        status="active",
        name=customer.name,
        primary_email=customer.email,
        created_at=customer.created_at,
    )


@router.get(
    "/{customer_id}/tickets", dependencies=[EVERYBODY], responses=describe(CustomerNotFound)
)
async def list_customer_tickets(
    customer_id: CustomerId,
    caller: Caller,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> list[CustomerTicket]:
    """A customer's newest tickets, the newest first."""
    async with services.database.begin() as session:
        customer = await _find(session, parse_customer_id(customer_id), caller)
        wanted = TicketFilter(customer_id=customer.id)
        found = await ticket_lists.page(session, wanted, offset=0, limit=limit)
    return [customer_ticket(row) for row in found]


async def _find(session: AsyncSession, customer_id: UUID, caller: Principal) -> Customer:
    customer = await customers.get(session, customer_id)
    if caller.is_customer:
        own = await own_customer(session, caller)
        if own is None or own.id != customer.id:
            raise CustomerNotFound
    return customer
