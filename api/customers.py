"""Seed 004: customers."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.customer_bodies import (
    AddIdentity,
    CustomerPage,
    UpdateCustomer,
    customer_view,
    spellings,
)
from api.errors import describe
from api.idempotency import Once, json_answer
from api.ownership import own_customer
from api.paging import DEFAULT_PAGE_SIZE, Page, PageSize
from api.routes import Routes
from api.services import ServicesDep
from api.ticket_bodies import address_on
from api.views import CustomerTicket, CustomerView, customer_ticket
from channels.jids import InvalidJid
from domain.errors import (
    CustomerIsErased,
    CustomerIsMerged,
    CustomerNotFound,
    EmailTaken,
    IdempotencyKeyReused,
    IdentityNotFound,
    IdentityTaken,
    InsufficientPermissions,
    NothingToUpdate,
)
from domain.ids import parse_customer_id
from domain.models import Channel
from domain.principals import Principal, Role, Scope
from domain.text import EmailText, ShortText
from store import customer_changes, customer_lists, customers, ticket_lists
from store.customer_lists import CustomerFilter
from store.tables import Customer
from store.ticket_lists import TicketFilter

STAFF = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.TICKETS)
CustomerId = Annotated[str, Path(description="`cust_…`")]
_OF_CUSTOMERS = {"name", "phone"}
"""What they may change of themselves: by their e-mail address their tokens are known."""

router = Routes(prefix="/api/customers", tags=["Customers"])


@router.get("", include_in_schema=False, response_model=CustomerPage, dependencies=[STAFF])
@router.get("/", response_model=CustomerPage, dependencies=[STAFF])
async def list_customers(
    services: ServicesDep,
    q: Annotated[
        ShortText | None, Query(description="How a name or an e-mail address begins.")
    ] = None,
    channel: Annotated[Channel | None, Query(description="On which they are known.")] = None,
    identity: ShortText | None = None,
    email: EmailText | None = None,
    phone: ShortText | None = None,
    page: Page = 1,
    page_size: PageSize = DEFAULT_PAGE_SIZE,
) -> Response:
    """List customers, the newest first; merged and erased ones are left out. Filters combine."""
    known_as = spellings(identity, channel) if identity else None
    wanted = CustomerFilter(q or None, channel, known_as, email or None, phone or None)
    async with services.database.begin() as session:
        found = await customer_lists.page(
            session, wanted, offset=(page - 1) * page_size, limit=page_size
        )
        total = await customer_lists.count(session, wanted)
        known = await customer_lists.identities_of(session, [each.id for each in found])
    return json_answer(
        CustomerPage(
            customers=[customer_view(each, known[each.id]) for each in found],
            total_count=total,
            page=page,
            page_size=page_size,
        )
    )


@router.get("/{customer_id}", dependencies=[EVERYBODY], responses=describe(CustomerNotFound))
async def get_customer(
    customer_id: CustomerId, caller: Caller, services: ServicesDep
) -> CustomerView:
    async with services.database.begin() as session:
        wanted = parse_customer_id(customer_id)
        if caller.is_customer:
            return customer_view(await find_visible(session, wanted, caller), None)
        return await _shown(session, await customers.find(session, wanted))


@router.patch(
    "/{customer_id}",
    dependencies=[EVERYBODY],
    responses=describe(
        CustomerNotFound, NothingToUpdate, EmailTaken, CustomerIsMerged, CustomerIsErased
    ),
)
async def update_customer(
    customer_id: CustomerId, body: UpdateCustomer, caller: Caller, services: ServicesDep
) -> CustomerView:
    """Change what a customer is called. Customers may change their own name and phone."""
    changes = body.changes
    async with services.database.begin() as session:
        wanted = parse_customer_id(customer_id)
        if caller.is_customer:
            wanted = (await find_visible(session, wanted, caller)).id
            if not changes.keys() <= _OF_CUSTOMERS:
                raise InsufficientPermissions
        customer = await customer_changes.change(session, wanted, changes)
        return (
            customer_view(customer, None) if caller.is_customer else await _shown(session, customer)
        )


@router.post(
    "/{customer_id}/identities",
    status_code=201,
    response_model=CustomerView,
    dependencies=[STAFF],
    responses=describe(
        CustomerNotFound, IdentityTaken, CustomerIsMerged, CustomerIsErased, IdempotencyKeyReused
    ),
)
async def add_identity(
    customer_id: CustomerId, body: AddIdentity, services: ServicesDep, once: Once
) -> Response:
    """Say by what name a channel knows the customer: what comes from there is theirs."""
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        customer = await customer_changes.add_identity(
            session, parse_customer_id(customer_id), body.channel, body.identity
        )
        return await once.answer(session, 201, await _shown(session, customer))


@router.delete(
    "/{customer_id}/identities/{channel}/{identity:path}",
    dependencies=[STAFF],
    responses=describe(CustomerNotFound, IdentityNotFound, CustomerIsMerged, CustomerIsErased),
)
async def remove_identity(
    customer_id: CustomerId,
    channel: Channel,
    identity: Annotated[str, Path(description="Percent-encoded.")],
    services: ServicesDep,
) -> CustomerView:
    """The customer is not known by this name any more: who comes under it is somebody else."""
    try:
        name = address_on(channel, identity)
    except InvalidJid:
        raise IdentityNotFound from None
    async with services.database.begin() as session:
        customer = await customer_changes.remove_identity(
            session, parse_customer_id(customer_id), channel, name
        )
        return await _shown(session, customer)


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
        customer = await find_visible(session, parse_customer_id(customer_id), caller)
        wanted = TicketFilter(customer_id=customer.id)
        found = await ticket_lists.page(session, wanted, offset=0, limit=limit)
    return [customer_ticket(row) for row in found]


async def find_visible(session: AsyncSession, customer_id: UUID, caller: Principal) -> Customer:
    """The customer with this id, or whoever they were merged into; customers see themselves.

    Raises CustomerNotFound.
    """
    customer = await customers.get(session, customer_id)
    if caller.is_customer:
        own = await own_customer(session, caller)
        if own is None or own.id != customer.id:
            raise CustomerNotFound
    return customer


async def _shown(session: AsyncSession, customer: Customer) -> CustomerView:
    return customer_view(customer, await customers.identities(session, customer.id))
