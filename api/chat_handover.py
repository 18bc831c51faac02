"""From a live conversation to a ticket, for both sides."""

from uuid import UUID

from fastapi import Response

from api.chat_access import Acting
from api.chat_actions import order
from api.idempotency import Attempt
from api.services import Services
from api.ticket_timelines import shown_ticket
from domain.conversation_life import ToTicket
from domain.errors import EngineUnavailable
from domain.models import Channel, Priority, ThreadKind, ThreadRef
from domain.principals import Principal
from store import tickets
from workflows.engine import NewTicketFacts


async def hand_over(
    services: Services,
    caller: Principal,
    acting: Acting | None,
    conversation_id: UUID,
    once: Attempt,
) -> Response:
    """Close a conversation and go on with it as a ticket, as its customer or as `acting`.

    One that went on as a ticket already stays that one.
    """
    command = ToTicket(agent_id=acting.only if acting else None)
    by = acting.agent_id if acting else None
    row = await order(services, caller, conversation_id, command, by=by)
    ticket_id = row.conversation.ticket_id
    if ticket_id is None:
        raise EngineUnavailable
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        ticket = await tickets.find(session, ticket_id)
        view = await shown_ticket(session, ticket, internal=not caller.is_customer)
        response = await once.answer(session, 200, view)
    facts = NewTicketFacts(
        view.number, Channel(ticket.ticket.channel), Priority(ticket.ticket.priority)
    )
    services.engine.nudge_soon(ThreadRef(kind=ThreadKind.TICKET, id=ticket_id), facts)
    return response
