"""An ordinary person with an XMPP client, who writes to support and reads what comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self
from uuid import uuid4
from xml.etree.ElementTree import Element, SubElement, fromstring

from slixmpp import JID, ClientXMPP
from slixmpp.stanza import Message, Presence

from bridge import xmlns
from bridge.account import Account
from tests.bridge.waiting import until

_PLUGINS = ("xep_0030", "xep_0085", "xep_0199", "xep_0313", "xep_0333")


class XmppUser:
    """async with XmppUser.online(account) as alice:
               alice.say("support@localhost", "hello")

    `messages` and `presences` hold all that came live, as slixmpp's stanzas. Receipts are sent for
    those that ask, unless `silent`.
    """

    def __init__(self, account: Account, *, resource: str, silent: bool) -> None:
        self.account = account
        self.messages: list[Message] = []
        self.presences: list[Presence] = []
        self._client = ClientXMPP(
            f"{account.bare_jid}/{resource}",
            account.password.get_secret_value(),
            plugin_config={"feature_mechanisms": {"unencrypted_scram": True}},
        )
        self._client.enable_direct_tls = self._client.enable_starttls = False
        self._client.enable_plaintext = True
        for plugin in _PLUGINS:
            self._client.register_plugin(plugin)
        self._client.register_plugin("xep_0184", {"auto_ack": not silent})
        self._client.add_filter("in", self._note)

    @classmethod
    @asynccontextmanager
    async def online(
        cls, account: Account, *, resource: str = "phone", silent: bool = False
    ) -> AsyncIterator[Self]:
        user = cls(account, resource=resource, silent=silent)
        try:
            await user._go_online()
            yield user
        finally:
            await user._go_offline()

    @property
    def full_jid(self) -> str:
        return str(self._client.boundjid.full)

    @property
    def connected(self) -> bool:
        """False for good once the connection is lost."""
        return bool(self._client.is_connected())

    @property
    def said(self) -> list[Message]:
        """Those with text, in the order in which they came."""
        return [each for each in self.messages if each["body"] and each["type"] != "error"]

    @property
    def texts(self) -> list[str]:
        return [str(each["body"]) for each in self.said]

    def say(self, to: str, text: str, *children: str, stanza_id: str | None = None) -> str:
        """Send a message with these children besides its body, and a request for a receipt.
        Returns its id."""
        stanza_id = stanza_id or str(uuid4())
        message = self._message(to, stanza_id)
        SubElement(message, f"{{{xmlns.CLIENT}}}body").text = text
        SubElement(message, f"{{{xmlns.STANZA_IDS}}}origin-id", id=stanza_id)
        SubElement(message, f"{{{xmlns.RECEIPTS}}}request")
        self._send(message, children)
        return stanza_id

    def say_as(self, kind: str, to: str, text: str) -> None:
        """Send text as a message of another type than `chat`."""
        message = self._message(to, str(uuid4()))
        message.set("type", kind)
        SubElement(message, f"{{{xmlns.CLIENT}}}body").text = text
        self._send(message, ())

    def send(self, to: str, *children: str) -> str:
        """Send a message of nothing but these children. Returns its id."""
        stanza_id = str(uuid4())
        self._send(self._message(to, stanza_id), children)
        return stanza_id

    def show(self, show: str | None = None, *, to: str | None = None) -> None:
        """Change the presence: away, dnd … or unavailable."""
        self._client.send_presence(pshow=show, pto=to)

    def subscribe(self, to: str) -> None:
        """Ask to see somebody's presence."""
        self._client.send_presence(pto=to, ptype="subscribe")

    def probe(self, to: str) -> None:
        """Ask whether somebody is there."""
        self._client.send_presence(pto=to, ptype="probe")

    async def receipt(self, stanza_id: str) -> Message:
        """Return when it has come. Raises TimeoutError."""
        found: list[Message] = []

        def came() -> bool:
            found.extend(each for each in self.messages if received_id(each) == stanza_id)
            return bool(found)

        await until(came)
        return found[0]

    async def archive(self, with_jid: str) -> list[Message]:
        """All that was said with somebody, whoever said it, oldest first."""
        results = self._client.plugin["xep_0313"].iterate(with_jid=JID(with_jid), rsm={"max": 100})
        return [each["mam_result"]["forwarded"]["stanza"] async for each in results]

    async def ping(self) -> None:
        """Return when the server has handled all that was sent before."""
        await self._client.plugin["xep_0199"].ping(JID(self._client.boundjid.host), timeout=10)

    def drop(self) -> None:
        """Lose the connection without a goodbye."""
        self._client.abort()

    async def _go_online(self) -> None:
        started = asyncio.get_running_loop().create_future()
        self._client.add_event_handler("session_start", started.set_result, disposable=True)
        self._client.connect(self.account.host, self.account.port)
        async with asyncio.timeout(10):
            await started
        self._client.send_presence()
        await self.ping()

    async def _go_offline(self) -> None:
        if self._client.is_connected():
            async with asyncio.timeout(5):
                await self._client.disconnect(wait=1)
        self._client.cancel_connection_attempt()
        writing = self._client._run_out_filters
        if writing is not None:
            writing.cancel()

    def _message(self, to: str, stanza_id: str) -> Element:
        return Element(f"{{{xmlns.CLIENT}}}message", to=to, type="chat", id=stanza_id)

    def _send(self, message: Element, children: tuple[str, ...]) -> None:
        message.extend(fromstring(child) for child in children)
        stanza = Message(self._client, xml=message)  # type: ignore[no-untyped-call]
        self._client.send(stanza)

    def _note(self, stanza: Any) -> Any:  # noqa: ANN401  any stanza, passed on as it is
        if isinstance(stanza, Message) and stanza.xml.find(f"{{{xmlns.ARCHIVE}}}result") is None:
            self.messages.append(stanza)
        elif isinstance(stanza, Presence):
            self.presences.append(stanza)
        return stanza


def received_id(message: Message) -> str | None:
    """Which message a receipt is for; None for what is none."""
    received = message.xml.find(f"{{{xmlns.RECEIPTS}}}received")
    return None if received is None else received.get("id")
