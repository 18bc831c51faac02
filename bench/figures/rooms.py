"""Figure 6: many sockets on one API process, their memory, and an event that all of them hear."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil

from bench.client.audience import audience
from bench.desk import open_desk
from bench.house import fresh_api
from bench.rig import Rig
from bench.rows import Reach, Row
from bench.timing import in_ms, now, p50

Post = Callable[[str], Awaitable[None]]
"""Has the room hear a message with this content."""

FIRST = 20
"""Sockets that come before any memory is read: what they bring along is needed once."""
_KB = 1024


@dataclass(frozen=True, slots=True)
class _Seen:
    connecting: float
    """Seconds."""
    memory: float
    """Bytes of the server per socket."""
    events: list[float]
    """Seconds from the POST until the last socket heard it."""


async def measure(rig: Rig) -> list[Row]:
    floor = await _bare(rig)
    figure = await _holdfast(rig)
    sockets = f"{rig.sizes.sockets:,} sockets"
    return [
        Row(figure="E", what=f"bare: {sockets} connected", unit="s", measured=floor.connecting),
        Row(
            figure="E",
            what="bare: memory per socket",
            unit="KB",
            measured=floor.memory / _KB,
        ),
        Row(
            figure="E",
            what=f"bare: an event to a room of {sockets}, p50",
            unit="ms",
            measured=in_ms(p50(floor.events)),
        ),
        Row(
            figure="6",
            what=f"{sockets} connected",
            unit="s",
            measured=figure.connecting,
            floor=floor.connecting,
            floor_name="E",
        ),
        Row(
            figure="6",
            what="memory per socket",
            unit="KB",
            measured=figure.memory / _KB,
            floor=floor.memory / _KB,
            floor_name="E",
            reach=Reach.no_more_than(60),
        ),
        Row(
            figure="6",
            what=f"an event to a room of {sockets}, p50",
            unit="ms",
            measured=in_ms(p50(figure.events)),
            floor=in_ms(p50(floor.events)),
            floor_name="E",
            reach=Reach.at_most(1.3),
        ),
    ]


async def _bare(rig: Rig) -> _Seen:
    server = rig.floors.sockets
    room = "room"

    async def post(content: str) -> None:
        await server.http.post("/emit", {"thread": room, "content": content})

    return await _fill_room(rig, server.url, psutil.Process(server.pid), room, post)


async def _holdfast(rig: Rig) -> _Seen:
    """On an API process of its own: freed memory of another's earlier work would be used again,
    and sockets seem to cost nothing."""
    [ticket_id] = await rig.desk.open_tickets(1)
    async with (
        fresh_api(rig.house) as (url, process),
        open_desk(rig.house, url, callers=1) as desk,
    ):

        async def post(content: str) -> None:
            await desk.write(ticket_id, content)

        return await _fill_room(rig, url, process, ticket_id, post)


async def _fill_room(rig: Rig, url: str, server: psutil.Process, room: str, post: Post) -> _Seen:
    async with audience(url) as listening:
        token = rig.house.agent_token
        await listening.connect([token] * FIRST)
        await listening.follow([room])
        await post("first")
        await listening.until_heard("first", by=FIRST)
        before = server.memory_info().rss
        connecting = await listening.connect([token] * rig.sizes.sockets)
        await listening.follow([room])
        everybody = FIRST + rig.sizes.sockets
        events: list[float] = []
        for number in range(rig.sizes.events):
            content = f"event {number}"
            started = now()
            await post(content)
            events.append(await listening.until_heard(content, by=everybody) - started)
        await asyncio.sleep(rig.sizes.settle)
        memory = (server.memory_info().rss - before) / rig.sizes.sockets
    return _Seen(connecting, memory, events)
