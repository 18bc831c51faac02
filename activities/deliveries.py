"""Sending replies out: what the task queue of an outlet does."""

import asyncio
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from channels.outlet import NotNow, Outlet, Paused, Uncertain, Undeliverable
from domain.deliveries import Delivered, DeliverInput, Outgoing, Piece
from domain.errors import HoldfastError
from store import deliveries, delivery_news, outbox, pacing
from store.database import Database

NEWS_WITHIN = timedelta(minutes=1)
"""So long after an attempt that nobody can be asked about, the platform's own word is waited for:
an echo, a status. After that nobody knows."""
_LONGEST_PAUSE = timedelta(minutes=1)
_WORTH_TELLING = timedelta(seconds=30)
"""A reply that waits for so long is told to agents."""
_NOBODY_KNOWS = (
    "The channel did not answer when the message was sent, and has not told of it since. It may "
    "have arrived: ask the customer, or write it again."
)


class DeliveryActivities:
    """Sends what is pending, in order. Safe to run twice: what was sent is found as sent, and what
    may have got through before is never sent blindly again."""

    def __init__(
        self,
        database: Database,
        outlet: Outlet,
        patience: timedelta,
        news_within: timedelta = NEWS_WITHIN,
    ) -> None:
        self._database = database
        self._outlet = outlet
        self._patience = patience
        self._news_within = news_within
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @activity.defn
    async def deliver(self, order: DeliverInput) -> Delivered:
        """Send a thread's pending messages until there are none; where the platform has limits,
        one piece, because the task queue counts activities.

        One that will never arrive is marked so, agents are told, and the next goes on. One that
        cannot be sent now fails the activity, to be tried again: what follows waits for it.
        """
        # Should Temporal ask twice, the second one finds nothing left to do.
        turn = self._turns.setdefault(order.thread_id, asyncio.Lock())
        done = Delivered(sent=0, failed=0)
        async with beating(), turn:
            while outgoing := await self._next(order.thread_id):
                if await self._send(outgoing):
                    done.sent += 1
                else:
                    done.failed += 1
                if self._outlet.limits:
                    done.more = await self._next(order.thread_id) is not None
                    break
        return done

    async def _next(self, thread_id: UUID) -> Outgoing | None:
        async with self._database.begin() as session:
            return await outbox.next_pending(session, thread_id, _now())

    async def _send(self, outgoing: Outgoing) -> bool:
        """Send the piece whose turn it is. False when it will not arrive."""
        try:
            pieces = self._outlet.pieces(outgoing)
            piece = pieces[outgoing.pieces_sent]
            if await self._begin(outgoing, piece, len(pieces)):
                external_id = await self._outlet.send(outgoing, piece)
                async with self._database.begin() as session:
                    # The outlet first, as `_begin` does.
                    if self._outlet.limits:
                        await pacing.resume(session, outgoing.outlet)
                    await delivery_news.sent(session, outgoing, piece.number, external_id)
        except Undeliverable as error:
            await self._fail(outgoing, error.reason, str(error))
            return False
        except Paused as error:
            await self._pause(outgoing, error)
        except Uncertain as error:
            await self._put_off(outgoing, error, self._news_within / 10)
        except NotNow as error:
            await self._try_later(outgoing, error)
            return False
        except _Lost:
            await self._lose(outgoing)
            return False
        return True

    async def _begin(self, outgoing: Outgoing, piece: Piece, of: int) -> bool:
        """Note that a piece is about to be sent. False when that has become needless."""
        if outgoing.first_tried_at is not None and not self._outlet.looks:
            if _now() >= outgoing.first_tried_at + self._news_within:
                raise _Lost
            raise Uncertain
        external_id = self._outlet.external_id(outgoing, piece)
        async with self._database.begin() as session:
            limits = self._outlet.limits
            held = await pacing.hold(session, outgoing.outlet, limits, outgoing.address, _now())
            if held is None:
                return await outbox.begin(session, outgoing, piece.number, of, external_id)
        async with self._database.begin() as session:
            told = held.cause if held.wait >= _WORTH_TELLING else None
            await outbox.put_off(session, outgoing, held.sentence, cause=told)
        raise _later(held.sentence, held.wait)

    async def _try_later(self, outgoing: Outgoing, error: NotNow) -> None:
        if _now() >= outgoing.waits_since + self._patience:
            await self._fail(outgoing, "gave_up", str(error))
            return
        looks = self._outlet.looks
        wait = error.retry_after or (None if looks else _pause_after(outgoing.attempts))
        await self._put_off(outgoing, error, wait, not_taken=not looks)

    async def _put_off(
        self,
        outgoing: Outgoing,
        error: HoldfastError,
        wait: timedelta | None,
        *,
        not_taken: bool = False,
    ) -> NoReturn:
        async with self._database.begin() as session:
            await outbox.put_off(session, outgoing, str(error), not_taken=not_taken)
        raise _later(str(error), wait)

    async def _pause(self, outgoing: Outgoing, error: Paused) -> NoReturn:
        """Stop all that goes out by this outlet: whoever finds it so tells the agents."""
        async with self._database.begin() as session:
            await pacing.pause(session, outgoing.outlet, _now(), str(error))
            await outbox.put_off(session, outgoing, str(error), cause=Paused.code, not_taken=True)
        raise _later(str(error), None)

    async def _fail(self, outgoing: Outgoing, reason: str, sentence: str) -> None:
        async with self._database.begin() as session:
            await deliveries.fail(
                session,
                outgoing.thread_id,
                outgoing.seq,
                reason,
                sentence,
                piece=outgoing.pieces_sent,
            )

    async def _lose(self, outgoing: Outgoing) -> None:
        async with self._database.begin() as session:
            await outbox.give_up_on(session, outgoing, outgoing.pieces_sent, _NOBODY_KNOWS)


class _Lost(Exception):
    """Nobody will ever know what became of a piece."""


def _pause_after(attempts: int) -> timedelta:
    """Twice as long each time: a platform that is away is not to be asked by every ticket all the
    time, and when it is back nobody should have to wait for long."""
    return min(timedelta(seconds=2 ** min(attempts - 1, 10)), _LONGEST_PAUSE)


def _now() -> datetime:
    """By the clock of the workflows, which tests turn forward."""
    return activity.info().started_time


def _later(sentence: str, wait: timedelta | None) -> ApplicationError:
    """Expected, and noted with the delivery: no traceback for each attempt."""
    return ApplicationError(
        sentence,
        type=NotNow.__name__,
        next_retry_delay=wait,
        category=ApplicationErrorCategory.BENIGN,
    )


class UnsentDeliveries:
    """What can be said of an outbox without an outlet: for replies by an account that nobody
    serves, because it was renamed or switched off."""

    def __init__(self, database: Database, patience: timedelta) -> None:
        self._database = database
        self._patience = patience

    @activity.defn
    async def give_up_unsent(self, order: DeliverInput) -> bool:
        """Tell the agents of what nobody has sent for too long. Whether anything is still to be
        sent."""
        async with self._database.begin() as session:
            return await deliveries.give_up(session, order.thread_id, self._patience)
