"""Customers, and by what names they are known.

Somebody who was merged into another is that other person for everybody who acts or is looked for;
the old row only says so (`find`). Whoever was erased is nobody: who comes with an old token is new.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import CustomerNotFound, UnknownCustomer
from domain.ids import customer_id_after, new_id
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
    """The customer with this id, or the one into whom they were merged.

    Raises CustomerNotFound.
    """
    return await _follow(session, await find(session, customer_id))


async def find(session: AsyncSession, customer_id: UUID) -> Customer:
    """The customer with this id, merged or not. Raises CustomerNotFound."""
    customer = await session.get(Customer, customer_id)
    if customer is None:
        raise CustomerNotFound
    return customer


async def find_claimed(session: AsyncSession, customer_id: UUID) -> Customer | None:
    """For whom a token with this id speaks by now, if there is such a customer."""
    return (await _claim(session, customer_id))[0]


async def merged_with(session: AsyncSession, customer_id: UUID) -> list[UUID]:
    """The customer, and all who were merged into them."""
    return list(await session.scalars(_MERGED, {"id": customer_id}))


async def find_owner_of(session: AsyncSession, email: str) -> Customer | None:
    """Who has this address, merged or not."""
    return await session.scalar(
        select(Customer).where(func.lower(Customer.email) == func.lower(email))
    )


async def find_by_email(session: AsyncSession, email: str) -> Customer | None:
    found = await find_owner_of(session, email)
    return await _follow(session, found) if found else None


async def find_by_identity(
    session: AsyncSession, channel: Channel, identity: str
) -> Customer | None:
    found = await session.scalar(
        select(Customer)
        .join(CustomerIdentity, CustomerIdentity.customer_id == Customer.id)
        .where(CustomerIdentity.channel == channel, CustomerIdentity.identity == identity)
    )
    return await _follow(session, found) if found else None


async def _follow(session: AsyncSession, customer: Customer) -> Customer:
    while customer.merged_into is not None:
        customer = await find(session, customer.merged_into)
    return customer


async def _claim(session: AsyncSession, customer_id: UUID) -> tuple[Customer | None, UUID]:
    """The customer whom a token with this id names, or the id of one who would be new."""
    while (named := await session.get(Customer, customer_id)) is not None:
        customer = await _follow(session, named)
        if customer.erased_at is None:
            return customer, customer.id
        customer_id = customer_id_after(customer_id)
    return None, customer_id


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
    await take_turns(session, introduction)
    await _look_again(session)
    customer = await _find(session, introduction)
    if customer is None:
        claimed_id = introduction.claimed_id
        new = (await _claim(session, claimed_id))[1] if claimed_id else new_id()
        customer = Customer(id=new, created_at=func.now())
        session.add(customer)
    await _complete(session, customer, introduction)
    await session.flush()
    await remember(session, customer.id, introduction)
    return customer


async def identities(session: AsyncSession, customer_id: UUID) -> Sequence[CustomerIdentity]:
    query = (
        select(CustomerIdentity)
        .where(CustomerIdentity.customer_id == customer_id)
        .order_by(CustomerIdentity.channel, CustomerIdentity.identity)
    )
    return (await session.scalars(query)).all()


async def remember(session: AsyncSession, customer_id: UUID, introduction: Introduction) -> None:
    """Note the names of a customer that nobody else has."""
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


async def take_turns(session: AsyncSession, introduction: Introduction) -> None:
    """Until the transaction ends, nobody else meets somebody by one of these names."""
    names = {f"{introduction.channel}:{identity}" for identity in introduction.identities}
    if introduction.email:
        # The database folds letters, as its index does: Python folds some of them otherwise.
        names.add(f"email:{await session.scalar(select(func.lower(introduction.email)))}")
    known_id = introduction.claimed_id or introduction.customer_id
    if known_id:
        names.add(f"id:{known_id}")
    # In one order for all, so that two who know the same names never wait for each other.
    for name in sorted(names):
        await session.execute(_TURN, {"name": name})


async def take_turn_of(session: AsyncSession, *people: UUID) -> None:
    """Until the transaction ends, nobody meets these customers, by whatever name.

    Raises BeingNamed where they get another name in this very moment: then it has to be tried
    again, in another transaction.
    """
    names = await _names_of(session, people)
    for name in sorted(names):
        await session.execute(_TURN, {"name": name})
    # In the order of their ids, as all do who lock more than one.
    locked = select(Customer.id).where(Customer.id.in_(people)).order_by(Customer.id)
    await session.execute(locked.with_for_update(key_share=True))
    if not await _names_of(session, people) <= names:
        raise BeingNamed
    session.expire_all()


class BeingNamed(Exception):
    """A customer gets another name in this very moment."""


async def correct(
    session: AsyncSession, customer: Customer, *, name: str | None, phone: str | None
) -> None:
    """Take over what somebody says anew of themselves; None leaves it."""
    customer.name = name or customer.name
    customer.phone = phone or customer.phone
    await session.flush()


async def _find(session: AsyncSession, introduction: Introduction) -> Customer | None:
    if introduction.customer_id is not None:
        named = await session.get(Customer, introduction.customer_id)
        customer = await _follow(session, named) if named else None
        if customer is None or customer.erased_at is not None:
            raise UnknownCustomer
        return customer
    if introduction.claimed_id is not None:
        return await _find_claimed(session, introduction.claimed_id)
    for identity in introduction.identities:
        customer = await find_by_identity(session, introduction.channel, identity)
        if customer is not None:
            return customer
    return await find_by_email(session, introduction.email) if introduction.email else None


async def _find_claimed(session: AsyncSession, claimed_id: UUID) -> Customer | None:
    customer = await find_claimed(session, claimed_id)
    if customer is None or customer.id == claimed_id:
        return customer
    # Somebody may be merging or erasing the one who has come to be meant.
    await session.execute(_TURN, {"name": f"id:{customer.id}"})
    await _look_again(session)
    return await find_claimed(session, claimed_id)


async def _look_again(session: AsyncSession) -> None:
    """What was known of people before it was one's turn may not be so any more."""
    for known in list(session.identity_map.values()):
        if isinstance(known, Customer):
            await session.refresh(known)


async def _complete(session: AsyncSession, customer: Customer, introduction: Introduction) -> None:
    if introduction.name and not customer.name:
        customer.name = introduction.name
    if introduction.email and not customer.email:
        taken = await find_by_email(session, introduction.email)
        if taken is None:
            customer.email = introduction.email


async def _names_of(session: AsyncSession, people: Sequence[UUID]) -> set[str]:
    """By what these people, and those who were merged into them, are met; as `take_turns` calls
    it."""
    return set(await session.scalars(_NAMES, {"people": list(people)}))


_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 1))")
_MERGED = text(
    """
    WITH RECURSIVE same AS (
        SELECT id FROM customers WHERE id = :id
        UNION
        SELECT customers.id FROM customers JOIN same ON merged_into = same.id
    )
    SELECT id FROM same
    """
)
_NAMES = text(
    """
    WITH RECURSIVE same AS (
        SELECT id, email FROM customers WHERE id = ANY(:people)
        UNION
        SELECT customers.id, customers.email FROM customers JOIN same ON merged_into = same.id
    )
    SELECT 'id:' || id FROM same
    UNION SELECT 'email:' || lower(email) FROM same WHERE email IS NOT NULL
    UNION SELECT channel || ':' || identity FROM customer_identities
        JOIN same ON customer_id = same.id
    """
)
