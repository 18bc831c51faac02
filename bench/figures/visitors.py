"""Figure 11: many visitors' sockets, each in its own conversation, and an agent's on the queue."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import psutil

from bench.chat import Visitor
from bench.client.audience import CONVERSATION, TICKET, audience
from bench.client.sockets import EVENT, Socket, connector
from bench.errors import CannotMeasure
from bench.figures.rooms import FIRST
from bench.floors.servers import fresh_floor
from bench.house import fresh_api
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, now, paced

Post = Callable[[str], Awaitable[None]]
"""Has the first visitor's socket hear a message with this content."""

_SNAPSHOT = EVENT + '["queue:snapshot"'
_LAST_SNAPSHOT = 0.5
"""Seconds until the last one has come."""
_KB = 1024


@dataclass(frozen=True, slots=True)
class _Seen:
    connecting: float
    """Seconds."""
    memory: float
    """Bytes of the server per socket."""


@dataclass(frozen=True, slots=True)
class _Queue:
    """What the agent saw of it, and who waits there now."""

    visitors: list[Visitor]
    snapshots: list[float]
    """When they came."""

    @property
    def a_second(self) -> float:
        return (len(self.snapshots) - 1) / (self.snapshots[-1] - self.snapshots[0])

    def __str__(self) -> str:
        gap = min(later - earlier for earlier, later in pairwise(self.snapshots))
        return f"at most 4; {len(self.snapshots)} came, never within {in_ms(gap):.0f} ms"


async def measure(rig: Rig) -> list[Row]:
    floor = await _bare(rig)
    queue = await _enter_queue(rig)
    # A queue that is longer than what is shown of it would change without being seen to.
    missing = FIRST + rig.sizes.sockets - len(queue.visitors)
    visitors = queue.visitors + await rig.chat.fill_queue(missing)
    figure = await _holdfast(rig, visitors)
    await rig.chat.close(visitors)
    sizes = rig.sizes
    return [
        Row(
            figure="11",
            what=f"chat: {sizes.sockets:,} visitors' sockets connected",
            unit="s",
            measured=figure.connecting,
            floor=floor.connecting,
            floor_name="E",
        ),
        Row(
            figure="11",
            what="chat: memory per visitor's socket",
            unit="KB",
            measured=figure.memory / _KB,
            floor=floor.memory / _KB,
            floor_name="E",
            reach=Reach.no_more_than(60),
        ),
        Row(
            figure="11",
            what=f"chat: queue:snapshot, while {sizes.entering} enter at {sizes.paced_rate}/s",
            unit="/s",
            measured=queue.a_second,
            note=str(queue),
        ),
    ]


async def _enter_queue(rig: Rig) -> _Queue:
    """One agent looks at the queue, which nobody else waits in."""
    queue = _Queue([], [])

    def hear(frame: str) -> None:
        if frame.startswith(_SNAPSHOT):
            queue.snapshots.append(now())

    async def come(_: int) -> None:
        queue.visitors.append(await rig.chat.come())

    async with connector() as session:
        agent = await Socket.connect(session, rig.house.url, rig.house.agent_token, hear)
        try:
            await agent.call("subscribe", {"scope": "queue"})
            await paced(rig.sizes.paced_rate, rig.sizes.entering, come)
            await asyncio.sleep(_LAST_SNAPSHOT)
        finally:
            await agent.close()
    if len(queue.snapshots) < 2:
        raise CannotMeasure(f"only {len(queue.snapshots)} snapshots of the queue came")
    return queue


async def _bare(rig: Rig) -> _Seen:
    """Each socket in a room of its own; see `rooms` why the server has to be fresh."""
    threads = [f"visitor-{number}" for number in range(FIRST + rig.sizes.sockets)]
    tokens = [rig.house.agent_token] * len(threads)
    async with fresh_floor(rig.house) as server:

        async def post(content: str) -> None:
            await server.http.post("/emit", {"thread": threads[0], "content": content})

        process = psutil.Process(server.pid)
        return await _connect(rig, server.url, process, TICKET, threads, tokens, post)


async def _holdfast(rig: Rig, visitors: Sequence[Visitor]) -> _Seen:
    threads = [visitor.conversation_id for visitor in visitors]
    tokens = [visitor.token for visitor in visitors]

    async def post(content: str) -> None:
        await rig.chat.write(visitors[0], content)

    async with fresh_api(rig.house) as (url, process):
        return await _connect(rig, url, process, CONVERSATION, threads, tokens, post)


async def _connect(
    rig: Rig,
    url: str,
    server: psutil.Process,
    kind: str,
    threads: Sequence[str],
    tokens: Sequence[str],
    post: Post,
) -> _Seen:
    async with audience(url, kind) as listening:
        await listening.connect(tokens[:FIRST])
        await listening.follow(threads[:FIRST])
        await post("first")
        await listening.until_heard("first", by=1)
        before = server.memory_info().rss
        connecting = await listening.connect(tokens[FIRST:])
        await listening.follow(threads)
        await asyncio.sleep(rig.sizes.settle)
        memory = (server.memory_info().rss - before) / rig.sizes.sockets
    return _Seen(connecting, memory)
