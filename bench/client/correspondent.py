"""An XMPP client as bare as slixmpp makes one, for floor and figures alike."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from slixmpp import JID, ClientXMPP
from slixmpp.stanza import Message

from bench.timing import now
from bench.waiting import until
from bridge.account import Account

_LOGIN = 30.0
_PARTING = 5.0
_PATIENCE = 30.0


class Correspondent:
    """Somebody online, who notes when each message came. It is known by its text.

    With `receipts`, what is sent asks for one and what comes gets one (XEP-0184), as people's
    clients do.
    """

    def __init__(self, account: Account, *, receipts: bool) -> None:
        self.bare_jid = account.bare_jid
        self.was_receipted = False
        """Whether anything that we have sent has got its receipt."""
        self._account = account
        self._heard_at: dict[str, float] = {}
        self._client = ClientXMPP(
            f"{account.bare_jid}/bench",
            account.password.get_secret_value(),
            plugin_config={"feature_mechanisms": {"unencrypted_scram": True}},
        )
        self._client.enable_direct_tls = self._client.enable_starttls = False
        self._client.enable_plaintext = True
        self._client.add_event_handler("message", self._hear)
        self._client.add_event_handler("receipt_received", self._note_receipt)
        if receipts:
            self._client.register_plugin("xep_0184", {"auto_request": True})

    @classmethod
    @asynccontextmanager
    async def online(cls, account: Account, *, receipts: bool) -> AsyncIterator[Self]:
        """Raises TimeoutError when the server does not let us in."""
        correspondent = cls(account, receipts=receipts)
        try:
            await correspondent._go_online()
            yield correspondent
        finally:
            await correspondent._go_offline()

    def say(self, to: str, text: str) -> None:
        self._client.send_message(mto=JID(to), mbody=text, mtype="chat")

    async def until_heard(self, text: str) -> float:
        """When it came; asked once for each text. Raises TookTooLong."""
        await until(lambda: text in self._heard_at, _PATIENCE, "a stanza did not come")
        return self._heard_at.pop(text)

    async def until_receipted(self) -> None:
        """Raises TookTooLong."""
        await until(lambda: self.was_receipted, _PATIENCE, "a stanza got no receipt")

    def _hear(self, message: Message) -> None:
        self._heard_at[str(message["body"])] = now()

    def _note_receipt(self, _: Message) -> None:
        self.was_receipted = True

    async def _go_online(self) -> None:
        started = asyncio.get_running_loop().create_future()
        self._client.add_event_handler("session_start", started.set_result, disposable=True)
        self._client.connect(self._account.host, self._account.port)
        async with asyncio.timeout(_LOGIN):
            await started
        self._client.send_presence()

    async def _go_offline(self) -> None:
        if self._client.is_connected():
            async with asyncio.timeout(_PARTING):
                await self._client.disconnect(wait=1)
        self._client.cancel_connection_attempt()
        # slixmpp leaves its writer waiting for more to write.
        writing = self._client._run_out_filters
        if writing is not None:
            writing.cancel()
