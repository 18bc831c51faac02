"""A ticket with the newest part of its log."""

from sqlalchemy.ext.asyncio import AsyncSession

from api.discretion import for_customers
from api.views import TicketView, ticket_view
from store import reading
from store.tickets import TicketRow

TIMELINE = 200
"""So many entries, the newest, stand in a ticket; `…/messages` gives all."""


async def shown_ticket(session: AsyncSession, row: TicketRow, *, internal: bool) -> TicketView:
    """`internal`: as staff see it, with private notes and deadlines."""
    timeline = await reading.entries(session, row.ticket.id, limit=TIMELINE, private=internal)
    if not internal:
        timeline = [for_customers(entry) for entry in timeline]
    return ticket_view(row, timeline, internal=internal)
