"""Random lives of tickets and conversations, by the rules and in the log, at made-up times."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain import ticket_rules as rules
from domain.conversation_life import ToTicket
from domain.deadlines import DeadlineKind, DeadlinePolicy, first_deadlines
from domain.errors import Conflict
from domain.models import AuthorKind, Channel, Priority, TicketStatus, Visibility
from domain.ticket_life import Assign, Command, SetPriority, SetStatus, TicketState
from store import conversations, customers, threads, tickets
from store.customers import Introduction
from store.database import Database
from store.threads import Draft, Locked
from store.tickets import NewTicket, deadlines_json
from tests.store.chatting import new_conversation, order

HOUR = timedelta(hours=1)
POLICY = DeadlinePolicy(
    first_response=dict(zip(Priority, (8 * HOUR, 4 * HOUR, HOUR, HOUR / 4), strict=True)),
    resolution=dict(zip(Priority, (96 * HOUR, 48 * HOUR, 24 * HOUR, 4 * HOUR), strict=True)),
    auto_close=timedelta(days=7),
)
AGENTS = ("ada", "bo", "cy")
_STEPS = 12


@dataclass(frozen=True)
class Lives:
    """`awake`: a worker that is never away does at once what is due, and hears all at once.
    `until` it does so after the last word, too."""

    database: Database
    dice: Random
    awake: bool = True
    until: datetime | None = None

    async def ticket(self, born: datetime) -> None:
        """One that came by itself."""
        priority = self.dice.choice(list(Priority))
        async with self.database.begin() as session:
            customer = await customers.meet(session, Introduction(Channel.WEB, email="jo@a.org"))
            new = NewTicket(customer.id, Channel.WEB, "Help", priority)
            first = Draft(AuthorKind.CUSTOMER, "Help")
            ticket_id = (await tickets.open_ticket(session, new, first, POLICY)).ticket_id
            await _move_birth(session, ticket_id, priority, born)
            await _move_entries(session, ticket_id, 0, born)
        await self._live(ticket_id, born)

    async def conversation(self, born: datetime) -> None:
        """One that may go on as a ticket."""
        conversation_id = await new_conversation(self.database)
        at = born
        for seq in range(2, 2 + self.dice.randrange(6)):
            at += self._pause() / 20
            async with self.database.begin() as session:
                row = await conversations.find(session, conversation_id, lock=True)
                await threads.append(session, row.locked, self._words())
                await _move_entries(session, conversation_id, seq - 1, at)
        if self.dice.random() < 0.5:
            return
        await order(self.database, conversation_id, ToTicket())
        async with self.database.begin() as session:
            row = await conversations.find(session, conversation_id)
            ticket_id = row.conversation.ticket_id
            assert ticket_id is not None
            told = await session.scalar(_LAST_SEQ, {"id": ticket_id})
            assert told is not None
            await _move_birth(session, ticket_id, Priority.MEDIUM, at)
            await _move_entries(session, ticket_id, told - 1, at)
            await session.execute(_TAKE_TIMES, {"to": ticket_id, "from": conversation_id})
        await self._live(ticket_id, at)

    async def _live(self, ticket_id: UUID, born: datetime) -> None:
        at = born
        for _ in range(self.dice.randrange(_STEPS)):
            at += self._pause()
            await self._pass_time(ticket_id, at)
            async with self.database.begin() as session:
                state, thread = await tickets.load(session, ticket_id)
                if not thread.open:
                    return
                if self.dice.random() < 0.6:
                    await threads.append(session, thread, self._words())
                    await _move_entries(session, ticket_id, thread.last_seq, at)
                else:
                    await self._obey(session, state, thread, at)
            if self.awake or self.dice.random() < 0.5:
                await self._look(ticket_id, at)
        if self.until is not None:
            await self._pass_time(ticket_id, self.until)

    async def _pass_time(self, ticket_id: UUID, until: datetime) -> None:
        while self.awake:
            async with self.database.begin() as session:
                state, _ = await tickets.load(session, ticket_id)
            coming = rules.alarms(state)
            if not coming or coming[0].at > until:
                return
            await self._look(ticket_id, coming[0].at)

    async def _look(self, ticket_id: UUID, at: datetime) -> None:
        """As its workflow does: what was said first, then what is due."""
        async with self.database.begin() as session:
            state, thread = await tickets.load(session, ticket_id)
            seen = await threads.advance(session, thread, thread.handled_seq)
            heard = rules.hear(state, seen.heads, at, POLICY)
            due = rules.expire(heard.state, at, POLICY)
            done = heard.then(*due.events, **dict(due.state))
            thread = await _record(session, state, done, thread, at)
            cursor = seen.heads[-1].seq if seen.heads else seen.cursor
            await threads.advance(session, thread, cursor)

    async def _obey(
        self, session: AsyncSession, state: TicketState, thread: Locked, at: datetime
    ) -> None:
        try:
            by = self.dice.choice(AGENTS)
            decision = rules.obey(state, [self._command()], by, at, POLICY)
        except Conflict:
            return
        await _record(session, state, decision, thread, at)

    def _pause(self) -> timedelta:
        """Minutes mostly, and days sometimes."""
        return timedelta(seconds=10 ** self.dice.uniform(1, 5.5), microseconds=1)

    def _words(self) -> Draft:
        author, visibility = self.dice.choice(
            [
                (AuthorKind.CUSTOMER, Visibility.PUBLIC),
                (AuthorKind.AI, Visibility.PUBLIC),
                (AuthorKind.AGENT, Visibility.PUBLIC),
                (AuthorKind.AGENT, Visibility.PUBLIC),
                (AuthorKind.AGENT, Visibility.PRIVATE),
            ]
        )
        by = self.dice.choice(AGENTS) if author is AuthorKind.AGENT else None
        return Draft(author, "words", author_id=by, visibility=visibility)

    def _command(self) -> Command:
        commands: list[Command] = [
            SetStatus(status=self.dice.choice(list(TicketStatus))),
            SetStatus(status=TicketStatus.RESOLVED),
            SetPriority(priority=self.dice.choice(list(Priority))),
            Assign(agent_id=self.dice.choice([*AGENTS, None])),
        ]
        return self.dice.choice(commands)


async def _record(
    session: AsyncSession,
    state: TicketState,
    decision: rules.Decision,
    thread: Locked,
    at: datetime,
) -> Locked:
    if not decision.changes(state):
        return thread
    written = decision.then(version=state.version + 1)
    after = await tickets.record(session, thread, written.state, written.events)
    await _move_entries(session, thread.id, thread.last_seq, at)
    return after


async def _move_birth(
    session: AsyncSession, ticket_id: UUID, priority: Priority, at: datetime
) -> None:
    state, _ = await tickets.load(session, ticket_id)
    first = state.deadlines[DeadlineKind.FIRST_RESPONSE]
    deadlines = first_deadlines(POLICY, priority, at)
    if first.met_at is not None:
        met = deadlines[DeadlineKind.FIRST_RESPONSE].model_copy(update={"met_at": at})
        deadlines = deadlines | {DeadlineKind.FIRST_RESPONSE: met}
    row = (await tickets.find(session, ticket_id)).ticket
    row.created_at = at
    row.deadlines = deadlines_json(deadlines)
    await session.flush()
    session.expire_all()


async def _move_entries(
    session: AsyncSession, thread_id: UUID, after_seq: int, at: datetime
) -> None:
    """What was just written was written at this time."""
    await session.execute(_MOVE, {"id": thread_id, "after": after_seq, "at": at})


_MOVE = text("UPDATE messages SET created_at = :at WHERE thread_id = :id AND seq > :after")
_LAST_SEQ = text("SELECT last_seq FROM threads WHERE id = :id")
_TAKE_TIMES = text(
    """
    UPDATE messages SET created_at = o.created_at FROM messages o
    WHERE messages.thread_id = :to AND o.thread_id = :from AND messages.seq = o.seq
    """
)
