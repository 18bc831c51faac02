"""Many sockets that listen, and when each message was heard by the last of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from bench.client.sockets import EVENT, Socket, connector
from bench.timing import now, side_by_side
from bench.waiting import until

_MESSAGE = EVENT + '["ticket:message"'
_CONTENT = '"content":"'
_AT_ONCE = 100
"""Handshakes under way at the same time."""
_PATIENCE = 30.0


class Audience:
    """Sockets of one server; all of them may follow one thread, or each its own.

    A message is known by its content. `heard_at` is when the last socket so far got it.
    """

    def __init__(self, url: str, token: str) -> None:
        self.heard_at: dict[str, float] = {}
        self._url, self._token = url, token
        self._sockets: list[Socket] = []
        self._heard: Counter[str] = Counter()
        self._sessions = AsyncExitStack()

    async def connect(self, number: int) -> float:
        """Connect so many more; seconds until the last one was accepted."""
        session = await self._sessions.enter_async_context(connector())

        async def connect_one(_: int) -> None:
            socket = await Socket.connect(session, self._url, self._token, self._hear)
            self._sockets.append(socket)

        return await side_by_side(_AT_ONCE, number, connect_one)

    async def follow(self, threads: list[str]) -> None:
        """Every socket subscribes to one of the threads, in turn."""

        async def follow_one(number: int) -> None:
            thread = threads[number % len(threads)]
            await self._sockets[number].call("subscribe", {"ticketId": thread})

        await side_by_side(_AT_ONCE, len(self._sockets), follow_one)

    async def until_heard(self, content: str, by: int) -> float:
        """When the last of so many sockets heard it. Raises TookTooLong."""
        what = f"only {self._heard[content]} of {by} sockets heard a message"
        await until(lambda: self._heard[content] >= by, _PATIENCE, what)
        return self.heard_at[content]

    async def leave(self) -> None:
        await asyncio.gather(*(socket.close() for socket in self._sockets))
        await self._sessions.aclose()

    def _hear(self, frame: str) -> None:
        if frame.startswith(_MESSAGE):
            # Not parsed: a thousand sockets hear the same, and the servers need the processor.
            content = frame.partition(_CONTENT)[2].partition('"')[0]
            self._heard[content] += 1
            self.heard_at[content] = now()


@asynccontextmanager
async def audience(url: str, token: str) -> AsyncIterator[Audience]:
    listening = Audience(url, token)
    try:
        yield listening
    finally:
        await listening.leave()
