"""Many sockets that listen and speak, and when each message was heard by the last of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bench.client.sockets import EVENT, Socket, connector
from bench.errors import UnexpectedAnswer
from bench.timing import now, side_by_side
from bench.waiting import until

TICKET, CONVERSATION = "ticketId", "conversationId"
_MESSAGES = (EVENT + '["ticket:message"', EVENT + '["chat:message"')
_CONTENT = '"content":"'
_AT_ONCE = 100
"""Handshakes under way at the same time."""
_PATIENCE = 30.0


class Audience:
    """Sockets of one server; all of them may follow one thread, or each its own.

    A message is known by its content. `heard_at` is when the last socket so far got it.
    """

    def __init__(self, url: str, kind: str) -> None:
        self.heard_at: dict[str, float] = {}
        self._url, self._kind = url, kind
        self._sockets: list[Socket] = []
        self._heard: Counter[str] = Counter()
        self._sessions = AsyncExitStack()

    async def connect(self, tokens: Sequence[str]) -> float:
        """Connect one more for each token; seconds until the last one was accepted."""
        session = await self._sessions.enter_async_context(connector())
        connected: dict[int, Socket] = {}

        async def connect_one(number: int) -> None:
            connected[number] = await Socket.connect(session, self._url, tokens[number], self._hear)

        try:
            return await side_by_side(_AT_ONCE, len(tokens), connect_one)
        finally:
            self._sockets += [connected[number] for number in sorted(connected)]

    async def follow(self, threads: Sequence[str]) -> None:
        """Every socket subscribes to one of the threads, in turn."""

        async def follow_one(number: int) -> None:
            thread = threads[number % len(threads)]
            await self.call(number, "subscribe", {self._kind: thread})

        await side_by_side(_AT_ONCE, len(self._sockets), follow_one)

    async def call(self, number: int, event: str, data: Mapping[str, object]) -> Any:  # noqa: ANN401
        """Have one of the sockets send an event, and return what the server answers.

        Raises UnexpectedAnswer when it refuses.
        """
        carried = await self._sockets[number].call(event, data)
        answer = carried[0] if carried else None
        if isinstance(answer, dict) and "code" in answer:
            raise UnexpectedAnswer(f"{event} was answered {answer}")
        return answer

    async def until_heard(self, content: str, by: int) -> float:
        """When the last of so many sockets heard it. Raises TookTooLong."""
        what = f"only {self._heard[content]} of {by} sockets heard a message"
        await until(lambda: self._heard[content] >= by, _PATIENCE, what)
        return self.heard_at[content]

    async def leave(self) -> None:
        await asyncio.gather(*(socket.close() for socket in self._sockets))
        await self._sessions.aclose()

    def _hear(self, frame: str) -> None:
        if frame.startswith(_MESSAGES):
            # Not parsed: a thousand sockets hear the same, and the servers need the processor.
            content = frame.partition(_CONTENT)[2].partition('"')[0]
            self._heard[content] += 1
            self.heard_at[content] = now()


@asynccontextmanager
async def audience(url: str, kind: str = TICKET) -> AsyncIterator[Audience]:
    """Of tickets, which floors pretend to have, or of conversations."""
    listening = Audience(url, kind)
    try:
        yield listening
    finally:
        await listening.leave()
