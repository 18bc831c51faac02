"""Customers, and by what names they are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import CustomerNotFound, UnknownCustomer
from domain.ids import new_id
from domain.models import Channel
from store.tables import Customer, CustomerIdentity


@dataclass(frozen=True, slots=True)
class Introduction:
    """All that a new ticket says of its customer; any of it may be missing.

    `customer_id` is the id of a known customer. `claimed_id` is that of one who may be new;
    who has it is asked for by nothing else.
    """

    channel: Channel
    customer_id: UUID | None = None
    claimed_id: UUID | None = None
    name: str | None = None
    email: str | None = None
    identities: tuple[str, ...] = ()


async def get(session: AsyncSession, customer_id: UUID) -> Customer:
    """Raises CustomerNotFound."""
    customer = await session.get(Customer, customer_id)
    if customer is None:
        raise CustomerNotFound
    return customer


async def find_by_email(session: AsyncSession, email: str) -> Customer | None:
    return await session.scalar(
        select(Customer).where(func.lower(Customer.email) == func.lower(email))
    )


async def find_by_identity(
    session: AsyncSession, channel: Channel, identity: str
) -> Customer | None:
    return await session.scalar(
        select(Customer)
        .join(CustomerIdentity, CustomerIdentity.customer_id == Customer.id)
        .where(CustomerIdentity.channel == channel, CustomerIdentity.identity == identity)
    )


async def has_identities(
    session: AsyncSession, customer_id: UUID, channel: Channel, identities: Sequence[str]
) -> bool:
    """Whether the customer is known by all of these names."""
    known = await session.scalar(
        select(func.count())
        .select_from(CustomerIdentity)
        .where(
            CustomerIdentity.customer_id == customer_id,
            CustomerIdentity.channel == channel,
            CustomerIdentity.identity.in_(identities),
        )
    )
    return known == len(set(identities))


async def meet(session: AsyncSession, introduction: Introduction) -> Customer:
    """Find the customer who is meant, or make a new one, and remember the new names.

    An id comes before an identity, and an identity before an e-mail. Requests that introduce
    the same person at the same time meet in one customer. Raises UnknownCustomer.
    """
    await _take_turns(session, introduction)
    customer = await _find(session, introduction)
    if customer is None:
        customer = Customer(id=introduction.claimed_id or new_id(), created_at=func.now())
        session.add(customer)
    await _complete(session, customer, introduction)
    await session.flush()
    await _remember(session, customer.id, introduction)
    return customer


async def correct(
    session: AsyncSession, customer: Customer, *, name: str | None, phone: str | None
) -> None:
    """Take over what somebody says anew of themselves; None leaves it."""
    customer.name = name or customer.name
    customer.phone = phone or customer.phone
    await session.flush()


async def _take_turns(session: AsyncSession, introduction: Introduction) -> None:
    names = {f"{introduction.channel}:{identity}" for identity in introduction.identities}
    if introduction.email:
        # The database folds letters, as its index does: Python folds some of them otherwise.
        names.add(f"email:{await session.scalar(select(func.lower(introduction.email)))}")
    if introduction.claimed_id:
        names.add(f"id:{introduction.claimed_id}")
    # In one order for all, so that two who know the same names never wait for each other.
    for name in sorted(names):
        await session.execute(_TURN, {"name": name})


async def _find(session: AsyncSession, introduction: Introduction) -> Customer | None:
    if introduction.customer_id is not None:
        customer = await session.get(Customer, introduction.customer_id)
        if customer is None:
            raise UnknownCustomer
        return customer
    if introduction.claimed_id is not None:
        return await session.get(Customer, introduction.claimed_id)
    for identity in introduction.identities:
        customer = await find_by_identity(session, introduction.channel, identity)
        if customer is not None:
            return customer
    return await find_by_email(session, introduction.email) if introduction.email else None


async def _complete(session: AsyncSession, customer: Customer, introduction: Introduction) -> None:
    if introduction.name and not customer.name:
        customer.name = introduction.name
    if introduction.email and not customer.email:
        taken = await find_by_email(session, introduction.email)
        if taken is None:
            customer.email = introduction.email


async def _remember(session: AsyncSession, customer_id: UUID, introduction: Introduction) -> None:
    if introduction.identities:
        await session.execute(
            insert(CustomerIdentity)
            .values(
                [
                    {
                        "channel": introduction.channel,
                        "identity": identity,
                        "customer_id": customer_id,
                    }
                    for identity in introduction.identities
                ]
            )
            .on_conflict_do_nothing()
        )


_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 1))")
