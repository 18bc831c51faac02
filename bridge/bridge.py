"""The bridge of one account: in turn with others it holds the account, and then it works.

    lease -> stream -> archive -> presence -> archive -> live stanzas, and the archive now and then

Each connection is a fresh stream. What was said while there was none stands in the archive.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from sqlalchemy import exc

from bridge.archive_reader import ArchiveReader
from bridge.component import Component
from bridge.errors import InvalidAccount, LoginRefused, StreamConflict, StreamError
from bridge.listener import Listener
from bridge.outbound import XmppOutlet
from bridge.stanzas import Incoming
from bridge.stream import Stream

log = structlog.get_logger(__name__)

Opens = Callable[[], AbstractAsyncContextManager[Stream | Component]]

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 10.0
_REFUSED_PAUSE = 30.0
"""Seconds. Servers lock accounts on which passwords are tried."""
_ARCHIVE_EVERY = 10.0
"""Seconds between two looks whether the archive has what did not come by the stream."""


class Bridge:
    """Keeps an account connected, and carries what is said there into the log."""

    def __init__(
        self, opens: Opens, listener: Listener, reader: ArchiveReader, outlet: XmppOutlet
    ) -> None:
        self._opens = opens
        self._listener = listener
        self._reader = reader
        self._outlet = outlet
        self._failures = 0
        """In a row: until a stanza was handled, or a connection has lasted for some seconds."""
        self.is_listening = False
        """Connected, and all that was said meanwhile is in the log."""

    async def run(self) -> None:
        """Until cancelled. Raises StreamConflict when somebody else has logged in as us: they
        hold the account now."""
        while True:
            pause = _REFUSED_PAUSE
            try:
                async with self._opens() as stream:
                    await self._work(stream)
            except StreamConflict:
                raise
            except (InvalidAccount, LoginRefused) as error:
                log.error("login_refused", reason=str(error))  # noqa: TRY400  a person has to act
            except (StreamError, exc.SQLAlchemyError) as error:
                log.warning("stream_ended", reason=_reason(error))
                pause = self._next_pause()
            await asyncio.sleep(pause)

    async def _work(self, stream: Stream | Component) -> None:
        """Until the stream ends: then raises why."""
        # Logged in under our resource, nobody else sends as us; so what waits may go at once.
        self._outlet.connected(stream)
        try:
            await self._catch_up(stream)
            stream.show_presence()
            # What came between the first look and the presence was not sent to us.
            await self._catch_up(stream)
            self._connected(stream)
            await self._listen(stream)
        finally:
            self.is_listening = False
            self._outlet.disconnected()
            self._listener.disconnected()

    def _connected(self, stream: Stream | Component) -> None:
        self.is_listening = True
        log.info("bridge_connected", archive=stream.has_archive)
        for sentence in stream.shortcomings:
            log.warning("bridge_degraded", meaning=sentence)

    async def _listen(self, stream: Stream | Component) -> None:
        # One at a time: the order in which the archive has it is the order of the log.
        turn = asyncio.Lock()
        looking = asyncio.create_task(self._look_now_and_then(stream, turn))
        try:
            async for stanza in stream.incoming():
                if stream.has_archive and stream.lost.done():
                    # What the archive still owes comes before what is left here.
                    break
                async with turn:
                    await self._hear(stream, stanza)
                self._failures = 0
        finally:
            looking.cancel()
            # Not `await looking` in a `suppress`, which would swallow that we shall end too.
            await asyncio.gather(looking, return_exceptions=True)
        stream.raise_why_it_ended()

    async def _hear(self, stream: Stream | Component, stanza: Incoming) -> None:
        """Without an archive a stanza cannot be read again: then it waits here for the database,
        and with it what follows."""
        while True:
            try:
                if not await self._listener.hear(stream, stanza):
                    await self._catch_up(stream)
            except exc.SQLAlchemyError as error:
                if stream.has_archive:
                    raise
                log.warning("stanza_waits", reason=_reason(error))
                await asyncio.sleep(self._next_pause())
            else:
                return

    async def _look_now_and_then(self, stream: Stream | Component, turn: asyncio.Lock) -> None:
        """Whether the archive has what did not come by the stream. Ends the stream if it cannot
        be read."""
        while True:
            await asyncio.sleep(_ARCHIVE_EVERY)
            try:
                async with turn:
                    await self._catch_up(stream)
                    self._failures = 0
            except (StreamError, exc.SQLAlchemyError) as error:
                stream.drop(_reason(error))
                return

    async def _catch_up(self, stream: Stream | Component) -> None:
        if isinstance(stream, Stream) and stream.has_archive:
            await self._reader.catch_up(stream)

    def _next_pause(self) -> float:
        longest: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10))
        self._failures += 1
        return longest * random.uniform(0.5, 1)  # noqa: S311  spreads, protects nothing


def _reason(error: Exception) -> str:
    """For the log. A database's own words may quote what people wrote."""
    return str(error) if isinstance(error, StreamError) else type(error).__name__
