"""The ticket workflow's side of the log. Short database work: these run as local activities."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from domain.assistance import AssistPolicy, Question
from domain.deadlines import DeadlinePolicy
from domain.life import Loaded, Look, Seen
from domain.models import ThreadKind, ThreadRef
from domain.ticket_life import TicketInput, TicketState
from store import assistance, deliveries, threads, tickets
from store.database import Database


class TicketActivities:
    """Both are safe to run twice: what a lost worker wrote is found, not written again."""

    def __init__(
        self,
        database: Database,
        policy: DeadlinePolicy,
        unserved_after: timedelta,
        assist: AssistPolicy,
    ) -> None:
        self._database = database
        self._policy = policy
        self._unserved_after = unserved_after
        self._assist = assist

    @activity.defn
    async def load_ticket(self, start: TicketInput) -> Loaded[TicketState, DeadlinePolicy]:
        """Where the ticket stands, how far its log was looked at, and what follows."""
        async with self._database.begin() as session:
            state, thread = await tickets.load(session, start.ticket_id)
            first = await threads.advance(session, thread, thread.handled_seq)
            undelivered = state.outlet is not None and await deliveries.any_pending(
                session, start.ticket_id
            )
            to_answer = await self._to_answer(session, start.ticket_id)
        return Loaded(
            state=state,
            policy=self._policy,
            cursor=first.cursor,
            heads=list(first.heads),
            undelivered=undelivered,
            unserved_after=self._unserved_after,
            to_answer=to_answer,
            answer_within=self._assist.deadline,
        )

    @activity.defn
    async def advance_ticket(self, look: Look[TicketState]) -> Seen[TicketState]:
        """Write what the workflow has decided, record how far it looked, return what follows.

        One transaction, see `store.threads`. Nothing is decided on an outdated state: then the
        current one is returned, and the workflow decides again.
        """
        async with self._database.begin() as session:
            state, thread = await tickets.load(session, look.thread_id)
            current = state.version == look.version
            unseen = look.drained and thread.last_seq > max(look.cursor, thread.handled_seq)
            written = look.decided is not None and current and not unseen
            if look.decided is not None and written:
                thread = await tickets.record(session, thread, look.decided, look.events)
            # What was looked at is handled only when what was decided about it is written.
            looked = look.cursor if current else thread.handled_seq
            advanced = await threads.advance(session, thread, looked)
            to_answer = await self._to_answer(session, look.thread_id)
        return Seen(
            cursor=advanced.cursor,
            written=written,
            state=None if current else state,
            heads=list(advanced.heads),
            to_answer=to_answer,
        )

    async def _to_answer(self, session: AsyncSession, ticket_id: UUID) -> Question | None:
        ticket = ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)
        return await assistance.to_answer(session, ticket, self._assist)
