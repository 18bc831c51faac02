"""Who is named in a private note: `@` and an id, or a name, whatever its case."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.team import names_mentioned
from store.team_news import Mentioned, announce


async def announce_mentions(
    session: AsyncSession, thread_id: UUID, seq: int, author_id: str | None, note: str
) -> None:
    """Tell those whom a note names, but for its author, when it is committed."""
    names = names_mentioned(note) if "@" in note else []
    if not names:
        return
    found = (await session.scalars(_NAMED, {"names": names, "author": author_id})).all()
    await announce(session, *(Mentioned(user_id, str(thread_id), seq) for user_id in found))


_NAMED = text(
    """
    SELECT id FROM agents WHERE id IS DISTINCT FROM CAST(:author AS text) AND (
        id = ANY(:names)
        OR lower(name) = ANY(ARRAY(SELECT lower(each) FROM unnest(CAST(:names AS text[])) AS each))
    )
    ORDER BY id LIMIT 50
    """
)
