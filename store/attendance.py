"""Who is there: people's sockets, and what is told of them in the logs.

An api process notes whose sockets it has, and that it is alive itself; so a process that is killed
takes its people with it. When all sockets of somebody are gone for a moment (a page that is
loaded anew is not gone), it is written into the log of their open conversations, with the time
since when; and so is that they are back. What follows from it, the conversations' workflows decide.

`presences` and the logs agree because every change of what a log says of somebody happens under
one lock for that person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event
from domain.models import (
    ConversationStatus,
    EventType,
    Side,
    ThreadKind,
    ThreadRef,
    Visibility,
)
from store import conversations, threads
from store.allocator import ACTIVE
from store.conversations import ConversationRow
from store.presences import Person as Person
from store.presences import is_here as is_here
from store.presences import take_turns
from store.tables import Conversation, Presence

BEAT = timedelta(seconds=1)
"""So often an api process says that it is alive."""
_DEAD_AFTER = timedelta(seconds=3)
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
    news: list[_News] = []
    for person in people:
        if here[person] is None:
            news += await _news_of_arrival(session, person)
    told = await _tell(session, news)
    # Agents are locked after conversations, as everywhere.
    back = [person.id for person in people if here[person] is None and person.side is Side.AGENT]
    if back:
        await session.execute(_BACK, {"agents": back})
    return told


async def leave(session: AsyncSession, process_id: UUID) -> None:
    """An api process ends: all who are at it are gone from now on."""
    await session.execute(_LEAVE, {"id": process_id})


async def sweep(session: AsyncSession, limit: int = 200) -> list[ThreadRef]:
    """Tell the logs who is gone: so many people, agents first. Returns the threads to nudge."""
    gone = (await session.scalars(_GONE, {"limit": limit})).all()
    people = [Person.of(key) for key in gone]
    # A process that was thought dead may just be noting its people again: nothing of theirs is
    # touched before it is their turn.
    await take_turns(session, people)
    before = await session.scalar(_BEFORE_A_BLINK)
    news: list[_News] = []
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
            news += await _news_of_leaving(session, person, since)
        await session.execute(_FORGET_GONE, of_theirs | {"before": before})
    told = await _tell(session, news)
    for agent_id, since in gone_agents.items():
        await session.execute(_GO, {"agent": agent_id, "since": since})
    await session.execute(_FORGET_DEAD)
    return told


async def sign_off(session: AsyncSession, agent_id: str) -> list[ThreadRef]:
    """Tell an agent's conversations that the shift is over. Returns the threads to nudge."""
    event = Event(type=EventType.SIGNED_OFF, side=Side.AGENT, by=agent_id)
    return await _tell(session, await _news_for_agent(session, agent_id, event, {}))


@dataclass(frozen=True, slots=True)
class _News:
    """Something to be told in a log, and what the log will have told last then."""

    conversation_id: UUID
    event: Event
    changed: Mapping[str, bool]


async def _news_of_arrival(session: AsyncSession, person: Person) -> list[_News]:
    if person.side is Side.CUSTOMER:
        event = Event(type=EventType.ARRIVED, side=Side.CUSTOMER)
        return await _news_for_customer(session, person.id, event, here=True)
    event = Event(type=EventType.ARRIVED, side=Side.AGENT, by=person.id)
    return await _news_for_agent(session, person.id, event, {"agent_absent": False})


async def _news_of_leaving(session: AsyncSession, person: Person, since: datetime) -> list[_News]:
    kind = EventType.DISCONNECTED
    if person.side is Side.CUSTOMER:
        event = Event(type=kind, side=Side.CUSTOMER, since=since)
        return await _news_for_customer(session, person.id, event, here=False)
    event = Event(type=kind, side=Side.AGENT, by=person.id, since=since)
    return await _news_for_agent(session, person.id, event, {"agent_absent": True})


async def _news_for_customer(
    session: AsyncSession, customer_id: str, event: Event, *, here: bool
) -> list[_News]:
    query = select(Conversation.id).where(
        Conversation.customer_id == UUID(customer_id),
        Conversation.status != ConversationStatus.CLOSED,
        Conversation.customer_present.is_not(here),
    )
    return [_News(each, event, {"customer_present": here}) for each in await session.scalars(query)]


async def _news_for_agent(
    session: AsyncSession, agent_id: str, event: Event, changed: Mapping[str, bool]
) -> list[_News]:
    query = select(Conversation.id).where(
        Conversation.agent_id == agent_id,
        Conversation.status.in_(ACTIVE),
        *(getattr(Conversation, flag).is_not(value) for flag, value in changed.items()),
    )
    return [_News(each, event, changed) for each in await session.scalars(query)]


async def _tell(session: AsyncSession, news: Iterable[_News]) -> list[ThreadRef]:
    """Append to the logs, in one order for all, so that none wait for each other."""
    told: list[ThreadRef] = []
    for each in sorted(news, key=lambda each: each.conversation_id):
        row = await conversations.find(session, each.conversation_id, lock=True)
        by = each.event.by
        # Meanwhile it may have ended, or have gone to another agent.
        if not row.thread.open or (by is not None and row.conversation.agent_id != by):
            continue
        shown = each.event.model_copy(
            update={
                "status": row.conversation.status,
                "visibility": Visibility.PUBLIC,
                "since": _since(each.event, row),
            }
        )
        await threads.append_event(session, row.locked, shown)
        if each.changed:
            await session.execute(
                update(Conversation)
                .where(Conversation.id == each.conversation_id)
                .values(**each.changed)
            )
        told.append(ThreadRef(kind=ThreadKind.CONVERSATION, id=each.conversation_id))
    return told


def _since(event: Event, row: ConversationRow) -> datetime | None:
    """An agent is not gone from a conversation for longer than they have it."""
    assigned_at = conversations.state_of(row).assigned_at
    if event.since is None or event.side is Side.CUSTOMER or assigned_at is None:
        return event.since
    return max(event.since, assigned_at)


# `before` is as old as the statement, whenever it is read.
_BEAT = text(
    """
    WITH before AS (SELECT seen_at FROM api_processes WHERE id = :id)
    INSERT INTO api_processes (id, seen_at) VALUES (:id, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
    RETURNING (SELECT seen_at FROM before) > clock_timestamp() - :alive_for
    """
).bindparams(alive_for=_DEAD_AFTER - BEAT)
# Somebody who was at a process that died was there for as long as it lived.
_BURY = text(
    """
    UPDATE presences SET gone_at = process.seen_at FROM api_processes AS process
    WHERE presences.person = :person AND presences.gone_at IS NULL
        AND presences.process_id = process.id
        AND process.seen_at < clock_timestamp() - :dead_after
    """
).bindparams(dead_after=_DEAD_AFTER)
_FORGET_DEAD = text(
    """
    DELETE FROM api_processes WHERE id IN (
        SELECT id FROM api_processes WHERE seen_at < clock_timestamp() - :dead_after
            AND NOT EXISTS (SELECT FROM presences WHERE process_id = api_processes.id)
        FOR UPDATE SKIP LOCKED
    )
    """
).bindparams(dead_after=_DEAD_AFTER)
_LEAVE = text(
    """
    UPDATE presences SET gone_at = clock_timestamp() WHERE process_id = :id AND gone_at IS NULL
    """
)
_GONE = text(
    """
    SELECT person FROM presences WHERE gone_at < clock_timestamp() - :blink
    UNION
    SELECT person FROM presences JOIN api_processes AS process ON process.id = process_id
    WHERE gone_at IS NULL AND process.seen_at < clock_timestamp() - :dead_after
    UNION
    SELECT 'agent/' || agents.id FROM agents JOIN conversations ON agent_id = agents.id
    WHERE agents.gone_at IS NOT NULL AND status IN ('ASSIGNED', 'CONNECTED') AND NOT agent_absent
    ORDER BY person LIMIT :limit
    """
).bindparams(blink=_BLINK, dead_after=_DEAD_AFTER)
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
