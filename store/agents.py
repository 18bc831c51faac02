"""Agents: they exist from their first call, or because an operator added them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.tables import Agent

_SEEN_EVERY = timedelta(seconds=30)
"""How exact `last_seen_at` is for an agent in whose name a back end calls all the time."""


@dataclass(frozen=True, slots=True)
class AgentInfo:
    id: str
    name: str
    email: str | None
    created_at: datetime
    last_seen_at: datetime | None
    """None for one who was added and has not called yet."""


async def add(
    session: AsyncSession,
    agent_id: str,
    name: str,
    email: str | None = None,
    department: str | None = None,
) -> bool:
    """Add an agent who has not called yet. False when the agent exists; nothing changes then."""
    added = await session.scalar(
        insert(Agent)
        .values(id=agent_id, name=name, email=email, department=department, created_at=func.now())
        .on_conflict_do_nothing(index_elements=[Agent.id])
        .returning(Agent.id)
    )
    return added is not None


async def seen(session: AsyncSession, agent_id: str, name: str, email: str) -> None:
    """Note that an agent called. A name or e-mail that the token leaves empty stays as it was."""
    row = insert(Agent).values(
        id=agent_id,
        name=name,
        email=email or None,
        created_at=func.now(),
        last_seen_at=func.now(),
    )
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[Agent.id],
            set_={
                "name": func.coalesce(func.nullif(row.excluded.name, ""), Agent.name),
                "email": func.coalesce(row.excluded.email, Agent.email),
                "last_seen_at": row.excluded.last_seen_at,
            },
        )
    )


async def acted(session: AsyncSession, agent_id: str) -> None:
    """Note that somebody called in the name of an agent; nothing for one whom nobody knows.

    It locks the agent's row, which comes after a conversation's and never before.
    """
    long_ago = or_(Agent.last_seen_at.is_(None), Agent.last_seen_at < func.now() - _SEEN_EVERY)
    await session.execute(
        update(Agent)
        .where(Agent.id == agent_id, long_ago)
        .values(last_seen_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def exists(session: AsyncSession, agent_id: str) -> bool:
    found = await session.scalar(select(Agent.id).where(Agent.id == agent_id))
    return found is not None


async def get(session: AsyncSession, agent_id: str) -> AgentInfo | None:
    row = await session.get(Agent, agent_id)
    if row is None:
        return None
    return AgentInfo(row.id, row.name, row.email, row.created_at, row.last_seen_at)


async def find(session: AsyncSession, agent_id: str) -> Agent | None:
    """The row of an agent."""
    return await session.get(Agent, agent_id, populate_existing=True)


async def set_duty(session: AsyncSession, agent_id: str, *, on_duty: bool) -> None:
    """Begin or end a shift. Who begins one is seen at this moment, with or without a socket."""
    values: dict[str, object] = {"on_duty": on_duty}
    if on_duty:
        values |= {"last_seen_at": func.now(), "gone_at": None}
    await session.execute(update(Agent).where(Agent.id == agent_id).values(**values))


async def equip(
    session: AsyncSession,
    agent_id: str,
    *,
    name: str | None = None,
    capacity: int | None = None,
    tags: list[str] | None = None,
) -> None:
    """Say how many conversations an agent takes at once, and which kinds; None leaves it."""
    values: dict[str, object] = {}
    if name is not None:
        values["name"] = name
    if capacity is not None:
        values["capacity"] = capacity
    if tags is not None:
        values["tags"] = tags
    if values:
        await session.execute(update(Agent).where(Agent.id == agent_id).values(**values))
