"""Figures about the desk's work, as agents are told them; found by `store.figures`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.models import Priority, TicketStatus

TICKET_OPEN = (TicketStatus.NEW, TicketStatus.OPEN, TicketStatus.PENDING_CUSTOMER)
"""A ticket of one of these still asks for work."""


class PeriodName(StrEnum):
    """As it goes after a figure."""

    TODAY = "today"
    THIS_WEEK = "this week"
    THIS_MONTH = "this month"
    LAST_MONTH = "last month"


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on, and before `until`."""

    name: PeriodName
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """`breached`: a deadline has passed."""

    number: int
    subject: str
    status: TicketStatus
    priority: Priority
    breached: bool


@dataclass(frozen=True, slots=True)
class OpenTickets:
    """The newest of an agent's open tickets, and how many there are in all."""

    count: int
    newest: tuple[OpenTicket, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """How a number of promises went."""

    in_time: int = 0
    late: int = 0
    """Kept too late, or not kept yet and overdue."""
    pending: int = 0

    @property
    def decided(self) -> int:
        return self.in_time + self.late

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(
            self.in_time + other.in_time, self.late + other.late, self.pending + other.pending
        )


@dataclass(frozen=True, slots=True)
class Sla:
    """What became of the promises made to the customers whose tickets came in the period."""

    period: Period
    tickets: int
    first_response: Kept
    resolution: Kept


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """`median_first_response` is None for one who gave no ticket its first reply."""

    agent_id: str
    name: str
    open_tickets: int
    replies: int
    resolved: int
    conversations: int
    median_first_response: timedelta | None


@dataclass(frozen=True, slots=True)
class Team:
    """The agents who have, or did, anything: how many there are, and the first of them; the one
    who replied most comes first."""

    period: Period
    count: int
    agents: tuple[AgentFigures, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """What there is to do at this moment."""

    open_tickets: int
    queued: int
    """Live conversations that wait for an agent."""
    waiting_since: datetime | None
    """The one that waits longest."""
    pending_deliveries: int


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Which parts can do their work, and what there is to do. `now` is when it was looked at."""

    engine: bool
    worker: bool
    load: Load
    now: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """What an article says to a question."""

    article_id: str
    title: str
    passage: str


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """All that an answer may be made of. What nobody asked for is None."""

    tickets: OpenTickets | None = None
    sla: Sla | None = None
    team: Team | None = None
    system: SystemStatus | None = None
    source: Source | None = None


def period_of(name: PeriodName, now: datetime) -> Period:
    """Days, weeks from Monday on, and months, all in the time zone of `now`."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    month = today.replace(day=1)
    match name:
        case PeriodName.TODAY:
            return Period(name, today, today + timedelta(days=1))
        case PeriodName.THIS_WEEK:
            monday = today - timedelta(days=today.weekday())
            return Period(name, monday, monday + timedelta(days=7))
        case PeriodName.THIS_MONTH:
            return Period(name, month, (month + timedelta(days=31)).replace(day=1))
        case PeriodName.LAST_MONTH:
            return Period(name, (month - timedelta(days=1)).replace(day=1), month)
