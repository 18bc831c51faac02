"""What platforms tell of our messages: late, twice, in any order, and before we know what they call
them.

A piece is known by what we sent along with it, or by what the platform calls it. News of a name
that nobody knows yet waits (`early_news`) until the sender learns the name (`sent`); both take
their turn by that name, so that neither misses the other.
"""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deliveries import Outgoing, may_follow, parse_piece_id
from domain.models import DeliveryState
from store import contacts, deliveries, outbox, threads
from store.channel_tables import Contact, DeliveryPiece, EarlyNews
from store.tables import Delivery, Message

_BOUNCED = "bounced"
_NOT_DELIVERED = "The customer's side has refused the message."
_MOST_AT_ONCE = 1_000
_CLOCKS_DIFFER = timedelta(seconds=5)

_NAMELESS = (DeliveryState.PENDING, DeliveryState.UNKNOWN, DeliveryState.SENT)
"""As far as a piece can have come of which nobody knows what the platform calls it."""

Place = tuple[UUID, int, int]
"""A piece: thread, seq, number."""


async def sent(
    session: AsyncSession, outgoing: Outgoing, piece: int, external_id: str | None
) -> None:
    """The other side has a piece, and calls it so."""
    place = (outgoing.thread_id, outgoing.seq, piece)
    early: EarlyNews | None = None
    if external_id is not None:
        await _take_turn(session, outgoing.outlet, external_id)
        early = await session.get(EarlyNews, (outgoing.outlet, external_id))
    if early is not None and early.state == DeliveryState.FAILED:
        await threads.lock(session, outgoing.thread_id)
    contact = await session.get(Contact, (outgoing.outlet, outgoing.address))
    await _tell(session, place, DeliveryState.SENT)
    if external_id is not None:
        await outbox.name(session, *place, external_id)
    if state := _told_of_all_until(contact, outgoing.at):
        await _tell(session, place, state)
    if early is not None:
        await _tell(session, place, DeliveryState(early.state), early.error)
        await session.delete(early)


async def news(
    session: AsyncSession,
    outlet: str,
    external_id: str,
    our_id: str | None,
    state: DeliveryState,
    error: str | None = None,
) -> None:
    """How far one of our pieces has come. `error` is a sentence for agents."""
    await _take_turn(session, outlet, external_id)
    found = await _find(session, outlet, external_id, our_id)
    if found is None:
        await _keep(session, outlet, external_id, state, error)
        return
    place, name = found
    if state is DeliveryState.FAILED and name not in (None, external_id):
        # It was sent again since: what became of the first attempt says nothing of this one.
        return
    await _tell(session, place, state, error)
    await outbox.name(session, *place, external_id)


async def news_until(
    session: AsyncSession, outlet: str, address: str, state: DeliveryState, until: datetime
) -> None:
    """All that went to an address until then has come so far."""
    if not await _ever_wrote_to(session, outlet, address):
        # Nor does an erased person become known again by what is told of them.
        return
    await contacts.arrived_until(session, outlet, address, state, until)
    before = [each for each in DeliveryState if may_follow(state, each)]
    query = (
        select(DeliveryPiece.thread_id, DeliveryPiece.seq, DeliveryPiece.piece)
        .where(
            DeliveryPiece.outlet == outlet,
            DeliveryPiece.address == address,
            DeliveryPiece.tried_at <= until,
            DeliveryPiece.state.in_(before),
            DeliveryPiece.state.in_((DeliveryState.SENT, DeliveryState.DELIVERED)),
        )
        .order_by(DeliveryPiece.thread_id, DeliveryPiece.seq, DeliveryPiece.piece)
        .limit(_MOST_AT_ONCE)
    )
    for row in (await session.execute(query)).all():
        await _tell(session, (row.thread_id, row.seq, row.piece), state)


async def claim_echo(
    session: AsyncSession,
    outlet: str,
    to: str,
    our_id: str | None,
    external_id: str,
    said: str,
    at: datetime | None = None,
) -> bool:
    """Whether something that was said in our name is a piece of ours; then it has arrived.

    Where a platform sends nothing of ours back, it is one that is under way to that address, and
    says the same; of several, the last that was tried before `at`.
    """
    await _take_turn(session, outlet, external_id)
    found = await _find(session, outlet, external_id, our_id)
    place = found[0] if found else await _under_way(session, outlet, to, said, at)
    if place is None:
        return False
    await _tell(session, place, DeliveryState.SENT)
    await outbox.name(session, *place, external_id)
    return True


async def forget_early(session: AsyncSession, older_than: timedelta) -> None:
    """News of messages that were not ours."""
    await session.execute(_FORGET, {"age": older_than})


async def _ever_wrote_to(session: AsyncSession, outlet: str, address: str) -> bool:
    query = select(DeliveryPiece.piece).where(
        DeliveryPiece.outlet == outlet, DeliveryPiece.address == address
    )
    return await session.scalar(query.limit(1)) is not None


async def _tell(
    session: AsyncSession, place: Place, state: DeliveryState, error: str | None = None
) -> None:
    thread_id, seq, piece = place
    if state is DeliveryState.FAILED:
        # The thread is locked before its delivery, as by everybody.
        sentence = error or _NOT_DELIVERED
        await deliveries.fail(session, thread_id, seq, _BOUNCED, sentence, piece=piece)
    else:
        await outbox.arrived(session, thread_id, seq, piece, state)


async def _find(
    session: AsyncSession, outlet: str, external_id: str, our_id: str | None
) -> tuple[Place, str | None] | None:
    """With what the platform calls it, as far as that is known."""
    wanted = select(
        DeliveryPiece.thread_id,
        DeliveryPiece.seq,
        DeliveryPiece.piece,
        DeliveryPiece.external_id,
    ).where(DeliveryPiece.outlet == outlet)
    ours = parse_piece_id(our_id) if our_id else None
    if ours is not None:
        thread_id, seq, piece = ours
        wanted = wanted.where(
            DeliveryPiece.thread_id == thread_id,
            DeliveryPiece.seq == seq,
            DeliveryPiece.piece == piece,
        )
    else:
        wanted = wanted.where(DeliveryPiece.external_id == external_id)
    row = (await session.execute(wanted)).one_or_none()
    return ((row.thread_id, row.seq, row.piece), row.external_id) if row else None


async def _under_way(
    session: AsyncSession, outlet: str, to: str, said: str, at: datetime | None
) -> Place | None:
    query = (
        select(
            DeliveryPiece.thread_id,
            DeliveryPiece.seq,
            DeliveryPiece.piece,
            DeliveryPiece.tried_at,
            Delivery.pieces,
            Message.content,
        )
        .join(
            Delivery,
            (Delivery.thread_id == DeliveryPiece.thread_id) & (Delivery.seq == DeliveryPiece.seq),
        )
        .join(
            Message,
            (Message.thread_id == DeliveryPiece.thread_id) & (Message.seq == DeliveryPiece.seq),
        )
        .where(
            DeliveryPiece.outlet == outlet,
            DeliveryPiece.address == to,
            DeliveryPiece.external_id.is_(None),
            DeliveryPiece.state.in_(_NAMELESS),
        )
        .order_by(DeliveryPiece.tried_at)
        .limit(20)
    )
    words = _plain(said)
    same = [
        row
        for row in await session.execute(query)
        if words and _says(words, _plain(row.content), in_pieces=row.pieces > 1)
    ]
    if not same:
        return None
    before = [row for row in same if at is not None and row.tried_at <= at + _CLOCKS_DIFFER]
    row = before[-1] if before else same[0]
    return (row.thread_id, row.seq, row.piece)


def _says(words: str, whole: str, *, in_pieces: bool) -> bool:
    return words == whole or (in_pieces and words in whole)


def _plain(words: str) -> str:
    return " ".join(words.split())


def _told_of_all_until(contact: Contact | None, tried_at: datetime | None) -> DeliveryState | None:
    if contact is None or tried_at is None:
        return None
    if contact.read_until and tried_at <= contact.read_until:
        return DeliveryState.READ
    if contact.delivered_until and tried_at <= contact.delivered_until:
        return DeliveryState.DELIVERED
    return None


async def _keep(
    session: AsyncSession, outlet: str, external_id: str, state: DeliveryState, error: str | None
) -> None:
    known = await session.get(EarlyNews, (outlet, external_id))
    if known is not None:
        if may_follow(state, DeliveryState(known.state)):
            known.state, known.error = state, error
            await session.flush()
        return
    await session.execute(
        insert(EarlyNews).values(outlet=outlet, external_id=external_id, state=state, error=error)
    )


async def _take_turn(session: AsyncSession, outlet: str, external_id: str) -> None:
    await session.execute(_TURN, {"name": f"{outlet}/{external_id}"})


_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 2))")
_FORGET = text("DELETE FROM early_news WHERE at < clock_timestamp() - :age")
