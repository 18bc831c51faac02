"""From a chatbot to people: one ticket for each of its sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Channel, Priority
from store import assistance, contacts, customers, threads, tickets
from store.contacts import Heard
from store.customers import Introduction
from store.tables import Customer
from store.threads import Draft
from store.tickets import NewTicket, TicketRow

SOURCE = "chatbot"
"""Names, with their ids, the entries of transcripts."""


@dataclass(frozen=True, slots=True)
class HandOff:
    """What a chatbot says of a customer who needs a person."""

    session_id: str
    subject: str
    message: Draft
    """By the customer, after all of the transcript."""
    transcript: Sequence[Draft] = ()
    """What customer and chatbot have said, the oldest first, with external ids."""
    priority: Priority = Priority.MEDIUM
    tags: tuple[str, ...] = ()
    name: str | None = None
    email: str | None = None
    phone: str | None = None


async def take(session: AsyncSession, handoff: HandOff, policy: DeadlinePolicy) -> Heard:
    """Write it into the session's ticket, or open one that is left to people.

    What of the transcript is in the log already is not written again. `written` is the first
    entry. Two hand-overs of one session wait for each other. Raises IdempotencyKeyReused.
    """
    customer = await _meet(session, handoff)
    message = _by(customer, handoff.message)
    known = await threads.find(session, message)
    if known is not None:
        return Heard(tickets.Written(known.thread_id, known), opened=False)
    drafts = [*await _unknown(session, customer, handoff.transcript), message]
    row = await _active(session, handoff.session_id)
    if row is not None:
        written = [await tickets.write(session, row, draft, policy) for draft in drafts]
        return Heard(written[0], opened=False)
    new = NewTicket(
        customer_id=customer.id,
        channel=Channel.CHATBOT,
        subject=handoff.subject,
        priority=handoff.priority,
        tags=handoff.tags,
        channel_identity=handoff.session_id,
        origin_platform_id=handoff.session_id,
        is_bot_handoff=True,
        follow_up_of=await contacts.last_ticket(
            session, Channel.CHATBOT, None, (handoff.session_id,)
        ),
    )
    opened = await tickets.open_ticket(session, new, drafts[0], policy)
    row = await tickets.find(session, opened.ticket_id, lock=True)
    for draft in drafts[1:]:
        await tickets.write(session, row, draft, policy)
    await assistance.hand_over(session, opened.ticket_id)
    return Heard(opened, opened=True)


async def _meet(session: AsyncSession, handoff: HandOff) -> Customer:
    customer = await customers.meet(
        session,
        Introduction(
            Channel.CHATBOT,
            name=handoff.name,
            email=handoff.email,
            identities=(handoff.session_id,),
        ),
    )
    if customer.phone is None:
        await customers.correct(session, customer, name=None, phone=handoff.phone)
    return customer


async def _unknown(
    session: AsyncSession, customer: Customer, transcript: Sequence[Draft]
) -> list[Draft]:
    names = [each.external_id for each in transcript if each.external_id is not None]
    known = await threads.known(session, SOURCE, names)
    return [_by(customer, each) for each in transcript if each.external_id not in known]


def _by(customer: Customer, draft: Draft) -> Draft:
    if draft.author is not AuthorKind.CUSTOMER:
        return draft
    return replace(draft, author_id=str(customer.id), author_name=customer.name)


async def _active(session: AsyncSession, session_id: str) -> TicketRow | None:
    """The session's ticket, locked, unless it is closed."""
    active = await contacts.active_ticket(session, Channel.CHATBOT, None, (session_id,))
    if active is None:
        return None
    row = await tickets.find(session, active, lock=True)
    return row if row.thread.open else None
