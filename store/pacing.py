"""How fast an outlet may send, and whether it may at all.

What was tried is counted where it is noted (`store.channel_tables.DeliveryPiece`), so that any
number of workers keep a limit together, exactly, and across restarts. Temporal's own limits know
neither addresses nor spans longer than a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deliveries import Limit
from store.channel_tables import DeliveryPiece, OutletState

_PAUSE = timedelta(minutes=5)
"""After which one message tries whether somebody has seen to the channel."""
_TRIAL = timedelta(minutes=1)
"""So long the others wait for what becomes of it."""
_LOOK_AGAIN = timedelta(seconds=30)
"""Whoever waits for a paused channel: it may be resumed at any time."""
_PAUSED = "The channel is paused."


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing may go out for so long. `cause` is for programs, `sentence` for agents."""

    wait: timedelta
    cause: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Pause:
    outlet: str
    until: datetime
    reason: str


async def hold(
    session: AsyncSession, outlet: str, limits: Sequence[Limit], address: str, at: datetime
) -> Hold | None:
    """Why a piece has to wait, or None: then it is this transaction's turn, and others wait until
    it has noted its piece. When a pause is over, one goes ahead; `resume` lets all go."""
    if not limits:
        return None
    await session.execute(insert(OutletState).values(name=outlet).on_conflict_do_nothing())
    state = await session.get(OutletState, outlet, with_for_update=True)
    paused_until = state.paused_until if state is not None else None
    if state is not None and paused_until is not None and paused_until > at:
        wait = min(paused_until - at, _LOOK_AGAIN)
        return Hold(wait, "paused", state.reason or _PAUSED)
    for limit in limits:
        free_at = await _free_at(session, outlet, limit, address)
        if free_at is not None and free_at > at:
            return Hold(free_at - at, "rate", _told_of(limit, free_at))
    if state is not None and paused_until is not None:
        state.paused_until = at + _TRIAL
        await session.flush()
    return None


async def pause(session: AsyncSession, outlet: str, at: datetime, reason: str) -> None:
    """Send nothing for a while. `reason` is a sentence for operators."""
    row = insert(OutletState).values(name=outlet, paused_until=at + _PAUSE, reason=reason)
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[OutletState.name],
            set_={"paused_until": row.excluded.paused_until, "reason": row.excluded.reason},
        )
    )


async def resume(session: AsyncSession, outlet: str) -> bool:
    """Send again: somebody has seen to the channel, or it has taken a piece. Whether it was
    paused."""
    ended = delete(OutletState).where(
        OutletState.name == outlet, OutletState.paused_until.is_not(None)
    )
    return await session.scalar(ended.returning(OutletState.name)) is not None


async def pauses(session: AsyncSession) -> list[Pause]:
    """Of all outlets that are paused now."""
    query = (
        select(OutletState)
        .where(OutletState.paused_until > func.clock_timestamp())
        .order_by(OutletState.name)
    )
    return [
        Pause(row.name, row.paused_until, row.reason or "")
        for row in await session.scalars(query)
        if row.paused_until is not None
    ]


async def _free_at(
    session: AsyncSession, outlet: str, limit: Limit, address: str
) -> datetime | None:
    """When the limit lets another piece go; None when it was never reached."""
    query = select(DeliveryPiece.tried_at).where(DeliveryPiece.outlet == outlet)
    if limit.to_each:
        query = query.where(DeliveryPiece.address == address)
    last = query.order_by(DeliveryPiece.tried_at.desc()).offset(limit.most - 1).limit(1)
    tried_at = await session.scalar(last)
    return tried_at + limit.within if tried_at else None


def _told_of(limit: Limit, free_at: datetime) -> str:
    minutes = max(1, round(limit.within.total_seconds() / 60))
    span = f"{minutes} minutes" if minutes > 1 else "a minute"
    return (
        f"The channel takes {limit.most} messages in {span}"
        f"{' for each customer' if limit.to_each else ''}; this one goes out at "
        f"{free_at:%H:%M:%S} UTC at the earliest."
    )
