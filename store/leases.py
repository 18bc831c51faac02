"""Leases: of several that could do something, one does, and another after it has died."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def hold(session: AsyncSession, name: str, holder: UUID, lasts: timedelta) -> bool:
    """Take a lease that is free or has run out, or renew one's own. False when another has it."""
    wanted = {"name": name, "holder": holder, "lasts": lasts}
    return (await session.execute(_HOLD, wanted)).one_or_none() is not None


async def release(session: AsyncSession, name: str, holder: UUID) -> None:
    """Give it back before it ends, so that the next need not wait."""
    await session.execute(_RELEASE, {"name": name, "holder": holder})


_HOLD = text(
    """
    INSERT INTO leases AS lease (name, holder, until)
    VALUES (:name, :holder, clock_timestamp() + :lasts)
    ON CONFLICT (name) DO UPDATE SET holder = :holder, until = clock_timestamp() + :lasts
    WHERE lease.holder = :holder OR lease.until < clock_timestamp()
    RETURNING 1
    """
)
_RELEASE = text("DELETE FROM leases WHERE name = :name AND holder = :holder")
