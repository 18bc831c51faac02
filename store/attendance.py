"""Who is there: people's sockets, and what is told of them in the logs.

An api process notes whose sockets it has, and that it is alive itself; so a process that is killed
takes its people with it. When all sockets of somebody are gone for a moment (a page that is
loaded anew is not gone), it is written into the log of their open conversations, with the time
since when; and so is that they are back. What follows from it, the conversations' workflows decide.

`presences` and the logs agree because every change of what a log says of somebody happens under
one lock for that person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import Side, ThreadRef
from store import comings, team_presence
from store.comings import News
from store.presences import DEAD_AFTER, take_turns
from store.presences import Person as Person
from store.tables import Presence

BEAT = timedelta(seconds=1)
"""So often an api process says that it is alive."""
_BLINK = timedelta(seconds=1)
"""Who is back within this was never gone."""


async def beat(session: AsyncSession, process_id: UUID) -> bool:
    """Say that an api process is alive. False when it was thought dead, or is new: then
    everybody at it has to be noted again."""
    known = await session.scalar(_BEAT, {"id": process_id})
    return bool(known)


async def note(
    session: AsyncSession, process_id: UUID, here: Mapping[Person, datetime | None]
) -> list[ThreadRef]:
    """Note who has come to this process (None) and who has left it, and when.

    Returns the threads to nudge after the commit, those whose log tells of somebody's return.
    """
    people = sorted(here, key=lambda person: person.key)
    await take_turns(session, people)
    first = await _without_sockets(session, people, here)
    if people:
        rows = insert(Presence).values(
            [
                {"process_id": process_id, "person": person.key, "gone_at": here[person]}
                for person in people
            ]
        )
        await session.execute(
            rows.on_conflict_do_update(
                index_elements=[Presence.process_id, Presence.person],
                set_={"gone_at": rows.excluded.gone_at},
            )
        )
    news: list[News] = []
    for person in people:
        if here[person] is None:
            news += await comings.of_arrival(session, person)
    told = await comings.tell(session, news)
    # Agents are locked after conversations, as everywhere.
    back = [person.id for person in people if here[person] is None and person.side is Side.AGENT]
    if back:
        await session.execute(_BACK, {"agents": back})
    await team_presence.came(session, first)
    return told


async def _without_sockets(
    session: AsyncSession, people: Sequence[Person], here: Mapping[Person, datetime | None]
) -> list[str]:
    """The agents among those who come of whose sockets, until now, nothing was known."""
    coming = {
        person.key: person.id
        for person in people
        if here[person] is None and person.side is Side.AGENT
    }
    if not coming:
        return []
    known = await session.scalars(_KNOWN, {"people": list(coming)})
    return [coming[key] for key in coming.keys() - set(known)]


async def leave(session: AsyncSession, process_id: UUID) -> None:
    """An api process ends: all who are at it are gone from now on."""
    await session.execute(_LEAVE, {"id": process_id})


@dataclass(frozen=True, slots=True)
class Swept:
    """`told` are the threads to nudge after the commit; `more` says that there may be more who
    have gone."""

    told: list[ThreadRef]
    more: bool


async def sweep(session: AsyncSession, limit: int = 200) -> Swept:
    """Tell the logs who is gone: so many people, agents first, then those gone longest.

    And what calls tell of agents who have no sockets, see `store.comings`.
    """
    gone = (await session.scalars(_GONE, {"limit": limit})).all()
    people = {Person.of(key) for key in gone} | await comings.misjudged(session, limit)
    # A process that was thought dead may just be noting its people again: nothing of theirs is
    # touched before it is their turn.
    await take_turns(session, people)
    before = await session.scalar(_BEFORE_A_BLINK)
    news: list[News] = []
    gone_agents: dict[str, datetime] = {}
    for person in people:
        of_theirs = {"person": person.key}
        await session.execute(_BURY, of_theirs)
        since = await session.scalar(_SINCE, of_theirs | {"before": before})
        if person.side is Side.AGENT:
            if since is not None:
                gone_agents[person.id] = since
            else:
                # One who had gone already may have been given another conversation meanwhile.
                since = await session.scalar(_GONE_SINCE, {"agent": person.id})
        if since is not None:
            news += await comings.of_leaving(session, person, since)
        elif person.side is Side.AGENT:
            news += await comings.of_calls(session, person.id)
        await session.execute(_FORGET_GONE, of_theirs | {"before": before})
    told = await comings.tell(session, news)
    for agent_id, since in sorted(gone_agents.items()):
        await session.execute(_GO, {"agent": agent_id, "since": since})
    await team_presence.went(session, sorted(gone_agents))
    await session.execute(_FORGET_DEAD)
    return Swept(told, more=len(gone) == limit)


async def sign_off(session: AsyncSession, agent_id: str) -> list[ThreadRef]:
    """Tell an agent's conversations that the shift is over. Returns the threads to nudge."""
    return await comings.tell(session, await comings.of_signing_off(session, agent_id))


# `before` is as old as the statement, whenever it is read.
_BEAT = text(
    """
    WITH before AS (SELECT seen_at FROM api_processes WHERE id = :id)
    INSERT INTO api_processes (id, seen_at) VALUES (:id, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
    RETURNING (SELECT seen_at FROM before) > clock_timestamp() - :alive_for
    """
).bindparams(alive_for=DEAD_AFTER - BEAT)
_KNOWN = text("SELECT DISTINCT person FROM presences WHERE person = ANY(:people)")
# Somebody who was at a process that died was there for as long as it lived.
_BURY = text(
    """
    UPDATE presences SET gone_at = process.seen_at FROM api_processes AS process
    WHERE presences.person = :person AND presences.gone_at IS NULL
        AND presences.process_id = process.id
        AND process.seen_at < clock_timestamp() - :dead_after
    """
).bindparams(dead_after=DEAD_AFTER)
_FORGET_DEAD = text(
    """
    DELETE FROM api_processes WHERE id IN (
        SELECT id FROM api_processes WHERE seen_at < clock_timestamp() - :dead_after
            AND NOT EXISTS (SELECT FROM presences WHERE process_id = api_processes.id)
        FOR UPDATE SKIP LOCKED
    )
    """
).bindparams(dead_after=DEAD_AFTER)
_LEAVE = text(
    """
    UPDATE presences SET gone_at = clock_timestamp() WHERE process_id = :id AND gone_at IS NULL
    """
)
_GONE = text(
    """
    SELECT person FROM (
        SELECT person, gone_at AS since FROM presences WHERE gone_at < clock_timestamp() - :blink
        UNION ALL
        SELECT person, process.seen_at
        FROM presences JOIN api_processes AS process ON process.id = process_id
        WHERE gone_at IS NULL AND process.seen_at < clock_timestamp() - :dead_after
        UNION ALL
        SELECT 'agent/' || agents.id, agents.gone_at
        FROM agents JOIN conversations ON agent_id = agents.id
        WHERE agents.gone_at IS NOT NULL AND NOT agent_absent
            AND status IN ('ASSIGNED', 'CONNECTED')
    ) AS gone
    GROUP BY person
    ORDER BY starts_with(person, 'agent/') DESC, min(since), person LIMIT :limit
    """
).bindparams(blink=_BLINK, dead_after=DEAD_AFTER)
_BEFORE_A_BLINK = text("SELECT clock_timestamp() - :blink").bindparams(blink=_BLINK)
_SINCE = text(
    """
    SELECT max(gone_at) FROM presences WHERE person = :person
    HAVING bool_and(gone_at IS NOT NULL) AND max(gone_at) < :before
    """
)
_GONE_SINCE = text("SELECT gone_at FROM agents WHERE id = :agent")
_GO = text("UPDATE agents SET gone_at = :since WHERE id = :agent")
_BACK = text("UPDATE agents SET gone_at = NULL WHERE id = ANY(:agents) AND gone_at IS NOT NULL")
_FORGET_GONE = text("DELETE FROM presences WHERE person = :person AND gone_at < :before")
