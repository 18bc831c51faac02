"""Which ticket a mail belongs to: that of what it answers, by the Message-IDs that it names. Ours
hold the id of a message, customers' stand in the log; nobody can guess either. What anybody can
write, a ticket's number or its subject, counts only for that ticket's own customer.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import TicketNumber
from domain.mail import Mail, Mailbox, plain_subject, tagged_number
from domain.models import Channel, TicketStatus
from store import tickets
from store.channel_tables import DeliveryPiece
from store.tables import Customer, Message, Ticket
from store.tickets import TicketRow

_SAME_SUBJECT = 20
"""Open tickets of a customer that are looked at, the newest first."""


async def ticket_of(
    session: AsyncSession, mailbox: Mailbox, mail: Mail, customer: Customer | None
) -> TicketRow | None:
    """The ticket that a mail belongs to, locked."""
    found = await _answered(session, mailbox, mail.answers)
    if found is None and customer is not None:
        found = await _tagged(session, mailbox, mail.subject, customer)
        found = found or await _same_subject(session, mailbox, mail, customer)
    return await tickets.find(session, found, lock=True) if found else None


async def _answered(
    session: AsyncSession, mailbox: Mailbox, message_ids: Sequence[str]
) -> UUID | None:
    """By Message-IDs, the likeliest first."""
    sent = select(DeliveryPiece.external_id, DeliveryPiece.thread_id).where(
        DeliveryPiece.outlet == mailbox.outlet, DeliveryPiece.external_id.in_(message_ids)
    )
    received = select(Message.external_id, Message.thread_id).where(
        Message.source == mailbox.source, Message.external_id.in_(message_ids)
    )
    named = sent.union_all(received).subquery()
    query = (
        select(named.c.external_id, named.c.thread_id)
        .join(Ticket, Ticket.id == named.c.thread_id)
        # One without an address is an erased person's, and over.
        .where(Ticket.outlet == mailbox.outlet, Ticket.channel_identity.is_not(None))
    )
    threads_of = {row.external_id: row.thread_id for row in await session.execute(query)}
    return next((threads_of[each] for each in message_ids if each in threads_of), None)


async def _tagged(
    session: AsyncSession, mailbox: Mailbox, subject: str, customer: Customer
) -> UUID | None:
    """By `[#123]`, which anybody can write: it has to be the sender's own ticket."""
    number = tagged_number(subject)
    if number is None:
        return None
    return await session.scalar(
        select(Ticket.id).where(
            Ticket.number == TicketNumber(number),
            Ticket.customer_id == customer.id,
            Ticket.outlet == mailbox.outlet,
        )
    )


async def _same_subject(
    session: AsyncSession, mailbox: Mailbox, mail: Mail, customer: Customer
) -> UUID | None:
    """For programs that name nothing that they answer."""
    about = plain_subject(mail.subject).casefold()
    if not about:
        return None
    query = (
        select(Ticket.id, Ticket.subject)
        .where(
            Ticket.customer_id == customer.id,
            Ticket.channel == Channel.EMAIL,
            Ticket.channel_identity == mail.address,
            Ticket.outlet == mailbox.outlet,
            Ticket.status != TicketStatus.CLOSED,
        )
        .order_by(Ticket.created_at.desc(), Ticket.number.desc())
        .limit(_SAME_SUBJECT)
    )
    rows = (await session.execute(query)).all()
    return next((row.id for row in rows if plain_subject(row.subject).casefold() == about), None)
