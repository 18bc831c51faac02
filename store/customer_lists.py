"""Finding customers: those who can still be somebody, neither merged nor erased."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, String, cast, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from domain.models import Channel
from store import customers
from store.tables import Customer, CustomerIdentity

_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class CustomerFilter:
    """What is not None has to hold. `q` is the beginning of a name or an e-mail address."""

    q: str | None = None
    channel: Channel | None = None
    identities: frozenset[str] | None = None
    """They are known by one of them."""
    email: str | None = None
    phone: str | None = None


async def page(
    session: AsyncSession, wanted: CustomerFilter, *, offset: int, limit: int
) -> Sequence[Customer]:
    """The newest first. A change does not move anybody."""
    query = (
        select(Customer)
        .where(*await _conditions(session, wanted))
        .order_by(Customer.created_at.desc(), Customer.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def count(session: AsyncSession, wanted: CustomerFilter) -> int:
    query = select(func.count()).select_from(Customer)
    query = query.where(*await _conditions(session, wanted))
    return (await session.execute(query)).scalar_one()


async def identities_of(
    session: AsyncSession, customer_ids: Sequence[UUID]
) -> dict[UUID, list[CustomerIdentity]]:
    query = (
        select(CustomerIdentity)
        .where(CustomerIdentity.customer_id.in_(customer_ids))
        .order_by(CustomerIdentity.channel, CustomerIdentity.identity)
    )
    found: dict[UUID, list[CustomerIdentity]] = {each: [] for each in customer_ids}
    for identity in await session.scalars(query):
        found[identity.customer_id].append(identity)
    return found


async def _conditions(session: AsyncSession, wanted: CustomerFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        Customer.merged_into.is_(None),
        Customer.erased_at.is_(None),
    ]
    if wanted.q is not None:
        conditions.append(_begins(Customer.name, wanted.q) | _begins(Customer.email, wanted.q))
    if wanted.email is not None:
        # It may be that of somebody who was merged into the one who is meant.
        owner = await customers.find_by_email(session, wanted.email)
        conditions.append(Customer.id == (owner.id if owner else None))
    if wanted.phone is not None:
        conditions.append(Customer.phone == wanted.phone)
    if wanted.channel is not None or wanted.identities is not None:
        known = select(CustomerIdentity.customer_id).where(
            # All of them, for the index begins with the channel.
            CustomerIdentity.channel.in_([wanted.channel] if wanted.channel else list(Channel))
        )
        if wanted.identities is not None:
            known = known.where(CustomerIdentity.identity.in_(wanted.identities))
        conditions.append(Customer.id.in_(known))
    return conditions


def _begins(column: InstrumentedAttribute[str | None], prefix: str) -> ColumnElement[bool]:
    """In operators for which an index is used whatever the prefix: LIKE has to know it first."""
    folded, first = func.lower(column), func.lower(cast(literal(prefix), String))
    last = first.op("||")(literal(_LAST_CHARACTER))
    return folded.bool_op("~>=~")(first) & folded.bool_op("~<~")(last)
