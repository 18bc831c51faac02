"""Replies as the activity takes them up, before it sends them."""

from uuid import UUID

from domain.deliveries import Outgoing
from domain.models import AuthorKind
from store import deliveries, tickets
from store.threads import Draft
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser
from tests.store.writing import POLICY


async def open_ticket(desk: Desk, person: XmppUser) -> UUID:
    person.say(desk.account.bare_jid, "hello")
    await desk.until_said("hello")
    return (await desk.tickets())[0].ticket.id


async def attempt(desk: Desk, ticket_id: UUID) -> Outgoing:
    """As the activity does it before it sends."""
    async with desk.database.begin() as session:
        outgoing = await deliveries.attempt(session, ticket_id)
        assert outgoing is not None
        name = desk.outlet.external_id(outgoing)
        await deliveries.name(session, ticket_id, outgoing.seq, name)
    return outgoing


async def reply(desk: Desk, ticket_id: UUID, content: str = "a reply") -> Outgoing:
    async with desk.database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, content), POLICY)
    return await attempt(desk, ticket_id)
