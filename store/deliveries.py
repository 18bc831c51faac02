"""The outbox: messages on their way to outside addresses.

A delivery is written in the transaction that appends its message, so none can be forgotten. The
thread's workflow has them sent, strictly in order, by an activity that takes the first pending one
and sends it, in pieces: see `store.outbox`. News of it may come later and from elsewhere, or
before: see `store.delivery_news`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deliveries import may_follow
from domain.events import Event
from domain.models import DeliveryState, EventType, ThreadKind, ThreadRef
from domain.names import WHISPERS_CHANNEL
from store import threads
from store.channel_tables import DeliveryPiece
from store.tables import Delivery

NUDGE_AFTER = timedelta(minutes=1)
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
            nudge_due_at=func.clock_timestamp() + NUDGE_AFTER,
        )
    )
    await session.flush()


async def any_pending(session: AsyncSession, thread_id: UUID) -> bool:
    query = select(Delivery.seq).where(
        Delivery.thread_id == thread_id, Delivery.state == DeliveryState.PENDING
    )
    return await session.scalar(query.limit(1)) is not None


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
    row = await session.get(Delivery, (thread_id, seq), with_for_update={"key_share": True})
    return row is not None and await move_row(session, row, state, error)


async def fail(
    session: AsyncSession,
    thread_id: UUID,
    seq: int,
    reason: str,
    error: str,
    *,
    piece: int | None = None,
) -> None:
    """Mark a message as one that will not arrive, and tell the agents. `error` is a sentence;
    `piece` is the one at fault, where it has been sent."""
    thread = await threads.lock(session, thread_id)
    moved = await move(session, thread_id, seq, DeliveryState.FAILED, error)
    if piece is not None:
        # Of a message that has failed already, too: it may be sent again, and this with it.
        await set_piece(session, thread_id, seq, piece, DeliveryState.FAILED)
    if moved:
        told = Event(type=EventType.DELIVERY_FAILED, of_seq=seq, cause=reason)
        await threads.append_event(session, thread, told, error=error)


async def give_up(session: AsyncSession, thread_id: UUID, patience: timedelta) -> bool:
    """Mark as failed what has been pending for longer than that. Whether anything still is."""
    for seq in (await session.scalars(_STALE, {"id": thread_id, "patience": patience})).all():
        await fail(session, thread_id, seq, "gave_up", _NOBODY_SENDS)
    return await any_pending(session, thread_id)


async def waiting(session: AsyncSession) -> dict[str, int]:
    """How many messages wait at each outlet."""
    query = (
        select(Delivery.outlet, func.count())
        .where(Delivery.state == DeliveryState.PENDING)
        .group_by(Delivery.outlet)
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def find(
    session: AsyncSession, outlet: str, address: str, external_id: str
) -> tuple[UUID, int, int] | None:
    """The piece that somebody's receipt or error names: thread, seq, number. Only who got it can
    tell of it."""
    query = select(DeliveryPiece.thread_id, DeliveryPiece.seq, DeliveryPiece.piece).where(
        DeliveryPiece.outlet == outlet,
        DeliveryPiece.external_id == external_id,
        DeliveryPiece.address == address,
    )
    row = (await session.execute(query)).one_or_none()
    return (row.thread_id, row.seq, row.piece) if row else None


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


async def move_row(
    session: AsyncSession, row: Delivery, state: DeliveryState, error: str | None = None
) -> bool:
    if not may_follow(state, DeliveryState(row.state)):
        return False
    row.state = state
    row.error = error
    row.changed_at = func.clock_timestamp()
    await session.flush()
    await tell(session, row.thread_id, row.seq)
    return True


async def set_piece(
    session: AsyncSession, thread_id: UUID, seq: int, piece: int, state: DeliveryState
) -> None:
    """Write how far a piece of a locked message has come; never backwards."""
    noted = await session.get(DeliveryPiece, (thread_id, seq, piece))
    if noted is not None and may_follow(state, DeliveryState(noted.state)):
        noted.state = state
        await session.flush()


async def tell(session: AsyncSession, thread_id: UUID, seq: int) -> None:
    """Have those who listen look how far a message has come."""
    payload = f"{ThreadKind.TICKET} {thread_id} delivery staff {seq} -"
    await session.execute(_TELL, {"payload": payload})


_STALE = text(
    """
    SELECT seq FROM deliveries
    WHERE thread_id = :id AND state = 'pending' AND changed_at < clock_timestamp() - :patience
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
