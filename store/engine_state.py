"""Which Temporal namespace our workflows were last seen in."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables import EngineState


async def namespace_id(session: AsyncSession) -> str | None:
    return await session.scalar(select(EngineState.namespace_id))


async def remember_namespace(session: AsyncSession, namespace_id: str) -> None:
    values = insert(EngineState).values(id=1, namespace_id=namespace_id)
    await session.execute(
        values.on_conflict_do_update(
            index_elements=[EngineState.id], set_={"namespace_id": values.excluded.namespace_id}
        )
    )
