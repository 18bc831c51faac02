"""Figures are those that the log itself gives, counted one by one."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median_low
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text

from domain.deadlines import DeadlineKind
from domain.figures import AgentFigures, Kept, Period, PeriodName, Sla, Team
from domain.models import AuthorKind, Channel, TicketStatus
from store import agents, customers, figures, tickets
from store.customers import Introduction
from store.database import Database
from store.threads import Draft
from store.tickets import NewTicket
from tests.store.chatting import accept, hire, new_conversation
from tests.store.ticket_lives import AGENTS, HOUR, Lives
from tests.store.writing import POLICY

SPRING = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
NOW = SPRING + 75 * DAY
PERIODS = [
    Period(PeriodName.THIS_MONTH, SPRING - DAY, SPRING + 200 * DAY),
    Period(PeriodName.THIS_MONTH, SPRING, SPRING + 31 * DAY),
    Period(PeriodName.LAST_MONTH, SPRING + 31 * DAY, SPRING + 61 * DAY),
    Period(PeriodName.TODAY, SPRING + 10 * DAY, SPRING + 13 * DAY),
    Period(PeriodName.TODAY, SPRING - 9 * DAY, SPRING - 8 * DAY),
]


@dataclass
class Entry:
    seq: int
    author: str
    author_id: str | None
    visibility: str
    event: dict[str, Any]
    at: datetime

    @property
    def is_reply(self) -> bool:
        return self.author == "agent" and self.visibility == "public"

    @property
    def resolves(self) -> bool:
        return (
            self._moves and self._ended(self.event["after"]) and self.event["before"] != "resolved"
        )

    @property
    def reopens(self) -> bool:
        return (
            self._moves and self.event["before"] == "resolved" and self.event["after"] != "closed"
        )

    @property
    def _moves(self) -> bool:
        return self.event.get("type") == "status_changed"

    def tells_of_breach(self, of: str) -> bool:
        return self.event.get("type") == "deadline_breached" and self.event["deadline"] == of

    @staticmethod
    def _ended(status: str) -> bool:
        return status in ("resolved", "closed")


@dataclass
class Ticket:
    id: UUID
    number: int
    status: str
    agent_id: str | None
    created_at: datetime
    deadlines: dict[str, Any]
    conversation_id: UUID | None

    def due(self, kind: DeadlineKind) -> datetime:
        return datetime.fromisoformat(self.deadlines[kind]["due_at"])

    @property
    def open(self) -> bool:
        return self.status in ("new", "open", "pending_customer")


@dataclass
class Everything:
    """All that is stored, for counting by hand."""

    tickets: list[Ticket] = field(default_factory=list)
    logs: dict[UUID, list[Entry]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def read(cls, database: Database) -> "Everything":
        found = cls()
        async with database.begin() as session:
            for row in await session.execute(
                text(
                    "SELECT id, number, status, assigned_agent_id, created_at, deadlines,"
                    " conversation_id FROM tickets"
                )
            ):
                found.tickets.append(Ticket(*row))
            for thread_id, *entry in await session.execute(
                text(
                    "SELECT thread_id, seq, author, author_id, visibility, coalesce(event, '{}'),"
                    " created_at FROM messages ORDER BY thread_id, seq"
                )
            ):
                found.logs[thread_id].append(Entry(*entry))
        return found

    def sla(self, period: Period, now: datetime) -> Sla:
        first = {"in_time": 0, "late": 0, "pending": 0}
        last = dict(first)
        came = [t for t in self.tickets if period.since <= t.created_at < period.until]
        for ticket in came:
            answered, resolved, broken = self._story(ticket)
            due = ticket.due(DeadlineKind.FIRST_RESPONSE)
            first[_verdict(answered, due, now)] += 1
            due = ticket.due(DeadlineKind.RESOLUTION)
            last["late" if broken else _verdict(resolved, due, now)] += 1
        return Sla(period, len(came), Kept(**first), Kept(**last))

    def _story(self, ticket: Ticket) -> tuple[datetime | None, datetime | None, bool]:
        answered: datetime | None = None
        resolved: datetime | None = None
        broken = False
        for entry in self.logs[ticket.id]:
            if entry.is_reply or entry.resolves:
                answered = answered or entry.at
            if entry.resolves:
                resolved = entry.at
            elif entry.reopens:
                resolved = None
            elif entry.tells_of_breach("resolution"):
                broken = True
        return answered, resolved, broken

    def team(self, period: Period) -> dict[str, AgentFigures]:
        by_id = {ticket.id: ticket for ticket in self.tickets}
        figures_of = {agent_id: _Counted() for agent_id in AGENTS}
        for thread_id, log in self.logs.items():
            ticket = by_id.get(thread_id)
            for entry in log:
                if not period.since <= entry.at < period.until:
                    continue
                if entry.is_reply and entry.author_id and not self._taken_over(ticket, entry):
                    counted = figures_of[entry.author_id]
                    counted.replies += 1
                    if ticket is None:
                        counted.conversations.add(thread_id)
                    elif not any(e.is_reply for e in log if e.seq < entry.seq):
                        counted.first_responses.append(entry.at - ticket.created_at)
                if entry.resolves and entry.event.get("by"):
                    figures_of[entry.event["by"]].resolved.add(thread_id)
        for ticket in self.tickets:
            if ticket.open and ticket.agent_id:
                figures_of[ticket.agent_id].open_tickets += 1
        return {
            agent_id: counted.told(agent_id)
            for agent_id, counted in figures_of.items()
            if counted != _Counted()
        }

    def _taken_over(self, ticket: Ticket | None, entry: Entry) -> bool:
        if ticket is None or ticket.conversation_id is None:
            return False
        return any(
            (other.seq, other.at) == (entry.seq, entry.at)
            for other in self.logs[ticket.conversation_id]
        )


@dataclass
class _Counted:
    open_tickets: int = 0
    replies: int = 0
    resolved: set[UUID] = field(default_factory=set)
    conversations: set[UUID] = field(default_factory=set)
    first_responses: list[timedelta] = field(default_factory=list)

    def told(self, agent_id: str) -> AgentFigures:
        return AgentFigures(
            agent_id,
            agent_id.title(),
            self.open_tickets,
            self.replies,
            len(self.resolved),
            len(self.conversations),
            median_low(self.first_responses) if self.first_responses else None,
        )


def _verdict(done_at: datetime | None, due: datetime, now: datetime) -> str:
    if done_at is not None:
        return "in_time" if done_at <= due else "late"
    return "late" if due <= now else "pending"


async def fill(
    database: Database, seed: int, *, awake: bool = True, until: datetime | None = None
) -> Everything:
    dice = Random(seed)
    lives = Lives(database, dice, awake, until)
    async with database.begin() as session:
        for agent_id in AGENTS:
            await agents.add(session, agent_id, agent_id.title())
    for _ in range(30):
        born = SPRING + dice.uniform(0, 75) * DAY
        await lives.ticket(born)
        if dice.random() < 0.5:
            await lives.conversation(born)
    return await Everything.read(database)


@pytest.mark.parametrize(("seed", "awake"), [(1, True), (2, True), (3, False), (4, False)])
async def test_figures_are_what_the_log_gives_when_counted_by_hand(
    database: Database, seed: int, awake: bool
) -> None:
    everything = await fill(database, seed, awake=awake)
    async with database.begin() as session:
        for period in PERIODS:
            for now in (NOW, SPRING + 20 * DAY):
                assert await figures.sla(session, period, now) == everything.sla(period, now)
            told = await figures.team(session, period, 10)
            assert {agent.agent_id: agent for agent in told.agents} == everything.team(period)
            assert list(told.agents) == sorted(told.agents, key=lambda a: -a.replies)
            assert told.count == len(told.agents)
            first = await figures.team(session, period, 1)
            assert (first.count, first.agents) == (told.count, told.agents[:1])
        for agent_id in AGENTS:
            mine = [t for t in everything.tickets if t.open and t.agent_id == agent_id]
            mine.sort(key=lambda t: (t.created_at, t.number), reverse=True)
            told_mine = await figures.open_tickets_of(session, agent_id, 3)
            assert told_mine.count == len(mine)
            assert [t.number for t in told_mine.newest] == [t.number for t in mine[:3]]


async def test_the_random_lives_have_everything_in_them(database: Database) -> None:
    """Or the test above would show little."""
    everything = await fill(database, 1)
    told = everything.sla(PERIODS[0], SPRING + 20 * DAY)
    for kept in (told.first_response, told.resolution):
        assert min(kept.in_time, kept.late, kept.pending) > 0
    entries = [entry for log in everything.logs.values() for entry in log]
    assert any(entry.reopens for entry in entries)
    team = everything.team(PERIODS[0])
    assert set(team) == set(AGENTS)
    assert all(a.replies and a.resolved and a.conversations for a in team.values())
    assert any(
        everything._taken_over(ticket, entry)
        for ticket in everything.tickets
        for entry in everything.logs[ticket.id]
        if entry.is_reply
    )


async def test_a_worker_that_was_never_away_has_told_of_every_late_one(database: Database) -> None:
    end = SPRING + 200 * DAY
    everything = await fill(database, 5, until=end)
    told = everything.sla(PERIODS[0], end)
    for kind, late in (
        ("first_response", told.first_response.late),
        ("resolution", told.resolution.late),
    ):
        logs = [everything.logs[ticket.id] for ticket in everything.tickets]
        assert late == sum(any(e.tells_of_breach(kind) for e in log) for log in logs)


@pytest.mark.parametrize("seed", [3, 4])
async def test_what_came_in_time_is_not_told_as_late_however_late_it_is_heard(
    database: Database, seed: int
) -> None:
    everything = await fill(database, seed, awake=False)
    told = 0
    for ticket in everything.tickets:
        if any(e.tells_of_breach("first_response") for e in everything.logs[ticket.id]):
            answered, _, _ = everything._story(ticket)
            assert answered is None or answered > ticket.due(DeadlineKind.FIRST_RESPONSE)
            told += 1
    assert told > 0


async def test_a_reply_in_time_counts_though_no_worker_has_heard_it(database: Database) -> None:
    async with database.begin() as session:
        customer = await customers.meet(session, Introduction(Channel.WEB, email="jo@a.org"))
        new = NewTicket(customer.id, Channel.WEB, "Help")
        draft = Draft(AuthorKind.CUSTOMER, "Help")
        ticket_id = (await tickets.open_ticket(session, new, draft, POLICY)).ticket_id
        row = await tickets.find(session, ticket_id, lock=True)
        reply = Draft(AuthorKind.AGENT, "Yes?", author_id="ada")
        await tickets.write(session, row, reply, POLICY)
        created_at = row.ticket.created_at
    period = Period(PeriodName.TODAY, created_at, created_at + HOUR)
    async with database.begin() as session:
        told = await figures.sla(session, period, created_at + 2 * HOUR)
    assert told.first_response == Kept(in_time=1)
    assert told.resolution == Kept(pending=1)


async def test_an_empty_desk_has_no_figures(database: Database) -> None:
    async with database.begin() as session:
        for period in PERIODS:
            assert await figures.sla(session, period, NOW) == Sla(period, 0, Kept(), Kept())
            assert await figures.team(session, period, 10) == Team(period, 0, ())
        load = await figures.load(session)
    assert (load.open_tickets, load.queued, load.waiting_since) == (0, 0, None)
    assert load.pending_deliveries == 0


async def test_load_counts_what_waits(database: Database) -> None:
    await hire(database, "ada")
    taken, oldest, _ = [await new_conversation(database) for _ in range(3)]
    await accept(database, taken, "ada")
    async with database.begin() as session:
        customer = await customers.meet(session, Introduction(Channel.XMPP, email="jo@a.org"))
        new = NewTicket(
            customer.id, Channel.XMPP, "Help", outlet="xmpp-a", channel_identity="jo@a.org"
        )
        draft = Draft(AuthorKind.CUSTOMER, "Help")
        ticket_id = (await tickets.open_ticket(session, new, draft, POLICY)).ticket_id
        row = await tickets.find(session, ticket_id, lock=True)
        await tickets.write(session, row, Draft(AuthorKind.AGENT, "Yes?"), POLICY)
        done = Draft(AuthorKind.CUSTOMER, "Thanks")
        done_id = (await tickets.open_ticket(session, new, done, POLICY)).ticket_id
        state, thread = await tickets.load(session, done_id)
        closed = state.model_copy(update={"status": TicketStatus.RESOLVED, "version": 1})
        await tickets.record(session, thread, closed, [])
    async with database.begin() as session:
        load = await figures.load(session)
        queued_at = await session.scalar(
            text("SELECT queued_at FROM conversations WHERE id = :id"), {"id": oldest}
        )
    assert (load.open_tickets, load.queued, load.pending_deliveries) == (1, 2, 1)
    assert load.waiting_since == queued_at


async def test_the_indexes_fit_the_questions(database: Database) -> None:
    period: dict[str, object] = {"since": SPRING, "until": NOW}
    for statement, asked, indexes in (
        (figures._OPEN_TICKETS, {"agent_id": "ada", "limit": 5}, ["tickets_agent_open"]),
        (
            figures._SLA,
            period | {"now": NOW},
            ["messages_resolutions", "messages_reopenings", "messages_breaches"],
        ),
        (
            figures._TEAM,
            period | {"limit": 5},
            ["messages_first_reply", "messages_resolutions", "messages_handovers"],
        ),
    ):
        plan = await _plan(database, statement, asked)
        assert [index for index in indexes if index not in plan] == []
        assert "Seq Scan on messages" not in plan


async def _plan(database: Database, statement: TextClause, asked: dict[str, object]) -> str:
    async with database.begin() as session:
        # A database that is empty would be read whole.
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        rows = await session.execute(text(f"EXPLAIN {statement.text}"), asked)
        return "\n".join(row[0] for row in rows)
