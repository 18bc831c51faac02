"""Replies as the activity takes them up, before it sends them."""

from datetime import UTC, datetime
from uuid import UUID

from domain.deliveries import Outgoing
from domain.models import AuthorKind
from store import outbox, tickets
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
        outgoing = await outbox.next_pending(session, ticket_id, datetime.now(UTC))
        assert outgoing is not None
        assert await outbox.begin(session, outgoing, 0, 1, name_of(desk, outgoing))
    return outgoing


def name_of(desk: Desk, outgoing: Outgoing) -> str:
    """What its stanza is called."""
    [piece] = desk.outlet.pieces(outgoing)
    return desk.outlet.external_id(outgoing, piece)


async def send(desk: Desk, outgoing: Outgoing) -> None:
    [piece] = desk.outlet.pieces(outgoing)
    await desk.outlet.send(outgoing, piece)


async def reply(desk: Desk, ticket_id: UUID, content: str = "a reply") -> Outgoing:
    async with desk.database.begin() as session:
        row = await tickets.find(session, ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, content), POLICY)
    return await attempt(desk, ticket_id)
