"""What is told besides words: receipts, read marks, errors, typing and presence."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import exc

from bridge.policy import Policy
from bridge.stanzas import Bounced, Displayed, Received, Seen, Typing
from channels.jids import Jid, parse_jid
from domain.models import DeliveryState, ThreadKind, ThreadRef
from store import deliveries, xmpp
from store.database import Database
from store.feed import Feed, Whisper, WhisperKind
from store.xmpp import PresenceOfJid

log = structlog.get_logger(__name__)

_LASTS = timedelta(minutes=5)
"""A presence counts for so long after we were last sure of it."""
_SAID_AGAIN = 120.0
_AT_ONCE = 200
_MOST = 10_000
"""Clients whose presence is kept; those of more people are not known."""


class News:
    """Takes them for one account. None of it needs a stanza to be kept: what is lost is told
    anew, or has no meaning any more."""

    def __init__(self, database: Database, feed: Feed, outlet: str, policy: Policy) -> None:
        self._database = database
        self._feed = feed
        self._outlet = outlet
        self._policy = policy
        self._here: dict[tuple[str, str], PresenceOfJid] = {}

    async def take(self, news: Received | Displayed | Bounced | Typing | Seen) -> None:
        if not self._policy.hears(news.from_jid):
            return
        sender = parse_jid(news.from_jid)
        match news:
            case Received():
                await self._received(sender.bare, news.id)
            case Displayed():
                await self._displayed(sender.bare, news.id)
            case Bounced():
                await self._bounced(sender.bare, news)
            case Typing():
                await self._typing(sender.bare, composing=news.composing)
            case Seen():
                await self._seen(sender, news)

    def disconnected(self) -> None:
        """The server tells anew who is there, once we are back."""
        self._here.clear()

    async def keep_presences(self) -> None:
        """Until cancelled: say again who is there. Clients do not repeat their presence."""
        while True:
            await asyncio.sleep(_SAID_AGAIN)
            try:
                await self._say_again(list(self._here.values()))
            except exc.SQLAlchemyError as error:
                log.warning("presences_not_kept", reason=type(error).__name__)

    async def _say_again(self, here: Sequence[PresenceOfJid]) -> None:
        """In parts: the loop in which the lease is renewed must not wait for thousands."""
        for start in range(0, len(here), _AT_ONCE):
            async with self._database.begin() as session:
                await xmpp.set_presences(session, here[start : start + _AT_ONCE], _LASTS)

    async def _received(self, jid: str, stanza_id: str) -> None:
        async with self._database.begin() as session:
            found = await deliveries.find(session, self._outlet, jid, stanza_id)
            if found is not None:
                await deliveries.move(session, *found, DeliveryState.DELIVERED)

    async def _displayed(self, jid: str, stanza_id: str) -> None:
        """Who has read a message has read those before it (XEP-0333, 4.1)."""
        async with self._database.begin() as session:
            found = await deliveries.find(session, self._outlet, jid, stanza_id)
            if found is not None:
                thread_id, last = found
                for seq in await deliveries.received_up_to(session, thread_id, last):
                    await deliveries.move(session, thread_id, seq, DeliveryState.READ)

    async def _bounced(self, jid: str, error: Bounced) -> None:
        async with self._database.begin() as session:
            found = await deliveries.find(session, self._outlet, jid, error.id)
            if found is not None:
                sentence = f"The customer's server says: {error.condition}."
                await deliveries.fail(session, *found, error.condition, sentence)

    async def _typing(self, jid: str, *, composing: bool) -> None:
        ticket_id = await self._active(jid)
        if ticket_id is not None:
            thread = ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
            whisper = Whisper(
                thread, WhisperKind.TYPING, by_customer=True, value=int(composing), sid="-"
            )
            await self._feed.tell(whisper)

    async def _seen(self, sender: Jid, seen: Seen) -> None:
        status = "available" if seen.available else "unavailable"
        told = [
            PresenceOfJid(sender.bare, each, status, seen.show)
            for each in self._clients(sender, seen)
        ]
        for each in told:
            self._remember(each, here=seen.available)
        async with self._database.begin() as session:
            await xmpp.set_presences(session, told, _LASTS)

    def _clients(self, sender: Jid, seen: Seen) -> list[str]:
        """Whose presence it is. Of somebody who has no client there, or shows us none, a server
        says so for all of them (RFC 6121, 4.3.2)."""
        if sender.resource or seen.available:
            return [sender.resource]
        return [resource for jid, resource in self._here if jid == sender.bare]

    def _remember(self, presence: PresenceOfJid, *, here: bool) -> None:
        whose = (presence.bare_jid, presence.resource)
        if not here:
            self._here.pop(whose, None)
        elif whose in self._here or len(self._here) < _MOST:
            self._here[whose] = presence

    async def _active(self, jid: str) -> UUID | None:
        async with self._database.begin() as session:
            return await xmpp.active_ticket(session, jid, self._outlet)
