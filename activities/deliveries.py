"""Sending replies out: what the task queue of an outlet does."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID
from weakref import WeakValueDictionary

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from channels.outlet import NotNow, Outlet, Undeliverable
from domain.deliveries import Delivered, DeliverInput, Outgoing
from domain.models import DeliveryState
from store import deliveries
from store.database import Database


class DeliveryActivities:
    """Sends what is pending, in order. Safe to run twice: what was sent is found as sent, and an
    outlet is told when a message may have got through before."""

    def __init__(self, database: Database, outlet: Outlet, patience: timedelta) -> None:
        self._database = database
        self._outlet = outlet
        self._patience = patience
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    @activity.defn
    async def deliver(self, order: DeliverInput) -> Delivered:
        """Send a thread's pending messages until there are none.

        One that will never arrive is marked so, agents are told, and the next goes on. One that
        cannot be sent now fails the activity, to be tried again: what follows waits for it.
        """
        # Should Temporal ask twice, the second one finds nothing left to do.
        turn = self._turns.setdefault(order.thread_id, asyncio.Lock())
        sent = failed = 0
        async with beating(), turn:
            while outgoing := await self._attempt(order.thread_id):
                if await self._send(outgoing):
                    sent += 1
                else:
                    failed += 1
        return Delivered(sent=sent, failed=failed)

    async def _attempt(self, thread_id: UUID) -> Outgoing | None:
        async with self._database.begin() as session:
            outgoing = await deliveries.attempt(session, thread_id)
            if outgoing is not None:
                external_id = self._outlet.external_id(outgoing)
                if external_id is not None:
                    # A receipt may be here before the answer to our sending.
                    await deliveries.name(session, thread_id, outgoing.seq, external_id)
        return outgoing

    async def _send(self, outgoing: Outgoing) -> bool:
        try:
            await self._outlet.send(outgoing)
        except Undeliverable as error:
            await self._give_up(outgoing, error.reason, str(error))
            return False
        except NotNow as error:
            if datetime.now(UTC) < outgoing.created_at + self._patience:
                await self._put_off(outgoing, error)
            await self._give_up(outgoing, "gave_up", str(error))
            return False
        async with self._database.begin() as session:
            await deliveries.move(session, outgoing.thread_id, outgoing.seq, DeliveryState.SENT)
        return True

    async def _put_off(self, outgoing: Outgoing, error: NotNow) -> None:
        async with self._database.begin() as session:
            await deliveries.note_failure(session, outgoing.thread_id, outgoing.seq, str(error))
        raise ApplicationError(
            str(error),
            type=type(error).__name__,
            next_retry_delay=error.retry_after,
            # Expected, and noted with the delivery: no traceback for each attempt.
            category=ApplicationErrorCategory.BENIGN,
        ) from None

    async def _give_up(self, outgoing: Outgoing, reason: str, sentence: str) -> None:
        async with self._database.begin() as session:
            await deliveries.fail(session, outgoing.thread_id, outgoing.seq, reason, sentence)


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
