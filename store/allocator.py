"""Who may take a conversation: never more than an agent has room for, however many at once.

Manual accept, transfer and automatic assignment all come through `take`. It locks the agent's
row, so of two conversations that reach for the last place one is refused; and it counts after it
has the lock, so it counts what the other has written.
"""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.allocation import Available, Waiting, may_serve
from domain.errors import AgentIsFull, AgentIsOffDuty, UnknownAgent, WrongTeam
from domain.models import ConversationStatus
from store.tables import Agent, Conversation

ACTIVE = (ConversationStatus.ASSIGNED, ConversationStatus.CONNECTED)
_OF_LATE = timedelta(minutes=2)
"""An agent who works without sockets counts as online for so long after their last call."""


async def take(
    session: AsyncSession,
    agent_id: str,
    tags: Sequence[str],
    capacity: int,
    *,
    unasked: bool = False,
) -> Agent:
    """Make sure that an agent can take one more, until the transaction ends.

    `tags` are those that the agent needs, `capacity` is for agents who have none of their own.
    `unasked`, by automatic assignment, only who is on duty is given one. Raises UnknownAgent,
    AgentIsOffDuty, WrongTeam and AgentIsFull.
    """
    agent = (await session.execute(_LOCK_AGENT, {"id": agent_id})).scalar_one_or_none()
    if agent is None:
        raise UnknownAgent
    if unasked and not agent.on_duty:
        raise AgentIsOffDuty
    if not may_serve(agent.tags, tags):
        raise WrongTeam
    if await active(session, agent_id) >= capacity_of(agent, capacity):
        raise AgentIsFull
    return agent


async def active(session: AsyncSession, agent_id: str) -> int:
    """How many conversations an agent has."""
    return (await session.execute(_COUNT_ACTIVE, {"id": agent_id})).scalar_one()


def capacity_of(agent: Agent, default: int) -> int:
    return default if agent.capacity is None else agent.capacity


async def waiting(session: AsyncSession, agents: Sequence[Available], limit: int) -> list[Waiting]:
    """Those in the queue whom one of these agents may serve, the longest-waiting first."""
    ids = [agent.agent_id for agent in agents]
    found = await session.execute(_WAITING, {"agents": ids, "limit": limit})
    return [Waiting(row.id, frozenset(row.tags), row.not_for) for row in found]


async def available(session: AsyncSession, capacity: int) -> list[Available]:
    """Agents on duty who are there and have room."""
    found = await session.execute(_AVAILABLE, {"capacity": capacity})
    return [Available(row.id, frozenset(row.tags), row.capacity, row.active) for row in found]


_LOCK_AGENT = select(Agent).where(Agent.id == bindparam("id")).with_for_update(key_share=True)
_COUNT_ACTIVE = (
    select(func.count())
    .select_from(Conversation)
    .where(Conversation.agent_id == bindparam("id"), Conversation.status.in_(ACTIVE))
)
_WAITING = text(
    """
    SELECT id, tags, state->>'released_by' AS not_for FROM conversations
    WHERE status = 'QUEUED' AND EXISTS (
        SELECT FROM agents
        WHERE id = ANY(:agents) AND agents.tags @> conversations.tags
            AND id IS DISTINCT FROM conversations.state->>'released_by'
    )
    ORDER BY queued_at, id LIMIT :limit
    """
)
_AVAILABLE = text(
    """
    SELECT * FROM (
        SELECT id, tags, coalesce(agents.capacity, :capacity) AS capacity, (
            SELECT count(*) FROM conversations
            WHERE agent_id = agents.id AND status IN ('ASSIGNED', 'CONNECTED')
        ) AS active
        FROM agents
        WHERE on_duty AND (
            (gone_at IS NULL AND last_seen_at > now() - :of_late)
            OR EXISTS (
                SELECT FROM presences
                WHERE person = 'agent/' || agents.id AND gone_at IS NULL
            )
        )
    ) AS there
    WHERE active < capacity
    """
).bindparams(of_late=_OF_LATE)
