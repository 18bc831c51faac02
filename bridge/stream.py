"""An account's stream: logged in like any client, with acknowledgements and an archive."""

import asyncio
from asyncio import Future
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Self
from uuid import uuid4
from xml.etree.ElementTree import Element

from slixmpp import ClientXMPP
from slixmpp.plugins.xep_0198.stanza import RequestAck
from slixmpp.stanza import Message

from bridge import features, stanzas, xmlns
from bridge.account import Account, trusted
from bridge.connection import ANSWER, Connection, Hears, everybody
from bridge.errors import ServerUnreachable
from bridge.features import Features
from bridge.inbox import Inbox
from bridge.login import Login
from bridge.reading import bare
from bridge.stanzas import Outgoing

_PLUGINS = ("xep_0030", "xep_0085", "xep_0115", "xep_0199", "xep_0308", "xep_0333")
"""They tell other clients what we understand, and answer their requests."""


class Stream(Connection):
    """One login of an account. Made by `open`, over when the connection is."""

    features: Features
    """What the server offers the account; looked up before `open` yields."""

    def __init__(self, account: Account, hears: Hears) -> None:
        client = _client(account)
        super().__init__(client, account.bare_jid, Inbox(), hears)
        self._account = account
        self._management = client.plugin["xep_0198"]
        self._unacknowledged: dict[int, Future[None]] = {}
        self._pages: dict[str, list[Element]] = {}
        client.add_event_handler("stanza_acked", self._acknowledged)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        account: Account,
        *,
        patience: float = ANSWER,
        beat: float = 5.0,
        hears: Hears = everybody,
    ) -> AsyncIterator[Self]:
        """Log in, and yield the stream. No presence is shown yet: ask the archive first.

        `patience`: seconds for the whole login. `beat`: seconds between two looks whether the
        server is still there, and for its answer. `hears`: who may see that we are there.

        Raises LoginRefused, StreamConflict and ServerUnreachable; each says what to do. When the
        server goes silent right after the login: StreamLost or NoAnswer.
        """
        try:
            stream = cls(account, hears)
        except OSError as error:
            raise ServerUnreachable(f"XMPP_CA_FILE cannot be used: {error}.") from None
        try:
            await Login(stream._client, account).complete(stream.lost, patience)
            stream.bare_jid = str(stream._client.boundjid.bare)
            stream._watch(beat)
            stream.features = await features.look(stream)
            yield stream
        finally:
            await stream.close()

    @property
    def full_jid(self) -> str:
        return str(self._client.boundjid.full)

    @property
    def has_archive(self) -> bool:
        return self.features.archive

    @property
    def shortcomings(self) -> list[str]:
        """What does not hold with this server, for people."""
        return self.features.sentences()

    @property
    def has_acknowledgements(self) -> bool:
        """XEP-0198."""
        return bool(self._management.enabled_in)

    @property
    def kept_resource(self) -> bool:
        """Whether the server has given us the resource we wanted, which makes it a fence."""
        return self.full_jid.partition("/")[2] == self._account.resource

    async def send(self, outgoing: Outgoing) -> None:
        """Return when the server has acknowledged it. Raises StanzaTooLarge, and StreamLost: then
        the server may have it or not."""
        if not self.has_acknowledgements:
            await super().send(outgoing)
            return
        acknowledged = asyncio.get_running_loop().create_future()
        stanza = self._write(outgoing)
        self._unacknowledged[id(stanza)] = acknowledged
        # slixmpp's own requests go out before the stanza that they are about.
        self._client.send(RequestAck(self._client))
        try:
            async with asyncio.timeout(ANSWER):
                await self._unless_lost(acknowledged)
        except TimeoutError:
            self.drop(f"The XMPP server has acknowledged nothing for {ANSWER:g} seconds.")
            self.raise_why_it_ended()
        finally:
            del self._unacknowledged[id(stanza)]

    def show_presence(self, status: str | None = None) -> None:
        """From now on, messages come in live, and others' presence with them."""
        roster = self._client.Iq()
        roster["type"] = "get"
        roster.xml.append(Element("{jabber:iq:roster}query"))
        # Only who has asked for the roster is told of changes to it (RFC 6121, 2.2).
        self._client.send(roster)
        self.send_soon(stanzas.Presence(status=status))

    @contextmanager
    def collecting(self) -> Iterator[tuple[str, list[Element]]]:
        """The id for a query of the archive, and where its results (XEP-0313, 4.2) gather."""
        query_id = str(uuid4())
        self._pages[query_id] = []
        try:
            yield query_id, self._pages[query_id]
        finally:
            del self._pages[query_id]

    def _receive(self, stanza: Element) -> None:
        result = stanza.find(f"{{{xmlns.ARCHIVE}}}result")
        if result is None:
            super()._receive(stanza)
        elif bare(stanza.get("from", self.bare_jid)) == self.bare_jid:
            # From anybody else it would be a forged past.
            self._pages.get(result.get("queryid", ""), []).append(result)

    def _acknowledged(self, stanza: Message) -> None:
        waiting = self._unacknowledged.get(id(stanza))
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


def _client(account: Account) -> ClientXMPP:
    client = ClientXMPP(
        account.full_jid,
        account.password.get_secret_value(),
        # Plain text does not leave this machine, see Account.
        plugin_config={"feature_mechanisms": {"unencrypted_scram": account.tls == "none"}},
        ssl_context=trusted(account.ca_file),
    )
    client.enable_direct_tls = account.tls == "direct"
    client.enable_starttls = account.tls == "starttls"
    client.enable_plaintext = account.tls == "none"
    for plugin in _PLUGINS:
        client.register_plugin(plugin)
    # A resumed stream would forget what it had not sent; the archive does not.
    client.register_plugin("xep_0198", {"allow_resume": False})
    client.register_plugin("xep_0184", {"auto_ack": False})
    return client
