"""How available colleagues are: from their calls, their sockets, and what they say of themselves.

Whoever has a socket at an api process that is alive is here. Otherwise the last activity counts:
a call (noted once a minute, see `api.auth`), or the end of the last socket. Others are told when
somebody's first socket comes, when the last one has been gone for a moment (`store.attendance`
decides on both, under one lock for the person), and when somebody says how they are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.team import TeamStatus, status_of
from store.presences import DEAD_AFTER
from store.team_news import StatusChanged, announce

ONLINE, OFFLINE = TeamStatus.ONLINE, TeamStatus.OFFLINE


@dataclass(frozen=True, slots=True)
class Colleague:
    id: str
    name: str
    email: str | None
    department: str | None
    last_activity: datetime | None
    """None for one who was added and has not called yet."""
    status: TeamStatus


async def colleagues(session: AsyncSession, user_id: str, limit: int) -> list[Colleague]:
    """All but the user, those who were active last first."""
    rows = await session.execute(_COLLEAGUES, {"user": user_id, "limit": limit})
    return [_colleague(*row) for row in rows]


async def find(session: AsyncSession, user_ids: Collection[str]) -> dict[str, Colleague]:
    """Those of these users who exist."""
    rows = await session.execute(_FIND, {"ids": list(user_ids)})
    found = [_colleague(*row) for row in rows]
    return {each.id: each for each in found}


async def set_status(session: AsyncSession, user_id: str, status: TeamStatus) -> None:
    """Note what a user says of themselves, and tell it. `away` and `busy` last until they say
    something else, `offline` until they come anew."""
    said = None if status is ONLINE else status
    await session.execute(_SAY, {"user": user_id, "said": said})
    await announce(session, StatusChanged(user_id, status))


async def came(session: AsyncSession, user_ids: Sequence[str]) -> None:
    """Their first sockets are here."""
    if not user_ids:
        return
    ids = {"ids": list(user_ids)}
    await session.execute(_COME, ids)
    said = (await session.execute(_SAID, ids)).all()
    await announce(session, *(StatusChanged(row.id, row.said or ONLINE) for row in said))


async def went(session: AsyncSession, user_ids: Sequence[str]) -> None:
    """Their last sockets have been gone for a moment."""
    if not user_ids:
        return
    said = (await session.execute(_SAID, {"ids": list(user_ids)})).all()
    visible = [row.id for row in said if row.said != OFFLINE]
    await announce(session, *(StatusChanged(user_id, OFFLINE) for user_id in visible))


def _colleague(
    user_id: str,
    name: str,
    email: str | None,
    department: str | None,
    said: str | None,
    last_activity: datetime | None,
    here: bool,
    now: datetime,
) -> Colleague:
    status = status_of(
        TeamStatus(said) if said else None,
        here=here,
        idle=now - last_activity if last_activity else None,
    )
    return Colleague(user_id, name or user_id, email, department, last_activity, status)


# A process that beats no more takes its people with it.
_SEEN = """
    SELECT substr(person, 7) AS id, max(coalesce(presences.gone_at, seen_at)) AS at,
        bool_or(presences.gone_at IS NULL AND seen_at > clock_timestamp() - :dead_after) AS here
    FROM presences JOIN api_processes ON api_processes.id = process_id
"""
_ROW = """
    SELECT agents.id, name, email, department, presence_status,
        greatest(last_seen_at, agents.gone_at, seen.at) AS last_activity,
        coalesce(seen.here, false), clock_timestamp()
    FROM agents LEFT JOIN seen ON seen.id = agents.id
"""
# Whoever is not at a process was active when their row says so, and an index has these in order.
_COLLEAGUES = text(
    f"""
    WITH seen AS ({_SEEN} WHERE starts_with(person, 'agent/') GROUP BY person),
    recent AS (
        SELECT id FROM agents
        ORDER BY greatest(last_seen_at, gone_at) DESC NULLS LAST, id LIMIT :limit + 1
    )
    {_ROW}
    WHERE agents.id IN (SELECT id FROM recent UNION SELECT id FROM seen) AND agents.id <> :user
    ORDER BY last_activity DESC NULLS LAST, agents.id LIMIT :limit
    """  # noqa: S608  constants
).bindparams(dead_after=DEAD_AFTER)
_FIND = text(
    f"""
    WITH wanted AS (SELECT unnest(CAST(:ids AS text[])) AS id),
    seen AS ({_SEEN} WHERE person IN (SELECT 'agent/' || id FROM wanted) GROUP BY person)
    {_ROW} WHERE agents.id IN (SELECT id FROM wanted)
    """  # noqa: S608  constants
).bindparams(dead_after=DEAD_AFTER)
_SAY = text("UPDATE agents SET presence_status = :said WHERE id = :user")
_COME = text(
    """
    UPDATE agents SET presence_status = NULL WHERE id = ANY(:ids) AND presence_status = 'offline'
    """
)
_SAID = text("SELECT id, presence_status AS said FROM agents WHERE id = ANY(:ids) ORDER BY id")
