"""What agents ask in everyday words, and that an answer says nothing but the facts."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from assistant.desk_answers import HELP, Asked, Topic, recognise, render
from domain.figures import (
    AgentFigures,
    DeskFacts,
    Kept,
    Load,
    OpenTicket,
    OpenTickets,
    Period,
    PeriodName,
    Sla,
    Source,
    SystemStatus,
    Team,
    period_of,
)
from domain.models import Priority, TicketStatus

NOW = datetime(2025, 3, 5, 14, 30, tzinfo=UTC)
MONTH = period_of(PeriodName.THIS_MONTH, NOW)
LAST = period_of(PeriodName.LAST_MONTH, NOW)
IDLE = Load(0, 0, None, 0)


class TestRecognising:
    @pytest.mark.parametrize(
        ("topic", "questions"),
        [
            (
                Topic.TICKETS,
                [
                    "Show my open tickets",
                    "open tickets",
                    "OPEN TICKETS!!",
                    "my tickets",
                    "What\u2019s on my plate?",
                    "what do I have to do today",
                    "which tickets are assigned to me?",
                    "anything new in my queue?",
                    "How do I see my open tickets?",
                    "my overdue tickets",
                ],
            ),
            (
                Topic.SLA,
                [
                    "sla",
                    "What is our SLA this month?",
                    "compliance report",
                    "are we late?",
                    "Are we running late?",
                    "is anything overdue",
                    "any breached deadlines?",
                ],
            ),
            (
                Topic.SYSTEM,
                [
                    "system status",
                    "is everything up?",
                    "Is the system down?",
                    "is Temporal running",
                    "is the worker alive?",
                    "how many customers are waiting?",
                    "who is waiting",
                    "system health",
                ],
            ),
            (
                Topic.TEAM,
                [
                    "team performance",
                    "Who answered most?",
                    "who has resolved the most tickets this week",
                    "how is the team doing?",
                    "how are we doing",
                    "top agents",
                ],
            ),
            (
                Topic.HELP,
                ["help", "Help!", "hi", "Hello, help me please", "what can you do?", "🤷"],
            ),
            (
                Topic.OTHER,
                [
                    "how do I merge my tickets?",
                    "What is our refund policy?",
                    "slack integration",
                    "the customer asks for a helping hand with islands",
                    "How can a customer change the performance mode?",
                ],
            ),
        ],
    )
    def test_everyday_words(self, topic: Topic, questions: list[str]) -> None:
        assert {question: recognise(question).topic for question in questions} == dict.fromkeys(
            questions, topic
        )

    @pytest.mark.parametrize(
        ("question", "period"),
        [
            ("sla", PeriodName.THIS_MONTH),
            ("sla today", PeriodName.TODAY),
            ("sla of this week", PeriodName.THIS_WEEK),
            ("sla last month?", PeriodName.LAST_MONTH),
        ],
    )
    def test_a_period_is_heard(self, question: str, period: PeriodName) -> None:
        assert recognise(question) == Asked(Topic.SLA, period)

    def test_long_nonsense_is_no_burden(self) -> None:
        for words in ("who team how many my ", "open ", "!", "( help"):
            recognise((words * 4_000)[:4_000])


class TestPeriods:
    @pytest.mark.parametrize(
        ("name", "now", "since", "until"),
        [
            (PeriodName.TODAY, "2025-02-28T23:59", "2025-02-28", "2025-03-01"),
            (PeriodName.THIS_WEEK, "2025-03-02T12:00", "2025-02-24", "2025-03-03"),
            (PeriodName.THIS_WEEK, "2025-03-03T00:00", "2025-03-03", "2025-03-10"),
            (PeriodName.THIS_MONTH, "2024-02-29T12:00", "2024-02-01", "2024-03-01"),
            (PeriodName.THIS_MONTH, "2025-12-31T12:00", "2025-12-01", "2026-01-01"),
            (PeriodName.LAST_MONTH, "2025-01-15T12:00", "2024-12-01", "2025-01-01"),
        ],
    )
    def test_they_begin_and_end_at_midnight(
        self, name: PeriodName, now: str, since: str, until: str
    ) -> None:
        found = period_of(name, _utc(now))
        assert found == Period(name, _utc(since), _utc(until))


class TestTickets:
    def test_one_line_each(self) -> None:
        ticket = OpenTicket(7, "Printer", TicketStatus.PENDING_CUSTOMER, Priority.HIGH, False)
        late = OpenTicket(5, "Fire", TicketStatus.NEW, Priority.URGENT, True)
        assert render(DeskFacts(tickets=OpenTickets(3, (ticket, late)))) == (
            "You have 3 open tickets:\n\n"
            "🎫 **#7**: Printer (waiting for the customer, high)\n"
            "🎫 **#5**: Fire (new, urgent) ⚠️ overdue\n"
            "… and 1 more"
        )

    def test_a_subject_cannot_break_out_of_its_line(self) -> None:
        subject = "a\n![x](http://evil)\t**b** <script> `c`"
        ticket = OpenTicket(7, subject, TicketStatus.OPEN, Priority.LOW, False)
        lines = render(DeskFacts(tickets=OpenTickets(1, (ticket,)))).splitlines()
        assert len(lines) == 3
        assert lines[2] == (
            r"🎫 **#7**: a !\[x\](http://evil) \*\*b\*\* \<script\> \`c\` (open, low)"
        )


class TestSla:
    def test_the_share_of_promises_that_were_kept_in_time(self) -> None:
        sla = Sla(MONTH, 20, Kept(17, 0, 3), Kept(2, 1, 17))
        assert render(DeskFacts(sla=sla)) == (
            "📊 **SLA Compliance**: 95% this month\n"
            "✅ First response: 17 in time, 0 late, 3 not due yet\n"
            "⚠️ Resolution: 2 in time, 1 late, 17 not due yet\n"
            "🎫 20 tickets came in this month"
        )

    def test_nothing_is_rounded_up(self) -> None:
        told = render(DeskFacts(sla=Sla(MONTH, 1_000, Kept(999, 1), Kept())))
        assert told.startswith("📊 **SLA Compliance**: 99% this month")

    def test_without_data_no_figure_is_told(self) -> None:
        nothing = "📊 **SLA Compliance**: No tickets were due this month yet."
        assert render(DeskFacts(sla=Sla(MONTH, 0, Kept(), Kept()))) == nothing
        pending = Kept(pending=3)
        assert render(DeskFacts(sla=Sla(MONTH, 3, pending, pending))) == nothing
        last = render(DeskFacts(sla=Sla(LAST, 0, Kept(), Kept())))
        assert last == "📊 **SLA Compliance**: No tickets were due last month."


class TestTeam:
    def test_the_one_who_answered_most_is_named(self) -> None:
        ada = AgentFigures("ada", "Ada", 5, 42, 12, 3, timedelta(minutes=14, seconds=59))
        bo = AgentFigures("bo", "*Bo*", 0, 1, 0, 1, None)
        assert render(DeskFacts(team=Team(MONTH, 2, (ada, bo)))) == (
            "👥 **Team performance** this month\n"
            "🏆 **Ada** answered most: 42 replies\n"
            "• **Ada**: 42 replies, 12 resolved, 3 conversations, 5 open, "
            "first response in 14 min (median)\n"
            r"• **\*Bo\***: 1 reply, 0 resolved, 1 conversation, 0 open"
        )

    def test_all_who_answered_most_are_named(self) -> None:
        agents = tuple(AgentFigures(name, name, 0, 2, 0, 0, None) for name in ("Ada", "Bo"))
        told = render(DeskFacts(team=Team(MONTH, 2, agents)))
        assert "🏆 **Ada** and **Bo** answered most: 2 replies" in told

    def test_a_long_list_is_cut_and_says_so(self) -> None:
        ada = AgentFigures("ada", "Ada", 0, 2, 0, 0, None)
        bo = AgentFigures("bo", "Bo", 0, 1, 0, 0, None)
        lines = render(DeskFacts(team=Team(MONTH, 5, (ada, bo)))).splitlines()
        assert lines[1] == "🏆 **Ada** answered most: 2 replies"
        assert lines[-1] == "… and 3 more"

    def test_nobody_is_named_where_one_left_out_may_have_answered_as_much(self) -> None:
        agents = tuple(AgentFigures(name, name, 0, 2, 0, 0, None) for name in ("Ada", "Bo"))
        assert "🏆" not in render(DeskFacts(team=Team(MONTH, 3, agents)))

    def test_nobody_is_named_where_nobody_answered(self) -> None:
        idle = AgentFigures("ada", "Ada", 1, 0, 0, 0, None)
        assert "🏆" not in render(DeskFacts(team=Team(MONTH, 1, (idle,))))

    def test_without_data_no_figure_is_told(self) -> None:
        told = render(DeskFacts(team=Team(MONTH, 0, ())))
        assert told == "👥 **Team performance**: Nobody had anything to do this month yet."


class TestSystem:
    def test_all_is_well(self) -> None:
        load = Load(12, 3, NOW - timedelta(minutes=4, seconds=30), 1)
        system = SystemStatus(engine=True, worker=True, load=load, now=NOW)
        assert render(DeskFacts(system=system)) == (
            "🟢 **System status**: everything is up\n"
            "✅ Database\n"
            "✅ Workflow engine (Temporal)\n"
            "✅ Worker\n"
            "• 12 open tickets\n"
            "• 3 conversations waiting in the queue, the longest for 4 min\n"
            "• 1 message waiting to be delivered"
        )

    @pytest.mark.parametrize(("engine", "worker"), [(False, True), (True, False), (False, False)])
    def test_what_is_down_is_named(self, engine: bool, worker: bool) -> None:
        told = render(DeskFacts(system=SystemStatus(engine, worker, IDLE, NOW)))
        assert told.startswith("🔴 **System status**: not everything is up")
        assert ("❌ Workflow engine" in told, "❌ Worker" in told) == (not engine, not worker)

    @pytest.mark.parametrize(
        ("waited", "told"),
        [
            (timedelta(seconds=-1), "0 s"),
            (timedelta(seconds=119), "119 s"),
            (timedelta(seconds=120), "2 min"),
            (timedelta(minutes=119), "119 min"),
            (timedelta(hours=47), "47 h"),
            (timedelta(days=2), "2 d"),
        ],
    )
    def test_a_wait_is_told_in_a_fitting_unit(self, waited: timedelta, told: str) -> None:
        load = Load(0, 1, NOW - waited, 0)
        system = SystemStatus(engine=True, worker=True, load=load, now=NOW)
        assert f"1 conversation waiting in the queue, the longest for {told}\n" in render(
            DeskFacts(system=system)
        )


def test_an_article_is_named_as_the_source() -> None:
    source = Source("art_1", "Refunds", "Choose *Refund*.")
    assert render(DeskFacts(source=source)) == "Choose *Refund*.\n\n📖 Refunds"


def test_without_facts_there_is_help_as_in_the_seed() -> None:
    assert render(DeskFacts()) == HELP
    assert HELP == (
        "I can help you with:\n• View open tickets\n• SLA reports\n• System status\n"
        "• Team performance"
    )


def test_answers_hold_no_number_that_is_no_fact() -> None:
    sla = Sla(MONTH, 20, Kept(17, 0, 3), Kept(2, 1, 17))
    numbers = set(map(int, re.findall(r"\d+", render(DeskFacts(sla=sla)))))
    assert numbers == {95, 17, 0, 3, 2, 1, 20}


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
