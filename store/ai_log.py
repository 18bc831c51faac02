"""What agents ask the assistant, and what it answers: kept together, or not at all."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from store.ai_tables import AiInteraction, AiResponse


async def keep(
    session: AsyncSession, agent_id: str, question: str, reply: str, page: str
) -> AiResponse:
    """Keep a question with its answer, of an agent who exists."""
    session.add(AiInteraction(user_id=agent_id, message=question, page=page, created_at=func.now()))
    answered = AiResponse(
        user_id=agent_id,
        user_message=question,
        ai_response=reply,
        page=page,
        created_at=func.now(),
    )
    session.add(answered)
    await session.flush()
    return answered


async def history(
    session: AsyncSession, agent_id: str, *, before: int | None, limit: int
) -> Sequence[AiResponse]:
    """An agent's own, in their order: the newest `limit`, or those that came before `before`."""
    query = select(AiResponse).where(AiResponse.user_id == agent_id)
    if before is not None:
        query = query.where(AiResponse.id < before)
    newest = await session.scalars(query.order_by(AiResponse.id.desc()).limit(limit))
    return newest.all()[::-1]
