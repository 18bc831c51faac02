"""The second mode: an external component (XEP-0114), with a domain of its own.

Components have no archive and no stream management. What is on its way when a connection breaks is
lost, in both directions: keep it on one machine with the server, and prefer an account. While no
component is connected, the server answers people with an error, so they know.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ClassVar, Self
from xml.etree.ElementTree import Element

import structlog
from slixmpp import ComponentXMPP
from slixmpp.xmlstream.stanzabase import StanzaBase

from bridge.account import ComponentAccount, is_loopback
from bridge.connection import ANSWER, Connection, Hears, everybody
from bridge.inbox import Inbox
from bridge.login import Login
from bridge.reading import bare
from bridge.stanzas import Incoming, Outgoing

log = structlog.get_logger(__name__)

_ROOM = 4000
_ENOUGH = 0.25
"""How full the inbox may be until no more is read from the connection. Besides comes what was read
with the last of it: up to 256 KiB."""
_DEGRADED = (
    "degraded: a component has no archive. What is on its way when the connection breaks is lost, "
    "in both directions, and a reply may come twice."
)
_PLUGINS = ("xep_0030", "xep_0085", "xep_0199", "xep_0308", "xep_0333")


class Component(Connection):
    """One connection of a component. The same as a Stream, without an archive.

    `send` returns when the server has handled what was sent before it: it asks for an answer, as
    there are no acknowledgements.
    """

    has_archive = False
    has_acknowledgements = False
    shortcomings: ClassVar = [_DEGRADED]

    def __init__(self, account: ComponentAccount, hears: Hears) -> None:
        client = ComponentXMPP(  # type: ignore[no-untyped-call]
            account.domain, account.secret.get_secret_value(), account.host, account.port
        )
        client.enable_direct_tls = False
        for plugin in _PLUGINS:
            client.register_plugin(plugin)
        client.register_plugin("xep_0184", {"auto_ack": False})
        super().__init__(client, account.bare_jid, Inbox(_ROOM), hears)
        self._held = False

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        account: ComponentAccount,
        *,
        patience: float = ANSWER,
        beat: float = 5.0,
        hears: Hears = everybody,
    ) -> AsyncIterator[Self]:
        """Connect, and yield it. `patience`, `beat` and `hears` as for Stream. Raises LoginRefused,
        StreamConflict and ServerUnreachable."""
        if not is_loopback(account.host):
            log.warning("component_in_the_clear", host=account.host)
        component = cls(account, hears)
        try:
            await Login(component._client, account).complete(component.lost, patience)
            component._watch(beat)
            yield component
        finally:
            await component.close()

    @property
    def server(self) -> str:
        """Components mostly lie beneath it."""
        return self._domain.partition(".")[2] or self._domain

    async def incoming(self) -> AsyncIterator[Incoming]:
        async for stanza in super().incoming():
            if self._held and self._inbox.fullness < _ENOUGH / 2:
                self._hold(held=False)
            yield stanza

    def show_presence(self, status: str | None = None) -> None:
        """Nothing to do: each of a component's people answers for themselves when asked."""

    def _write(self, outgoing: Outgoing) -> StanzaBase:
        if outgoing.from_jid is None:
            outgoing = replace(outgoing, from_jid=self.bare_jid)
        return super()._write(outgoing)

    def _receive(self, stanza: Element) -> None:
        super()._receive(stanza)
        if not self._held and self._inbox.fullness >= _ENOUGH:
            # There is no archive to make up for what is left out, so the server has to wait.
            self._hold(held=True)

    def _hold(self, *, held: bool) -> None:
        transport = self._client.transport
        if transport is not None:
            self._held = held
            # A server that was just made to wait has had no chance to answer.
            self._signs_of_life += 1
            (transport.pause_reading if held else transport.resume_reading)()

    def _is_listening(self) -> bool:
        return not self._held

    def _speaker(self, addressed_jid: str) -> str | None:
        return bare(addressed_jid) or self.bare_jid
