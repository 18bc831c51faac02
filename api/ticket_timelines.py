"""A ticket with the newest part of its log."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from api.discretion import for_customers
from api.views import TicketView, ticket_view
from api.xmpp_views import presence_of
from domain.models import Channel
from domain.presence import Presence, most_available
from store import deliveries, reading, xmpp
from store.deliveries import Progress
from store.reading import Entry
from store.tickets import TicketRow

TIMELINE = 200
"""So many entries, the newest, stand in a ticket; `…/messages` gives all."""


async def shown_ticket(session: AsyncSession, row: TicketRow, *, internal: bool) -> TicketView:
    """`internal`: as staff see it, with private notes, deadlines, and what became of replies."""
    timeline = await reading.entries(session, row.ticket.id, limit=TIMELINE, private=internal)
    if not internal:
        return ticket_view(row, [for_customers(entry) for entry in timeline], internal=False)
    return ticket_view(
        row,
        timeline,
        internal=True,
        presence=await _presence(session, row),
        progress=await progress_of(session, row, timeline),
    )


async def progress_of(
    session: AsyncSession, row: TicketRow, entries: Sequence[Entry]
) -> dict[int, Progress]:
    """How far each of these entries has come that goes out. Only where something does."""
    if row.ticket.outlet is None:
        return {}
    return await deliveries.progress(session, row.ticket.id, [entry.seq for entry in entries])


async def _presence(session: AsyncSession, row: TicketRow) -> Presence | None:
    """Only where a JID is: the tickets of other channels do not pay for it."""
    if row.ticket.channel != Channel.XMPP or row.ticket.channel_identity is None:
        return None
    found = await xmpp.presences(session, row.ticket.channel_identity)
    return most_available(presence_of(each) for each in found)
