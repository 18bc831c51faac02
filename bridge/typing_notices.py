"""Agents who write, shown to the customer's client (XEP-0085)."""

from uuid import UUID

import structlog
from sqlalchemy import exc

from bridge.outbound import XmppOutlet
from bridge.stanzas import TypingNotice
from domain.errors import TicketNotFound
from domain.models import ThreadKind
from store import tickets
from store.database import Database
from store.feed import Feed, Whisper, WhisperKind

log = structlog.get_logger(__name__)


class TypingNotices:
    """Passes on what is whispered in pushed tickets. A hint, as all of it: it may be lost."""

    def __init__(self, database: Database, feed: Feed, outlet: XmppOutlet) -> None:
        self._database = database
        self._feed = feed
        self._outlet = outlet

    async def run(self) -> None:
        """Until cancelled."""
        with self._feed.watch() as watch:
            async with self._feed.running():
                while True:
                    for whisper in (await watch.changes()).whispers:
                        if isinstance(whisper, Whisper) and _by_staff(whisper):
                            await self._pass_on(whisper)

    async def _pass_on(self, whisper: Whisper) -> None:
        address = await self._address_of(whisper.thread.id)
        if address is not None:
            self._outlet.show_typing(TypingNotice(address, composing=bool(whisper.value)))

    async def _address_of(self, ticket_id: UUID) -> str | None:
        """Of a ticket that is answered by us."""
        try:
            async with self._database.begin() as session:
                ticket = (await tickets.find(session, ticket_id)).ticket
        except (TicketNotFound, exc.SQLAlchemyError):
            return None
        return ticket.channel_identity if ticket.outlet == self._outlet.name else None


def _by_staff(whisper: Whisper) -> bool:
    return (
        whisper.kind is WhisperKind.TYPING
        and whisper.thread.kind is ThreadKind.TICKET
        and not whisper.by_customer
    )
