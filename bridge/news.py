"""What is told besides words: receipts, read marks, errors, typing and presence."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import exc

from bridge.clients import Clients
from bridge.policy import Policy
from bridge.stanzas import Bounced, Displayed, Received, Seen, Typing
from channels.jids import Jid, parse_jid
from domain.models import DeliveryState, ThreadKind, ThreadRef
from store import deliveries, outbox, xmpp
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
        self._here: Clients[PresenceOfJid] = Clients(_MOST)
        self._typed = _Typed()
        self._writing = asyncio.Lock()
        """So that who has just left is not said to be there still."""

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
                await self._say_again()
            except exc.SQLAlchemyError as error:
                log.warning("presences_not_kept", reason=type(error).__name__)

    async def _say_again(self) -> None:
        """In parts: the loop in which the lease is renewed must not wait for thousands."""
        whose = list(self._here)
        for start in range(0, len(whose), _AT_ONCE):
            part = whose[start : start + _AT_ONCE]
            async with self._writing, self._database.begin() as session:
                here = [each for client in part if (each := self._here.get(*client))]
                await xmpp.set_presences(session, here, _LASTS)

    async def _received(self, jid: str, stanza_id: str) -> None:
        async with self._database.begin() as session:
            found = await deliveries.find(session, self._outlet, jid, stanza_id)
            if found is not None:
                await outbox.arrived(session, *found, DeliveryState.DELIVERED)

    async def _displayed(self, jid: str, stanza_id: str) -> None:
        """Who has read a message has read those before it (XEP-0333, 4.1)."""
        async with self._database.begin() as session:
            found = await deliveries.find(session, self._outlet, jid, stanza_id)
            if found is not None:
                thread_id, last, _ = found
                for seq in await deliveries.received_up_to(session, thread_id, last):
                    await deliveries.move(session, thread_id, seq, DeliveryState.READ)

    async def _bounced(self, jid: str, error: Bounced) -> None:
        async with self._database.begin() as session:
            found = await deliveries.find(session, self._outlet, jid, error.id)
            if found is not None:
                thread_id, seq, piece = found
                sentence = f"The customer's server says: {error.condition}."
                await deliveries.fail(
                    session, thread_id, seq, error.condition, sentence, piece=piece
                )

    async def _typing(self, jid: str, *, composing: bool) -> None:
        if self._typed.is_too_much(jid, composing=composing):
            return
        ticket_id = await self._active(jid)
        if ticket_id is not None:
            thread = ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
            whisper = Whisper(
                thread, WhisperKind.TYPING, by_customer=True, value=int(composing), sid="-"
            )
            await self._feed.tell(whisper)

    async def _seen(self, sender: Jid, seen: Seen) -> None:
        async with self._writing, self._database.begin() as session:
            if seen.available or sender.resource:
                told = self._remember(sender, seen)
                await xmpp.set_presences(session, [told], _LASTS)
            else:
                # Of somebody who has no client there, or shows us none, a server says so for all
                # of them (RFC 6121, 4.3.2); also of those of whom an earlier stream has told us.
                self._here.pop_all(sender.bare)
                await xmpp.set_gone(session, sender.bare, _LASTS)

    def _remember(self, sender: Jid, seen: Seen) -> PresenceOfJid:
        status = "available" if seen.available else "unavailable"
        told = PresenceOfJid(sender.bare, sender.resource, status, seen.show)
        if seen.available:
            self._here.put(sender.bare, sender.resource, told)
        else:
            self._here.pop(sender.bare, sender.resource)
        return told

    async def _active(self, jid: str) -> UUID | None:
        async with self._database.begin() as session:
            return await xmpp.active_ticket(session, jid, self._outlet)


class _Typed:
    """Who has begun and ceased to type in this second: each once, and whoever began may cease."""

    def __init__(self) -> None:
        self._second = 0
        self._told: dict[bool, set[str]] = {True: set(), False: set()}

    def is_too_much(self, jid: str, *, composing: bool) -> bool:
        """Before it costs anything: a client may tell it for every letter."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._told = {True: set(), False: set()}
        if jid in self._told[composing]:
            return True
        self._told[composing].add(jid)
        if composing:
            self._told[False].discard(jid)
        return False
