"""Where a made-up server wants files to be brought, and the stream by which it says so."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self, cast
from xml.etree.ElementTree import Element, fromstring

from bridge import xmlns
from bridge.connection import Connection
from bridge.errors import RequestRefused
from tests.bridge.waiting import until

_INFO = f"""<iq><query xmlns='{xmlns.DISCO_INFO}'><feature var='{xmlns.UPLOAD}'/></query></iq>"""


class Keeper:
    """Answers all that comes over HTTP with `status`, once it has it.

    `heads` are what came before the bodies, `bodies` what came with them.
    """

    def __init__(self, status: str) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.port = 0
        self._status = status

    @classmethod
    @asynccontextmanager
    async def running(
        cls, status: str = "201 Created", tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Self]:
        keeper = cls(status)
        server = await asyncio.start_server(keeper._serve, "127.0.0.1", 0, ssl=tls)
        keeper.port = server.sockets[0].getsockname()[1]
        async with server:
            yield keeper
            await until(lambda: len(keeper.bodies) == len(keeper.heads))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.heads.append(head)
            self.bodies.append(await reader.readexactly(_length(head)))
            writer.write(f"HTTP/1.1 {self._status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except asyncio.IncompleteReadError:
            self.bodies.append(b"")
        finally:
            writer.close()


def _length(head: str) -> int:
    [line] = [each for each in head.split("\r\n") if each.lower().startswith("content-length:")]
    return int(line.partition(":")[2])


class Line:
    """Stands where a stream does, on a server that takes files itself.

    `slot` is what it answers to a request for one, or why it refuses.
    """

    server = "example.org"

    def __init__(self, slot: str | RequestRefused) -> None:
        self.asked: list[str] = []
        self._slot = slot

    @property
    def stream(self) -> Connection:
        return cast("Connection", self)

    async def ask(self, _kind: str, payload: Element, *_: object) -> Element:
        self.asked.append(payload.tag)
        if payload.tag.startswith(f"{{{xmlns.DISCO_ITEMS}}}"):
            raise RequestRefused("feature-not-implemented")
        if payload.tag.startswith(f"{{{xmlns.DISCO_INFO}}}"):
            return fromstring(_INFO)
        if isinstance(self._slot, RequestRefused):
            raise self._slot
        return fromstring(self._slot)


def slot(put: str, get: str = "https://example.org/file", headers: str = "") -> str:
    return (
        f"<iq><slot xmlns='{xmlns.UPLOAD}'><put url='{put}'>{headers}</put>"
        f"<get url='{get}'/></slot></iq>"
    )
