"""What agents ask about the desk, in everyday words, and how it is answered without a model.

Every number in an answer is one of the facts; where there are none, the answer says so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from domain.figures import (
    AgentFigures,
    DeskFacts,
    Kept,
    OpenTicket,
    OpenTickets,
    PeriodName,
    Sla,
    Source,
    SystemStatus,
    Team,
)
from domain.models import TicketStatus

HELP = (
    "I can help you with:\n• View open tickets\n• SLA reports\n• System status\n• Team performance"
)


class Topic(StrEnum):
    HELP = "help"
    TICKETS = "tickets"
    SLA = "sla"
    TEAM = "team"
    SYSTEM = "system"
    OTHER = "other"
    """Perhaps the knowledge base knows."""


@dataclass(frozen=True, slots=True)
class Asked:
    topic: Topic
    period: PeriodName = PeriodName.THIS_MONTH


def recognise(question: str) -> Asked:
    """What a question is about. What asks how to do something is for the knowledge base, unless
    it names a figure outright."""
    words = " ".join(question.casefold().replace("’", "'").split())  # noqa: RUF001
    return Asked(_topic_of(words), _period_in(words))


def render(facts: DeskFacts) -> str:
    """The answer, in Markdown."""
    match facts:
        case DeskFacts(tickets=OpenTickets() as tickets):
            return _tickets(tickets)
        case DeskFacts(sla=Sla() as sla):
            return _sla(sla)
        case DeskFacts(team=Team() as team):
            return _team(team)
        case DeskFacts(system=SystemStatus() as system):
            return _system(system)
        case DeskFacts(source=Source() as source):
            return f"{source.passage}\n\n📖 {plain(source.title)}"
        case _:
            return HELP


def plain(text: str) -> str:
    """On one line, and no Markdown: customers choose subjects."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))


def _topic_of(words: str) -> Topic:
    topics = _NAMED if _HOW_TO.match(words) else _NAMED + _MEANT
    return next((topic for topic, said in topics if said.search(words)), Topic.OTHER)


def _period_in(words: str) -> PeriodName:
    named = (name for name, said in _PERIODS.items() if said.search(words))
    return next(named, PeriodName.THIS_MONTH)


def _tickets(tickets: OpenTickets) -> str:
    if tickets.count == 0:
        return "You have no open tickets."
    lines = [*map(_ticket, tickets.newest), *_more(tickets.count - len(tickets.newest))]
    return f"You have {_number(tickets.count, 'open ticket')}:\n\n" + "\n".join(lines)


def _ticket(ticket: OpenTicket) -> str:
    state = f"{_STATUS_WORDS[ticket.status]}, {ticket.priority.value}"
    late = " ⚠️ overdue" if ticket.breached else ""
    return f"🎫 **#{ticket.number}**: {plain(ticket.subject)} ({state}){late}"


def _sla(sla: Sla) -> str:
    period = sla.period.name
    both = sla.first_response + sla.resolution
    if both.decided == 0:
        return f"📊 **SLA Compliance**: No tickets were due {_so_far(period)}."
    # Rounded down: 100% is said only where nothing was late.
    percent = both.in_time * 100 // both.decided
    return "\n".join(
        (
            f"📊 **SLA Compliance**: {percent}% {period}",
            _kept("First response", sla.first_response),
            _kept("Resolution", sla.resolution),
            f"🎫 {_number(sla.tickets, 'ticket')} came in {period}",
        )
    )


def _kept(what: str, kept: Kept) -> str:
    sign = "⚠️" if kept.late else "✅"
    return f"{sign} {what}: {kept.in_time} in time, {kept.late} late, {kept.pending} not due yet"


def _team(team: Team) -> str:
    period = team.period.name
    if not team.agents:
        return f"👥 **Team performance**: Nobody had anything to do {_so_far(period)}."
    lines = [f"👥 **Team performance** {period}", *_champions(team), *map(_agent, team.agents)]
    return "\n".join([*lines, *_more(team.count - len(team.agents))])


def _champions(team: Team) -> Iterator[str]:
    """Nobody, where one who is left out may have answered as much."""
    most = team.agents[0].replies
    cut = team.count > len(team.agents) and team.agents[-1].replies == most
    if most > 0 and not cut:
        names = " and ".join(f"**{plain(a.name)}**" for a in team.agents if a.replies == most)
        yield f"🏆 {names} answered most: {_number(most, 'reply', 'replies')}"


def _agent(agent: AgentFigures) -> str:
    done = [
        _number(agent.replies, "reply", "replies"),
        f"{agent.resolved} resolved",
        _number(agent.conversations, "conversation"),
        f"{agent.open_tickets} open",
    ]
    if agent.median_first_response is not None:
        done.append(f"first response in {_lasting(agent.median_first_response)} (median)")
    return f"• **{plain(agent.name)}**: {', '.join(done)}"


def _system(system: SystemStatus) -> str:
    load = system.load
    waiting = f"• {_number(load.queued, 'conversation')} waiting in the queue"
    if load.waiting_since is not None:
        waiting += f", the longest for {_lasting(system.now - load.waiting_since)}"
    well = system.engine and system.worker
    return "\n".join(
        (
            f"{'🟢' if well else '🔴'} **System status**: "
            + ("everything is up" if well else "not everything is up"),
            "✅ Database",
            f"{_sign(system.engine)} Workflow engine (Temporal)",
            f"{_sign(system.worker)} Worker",
            f"• {_number(load.open_tickets, 'open ticket')}",
            waiting,
            f"• {_number(load.pending_deliveries, 'message')} waiting to be delivered",
        )
    )


def _sign(works: bool) -> str:
    return "✅" if works else "❌"


def _more(left_out: int) -> Iterator[str]:
    if left_out > 0:
        yield f"… and {left_out} more"


def _so_far(period: PeriodName) -> str:
    return period if period is PeriodName.LAST_MONTH else f"{period} yet"


def _number(count: int, one: str, many: str | None = None) -> str:
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def _lasting(time: timedelta) -> str:
    """In its largest unit, rounded down."""
    seconds = max(int(time.total_seconds()), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


_MARKUP = re.compile(r"[\\`*\[\]<>]")
_STATUS_WORDS = {
    TicketStatus.NEW: "new",
    TicketStatus.OPEN: "open",
    TicketStatus.PENDING_CUSTOMER: "waiting for the customer",
    TicketStatus.RESOLVED: "resolved",
    TicketStatus.CLOSED: "closed",
}
_HOW_TO = re.compile(r"how (?:do|does|can|could|should|to)\b")
_NAMED = (
    (
        Topic.HELP,
        re.compile(
            r"^\W*+(?:(?:hi|hello|hey)\b\W*+)?"
            r"(?:help(?: me)?|what (?:can|do) you do|what can you help(?: me)? with|"
            r"how can you help(?: me)?|hi|hello|hey)?(?: please)?\W*+$"
        ),
    ),
    (Topic.TICKETS, re.compile(r"\bopen tickets?\b")),
    (Topic.SLA, re.compile(r"\bslas?\b")),
    (Topic.SYSTEM, re.compile(r"\bsystem status\b")),
    (Topic.TEAM, re.compile(r"\bteam performance\b")),
)
"""By the words of seed 002; the first that fits is taken."""
_MEANT = (
    (
        Topic.TICKETS,
        re.compile(
            r"\bmy (?:\w+ ){0,2}(?:tickets?|queue|plate|workload|work|tasks|cases|to-?dos?)\b"
            r"|\btickets? (?:do i have|(?:(?:that )?(?:are )?assigned )?(?:to|for) me)\b"
            r"|\bassigned to me\b|\bwhat (?:do i have|should i (?:do|work on))\b"
        ),
    ),
    (
        Topic.SLA,
        re.compile(
            r"\bcompliance\b|\b(?:deadlines?|overdue|breach(?:es|ed)?)\b"
            r"|\b(?:are|were|is|was) (?:we|anything) (?:\w+ )?(?:late|behind|on time|in time)\b"
        ),
    ),
    (
        Topic.TEAM,
        re.compile(
            r"\bperformance\b|\bleader ?board\b"
            r"|\bteam\b.*\b(?:doing|do|figures|numbers|stats|report)\b"
            r"|\bwho (?:\w+ ){0,2}(?:answer|repli|reply|resolv|solv|clos|help|did|does)\w* "
            r"(?:\w+ ){0,2}most\b"
            r"|\b(?:best|top|busiest|fastest) (?:agents?|colleagues?|performers?)\b"
            r"|\bhow (?:are|did|have) we (?:do|doing|done)\b"
        ),
    ),
    (
        Topic.SYSTEM,
        re.compile(
            r"\bstatus of the system\b|\b(?:system|service) health\b|\boutages?\b|\bbacklog\b"
            r"|\b(?:everything|anything|all|it|systems?|servers?|service|temporal|workers?|holdfast)"
            r" (?:\w+ )?(?:up|ok|okay|fine|running|working|down|alive|healthy|broken)\b"
            r"|\bin the queue\b|\bwho is waiting\b|\bhow many (?:\w+ ){0,3}waiting\b"
        ),
    ),
)
_PERIODS = {
    PeriodName.TODAY: re.compile(r"\btoday\b"),
    PeriodName.THIS_WEEK: re.compile(r"\b(?:this|the) week\b"),
    PeriodName.LAST_MONTH: re.compile(r"\b(?:last|previous) month\b"),
}
