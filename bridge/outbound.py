"""Replies to people, each once: the outlet of one account.

A message goes out under an id of its own making, so that the archive can be asked for it. Whoever
tries again after a crash asks first. That answer can be trusted because of the fixed resource: by
the time we are logged in, whoever else was sending under it is cut off.
"""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid5
from weakref import WeakValueDictionary

from bridge.archive import was_sent
from bridge.component import Component
from bridge.errors import StanzaTooLarge, StreamError
from bridge.stanzas import Reply, TypingNotice
from bridge.stream import Stream
from channels.outlet import NotNow, Undeliverable
from domain.deliveries import Outgoing

_STANZA_IDS = UUID("0f8d1a5c-58c6-4b6c-9a52-6f3f1a4c2f7e")
_CONNECTED_WITHIN = 5.0
"""Seconds that a message waits for a stream before it is put off."""
_CLOCKS_DIFFER = timedelta(minutes=1)


class XmppOutlet:
    """Sends by whatever stream there is. Strictly in order for each address."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._stream: Stream | Component | None = None
        self._connected = asyncio.Event()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def is_connected(self) -> bool:
        return self._stream is not None

    def connected(self, stream: Stream | Component) -> None:
        """From now on, messages go out by this stream."""
        self._stream = stream
        self._connected.set()

    def disconnected(self) -> None:
        self._stream = None
        self._connected.clear()

    def show_typing(self, notice: TypingNotice) -> None:
        """Never waits, and is lost where there is no stream."""
        if self._stream is not None:
            self._stream.send_soon(notice)

    def external_id(self, outgoing: Outgoing) -> str:
        return str(uuid5(_STANZA_IDS, outgoing.message_id.hex))

    async def send(self, outgoing: Outgoing) -> None:
        """Return when the account's server has it. Raises NotNow."""
        turn = self._turns.setdefault(outgoing.address, asyncio.Lock())
        async with turn:
            stream = await self._current()
            try:
                if await self._has_it(stream, outgoing):
                    return
                await stream.send(self._reply(outgoing))
            except StanzaTooLarge as error:
                raise Undeliverable("too_large", str(error)) from None
            except StreamError as error:
                raise NotNow(str(error)) from None

    def _reply(self, outgoing: Outgoing) -> Reply:
        return Reply(outgoing.address, self.external_id(outgoing), text_of(outgoing))

    async def _current(self) -> Stream | Component:
        try:
            async with asyncio.timeout(_CONNECTED_WITHIN):
                await self._connected.wait()
        except TimeoutError:
            raise NotNow("The XMPP server is not reachable.") from None
        if self._stream is None:
            raise NotNow("The XMPP server is not reachable.")
        return self._stream

    async def _has_it(self, stream: Stream | Component, outgoing: Outgoing) -> bool:
        """Whether an earlier attempt came through. Without an archive nobody can tell, and then
        twice is better than never."""
        if outgoing.first_tried_at is None:
            return False
        if not isinstance(stream, Stream) or not stream.has_archive:
            return False
        since = outgoing.first_tried_at - _CLOCKS_DIFFER
        stanza_id = self.external_id(outgoing)
        return stanza_id in await was_sent(stream, outgoing.address, {stanza_id}, since)


def text_of(outgoing: Outgoing) -> str:
    """What is sent: the text, and where its files are."""
    files = [str(each["url"]) for each in outgoing.attachments]
    return "\n".join([outgoing.content, *files])
