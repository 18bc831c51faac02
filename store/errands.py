"""Errands: written in the transaction that makes them necessary, so that none can be forgotten.

The relay has a workflow started for each within a second, and again when its row is still there
long after. Whoever carries one out deletes the row in the transaction that ends it.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errands import Errand, ErrandKind
from store.errand_tables import StoredErrand

_AGAIN_AFTER = timedelta(minutes=10)


async def add(session: AsyncSession, kind: ErrandKind, subject: UUID) -> None:
    """Have it done soon after the commit; one that waits already is not doubled."""
    await session.execute(
        insert(StoredErrand).values(kind=kind, id=subject).on_conflict_do_nothing()
    )


async def end(session: AsyncSession, kind: ErrandKind, subject: UUID) -> None:
    """It is done, or will never be."""
    await session.execute(
        delete(StoredErrand).where(StoredErrand.kind == kind, StoredErrand.id == subject)
    )


async def overdue(session: AsyncSession, limit: int) -> list[Errand]:
    """Claim those for which a workflow should be started now."""
    rows = await session.execute(_OVERDUE, {"limit": limit})
    return [Errand(kind=ErrandKind(row.kind), id=row.id) for row in rows]


_OVERDUE = text(
    """
    UPDATE errands SET due_at = clock_timestamp() + :again
    WHERE (kind, id) IN (
        SELECT kind, id FROM errands WHERE due_at < clock_timestamp()
        ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING kind, id
    """
).bindparams(again=_AGAIN_AFTER)
