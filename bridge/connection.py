"""One XML stream from login to its end, for whoever logs in by it.

slixmpp does the wire: XML, TLS, SASL, answering requests. It does not reconnect, and it sees no
message and no presence: they are taken off in front of its handlers, which run concurrently, answer
receipts before anything is stored, and tell users of their own exceptions.
"""

import asyncio
from asyncio import Future
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any, Literal, NoReturn
from uuid import uuid4
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import structlog
from slixmpp.basexmpp import BaseXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza import Message, Presence, StreamError
from slixmpp.xmlstream.stanzabase import StanzaBase

from bridge import stanzas, xmlns
from bridge.errors import NoAnswer, RequestRefused, StanzaTooLarge, StreamConflict, StreamLost
from bridge.inbox import Inbox
from bridge.reading import bare, error_of, error_passes, read
from bridge.stanzas import Ignored, Incoming, Outgoing, Receipt, Reply, Said
from bridge.writing import to_xml

log = structlog.get_logger(__name__)

ANSWER = 10.0
"""Seconds that a request may take."""
_FAREWELL = 1.0
"""Seconds for a server to say goodbye."""
_UNSENT = 8 * 2**20
"""Bytes that may wait for a server which does not read."""
_MOST_ASKED = 10_000
_LARGEST = 250_000
"""Bytes. Prosody and ejabberd end the stream of whoever sends a stanza of more than 256 KiB."""


Hears = Callable[[str], bool]
"""Whether anything of a JID concerns us."""


def everybody(_jid: str) -> bool:
    """Hears."""
    return True


class Connection:
    """What an account's stream and a component's have in common.

    `lost` is done when the stream has ended, with the reason. Every call that waits for the server
    ends with it too, and raises that StreamLost.
    """

    def __init__(self, client: BaseXMPP, bare_jid: str, inbox: Inbox, hears: Hears) -> None:
        self.bare_jid = bare_jid
        self.lost: Future[StreamLost] = asyncio.get_running_loop().create_future()
        self._client = client
        self._inbox = inbox
        self._hears = hears
        self._watching: asyncio.Task[None] | None = None
        self._asked: set[str] = set()
        """Whom we have asked to see their presence."""
        self._signs_of_life = 0
        # It keeps the last presence that was sent to each person, from whatever address they have
        # made up, for as long as the client lives.
        client.del_filter("out", client.roster._save_last_status)
        client.add_filter("in", self._take)
        client.add_event_handler("disconnected", self._disconnected)

    async def incoming(self) -> AsyncIterator[Incoming]:
        """What comes in, in its order, until the stream has ended and all is taken. Read it from
        one place only. What does not concern support is left out."""
        while (stanza := await self._inbox.take()) is not None:
            yield stanza

    async def send(self, outgoing: Outgoing) -> None:
        """Return when the server has it. Raises StanzaTooLarge, and StreamLost: then the server
        may have it or not.

        A server handles what comes by one stream in its order (RFC 6120, 10.1), so that an answer
        to a later request is the proof.
        """
        self._write(outgoing)
        try:
            await self.ping()
        except NoAnswer as error:
            self.drop(str(error))
            self.raise_why_it_ended()

    def send_soon(self, outgoing: Outgoing) -> None:
        """For what nobody waits for: receipts, typing, presence. Lost with the stream."""
        with suppress(StreamLost, StanzaTooLarge):
            self._write(outgoing)

    def acknowledge(self, said: Said) -> None:
        """Tell a client that its message is taken (XEP-0184), if it has asked."""
        if said.wants_receipt and said.id is not None:
            self.send_soon(Receipt(said.from_jid, said.id, self._speaker(said.to_jid)))

    def tell(self, jid: str, text: str, from_jid: str | None = None) -> None:
        """Say something that need not arrive."""
        self.send_soon(Reply(jid, str(uuid4()), text, from_jid=from_jid))

    async def ask(
        self,
        kind: Literal["get", "set"],
        payload: Element,
        to: str | None = None,
        patience: float = ANSWER,
    ) -> Element:
        """Send a request (`<iq/>`) to the own account, or `to`, and return the whole answer.

        Raises RequestRefused, NoAnswer after `patience` seconds, and StreamLost.
        """
        self._raise_if_lost()
        request = self._client.Iq()
        request["type"] = kind
        if to is not None:
            request["to"] = to
        if self._client.is_component:
            request["from"] = self._client.boundjid
        request.xml.append(payload)
        try:
            answered = request.send(timeout=patience)  # type: ignore[no-untyped-call]
            answer = await self._unless_lost(answered)
        except IqTimeout:
            raise NoAnswer from None
        except IqError as error:
            refused = error.iq.xml
            raise RequestRefused(error_of(refused)[0], passes=error_passes(refused)) from None
        xml: Element = answer.xml
        return xml

    async def ping(self, patience: float = ANSWER) -> None:
        """XEP-0199. An error is an answer too. Raises NoAnswer and StreamLost."""
        with suppress(RequestRefused):
            await self.ask("get", Element(f"{{{xmlns.PING}}}ping"), self._domain, patience)

    def drop(self, reason: str) -> None:
        """End the stream now."""
        self._end(StreamLost(reason))

    def raise_why_it_ended(self) -> NoReturn:
        """Raises StreamLost. To be called when it has ended."""
        reason = self.lost.result()
        raise type(reason)(str(reason))

    async def close(self) -> None:
        """Say goodbye and end it, in a few seconds at most. Safe to do twice."""
        if self._watching is not None:
            self._watching.cancel()
        if not self.lost.done() and self._client.is_connected():
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * _FAREWELL):
                    await self._client.disconnect(wait=_FAREWELL)
        self.drop("The stream was closed by us.")
        # slixmpp leaves this task behind, and it would keep the whole client alive.
        writing = self._client._run_out_filters
        if writing is not None:
            writing.cancel()
        left = [task for task in (self._watching, writing) if task is not None]
        await asyncio.gather(*left, return_exceptions=True)

    @property
    def server(self) -> str:
        """The server's own domain, where its services are listed."""
        return self._domain

    @property
    def _domain(self) -> str:
        """Whom to ask whether anybody is there."""
        return str(self._client.boundjid.domain)

    def _watch(self, beat: float) -> None:
        """Notice a connection that is dead without having ended, within twice `beat` seconds."""
        self._watching = asyncio.create_task(self._keep_watch(beat))

    async def _keep_watch(self, beat: float) -> None:
        with suppress(StreamLost):
            while True:
                await asyncio.sleep(beat)
                before = self._signs_of_life
                try:
                    await self.ping(beat)
                except NoAnswer:
                    # The answer may stand behind much else.
                    if self._signs_of_life == before and self._is_listening():
                        self.drop(f"The XMPP server has not answered for {beat:g} seconds.")

    def _is_listening(self) -> bool:
        """False while answers cannot come in, by our own doing."""
        return True

    def _write(self, outgoing: Outgoing) -> StanzaBase:
        """Raises StanzaTooLarge and StreamLost."""
        self._raise_if_lost()
        xml = to_xml(outgoing, self._client.default_ns)
        if len(ElementTree.tostring(xml, "utf-8")) > _LARGEST:
            raise StanzaTooLarge
        kind = Presence if isinstance(outgoing, stanzas.Presence) else Message
        stanza: StanzaBase = kind(self._client, xml=xml)
        self._client.send(stanza)
        transport = self._client.transport
        if transport is not None and transport.get_write_buffer_size() > _UNSENT:
            self.drop("The XMPP server has stopped reading.")
        return stanza

    def _speaker(self, _addressed_jid: str) -> str | None:
        """As whom to answer what was sent to a JID of ours."""
        return None

    def _take(self, stanza: StanzaBase) -> StanzaBase | None:
        """Called by slixmpp with each stanza, before all its handlers but stream management."""
        self._signs_of_life += 1
        if isinstance(stanza, StreamError):
            # slixmpp would reconnect by itself for one of them.
            self._end(_reason(str(stanza["condition"]), str(stanza["text"])))
        elif isinstance(stanza, Message | Presence):
            self._receive(stanza.xml)
        else:
            return stanza
        return None

    def _receive(self, stanza: Element) -> None:
        if stanza.get("type") in ("subscribe", "probe") and stanza.tag.endswith("}presence"):
            self._welcome(stanza)
            return
        incoming = read(stanza, self.bare_jid)
        if isinstance(incoming, Ignored):
            log.debug("stanza_ignored", reason=incoming.reason)
        elif not self._inbox.put(incoming):
            log.warning("inbox_full", waiting=len(self._inbox))

    def _welcome(self, presence: Element) -> None:
        """Whoever asks may see that support is there (RFC 6121, 3.1), and is asked back, so that
        agents see who is there. Whoever probes is told (4.3)."""
        person = bare(presence.get("from", ""))
        if not self._hears(person):
            return
        speaker = self._speaker(presence.get("to", ""))
        if presence.get("type") == "subscribe":
            self.send_soon(stanzas.Presence(person, "subscribed", from_jid=speaker))
            # Once: two that ask each other back would never cease.
            if person not in self._asked and len(self._asked) < _MOST_ASKED:
                self._asked.add(person)
                self.send_soon(stanzas.Presence(person, "subscribe", from_jid=speaker))
        if speaker is not None:
            # Nobody else speaks for a component's people; accounts have their server.
            self.send_soon(stanzas.Presence(person, from_jid=speaker))

    def _disconnected(self, reason: Any) -> None:  # noqa: ANN401  slixmpp's: text, error or nothing
        self._end(StreamLost(f"The XMPP stream has ended: {reason or 'connection closed'}."))

    def _end(self, reason: StreamLost) -> None:
        if self.lost.done():
            return
        self.lost.set_result(reason)
        self._inbox.close()
        self._client.abort()
        self._client.cancel_connection_attempt()

    def _raise_if_lost(self) -> None:
        if self.lost.done():
            self.raise_why_it_ended()

    async def _unless_lost(self, waited: "Future[Any]") -> Any:  # noqa: ANN401  a slixmpp stanza
        try:
            await asyncio.wait({waited, self.lost}, return_when=asyncio.FIRST_COMPLETED)
            if not waited.done():
                self.raise_why_it_ended()
            return waited.result()
        finally:
            waited.cancel()


def _reason(condition: str, text: str) -> StreamLost:
    """What a stream error means (RFC 6120, 4.9.3)."""
    if condition == "conflict":
        return StreamConflict()
    return StreamLost(f"The XMPP server has ended the stream: {condition} {text}".rstrip() + ".")
