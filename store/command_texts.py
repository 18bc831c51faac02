"""What people say along with a command: why they close, what the next agent should know."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables import CommandText

KEPT_FOR = timedelta(hours=1)
"""A command is judged within seconds, or given up."""


async def keep(
    session: AsyncSession, cause: str, content: str, thread_id: UUID | None = None
) -> None:
    """Put down what belongs to the update with the id `cause`, before it is sent to a thread."""
    await session.execute(
        insert(CommandText).values(
            cause=cause, thread_id=thread_id, content=content, created_at=func.now()
        )
    )


async def take(session: AsyncSession, cause: str | None) -> str | None:
    """What was put down, once."""
    return await session.scalar(_TAKE, {"cause": cause}) if cause is not None else None


async def forget_old(session: AsyncSession) -> None:
    """Forget what belonged to commands that were refused."""
    await session.execute(_FORGET, {"kept_for": KEPT_FOR})


_TAKE = text("DELETE FROM command_texts WHERE cause = :cause RETURNING content")
_FORGET = text("DELETE FROM command_texts WHERE created_at < now() - :kept_for")
