"""When each part of the system was last seen at work."""

from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

WORKER = "worker"
EVERY = timedelta(seconds=1)
FRESH = timedelta(seconds=4)
"""Older, and it is dead or stuck: no process is that busy."""


async def beat(session: AsyncSession, part: str) -> None:
    await session.execute(_BEAT, {"part": part})


async def alive(session: AsyncSession, part: str) -> bool:
    """Whether one of this kind, at least, was seen of late."""
    return bool(await session.scalar(_ALIVE, {"part": part}))


_BEAT = text(
    """
    INSERT INTO heartbeats (part, seen_at) VALUES (:part, clock_timestamp())
    ON CONFLICT (part) DO UPDATE SET seen_at = excluded.seen_at
    """
)
_ALIVE = text(
    "SELECT true FROM heartbeats WHERE part = :part AND seen_at > clock_timestamp() - :fresh"
).bindparams(fresh=FRESH)
