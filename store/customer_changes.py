"""What is changed about a customer: what they are called, and by what names they are known."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import (
    CustomerIsErased,
    CustomerIsMerged,
    CustomerNotFound,
    EmailTaken,
    IdentityNotFound,
    IdentityTaken,
)
from domain.models import Channel
from store import customers
from store.customers import Introduction
from store.tables import Customer, CustomerIdentity


async def change(
    session: AsyncSession, customer_id: UUID, changes: Mapping[str, str | None]
) -> Customer:
    """Write `name`, `email` and `phone`, those that are given; None clears.

    Raises EmailTaken and what `_lock` raises.
    """
    email = changes.get("email")
    if email is not None:
        await customers.take_turns(session, Introduction(Channel.EMAIL, email=email))
    customer = await _lock(session, customer_id)
    if email is not None:
        await _free(session, email, customer)
    for name, value in changes.items():
        setattr(customer, name, value)
    await session.flush()
    return customer


async def add_identity(
    session: AsyncSession, customer_id: UUID, channel: Channel, identity: str
) -> Customer:
    """Raises IdentityTaken and what `_lock` raises."""
    introduction = Introduction(channel, identities=(identity,))
    await customers.take_turns(session, introduction)
    customer = await _lock(session, customer_id)
    owner = await customers.find_by_identity(session, channel, identity)
    if owner is not None and owner.id != customer.id:
        raise IdentityTaken
    await customers.remember(session, customer.id, introduction)
    return customer


async def remove_identity(
    session: AsyncSession, customer_id: UUID, channel: Channel, identity: str
) -> Customer:
    """Raises IdentityNotFound and what `_lock` raises."""
    customer = await _lock(session, customer_id)
    removed = await session.scalar(
        delete(CustomerIdentity)
        .where(
            CustomerIdentity.customer_id == customer.id,
            CustomerIdentity.channel == channel,
            CustomerIdentity.identity == identity,
        )
        .returning(CustomerIdentity.identity)
    )
    if removed is None:
        raise IdentityNotFound
    return customer


async def _free(session: AsyncSession, email: str, customer: Customer) -> None:
    """Raises EmailTaken."""
    owner = await customers.find_owner_of(session, email)
    if owner is None or owner.id == customer.id:
        return
    if (await customers.get(session, owner.id)).id != customer.id:
        raise EmailTaken
    # It is that of somebody who was merged into this very customer.
    owner.email = None
    await session.flush()


async def _lock(session: AsyncSession, customer_id: UUID) -> Customer:
    """Raises CustomerNotFound, CustomerIsMerged and CustomerIsErased."""
    customer = await session.scalar(
        select(Customer)
        .where(Customer.id == customer_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if customer is None:
        raise CustomerNotFound
    if customer.erased_at is not None:
        raise CustomerIsErased
    if customer.merged_into is not None:
        raise CustomerIsMerged
    return customer
