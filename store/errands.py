"""Errands: written in the transaction that makes them necessary, so that none can be forgotten.

The relay has a workflow started for each within a second, and again when its row is still there
long after. Whoever carries one out deletes the row in the transaction that ends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errands import Errand, ErrandKind
from store.errand_tables import StoredErrand

_START_WITHIN = timedelta(seconds=15)
"""Whoever claims one has so long to start its workflow, before another does."""
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


@dataclass(frozen=True, slots=True)
class Claim:
    """Errands whose workflows should be started now, until somebody else does it."""

    errands: Sequence[Errand]
    until: datetime | None


async def overdue(session: AsyncSession, limit: int) -> Claim:
    """Claim some; say `started` of them then."""
    rows = (await session.execute(_OVERDUE, {"limit": limit})).all()
    errands = [Errand(kind=ErrandKind(row.kind), id=row.id) for row in rows]
    return Claim(errands, rows[0].due_at if rows else None)


async def started(session: AsyncSession, claim: Claim) -> None:
    """Their workflows run, and are looked at again only should they be lost. One that was done,
    and has become necessary anew, is another's."""
    await session.execute(_STARTED, {"until": claim.until})


# The transaction's time is the same for all of them, and so names the claim.
_OVERDUE = text(
    """
    UPDATE errands SET due_at = now() + :again
    WHERE (kind, id) IN (
        SELECT kind, id FROM errands WHERE due_at < clock_timestamp()
        ORDER BY due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING kind, id, due_at
    """
).bindparams(again=_START_WITHIN)
_STARTED = text("UPDATE errands SET due_at = now() + :again WHERE due_at = :until").bindparams(
    again=_AGAIN_AFTER
)
