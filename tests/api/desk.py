"""What workflows do to tickets, for tests that have none."""

from uuid import UUID

from domain.ids import parse_ticket_ref
from domain.models import TicketStatus
from store import tickets
from store.database import Database


async def set_status(database: Database, ticket_id: object, status: TicketStatus) -> None:
    """As the ticket's workflow does it; any spelling of the id."""
    async with database.begin() as session:
        row = await tickets.find(session, parse_ticket_ref(str(ticket_id)))
        state, thread = await tickets.load(session, row.ticket.id)
        changed = state.model_copy(update={"status": status, "version": state.version + 1})
        await tickets.record(session, thread, changed, [])


async def move_to_bridge(database: Database, ticket_id: object, outlet: str) -> UUID:
    """Make it one that came in through a bridge; returns its id."""
    async with database.begin() as session:
        row = await tickets.find(session, parse_ticket_ref(str(ticket_id)))
        row.ticket.outlet = outlet
        return row.ticket.id
