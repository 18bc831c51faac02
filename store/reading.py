"""Reading a log. How it is written, and how far a workflow has looked: `store.threads`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Uuid, bindparam, cast, func, null, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from domain.models import AuthorKind, EventType, Visibility
from store.tables import Message, Thread


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a log, as it was written."""

    thread_id: UUID
    seq: int
    id: UUID
    author: AuthorKind
    author_id: str | None
    author_name: str | None
    visibility: Visibility
    content: str
    content_type: str
    event: dict[str, Any] | None
    metadata: dict[str, Any]
    attachments: list[dict[str, Any]]
    created_at: datetime


async def entries(
    session: AsyncSession,
    thread_id: UUID,
    *,
    after_seq: int | None = None,
    limit: int,
    private: bool,
    events: bool = True,
) -> list[Entry]:
    """A part of a log in its order.

    The first `limit` entries after `after_seq`, or without it the newest `limit`. Private notes
    only when `private`, system events only when `events`.
    """
    wanted = {"thread_id": thread_id, "limit": limit}
    if after_seq is not None:
        query = _ENTRIES_AFTER[private, events]
        rows = await session.execute(query, wanted | {"after_seq": after_seq})
        return [Entry(*row) for row in rows]
    newest = await session.execute(_NEWEST_ENTRIES[private, events], wanted)
    return [Entry(*row) for row in newest][::-1]


async def entry(session: AsyncSession, thread_id: UUID, seq: int) -> Entry | None:
    query = select(*_ENTRY).where(_MESSAGES.thread_id == thread_id, _MESSAGES.seq == seq)
    row = (await session.execute(query)).one_or_none()
    return Entry(*row) if row else None


async def seq_of(session: AsyncSession, thread_id: UUID, message_id: UUID) -> int | None:
    query = select(_MESSAGES.seq).where(
        _MESSAGES.thread_id == thread_id, _MESSAGES.id == message_id
    )
    seq: int | None = await session.scalar(query)
    return seq


async def place(session: AsyncSession, source: str, external_id: str) -> tuple[UUID, int] | None:
    """The thread and seq of what a sender calls so."""
    query = select(_MESSAGES.thread_id, _MESSAGES.seq).where(
        _MESSAGES.source == source, _MESSAGES.external_id == external_id
    )
    row = (await session.execute(query)).one_or_none()
    return (row.thread_id, row.seq) if row else None


async def newest_entries(
    session: AsyncSession,
    thread_ids: Sequence[UUID],
    *,
    private: bool,
    author: AuthorKind | None = None,
) -> dict[UUID, list[Entry]]:
    """The newest message of each of these threads, system events aside; with `author`, theirs."""
    if not thread_ids:
        return {}
    wanted = select(func.unnest(cast(list(thread_ids), ARRAY(Uuid))).label("id")).subquery()
    newest = select(*_ENTRY).where(
        _MESSAGES.thread_id == wanted.c.id, _MESSAGES.author != AuthorKind.SYSTEM
    )
    if author is not None:
        newest = newest.where(_MESSAGES.author == author)
    if not private:
        newest = newest.where(_MESSAGES.visibility == Visibility.PUBLIC)
    each = newest.order_by(_MESSAGES.seq.desc()).limit(1).lateral()
    query = select(each).select_from(wanted.join(each, true()))
    return {row.thread_id: [Entry(*row)] for row in await session.execute(query)}


async def count_public(session: AsyncSession, thread_id: UUID) -> int:
    """How many public messages there are, system events aside."""
    return await session.scalar(_COUNT_PUBLIC, {"thread_id": thread_id}) or 0


async def newest_event(
    session: AsyncSession, thread_id: UUID, kind: EventType
) -> dict[str, Any] | None:
    """The last event of a kind in a log, if there is one."""
    query = (
        select(_MESSAGES.event)
        .where(_MESSAGES.thread_id == thread_id, _MESSAGES.event["type"].astext == kind)
        .order_by(_MESSAGES.seq.desc())
        .limit(1)
    )
    found: dict[str, Any] | None = await session.scalar(query)
    return found


async def newest_seq(session: AsyncSession, thread_id: UUID) -> int:
    """How far the log is written; 0 for a thread that does not exist."""
    return (
        await session.scalar(select(func.max(Thread.last_seq)).where(Thread.id == thread_id))
    ) or 0


# Plain columns, not attributes of a class: reading a log needs nothing of the object mapper.
_MESSAGES = Message.__table__.c
_ENTRY = tuple(_MESSAGES[field.name] for field in fields(Entry))
# By whether private notes and events are wanted. Built once: to build one takes longer than to
# run it.
_WHOLE_LOG = (
    select(*_ENTRY)
    .where(_MESSAGES.thread_id == bindparam("thread_id"))
    .limit(bindparam("limit", type_=Integer))
)
_PUBLIC = _MESSAGES.visibility == Visibility.PUBLIC
_NO_EVENT = _MESSAGES.event.is_(null())
_COUNT_PUBLIC = (
    select(func.count())
    .select_from(_MESSAGES.thread_id.table)
    .where(_MESSAGES.thread_id == bindparam("thread_id"), _PUBLIC, _NO_EVENT)
)
_LOG = {
    (True, True): _WHOLE_LOG,
    (False, True): _WHOLE_LOG.where(_PUBLIC),
    (True, False): _WHOLE_LOG.where(_NO_EVENT),
    (False, False): _WHOLE_LOG.where(_PUBLIC, _NO_EVENT),
}
_ENTRIES_AFTER = {
    wanted: log.where(_MESSAGES.seq > bindparam("after_seq")).order_by(_MESSAGES.seq)
    for wanted, log in _LOG.items()
}
_NEWEST_ENTRIES = {wanted: log.order_by(_MESSAGES.seq.desc()) for wanted, log in _LOG.items()}
