"""The outbox: messages on their way to outside addresses.

A delivery is written in the transaction that appends its message, so none can be forgotten. The
thread's workflow has them sent, strictly in order, by an activity that takes the first pending one
(`attempt`), sends it, and writes what became of it (`move`). News of it may come later and from
elsewhere: a receipt, an error, a read mark.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deliveries import Outgoing, may_follow
from domain.events import Event
from domain.models import AuthorKind, DeliveryState, EventType, ThreadKind, ThreadRef
from domain.names import WHISPERS_CHANNEL
from store import threads
from store.tables import Delivery, Message

_NUDGE_AFTER = timedelta(minutes=1)
_NUDGE_AGAIN_AFTER = timedelta(minutes=5)
_NOBODY_SENDS = "Nobody here sends by this channel account any more."


@dataclass(frozen=True, slots=True)
class Destination:
    """Where replies go: by which outlet, and to whom."""

    outlet: str
    address: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a message has come. `error` is a sentence for agents."""

    seq: int
    state: DeliveryState
    attempts: int
    error: str | None
    at: datetime


async def create(session: AsyncSession, thread_id: UUID, seq: int, to: Destination) -> None:
    session.add(
        Delivery(
            thread_id=thread_id,
            seq=seq,
            outlet=to.outlet,
            address=to.address,
            state=DeliveryState.PENDING,
            attempts=0,
            changed_at=func.clock_timestamp(),
            nudge_due_at=func.clock_timestamp() + _NUDGE_AFTER,
        )
    )
    await session.flush()


async def any_pending(session: AsyncSession, thread_id: UUID) -> bool:
    query = select(Delivery.seq).where(
        Delivery.thread_id == thread_id, Delivery.state == DeliveryState.PENDING
    )
    return await session.scalar(query.limit(1)) is not None


async def attempt(session: AsyncSession, thread_id: UUID) -> Outgoing | None:
    """Note that the first pending message of a thread is about to be sent; None when there is
    none. Commit before it is sent: whoever comes after a crash has to know that it may have been.
    """
    found = (await session.execute(_FIRST_PENDING, {"id": thread_id})).one_or_none()
    if found is None:
        return None
    delivery, message = found
    tried_before = delivery.first_tried_at
    delivery.attempts += 1
    delivery.first_tried_at = tried_before or func.clock_timestamp()
    await session.flush()
    return Outgoing(
        thread_id=thread_id,
        seq=message.seq,
        message_id=message.id,
        address=delivery.address,
        author=AuthorKind(message.author),
        author_name=message.author_name,
        content=message.content,
        attempts=delivery.attempts,
        created_at=message.created_at,
        first_tried_at=tried_before,
        attachments=message.attachments,
    )


async def name(session: AsyncSession, thread_id: UUID, seq: int, external_id: str) -> None:
    """Note what the other side will call it."""
    await session.execute(
        update(Delivery)
        .where(Delivery.thread_id == thread_id, Delivery.seq == seq)
        .values(external_id=external_id)
    )


async def move(
    session: AsyncSession,
    thread_id: UUID,
    seq: int,
    state: DeliveryState,
    error: str | None = None,
) -> bool:
    """Write how far a message has come; never backwards. False when that was known, or undone.

    Those who listen are told at the commit.
    """
    row = await session.get(Delivery, (thread_id, seq), with_for_update=True)
    if row is None or not may_follow(state, DeliveryState(row.state)):
        return False
    row.state = state
    row.error = error
    row.changed_at = func.clock_timestamp()
    await session.flush()
    payload = f"{ThreadKind.TICKET} {thread_id} delivery staff {seq} -"
    await session.execute(_TELL, {"payload": payload})
    return True


async def fail(session: AsyncSession, thread_id: UUID, seq: int, reason: str, error: str) -> None:
    """Mark a message as one that will not arrive, and tell the agents. `error` is a sentence."""
    thread = await threads.lock(session, thread_id)
    if await move(session, thread_id, seq, DeliveryState.FAILED, error):
        told = Event(type=EventType.DELIVERY_FAILED, of_seq=seq, cause=reason)
        await threads.append_event(session, thread, told, error=error)


async def give_up(session: AsyncSession, thread_id: UUID, patience: timedelta) -> bool:
    """Mark as failed what has been pending for longer than that. Whether anything still is."""
    for seq in (await session.scalars(_STALE, {"id": thread_id, "patience": patience})).all():
        await fail(session, thread_id, seq, "gave_up", _NOBODY_SENDS)
    return await any_pending(session, thread_id)


async def note_failure(session: AsyncSession, thread_id: UUID, seq: int, error: str) -> None:
    """Say why an attempt got nowhere; it stays pending."""
    await session.execute(
        update(Delivery)
        .where(
            Delivery.thread_id == thread_id,
            Delivery.seq == seq,
            Delivery.state == DeliveryState.PENDING,
        )
        .values(error=error)
    )


async def find(
    session: AsyncSession, outlet: str, address: str, external_id: str
) -> tuple[UUID, int] | None:
    """The message that somebody's receipt or error names: thread and seq. Only who got a message
    can tell of it."""
    query = select(Delivery.thread_id, Delivery.seq).where(
        Delivery.outlet == outlet,
        Delivery.external_id == external_id,
        Delivery.address == address,
    )
    row = (await session.execute(query)).one_or_none()
    return (row.thread_id, row.seq) if row else None


async def received_up_to(session: AsyncSession, thread_id: UUID, seq: int) -> Sequence[int]:
    """Messages up to `seq` that have gone out and are not known to be read."""
    query = (
        select(Delivery.seq)
        .where(
            Delivery.thread_id == thread_id,
            Delivery.seq <= seq,
            Delivery.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED)),
        )
        .order_by(Delivery.seq)
    )
    return (await session.scalars(query)).all()


async def progress(
    session: AsyncSession, thread_id: UUID, seqs: Collection[int]
) -> dict[int, Progress]:
    """How far these messages of a thread have come, those that go anywhere."""
    if not seqs:
        return {}
    query = select(
        Delivery.seq, Delivery.state, Delivery.attempts, Delivery.error, Delivery.changed_at
    ).where(Delivery.thread_id == thread_id, Delivery.seq.in_(seqs))
    rows = await session.execute(query)
    return {
        row.seq: Progress(
            row.seq, DeliveryState(row.state), row.attempts, row.error, row.changed_at
        )
        for row in rows
    }


async def overdue(session: AsyncSession, limit: int) -> list[ThreadRef]:
    """Claim threads whose replies have been waiting for long, for one nudge each.

    A thread that is closed has no workflow any more to see to what is left, and one in a
    Temporal cluster that was lost neither.
    """
    rows = await session.execute(_OVERDUE, {"limit": limit})
    return [ThreadRef(kind=ThreadKind(row.kind), id=row.id) for row in rows]


_FIRST_PENDING = (
    select(Delivery, Message)
    .join(Message, (Message.thread_id == Delivery.thread_id) & (Message.seq == Delivery.seq))
    .where(Delivery.thread_id == bindparam("id"), Delivery.state == DeliveryState.PENDING)
    .order_by(Delivery.seq)
    .limit(1)
    .with_for_update(of=Delivery)
)
_STALE = text(
    """
    SELECT seq FROM deliveries JOIN messages USING (thread_id, seq)
    WHERE thread_id = :id AND state = 'pending' AND created_at < clock_timestamp() - :patience
    ORDER BY seq
    """
)
_TELL = text("SELECT pg_notify(:channel, :payload)").bindparams(channel=WHISPERS_CHANNEL)
_OVERDUE = text(
    """
    WITH late AS (
        UPDATE deliveries SET nudge_due_at = clock_timestamp() + :again
        WHERE (thread_id, seq) IN (
            SELECT thread_id, seq FROM deliveries
            WHERE state = 'pending' AND nudge_due_at < clock_timestamp()
            ORDER BY nudge_due_at LIMIT :limit FOR UPDATE SKIP LOCKED
        )
        RETURNING thread_id
    )
    SELECT id, kind FROM threads WHERE id IN (SELECT thread_id FROM late)
    """
).bindparams(again=_NUDGE_AGAIN_AFTER)
