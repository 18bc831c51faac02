"""Which XMPP tickets wait for an answer."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from store import tickets
from store.tables import Ticket
from store.tickets import TicketRow


async def awaiting(session: AsyncSession, *, offset: int, limit: int) -> list[TicketRow]:
    """Tickets of XMPP whose newest public message is the customer's, newest first; or after which
    the assistant has only promised that a person will answer.

    Without those that name no JID, to which nobody could bring an answer.
    """
    order = (Ticket.created_at.desc(), Ticket.number.desc())
    # An index holds these and no others; the page is cut from it before anything is joined.
    cut = select(Ticket.id).where(Ticket.awaits_reply).order_by(*order)
    ids = cut.offset(offset).limit(limit).subquery()
    query = tickets.rows().join(ids, ids.c.id == Ticket.id).order_by(*order)
    return [TicketRow(*row) for row in await session.execute(query)]
