"""A wire between a client and a server that can be cut, and that can freeze."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

HOST = "127.0.0.1"


class Wire:
    """Passes on what comes to `port`, to another port of this machine.

    Frozen, it takes connections and bytes and passes nothing on, as a router does which has
    forgotten a connection: neither side is told.
    """

    def __init__(self, to_port: int) -> None:
        self.port = 0
        self._to_port = to_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, port: int) -> AsyncIterator[Self]:
        wire = cls(port)
        server = await asyncio.start_server(wire._connect, HOST, 0)
        wire.port = server.sockets[0].getsockname()[1]
        try:
            yield wire
        finally:
            server.close()
            wire.thaw()
            wire.cut()
            await server.wait_closed()
            if wire._passing:
                await asyncio.wait(wire._passing)

    def freeze(self) -> None:
        self._flows.clear()

    def thaw(self) -> None:
        """What was held back is passed on."""
        self._flows.set()

    def cut(self) -> None:
        """End all connections of now without a goodbye. New ones can be made."""
        for end in [*self._ends]:
            end.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self._to_port)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            passing = asyncio.create_task(self._pass_on(source, sink))
            self._passing.add(passing)
            passing.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        self._ends.discard(writer)
        writer.close()
