"""Who may take a conversation: never more than an agent has room for, however many at once.

Manual accept, transfer and automatic assignment all come through `take`. It locks the agent's
row, so of two conversations that reach for the last place one is refused; and it counts after it
has the lock, so it counts what the other has written.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.allocation import Available, Waiting, may_serve
from domain.errors import AgentIsFull, AgentIsOffDuty, UnknownAgent, WrongTeam
from domain.models import ConversationStatus
from store.tables import Agent, Conversation

ACTIVE = (ConversationStatus.ASSIGNED, ConversationStatus.CONNECTED)
OF_LATE = timedelta(minutes=2)
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
    await require_team(session, agent, tags)
    if await active(session, agent_id) >= capacity_of(agent, capacity):
        raise AgentIsFull
    return agent


async def require_team(session: AsyncSession, agent: Agent, tags: Sequence[str]) -> None:
    """Raises WrongTeam for an agent who lacks a tag, unless everybody does.

    Customers may make tags up: one that no agent carries keeps nobody away.
    """
    if may_serve(agent.tags, tags):
        return
    needed = (await session.scalars(_CARRIED, {"tags": list(tags)})).all()
    if not may_serve(agent.tags, needed):
        raise WrongTeam


async def active(session: AsyncSession, agent_id: str) -> int:
    """How many conversations an agent has."""
    return (await session.execute(_COUNT_ACTIVE, {"id": agent_id})).scalar_one()


def capacity_of(agent: Agent, default: int) -> int:
    return default if agent.capacity is None else agent.capacity


async def waiting(
    session: AsyncSession,
    agents: Sequence[Available],
    limit: int,
    *,
    passing_over: Sequence[UUID] = (),
) -> list[Waiting]:
    """Those in the queue whom one of these agents may serve, the longest-waiting first.

    Their tags are those that an agent needs, see `require_team`.
    """
    ids = [agent.agent_id for agent in agents]
    found = await session.execute(
        _WAITING, {"agents": ids, "limit": limit, "passing_over": list(passing_over)}
    )
    return [Waiting(row.id, frozenset(row.needed), row.not_for) for row in found]


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
_CARRIED = text(
    """
    SELECT tag FROM unnest(CAST(:tags AS text[])) AS tag
    WHERE EXISTS (SELECT FROM agents WHERE tag = ANY(agents.tags))
    """
)
# However many wait, and whatever their tags: the agents are asked once for each set of tags that
# is needed. Two of them are enough to know whether there is one besides who gave it back.
_WAITING = text(
    """
    WITH kinds AS MATERIALIZED (
        SELECT tags, ARRAY(
            SELECT DISTINCT tag FROM unnest(tags) AS tag
            WHERE tag = ANY(
                (SELECT array_agg(DISTINCT carried) FROM agents, unnest(agents.tags) AS carried)
                ::text[]
            )
            ORDER BY tag
        ) AS needed
        FROM (SELECT DISTINCT tags FROM conversations WHERE status = 'QUEUED') AS queue
    ), teams AS MATERIALIZED (
        SELECT needed, ARRAY(
            SELECT id FROM agents WHERE id = ANY(:agents) AND tags @> needed LIMIT 2
        ) AS members
        FROM (SELECT DISTINCT needed FROM kinds) AS needs
    )
    SELECT id, needed, state->>'released_by' AS not_for
    FROM conversations JOIN kinds USING (tags) JOIN teams USING (needed)
    WHERE status = 'QUEUED' AND id <> ALL(CAST(:passing_over AS uuid[]))
        AND cardinality(array_remove(members, state->>'released_by')) > 0
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
).bindparams(of_late=OF_LATE)
