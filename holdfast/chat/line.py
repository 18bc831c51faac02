"""A socket that comes back whenever it breaks.

line = Line(url, token, hear=…, wanted=…, notice=…)
await first_of(line.keep(), …)
await line.ask("chat:send", {…})   # meanwhile
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

from holdfast.chat.rest import Refused

Body = Mapping[str, object]

_PATIENCE = 10.0
"""Seconds until a connection that says nothing counts as broken."""
_PAUSE = 1.0
_FAILURES = (SocketIOError, OSError, TimeoutError)
"""What the library raises when a connection cannot be made, or breaks."""


class _Broken(Exception):
    """The connection is of no more use."""


class Line:
    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        hear: Callable[[str, Any], None],
        wanted: Callable[[], Sequence[Body]],
        notice: Callable[[str], None],
    ) -> None:
        """`hear` gets every event, `wanted` says at each connection what to subscribe to, and
        `notice` gets sentences for people."""
        self._url = url
        self._token = token
        self._hear = hear
        self._wanted = wanted
        self._notice = notice
        self._connection: _Connection | None = None
        self._connected = asyncio.Event()

    async def keep(self) -> None:
        """Be connected, again and again. Raises Refused for a token that is not taken."""
        is_known = True
        while True:
            connection = _Connection(self._hear)
            try:
                await connection.open(self._url, self._token(), self._wanted())
                if not is_known:
                    self._notice("Connected again.")
                is_known = True
                self._connection = connection
                self._connected.set()
                await connection.lost()
            except _Broken:
                pass
            finally:
                self._connected.clear()
                await connection.close()
            if is_known:
                self._notice("The connection is lost. Trying again …")
                is_known = False
            await asyncio.sleep(_PAUSE)

    async def ask(self, event: str, body: Body) -> Any:  # noqa: ANN401  JSON
        """The answer; asked for again and again until there is one. Raises Refused."""
        is_told = False
        while True:
            await self._connected.wait()
            assert self._connection is not None
            try:
                return await self._connection.call(event, body)
            except _Broken:
                pass
            except Refused as refusal:
                if not refusal.passes:
                    raise
                if not is_told:
                    self._notice(f"Not yet, trying again: {refusal}")
                    is_told = True
            await asyncio.sleep(_PAUSE)


class _Connection:
    """One connection, from its beginning to its end."""

    def __init__(self, hear: Callable[[str, Any], None]) -> None:
        # A session of our own, because the library does not close its when a connection breaks.
        self._http = aiohttp.ClientSession()
        self._client = socketio.AsyncClient(
            reconnection=False, handle_sigint=False, http_session=self._http
        )
        self._refusals: list[object] = []
        self._client.on("*", hear)
        self._client.on("connect_error", self._refusals.append)
        self._end: asyncio.Task[None] | None = None

    async def open(self, url: str, token: str, wanted: Sequence[Body]) -> None:
        """Connect, and subscribe to what is wanted. Raises _Broken and Refused.

        The first goes into the handshake too: visitors are subscribed to their conversation at
        once, and what came before can only be asked for in the same breath.
        """
        query = urlencode(wanted[0]) if wanted else ""
        try:
            await self._client.connect(
                f"{url}?{query}",
                auth={"token": token},
                transports=["websocket"],
                wait_timeout=_PATIENCE,
            )
        except _FAILURES:
            for refusal in self._refusals:
                match refusal:
                    case {"data": reason}:
                        _require_no_refusal(reason)
            raise _Broken from None
        self._end = asyncio.create_task(self._client.wait())
        for subscription in wanted:
            await self._subscribe(subscription)

    async def _subscribe(self, what: Body) -> None:
        """What is refused for good is told by `system:error`. Raises _Broken."""
        try:
            await self.call("subscribe", what)
        except Refused as refusal:
            if refusal.passes:
                raise _Broken from None

    async def call(self, event: str, body: Body) -> Any:  # noqa: ANN401  JSON
        """Raises _Broken, when it is not known what became of it, and Refused."""
        assert self._end is not None
        call = asyncio.create_task(self._client.call(event, body, timeout=_PATIENCE))
        try:
            await asyncio.wait([call, self._end], return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                raise _Broken
            answer = call.result()
        except _FAILURES:
            raise _Broken from None
        finally:
            call.cancel()
        _require_no_refusal(answer)
        return answer

    async def lost(self) -> None:
        """Return when it is."""
        assert self._end is not None
        await asyncio.wait([self._end])

    async def close(self) -> None:
        if self._end is not None:
            self._end.cancel()
        try:
            with suppress(*_FAILURES):
                await self._client.disconnect()
        finally:
            # Also when the library cancels us along with its own tasks.
            await self._http.close()


def _require_no_refusal(answer: object) -> None:
    match answer:
        case {"code": str(reason), "message": str(sentence)}:
            raise Refused(sentence, reason)
