"""Replies to people, each once: the outlet of one account.

Each piece of a message goes out under an id of its own making, so that the archive can be asked for
it. Whoever tries again after a crash asks first. That answer can be trusted because of the fixed
resource: by the time we are logged in, whoever else was sending under it is cut off.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid5
from weakref import WeakValueDictionary

from bridge.archive import was_sent
from bridge.component import Component
from bridge.errors import StanzaTooLarge, StreamError
from bridge.stanzas import Reply, TypingNotice
from bridge.stream import Stream
from bridge.uploads import Uploads
from channels.files import FileSource
from channels.outgoing_files import Attachment, is_elsewhere, opened
from channels.outlet import NotNow, Undeliverable
from domain.deliveries import Limit, Outgoing, Piece, piece_id
from domain.errors import FilesUnavailable

_STANZA_IDS = UUID("0f8d1a5c-58c6-4b6c-9a52-6f3f1a4c2f7e")
_CONNECTED_WITHIN = 5.0
"""Seconds that a message waits for a stream before it is put off."""
_CLOCKS_DIFFER = timedelta(minutes=1)


class XmppOutlet:
    """Sends by whatever stream there is. Strictly in order for each address. `ca_file` is trusted
    where the server keeps files."""

    limits: Sequence[Limit] = ()
    looks = True

    def __init__(self, name: str, files: FileSource, ca_file: Path | None = None) -> None:
        self.name = name
        self._files = files
        self._uploads = Uploads(ca_file)
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

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        """The text, which a stanza takes whole, and each file for itself: clients show one where
        nothing is said besides."""
        texts = [outgoing.content] if outgoing.content.strip() else []
        files = enumerate(outgoing.attachments, len(texts))
        pieces = [Piece(0, text=each) for each in texts]
        pieces += [Piece(number, files=(each,)) for number, each in files]
        if not pieces:
            raise Undeliverable("empty", "The message is empty.")
        return pieces

    def external_id(self, outgoing: Outgoing, piece: Piece) -> str:
        """What the stanza is called: a piece has one."""
        return _stanza_id(outgoing, piece)

    async def send(self, outgoing: Outgoing, piece: Piece) -> None:
        """Return when the account's server has it. Raises Undeliverable and NotNow."""
        turn = self._turns.setdefault(outgoing.address, asyncio.Lock())
        async with turn:
            stream = await self._current()
            try:
                if not await self._has_it(stream, outgoing, _stanza_id(outgoing, piece)):
                    await stream.send(await self._reply(stream, outgoing, piece))
            except StanzaTooLarge as error:
                raise Undeliverable("too_large", str(error)) from None
            except (StreamError, FilesUnavailable) as error:
                raise NotNow(str(error)) from None

    async def _reply(self, stream: Stream | Component, outgoing: Outgoing, piece: Piece) -> Reply:
        to, stanza_id = outgoing.address, _stanza_id(outgoing, piece)
        if not piece.files:
            return Reply(to, stanza_id, piece.text)
        return Reply(to, stanza_id, await self._url(stream, piece.files[0]), is_file=True)

    async def _url(self, stream: Stream | Component, attachment: Attachment) -> str:
        """Where a person can fetch it: what is ours is brought to the server before."""
        if is_elsewhere(attachment):
            return str(attachment["url"])
        return await self._uploads.upload(stream, await opened(self._files, attachment))

    async def _current(self) -> Stream | Component:
        try:
            async with asyncio.timeout(_CONNECTED_WITHIN):
                await self._connected.wait()
        except TimeoutError:
            raise NotNow("The XMPP server is not reachable.") from None
        if self._stream is None:
            raise NotNow("The XMPP server is not reachable.")
        return self._stream

    async def _has_it(self, stream: Stream | Component, outgoing: Outgoing, stanza_id: str) -> bool:
        """Whether an earlier attempt came through. Without an archive nobody can tell, and then
        twice is better than never."""
        if outgoing.first_tried_at is None:
            return False
        if not isinstance(stream, Stream) or not stream.has_archive:
            return False
        since = outgoing.first_tried_at - _CLOCKS_DIFFER
        return stanza_id in await was_sent(stream, outgoing.address, {stanza_id}, since)


def _stanza_id(outgoing: Outgoing, piece: Piece) -> str:
    # The first is called as the only one was before there were several.
    name = piece_id(outgoing, piece.number) if piece.number else outgoing.message_id.hex
    return str(uuid5(_STANZA_IDS, name))
