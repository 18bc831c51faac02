"""How far each side of a conversation has read. Not in the log, and no workflow knows of it."""

from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import Side
from store.tables import ReadMark


async def set_mark(session: AsyncSession, thread_id: UUID, side: Side, seq: int) -> int:
    """Note that a side has read up to `seq`; a mark never goes back, nor beyond the log.

    Returns where it stands now.
    """
    marked = await session.execute(_SET, {"thread_id": thread_id, "side": side, "seq": seq})
    return int(marked.scalar_one())


async def marks(session: AsyncSession, thread_id: UUID) -> dict[Side, int]:
    """Where both sides stand; 0 for one that has read nothing."""
    rows = await session.execute(select(ReadMark).where(ReadMark.thread_id == thread_id))
    found = {Side(row.side): row.seq for row in rows.scalars()}
    return {side: found.get(side, 0) for side in Side}


_SET = text(
    """
    INSERT INTO read_marks (thread_id, side, seq)
    SELECT id, :side, least(:seq, last_seq) FROM threads WHERE id = :thread_id
    ON CONFLICT (thread_id, side) DO UPDATE SET seq = greatest(read_marks.seq, excluded.seq)
    RETURNING seq
    """
)
