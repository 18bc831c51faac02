"""Customers as channels know them: what they say goes into their ticket, and how far what went
out has come.

A customer's tickets on a channel are told apart by their outlet: what came in through one account
is answered through it. Neither sees the other's, so no reply goes both ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ScalarSelect, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import DeadlinePolicy
from domain.models import Channel, DeliveryState, TicketStatus
from domain.subjects import subject_of
from store import customers, threads, tickets
from store.channel_tables import Contact
from store.customers import Introduction
from store.tables import CustomerIdentity, Ticket
from store.threads import Draft
from store.tickets import NewTicket, Written


@dataclass(frozen=True, slots=True)
class Sender:
    """Who has said something: `address` is where replies go, `identities` all names by which the
    channel knows them, the surest first."""

    address: str
    identities: tuple[str, ...]
    name: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """Where a message went; `opened`: into a ticket that it opened."""

    written: Written
    opened: bool


async def hear(
    session: AsyncSession,
    channel: Channel,
    outlet: str | None,
    sender: Sender,
    draft: Draft,
    policy: DeadlinePolicy,
) -> Heard:
    """Write what somebody says into their active ticket, or open one; `draft` is by a customer.

    Whoever is closed out of a ticket gets one that follows it. Two who speak under one name at
    once wait for each other, so there is one ticket. Raises IdempotencyKeyReused.
    """
    erased = await threads.find_erased(session, draft)
    if erased is not None:
        # A platform repeats itself: nobody becomes known again by that.
        return Heard(Written(erased.thread_id, erased), opened=False)
    customer = await customers.meet(
        session,
        Introduction(channel, name=sender.name, email=sender.email, identities=sender.identities),
    )
    name = customer.name or sender.name or sender.address
    said = replace(draft, author_id=str(customer.id), author_name=name)
    known = await threads.find(session, said)
    if known is not None:
        return Heard(Written(known.thread_id, known), opened=False)
    active = await active_ticket(session, channel, outlet, sender.identities)
    if active is not None:
        row = await tickets.find(session, active, lock=True)
        written = await tickets.write(session, row, said, policy)
        return Heard(written, opened=written.ticket_id != active)
    new = NewTicket(
        customer_id=customer.id,
        channel=channel,
        subject=subject_of(draft.content, name),
        channel_identity=sender.address,
        outlet=outlet,
        follow_up_of=await last_ticket(session, channel, outlet, sender.identities),
    )
    written = await tickets.open_ticket(session, new, said, policy)
    return Heard(written, opened=written.entry.created)


async def active_ticket(
    session: AsyncSession, channel: Channel, outlet: str | None, identities: Sequence[str]
) -> UUID | None:
    """The newest ticket of somebody with these names, the surest first, that is not closed, of
    those that are answered by `outlet`."""
    query = _of_sender(channel, outlet, identities)
    return await session.scalar(query.where(Ticket.status != TicketStatus.CLOSED))


async def last_ticket(
    session: AsyncSession, channel: Channel, outlet: str | None, identities: Sequence[str]
) -> UUID | None:
    """The same, closed or not."""
    return await session.scalar(_of_sender(channel, outlet, identities))


async def heard(session: AsyncSession, outlet: str, address: str, at: datetime) -> None:
    """Note when somebody wrote, by the platform's clock; never an earlier time."""
    await _note(session, outlet, address, "heard_at", at)


async def arrived_until(
    session: AsyncSession, outlet: str, address: str, state: DeliveryState, until: datetime
) -> None:
    """Note that all that went to an address until then is delivered, or is read; never an earlier
    time."""
    what = "read_until" if state is DeliveryState.READ else "delivered_until"
    await _note(session, outlet, address, what, until)


async def _note(
    session: AsyncSession, outlet: str, address: str, column: str, at: datetime
) -> None:
    row = insert(Contact).values({"outlet": outlet, "address": address, column: at})
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[Contact.outlet, Contact.address],
            # PostgreSQL's greatest passes over what is missing.
            set_={column: func.greatest(getattr(Contact, column), row.excluded[column])},
        )
    )


def _of_sender(channel: Channel, outlet: str | None, identities: Sequence[str]) -> Select[UUID]:
    return (
        select(Ticket.id)
        .where(
            Ticket.channel == channel,
            Ticket.channel_identity.in_(identities),
            # A back end, or a customer by e-mail, may have named this address for somebody else's.
            Ticket.customer_id == _known_by(channel, identities[0]),
            Ticket.outlet.is_not_distinct_from(outlet),
        )
        .order_by(Ticket.created_at.desc(), Ticket.number.desc())
        .limit(1)
    )


def _known_by(channel: Channel, identity: str) -> ScalarSelect[UUID]:
    return (
        select(CustomerIdentity.customer_id)
        .where(CustomerIdentity.channel == channel, CustomerIdentity.identity == identity)
        .scalar_subquery()
    )
