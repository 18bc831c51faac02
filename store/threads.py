"""The protocol between the log and the workflows.

A thread's row holds `last_seq`, how far the log is written, and `handled_seq`, how far the
thread's workflow has looked. Two operations move them, each under the lock of that row:

- `append` writes the next entry. It reports whether the workflow was asleep, that is whether
  `handled_seq` equalled `last_seq` before; if so the caller nudges the workflow after the commit.
- `advance` records how far the workflow has looked and returns what follows. The workflow
  sleeps only when nothing follows.

Most system events are written by workflows, or about what is none of their business: they need
no look, and neither operation makes a workflow wait for one. Those that others write for it to
know of are listed in `domain.events.HEARD`, and are handled like messages.

Invariant: **whenever a committed entry is not handled, its workflow is awake, or somebody has
just learned that it must be nudged, or the relay will nudge it when `nudge_due_at` has passed.**

Why it holds: both operations lock the row, so they happen in some order. An append that comes
before the advance which would put the workflow to sleep is seen by that advance. One that
comes after finds `handled_seq == last_seq` and reports it. If the one who learned of it dies
before nudging, the row stays behind, and `overdue` returns it to the relay. A nudge carries no
data: a lost, doubled or late one costs a look, never an entry.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errands import ErrandKind
from domain.errors import IdempotencyKeyReused, NotFound
from domain.events import HEARD, Event, Head
from domain.ids import new_id
from domain.models import AuthorKind, EventType, ThreadKind, ThreadRef, Visibility
from domain.names import THREADS_CHANNEL
from domain.telling import tell
from store import attachment_uses
from store.reading import Entry
from store.tables import Thread
from store.team_mentions import announce_mentions

NUDGE_GRACE = timedelta(seconds=2)
"""How long a nudge may take before the relay sends one of its own."""

ERASED_SOURCE = "erased"
"""Of messages that were erased; their `external_id` is what `trace_of` makes of the two."""

HEADS_LIMIT = 200
"""At most so many heads a look: they are kept in the workflow's history."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry to be appended. `source` and `external_id` together name it to the sender."""

    author: AuthorKind
    content: str
    author_id: str | None = None
    author_name: str | None = None
    visibility: Visibility = Visibility.PUBLIC
    content_type: str = "text"
    event: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    source: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Locked:
    """A thread's row, locked until the transaction ends."""

    id: UUID
    open: bool
    last_seq: int
    handled_seq: int

    @property
    def asleep(self) -> bool:
        return self.handled_seq == self.last_seq


@dataclass(frozen=True, slots=True)
class Appended:
    """What `append` did: `created` is false when the entry was there already."""

    id: UUID
    thread_id: UUID
    seq: int
    created_at: datetime
    created: bool
    nudge: bool


async def create(session: AsyncSession, thread_id: UUID, kind: ThreadKind) -> Locked:
    """Make an empty thread, which nobody else can see before the commit."""
    await session.execute(_CREATE, {"id": thread_id, "kind": kind})
    return Locked(thread_id, open=True, last_seq=0, handled_seq=0)


async def lock(session: AsyncSession, thread_id: UUID) -> Locked:
    """Lock a thread until the end of the transaction. Raises NotFound."""
    row = (await session.execute(_LOCK, {"id": thread_id})).one_or_none()
    if row is None:
        raise NotFound
    return Locked(row.id, row.open, row.last_seq, row.handled_seq)


async def find(session: AsyncSession, draft: Draft) -> Appended | None:
    """The entry that the sender calls by this draft's `external_id`, if it was appended before.

    Of one that was erased nobody can tell any more what it said: it is the same. Raises
    IdempotencyKeyReused when that entry says something else, or is by somebody else.
    """
    if draft.source is None or draft.external_id is None:
        return None
    names = {
        "source": draft.source,
        "external_id": draft.external_id,
        "trace": trace_of(draft.source, draft.external_id),
    }
    row = (await session.execute(_FIND, names)).one_or_none()
    if row is None:
        return None
    if row.source == ERASED_SOURCE:
        return Appended(row.id, row.thread_id, row.seq, row.created_at, created=False, nudge=False)
    said = (row.content, row.author, row.author_id, row.visibility)
    if said != (draft.content, draft.author, draft.author_id, draft.visibility):
        raise IdempotencyKeyReused
    return Appended(row.id, row.thread_id, row.seq, row.created_at, created=False, nudge=False)


async def find_erased(session: AsyncSession, draft: Draft) -> Appended | None:
    """The same, if that entry was erased since."""
    if draft.source is None or draft.external_id is None:
        return None
    trace = trace_of(draft.source, draft.external_id)
    row = (await session.execute(_FIND_ERASED, {"trace": trace})).one_or_none()
    if row is None:
        return None
    return Appended(row.id, row.thread_id, row.seq, row.created_at, created=False, nudge=False)


async def known(session: AsyncSession, source: str, external_ids: Collection[str]) -> set[str]:
    """Those of a sender's names that are in the log, or were until it was erased."""
    traces = {trace_of(source, external_id): external_id for external_id in external_ids}
    names = {"source": source, "external_ids": list(external_ids), "traces": list(traces)}
    rows = await session.scalars(_KNOWN, names)
    return {traces.get(name, name) for name in rows}


def trace_of(source: str, external_id: str) -> str:
    """What is left of a message's name when it is erased: names hold addresses."""
    return hashlib.sha256(f"{source}\n{external_id}".encode()).hexdigest()


async def is_new(session: AsyncSession, source: str, external_id: str) -> bool:
    """Whether nothing in the log is called so. Nobody else writes under the name until the
    transaction ends."""
    await session.execute(_LOCK_NAME, {"name": f"{source}/{external_id}"})
    return not await known(session, source, [external_id])


async def append(session: AsyncSession, thread: Locked, draft: Draft) -> Appended:
    """Write the next entry of a locked thread; see the protocol above.

    An event that needs no look by the workflow and follows a handled entry is handled.

    An entry whose `(source, external_id)` is in the log already is not written again: the first
    one is returned, whichever thread it stands in. Raises IdempotencyKeyReused when it says
    something else.
    """
    if draft.source is not None and draft.external_id is not None:
        # Two threads can be given one external id at the same instant: their rows do not keep
        # them apart, this lock does.
        await session.execute(_LOCK_NAME, {"name": f"{draft.source}/{draft.external_id}"})
        known = await find(session, draft)
        if known is not None:
            return known
    message_id = new_id()
    seq = thread.last_seq + 1
    by_system = draft.author is AuthorKind.SYSTEM
    unheard = by_system and not (draft.event and draft.event["type"] in HEARD)
    by_agent = draft.author is AuthorKind.AGENT and draft.visibility is Visibility.PUBLIC
    created_at = await session.scalar(
        _APPEND,
        {
            "thread_id": thread.id,
            "seq": seq,
            "id": message_id,
            "author": draft.author,
            "author_id": draft.author_id,
            "author_name": draft.author_name,
            "visibility": draft.visibility,
            "content": draft.content,
            "content_type": draft.content_type,
            "event": draft.event,
            "metadata": draft.metadata,
            "attachments": draft.attachments,
            "source": draft.source,
            "external_id": draft.external_id,
            "by_agent": by_agent,
            "by_system": by_system,
            "unheard": unheard,
            "told": _kinds(draft, seq),
        },
    )
    if created_at is None:
        raise RuntimeError("an INSERT with RETURNING returned nothing")
    if draft.attachments:
        await attachment_uses.use(session, thread.id, seq, draft.visibility, draft.attachments)
    if draft.author is AuthorKind.AGENT and draft.visibility is Visibility.PRIVATE:
        await announce_mentions(session, thread.id, seq, draft.author_id, draft.content)
    nudge = thread.asleep and not unheard
    return Appended(message_id, thread.id, seq, created_at, created=True, nudge=nudge)


def entry_of(appended: Appended, draft: Draft) -> Entry:
    """The entry that a draft has become just now."""
    return Entry(
        thread_id=appended.thread_id,
        seq=appended.seq,
        id=appended.id,
        author=draft.author,
        author_id=draft.author_id,
        author_name=draft.author_name,
        visibility=draft.visibility,
        content=draft.content,
        content_type=draft.content_type,
        event=draft.event,
        metadata=draft.metadata,
        attachments=draft.attachments,
        created_at=appended.created_at,
    )


async def append_event(
    session: AsyncSession, thread: Locked, event: Event, **also: str | None
) -> Locked:
    """Write a system event; returns the thread as it is then."""
    return after_append(thread, await append(session, thread, event_draft(event, **also)))


def event_draft(event: Event, **also: str | None) -> Draft:
    """A system event as an entry.

    `also` is told to clients and not to the workflow: names, and what people wrote.
    """
    told = event.model_dump(mode="json", exclude_none=True)
    return Draft(
        author=AuthorKind.SYSTEM,
        content=tell(event),
        visibility=event.visibility,
        content_type="event",
        event=told | {name: value for name, value in also.items() if value is not None},
    )


def after_append(thread: Locked, appended: Appended) -> Locked:
    """A locked thread as it is once an entry was appended."""
    if not appended.created:
        return thread
    handled_seq = appended.seq if thread.asleep and not appended.nudge else thread.handled_seq
    return Locked(thread.id, thread.open, appended.seq, handled_seq)


@dataclass(frozen=True, slots=True)
class Advanced:
    """Where the workflow now stands, and what it has still to look at."""

    cursor: int
    heads: Sequence[Head]


async def advance(session: AsyncSession, thread: Locked, cursor: int) -> Advanced:
    """Record that a locked thread's workflow has looked at all up to `cursor`.

    Returns what follows, at most HEADS_LIMIT heads. Empty means: sleep. The cursor passes the
    unheard events that come next. A cursor behind `handled_seq` is that of a
    worker which died before it could remember what it had done: it goes on from there.
    """
    cursor = max(cursor, thread.handled_seq)
    heads: list[Head] = []
    if thread.last_seq > cursor:
        rows = await session.execute(_HEADS, {"id": thread.id, "cursor": cursor})
        heads = [_head(row) for row in rows]
        while heads and heads[0].author is AuthorKind.SYSTEM and heads[0].event is None:
            cursor = heads.pop(0).seq
    if cursor > thread.handled_seq:
        await session.execute(_ADVANCE, {"id": thread.id, "cursor": cursor})
    return Advanced(cursor, heads)


async def touch(session: AsyncSession, thread_id: UUID) -> None:
    """Tell the streams that something about a locked thread has changed, besides its log."""
    await session.execute(_TOUCH, {"id": thread_id})


async def close(session: AsyncSession, thread_id: UUID) -> None:
    """End a locked thread: nothing can be appended to it from now on."""
    await session.execute(_CLOSE, {"id": thread_id})


async def overdue(session: AsyncSession, limit: int) -> list[ThreadRef]:
    """Claim threads whose workflow has been behind for too long, for one nudge each.

    A claim ends by itself, so that a relay which dies, or whose nudge is lost, costs a delay.
    """
    rows = await session.execute(_OVERDUE, {"limit": limit})
    return [ThreadRef(kind=row.kind, id=row.id) for row in rows]


async def open_after(session: AsyncSession, after: UUID | None, limit: int) -> list[ThreadRef]:
    """Open threads in the order of their ids, from `after` on."""
    query = select(Thread.id, Thread.kind).where(Thread.open).order_by(Thread.id).limit(limit)
    if after is not None:
        query = query.where(Thread.id > after)
    return [ThreadRef(kind=row.kind, id=row.id) for row in await session.execute(query)]


def _kinds(draft: Draft, seq: int) -> list[str]:
    """What subscribers to webhooks call this entry; after a `.`, of this kind of thread."""
    event = draft.event["type"] if draft.event else None
    kinds = [".created"] if seq == 1 or event == EventType.FROM_CONVERSATION else []
    if event is not None:
        return [*kinds, f".{event}"]
    noted = draft.visibility is Visibility.PRIVATE
    return [*kinds, "note.created" if noted else "message.created"]


def _head(row: Row[Any]) -> Head:
    heard = row.event is not None and row.event["type"] in HEARD
    return Head(
        seq=row.seq,
        author=row.author,
        visibility=row.visibility,
        at=row.at,
        event=Event.model_validate(row.event) if heard else None,
    )


_CREATE = text(
    """
    INSERT INTO threads (id, kind, nudge_due_at, last_message_at, updated_at, revision)
    VALUES (
        :id, :kind, clock_timestamp() + :grace, now(), now(), pg_current_xact_id()::text::bigint
    )
    """
).bindparams(grace=NUDGE_GRACE)
_LOCK = text("SELECT id, open, last_seq, handled_seq FROM threads WHERE id = :id FOR NO KEY UPDATE")
_LOCK_NAME = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
_FIND = text(
    """
    SELECT id, thread_id, seq, created_at, content, author, author_id, visibility, source
    FROM messages
    WHERE source = :source AND external_id = :external_id
        OR source = :erased AND external_id = :trace
    """
).bindparams(erased=ERASED_SOURCE)
_FIND_ERASED = text(
    """
    SELECT id, thread_id, seq, created_at FROM messages
    WHERE source = :erased AND external_id = :trace
    """
).bindparams(erased=ERASED_SOURCE)
_KNOWN = text(
    """
    SELECT external_id FROM messages
    WHERE source = :source AND external_id = ANY(:external_ids)
        OR source = :erased AND external_id = ANY(:traces)
    """
).bindparams(erased=ERASED_SOURCE)
_APPEND = text(
    """
    WITH entry AS (
        INSERT INTO messages (
            thread_id, seq, id, author, author_id, author_name, visibility, content,
            content_type, event, metadata, attachments, source, external_id, created_at
        ) VALUES (
            :thread_id, :seq, :id, :author, :author_id, :author_name, :visibility, :content,
            :content_type, :event, :metadata, :attachments, :source, :external_id,
            clock_timestamp()
        )
        RETURNING created_at
    ), head AS (
        UPDATE threads SET
            last_seq = :seq,
            updated_at = entry.created_at,
            revision = pg_current_xact_id()::text::bigint,
            last_message_at =
                CASE WHEN :by_system THEN last_message_at ELSE entry.created_at END,
            last_agent_seq = CASE WHEN :by_agent THEN :seq ELSE last_agent_seq END,
            handled_seq = CASE WHEN :unheard AND handled_seq = last_seq
                THEN :seq ELSE handled_seq END,
            nudge_due_at = CASE WHEN handled_seq = last_seq
                THEN clock_timestamp() + :grace ELSE nudge_due_at END
        FROM entry WHERE id = :thread_id
        RETURNING entry.created_at, threads.kind
    ), told AS (
        INSERT INTO webhook_events (subscription_id, kind, thread_id, seq)
        SELECT subscription.id, told.kind, :thread_id, :seq
        FROM head, webhook_subscriptions AS subscription, LATERAL (
            SELECT CASE WHEN starts_with(each, '.') THEN head.kind || each ELSE each END AS kind
            FROM unnest(CAST(:told AS text[])) AS each
        ) AS told
        WHERE subscription.active AND subscription.events
            && ARRAY['*', split_part(told.kind, '.', 1) || '.*', told.kind]
        RETURNING id
    ), errand AS (
        INSERT INTO errands (kind, id) SELECT :errand, id FROM told
    )
    SELECT head.created_at, pg_notify(:channel, CAST(:thread_id AS text)) FROM head
    """
).bindparams(
    bindparam("event", type_=JSONB(none_as_null=True)),
    bindparam("metadata", type_=JSONB),
    bindparam("attachments", type_=JSONB),
    grace=NUDGE_GRACE,
    channel=THREADS_CHANNEL,
    errand=ErrandKind.WEBHOOK,
)
_HEADS = text(
    """
    SELECT seq, author, visibility, created_at AS at, event FROM messages
    WHERE thread_id = :id AND seq > :cursor ORDER BY seq LIMIT :limit
    """
).bindparams(limit=HEADS_LIMIT)
_ADVANCE = text(
    """
    UPDATE threads SET handled_seq = :cursor, nudge_due_at = clock_timestamp() + :grace
    WHERE id = :id
    """
).bindparams(grace=NUDGE_GRACE)
_TOUCH = text(
    """
    WITH head AS (
        UPDATE threads
        SET updated_at = clock_timestamp(), revision = pg_current_xact_id()::text::bigint
        WHERE id = :id
    )
    SELECT pg_notify(:channel, CAST(:id AS text))
    """
).bindparams(channel=THREADS_CHANNEL)
_CLOSE = text("UPDATE threads SET open = false WHERE id = :id")
_OVERDUE = text(
    """
    UPDATE threads SET nudge_due_at = clock_timestamp() + :grace * 2
    WHERE id IN (
        SELECT id FROM threads
        WHERE handled_seq < last_seq AND nudge_due_at < clock_timestamp()
        ORDER BY nudge_due_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    RETURNING id, kind
    """
).bindparams(grace=NUDGE_GRACE)
