"""A reply on its way out, piece by piece: what the activity that sends it notes before and after.

`begin` is committed before a piece is sent, so that whoever comes after a crash knows that it may
have been. Then one of `arrived`, `put_off`, `give_up_on` and `deliveries.fail` says what became of
it.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from domain.deliveries import Outgoing, may_follow, state_of_all
from domain.events import Event
from domain.models import AuthorKind, DeliveryState, EventType
from store import deliveries, threads
from store.channel_tables import Contact, DeliveryPiece
from store.erased_rows import ERASED
from store.tables import Delivery, Message, Ticket


async def next_pending(session: AsyncSession, thread_id: UUID, at: datetime) -> Outgoing | None:
    """The first pending message of a thread, as it is to be tried at `at`; None when there is
    none."""
    found = (await session.execute(_FIRST_PENDING, {"id": thread_id})).one_or_none()
    if found is None:
        return None
    delivery, message, number, subject, heard_at = found
    return Outgoing(
        thread_id=thread_id,
        seq=message.seq,
        message_id=message.id,
        outlet=delivery.outlet,
        address=delivery.address,
        author=AuthorKind(message.author),
        author_name=message.author_name,
        content=message.content,
        attempts=_attempt(delivery),
        waits_since=delivery.changed_at,
        first_tried_at=delivery.first_tried_at,
        attachments=message.attachments,
        pieces_sent=delivery.pieces_sent,
        at=at,
        heard_at=heard_at,
        ticket_number=number,
        subject=subject,
        in_reply_to=await session.scalar(_ANSWERED, {"id": thread_id, "seq": message.seq}),
    )


async def begin(
    session: AsyncSession, outgoing: Outgoing, piece: int, of: int, external_id: str | None
) -> bool:
    """Note that a piece is about to be sent, one of so many. Commit before it is: whoever comes
    after a crash has to know that it may have been.

    False when it is not this piece's turn any more: the platform has just told of it, or another
    worker, to whom this one seemed dead, has begun with it.
    """
    delivery = await session.get(
        Delivery, (outgoing.thread_id, outgoing.seq), with_for_update={"key_share": True}
    )
    if delivery is None or not _is_next(outgoing, delivery):
        return False
    delivery.attempts += 1
    delivery.pieces = of
    delivery.first_tried_at = delivery.first_tried_at or outgoing.at
    noted = insert(DeliveryPiece).values(
        thread_id=outgoing.thread_id,
        seq=outgoing.seq,
        piece=piece,
        outlet=outgoing.outlet,
        address=outgoing.address,
        external_id=external_id,
        state=DeliveryState.PENDING,
        tried_at=outgoing.at,
    )
    await session.execute(
        noted.on_conflict_do_update(
            index_elements=[DeliveryPiece.thread_id, DeliveryPiece.seq, DeliveryPiece.piece],
            set_={"tried_at": noted.excluded.tried_at},
        )
    )
    await session.flush()
    return True


async def name(
    session: AsyncSession, thread_id: UUID, seq: int, piece: int, external_id: str
) -> None:
    """Note what the other side calls a piece of a locked message, unless another is called so: an
    echo of one was taken for the other, which says the same. Of what was erased since nothing is
    noted: platforms' names hold addresses."""
    other = aliased(DeliveryPiece)
    taken = exists().where(other.outlet == DeliveryPiece.outlet, other.external_id == external_id)
    await session.execute(
        update(DeliveryPiece)
        .where(
            DeliveryPiece.thread_id == thread_id,
            DeliveryPiece.seq == seq,
            DeliveryPiece.piece == piece,
            DeliveryPiece.external_id.is_(None),
            DeliveryPiece.address != ERASED,
            ~taken,
        )
        .values(external_id=external_id)
        .execution_options(synchronize_session=False)
    )


async def arrived(
    session: AsyncSession, thread_id: UUID, seq: int, piece: int, state: DeliveryState
) -> bool:
    """Write how far a piece has come that the other side has, and with it the message. False when
    that was known, or is older news."""
    delivery = await session.get(Delivery, (thread_id, seq), with_for_update={"key_share": True})
    noted = await session.get(DeliveryPiece, (thread_id, seq, piece))
    if delivery is None or noted is None or not may_follow(state, DeliveryState(noted.state)):
        return False
    noted.state = state
    if piece >= delivery.pieces_sent:
        delivery.pieces_sent = piece + 1
        delivery.first_tried_at = None
    await session.flush()
    if delivery.pieces_sent < delivery.pieces:
        await _go_on(session, delivery)
        return True
    states = await session.scalars(_STATES, {"id": thread_id, "seq": seq})
    await deliveries.move_row(session, delivery, state_of_all(map(DeliveryState, states)))
    return True


async def give_up_on(session: AsyncSession, outgoing: Outgoing, piece: int, error: str) -> None:
    """Mark a message of which nobody knows whether it was taken, and tell the agents."""
    thread = await threads.lock(session, outgoing.thread_id)
    state = DeliveryState.UNKNOWN
    if await deliveries.move(session, outgoing.thread_id, outgoing.seq, state, error):
        await deliveries.set_piece(session, outgoing.thread_id, outgoing.seq, piece, state)
        told = Event(type=EventType.DELIVERY_UNKNOWN, of_seq=outgoing.seq)
        await threads.append_event(session, thread, told, error=error)


async def again(session: AsyncSession, thread_id: UUID, seq: int) -> bool:
    """Have a message that has not arrived, or may not have, sent again: from the first piece on of
    which that is so. False when there is no such message, or it was erased."""
    row = await session.get(Delivery, (thread_id, seq), with_for_update={"key_share": True})
    if row is None or row.address == ERASED:
        return False
    if row.state not in (DeliveryState.FAILED, DeliveryState.UNKNOWN):
        return False
    row.state = DeliveryState.PENDING
    row.error = row.first_tried_at = None
    row.changed_at = func.clock_timestamp()
    row.nudge_due_at = func.clock_timestamp() + deliveries.NUDGE_AFTER
    arrived = await session.scalar(_ARRIVED, {"id": thread_id, "seq": seq}) or 0
    # Where all have, it is the message as a whole that has not.
    row.pieces_sent = arrived if arrived < row.pieces else 0
    await session.execute(_FORGET_PIECES, {"id": thread_id, "seq": seq, "from": row.pieces_sent})
    await session.flush()
    await deliveries.tell(session, thread_id, seq)
    return True


async def put_off(
    session: AsyncSession,
    outgoing: Outgoing,
    error: str,
    *,
    cause: str | None = None,
    not_taken: bool = False,
) -> None:
    """Say why a message has to wait; it stays pending. With a `cause`, agents are told, once; of
    a pause also where it waited for something else before.

    `not_taken`: the other side does not have the piece, so the next attempt is like the first.
    """
    thread = await threads.lock(session, outgoing.thread_id) if cause else None
    row = await session.get(
        Delivery, (outgoing.thread_id, outgoing.seq), with_for_update={"key_share": True}
    )
    if row is None or row.state != DeliveryState.PENDING:
        return
    if not_taken and _attempt(row) == outgoing.attempts + 1:
        # Nobody has begun with it since.
        row.first_tried_at = None
    before, row.error = row.error, error
    await session.flush()
    if before != error:
        await deliveries.tell(session, outgoing.thread_id, outgoing.seq)
    if thread is not None and (before is None or (cause == "paused" and before != error)):
        told = Event(type=EventType.DELIVERY_DELAYED, of_seq=outgoing.seq, cause=cause)
        await threads.append_event(session, thread, told, error=error)


def _attempt(delivery: Delivery) -> int:
    """The number of the next attempt at the piece whose turn it is: what was sent took one each,
    and is not counted for what follows."""
    return delivery.attempts - delivery.pieces_sent + 1


def _is_next(outgoing: Outgoing, delivery: Delivery) -> bool:
    return (delivery.state, delivery.pieces_sent, _attempt(delivery)) == (
        DeliveryState.PENDING,
        outgoing.pieces_sent,
        outgoing.attempts,
    )


async def _go_on(session: AsyncSession, delivery: Delivery) -> None:
    """There are pieces still to be sent. Of a message that was given up, others see to that."""
    if delivery.state == DeliveryState.UNKNOWN:
        delivery.state = DeliveryState.PENDING
        delivery.error = None
        delivery.changed_at = delivery.nudge_due_at = func.clock_timestamp()
        await session.flush()
        await deliveries.tell(session, delivery.thread_id, delivery.seq)


_FIRST_PENDING = (
    select(Delivery, Message, Ticket.number, Ticket.subject, Contact.heard_at)
    .join(Message, (Message.thread_id == Delivery.thread_id) & (Message.seq == Delivery.seq))
    .join(Ticket, Ticket.id == Delivery.thread_id)
    .outerjoin(Contact, (Contact.outlet == Delivery.outlet) & (Contact.address == Delivery.address))
    .where(Delivery.thread_id == bindparam("id"), Delivery.state == DeliveryState.PENDING)
    .order_by(Delivery.seq)
    .limit(1)
)
_ANSWERED = (
    select(Message.external_id)
    .where(
        Message.thread_id == bindparam("id"),
        Message.seq < bindparam("seq"),
        Message.author == AuthorKind.CUSTOMER,
        Message.external_id.is_not(None),
    )
    .order_by(Message.seq.desc())
    .limit(1)
)
_STATES = select(DeliveryPiece.state).where(
    DeliveryPiece.thread_id == bindparam("id"), DeliveryPiece.seq == bindparam("seq")
)
_ARRIVED = text(
    """
    SELECT coalesce(min(piece) FILTER (WHERE state IN ('failed', 'unknown', 'pending')), count(*))
    FROM delivery_pieces WHERE thread_id = :id AND seq = :seq
    """
)
_FORGET_PIECES = text(
    "DELETE FROM delivery_pieces WHERE thread_id = :id AND seq = :seq AND piece >= :from"
)
