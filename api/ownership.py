"""Whose ticket it is, and who writes into it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.ticket_bodies import AddMessage, CreateTicket
from domain.errors import (
    CustomerNotFound,
    InsufficientPermissions,
    InvalidRequest,
    TicketNotFound,
    UnknownAgent,
    UnknownCustomer,
)
from domain.ids import customer_id_from_subject, parse_customer_id
from domain.models import AuthorKind, Channel, Visibility
from domain.principals import Principal, Role
from store import agents, customers
from store.customers import Introduction
from store.tables import Customer
from store.tickets import TicketRow


@dataclass(frozen=True, slots=True)
class Author:
    kind: AuthorKind
    id: str | None
    name: str | None


async def own_customer(session: AsyncSession, caller: Principal) -> Customer | None:
    """The customer for whom a customer's token speaks, if there is one yet.

    The one whose id is its `sub`, or whose e-mail is its `email`.
    """
    if caller.email and not caller.id.startswith("cust_"):
        return await customers.find_by_email(session, caller.email)
    return await customers.find_claimed(session, customer_id_from_subject(caller.id))


async def require_access(session: AsyncSession, caller: Principal, row: TicketRow) -> None:
    """Other people's tickets do not exist. Raises TicketNotFound."""
    if caller.is_customer:
        own = await own_customer(session, caller)
        # While they are being merged, a ticket may still be in the old name.
        if own is None or own.id not in (row.customer.id, row.customer.merged_into):
            raise TicketNotFound


async def meet_customer(session: AsyncSession, caller: Principal, body: CreateTicket) -> Customer:
    """The customer of a new ticket: for customers themselves, for others whom the body names.

    Raises InsufficientPermissions when a customer names somebody else, and UnknownCustomer.
    """
    if caller.is_customer:
        return await _meet_caller(session, caller, body)
    named = body.customer
    return await customers.meet(
        session,
        Introduction(
            channel=body.source.channel,
            customer_id=_known_id(named.internal_id) if named.internal_id else None,
            name=named.name,
            email=named.primary_email,
            identities=body.identities,
        ),
    )


async def meet_caller(
    session: AsyncSession, caller: Principal, channel: Channel, name: str | None
) -> Customer:
    """The customer for whom a customer's token speaks, who may be new.

    `name` is for one whose token says none.
    """
    by_email = bool(caller.email) and not caller.id.startswith("cust_")
    return await customers.meet(
        session,
        Introduction(
            channel=channel,
            claimed_id=None if by_email else customer_id_from_subject(caller.id),
            name=caller.name or name,
            email=caller.email or None,
        ),
    )


async def author_of(
    session: AsyncSession, caller: Principal, body: AddMessage, customer: Customer
) -> Author:
    """Who writes a message: the token says so, and back ends and admins may say otherwise.

    Raises InsufficientPermissions, UnknownAgent, and InvalidRequest for what nobody may write.
    """
    kind = body.sender_type or _kind_of(caller)
    if not caller.acts_for_others:
        foreign_agent = body.agent_id is not None and body.agent_id != caller.id
        if kind is not _kind_of(caller) or foreign_agent:
            raise InsufficientPermissions
        if kind is AuthorKind.CUSTOMER and body.visibility is Visibility.PRIVATE:
            raise InsufficientPermissions
    match kind:
        case AuthorKind.SYSTEM:
            raise InvalidRequest("System entries are written by Holdfast itself.")
        case AuthorKind.CUSTOMER if body.visibility is Visibility.PRIVATE:
            raise InvalidRequest("A customer's message cannot be private.")
        case AuthorKind.CUSTOMER:
            return Author(kind, str(customer.id), customer.name)
        case AuthorKind.AI:
            return Author(kind, None, "AI Assistant")
        case AuthorKind.AGENT:
            return await _agent(session, caller, body.agent_id)


async def require_agent(session: AsyncSession, agent_id: str) -> None:
    """Raises UnknownAgent."""
    if not await agents.exists(session, agent_id):
        raise UnknownAgent


async def _agent(session: AsyncSession, caller: Principal, agent_id: str | None) -> Author:
    if agent_id is None or agent_id == caller.id:
        is_person = caller.role is not Role.SERVICE
        return Author(AuthorKind.AGENT, caller.id if is_person else None, caller.name or None)
    agent = await agents.get(session, agent_id)
    if agent is None:
        raise UnknownAgent
    return Author(AuthorKind.AGENT, agent.id, agent.name)


async def _meet_caller(session: AsyncSession, caller: Principal, body: CreateTicket) -> Customer:
    own = await own_customer(session, caller)
    email = body.customer.primary_email
    if email and email.lower() != (caller.email or (own and own.email) or "").lower():
        raise InsufficientPermissions
    if body.customer.internal_id and (
        own is None or await _whom(session, body.customer.internal_id) != own.id
    ):
        raise InsufficientPermissions
    if body.identities and (
        own is None
        or not await customers.has_identities(session, own.id, body.source.channel, body.identities)
    ):
        # Answers would go to that address: nobody may name one that is not known as theirs.
        raise InsufficientPermissions
    return await meet_caller(session, caller, body.source.channel, body.customer.name)


def _kind_of(caller: Principal) -> AuthorKind:
    return AuthorKind.CUSTOMER if caller.is_customer else AuthorKind.AGENT


async def _whom(session: AsyncSession, customer_id: str) -> UUID | None:
    """Who has this id by now."""
    customer = await customers.find_claimed(session, _known_id(customer_id))
    return customer.id if customer else None


def _known_id(text: str) -> UUID:
    try:
        return parse_customer_id(text)
    except CustomerNotFound:
        raise UnknownCustomer from None
