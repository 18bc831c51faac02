"""HTTP/1.1 over kept connections, as cheap as Python can: the client must not be what is measured.

One request costs about a tenth of what httpx takes. It knows only what the servers here send:
answers with a Content-Length, on connections that stay open.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bench.errors import UnexpectedAnswer
from bench.timing import now

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"
_STATUS = slice(9, 12)  # HTTP/1.1 200 OK
_KEPT = 2.0
"""Seconds that a connection may lie idle; uvicorn hangs up after five."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


class Http:
    """Opens a connection when all others are busy, and uses the last one first."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        address = urlsplit(url)
        if address.hostname is None or address.port is None:
            raise ValueError(f"{url} has no host and port")
        self._host, self._port = address.hostname, address.port
        lines = {"Host": address.netloc, "Content-Type": "application/json", **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._idle: list[_Connection] = []

    async def get(self, path: str) -> Answer:
        return await self._request("GET", path, b"")

    async def post(
        self, path: str, body: object, *, token: str = "", refusal: int | None = None
    ) -> Answer:
        """`token` says who calls, where the headers of all do not; `refusal` is a status that is
        as good as any."""
        sent = json.dumps(body).encode()
        return await self._request("POST", path, sent, token=token, refusal=refusal)

    async def put(self, path: str, body: object) -> Answer:
        return await self._request("PUT", path, json.dumps(body).encode())

    def close(self) -> None:
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _request(
        self, method: str, path: str, body: bytes, *, token: str = "", refusal: int | None = None
    ) -> Answer:
        """Raises UnexpectedAnswer for a status of 400 or more, and when the server hangs up."""
        connection = self._last_used() or await self._connect()
        caller = f"Authorization: Bearer {token}\r\n" if token else ""
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{caller}"
        answer = await connection.exchange(
            f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        self._idle.append(connection)
        if answer.status >= 400 and answer.status != refusal:
            raise UnexpectedAnswer(
                f"{method} {path} was answered {answer.status}: {answer.body[:200]!r}"
            )
        return answer

    def _last_used(self) -> "_Connection | None":
        if self._idle and self._idle[-1].idle_for() < _KEPT:
            return self._idle.pop()
        # The others have been idle for even longer.
        self.close()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(_Connection, self._host, self._port)
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._needed: int | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._used_at = now()

    def idle_for(self) -> float:
        """Seconds since the last answer."""
        return now() - self._used_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UnexpectedAnswer(f"the server hung up: {error}"))

    async def exchange(self, request: bytes) -> Answer:
        if self._transport is None or self._transport.is_closing():
            raise UnexpectedAnswer("the server hung up")
        self._received.clear()
        self._needed = None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._needed is None:
            self._read_head()
        if self._needed is not None and len(self._received) >= self._needed:
            self._finish()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _read_head(self) -> None:
        end = self._received.find(_END_OF_HEAD)
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        if length is None:
            self._fail("the answer has no Content-Length")
        else:
            self._needed = end + len(_END_OF_HEAD) + int(length[1])

    def _finish(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._used_at = now()
            body = self._received.split(_END_OF_HEAD, 1)[1]
            self._answer.set_result(Answer(int(self._received[_STATUS]), bytes(body)))

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(UnexpectedAnswer(why))
