"""The rules of a live conversation, every status against everything that can move it."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import conversation_rules as rules
from domain.conversation_life import (
    Accept,
    ChangeConversation,
    Close,
    ConversationCommand,
    ConversationPolicy,
    ConversationState,
    GoOnWithAssistant,
    Release,
    ToTicket,
    Transfer,
)
from domain.conversation_rules import Decision
from domain.errors import (
    ConversationIsClosed,
    ConversationTaken,
    HoldfastError,
    NotAccepted,
    NotAssigned,
)
from domain.events import Event, Head
from domain.life import one_line
from domain.models import AuthorKind, ConversationStatus, EventType, Side, Visibility

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = ConversationPolicy(
    queue_timeout=5 * MINUTE,
    agent_grace=MINUTE,
    customer_grace=15 * MINUTE,
    idle_timeout=30 * MINUTE,
)
QUEUED, ASSIGNED, CONNECTED, CLOSED = ConversationStatus

COMMANDS: dict[str, ConversationCommand] = {
    "accept_own": Accept(agent_id="bob"),
    "accept_other": Accept(agent_id="eve"),
    "close_own": Close(agent_id="bob"),
    "close_other": Close(agent_id="eve"),
    "close_any": Close(),
    "transfer_to_other": Transfer(to_agent_id="eve", agent_id="bob"),
    "transfer_to_self": Transfer(to_agent_id="bob", agent_id="bob"),
    "transfer_of_others": Transfer(to_agent_id="eve", agent_id="eve"),
    "transfer_by_admin": Transfer(to_agent_id="eve"),
    "release_own": Release(agent_id="bob"),
    "release_other": Release(agent_id="eve"),
    "release_by_admin": Release(),
    "ticket_own": ToTicket(agent_id="bob"),
    "ticket_other": ToTicket(agent_id="eve"),
    "ticket_any": ToTicket(),
    "assistant": GoOnWithAssistant(),
}
REFUSALS: dict[str, type[HoldfastError]] = {
    "gone": ConversationIsClosed,
    "taken": ConversationTaken,
    "not_accepted": NotAccepted,
    "not_assigned": NotAssigned,
}
# Rows: commands. Columns: the status in which bob has it, or nobody. "=": nothing changes.
TABLE = """
command            QUEUED       ASSIGNED     CONNECTED    CLOSED
accept_own         ASSIGNED     =            =            gone
accept_other       ASSIGNED     taken        taken        gone
close_own          not_assigned CLOSED       CLOSED       =
close_other        not_assigned not_assigned not_assigned =
close_any          CLOSED       CLOSED       CLOSED       =
transfer_to_other  not_assigned ASSIGNED     ASSIGNED     gone
transfer_to_self   not_assigned =            =            gone
transfer_of_others not_assigned not_assigned not_assigned gone
transfer_by_admin  ASSIGNED     ASSIGNED     ASSIGNED     gone
release_own        not_assigned QUEUED       QUEUED       gone
release_other      not_assigned not_assigned not_assigned gone
release_by_admin   not_accepted QUEUED       QUEUED       gone
ticket_own         not_assigned CLOSED       CLOSED       gone
ticket_other       not_assigned not_assigned not_assigned gone
ticket_any         CLOSED       CLOSED       CLOSED       gone
assistant          QUEUED       =            =            gone
"""
EXPECTED = {
    (name, status): after
    for name, *afters in (line.split() for line in TABLE.strip().splitlines()[1:])
    for status, after in zip(ConversationStatus, afters, strict=True)
}


def chat(status: ConversationStatus = QUEUED, **changes: object) -> ConversationState:
    """As it is right after it came into this status, bob's if it is somebody's."""
    state = ConversationState(
        version=3,
        status=status,
        queued_at=NOW,
        queue_timeout_at=NOW + 5 * MINUTE if status is QUEUED else None,
        agent_id=None if status is QUEUED else "bob",
        assigned_at=None if status is QUEUED else NOW,
        last_word_at=NOW,
    )
    return state.model_copy(update=changes)


def said(author: AuthorKind, visibility: Visibility = Visibility.PUBLIC) -> Head:
    return Head(seq=1, author=author, visibility=visibility, at=NOW + MINUTE)


def told(
    kind: EventType, side: Side | None = None, by: str | None = None, since: datetime | None = None
) -> Head:
    event = Event(type=kind, visibility=Visibility.PUBLIC, side=side, by=by, since=since)
    return Head(
        seq=1,
        author=AuthorKind.SYSTEM,
        visibility=Visibility.PUBLIC,
        at=NOW + MINUTE,
        event=event,
    )


def customer_came() -> Head:
    return told(EventType.ARRIVED, Side.CUSTOMER)


def customer_left(since: datetime | None = None) -> Head:
    return told(EventType.DISCONNECTED, Side.CUSTOMER, since=since)


def agent_left(agent_id: str = "bob", since: datetime | None = None) -> Head:
    return told(EventType.DISCONNECTED, Side.AGENT, agent_id, since)


def agent_came(agent_id: str = "bob") -> Head:
    return told(EventType.ARRIVED, Side.AGENT, agent_id)


def obey(
    state: ConversationState, command: ConversationCommand, policy: ConversationPolicy = POLICY
) -> Decision:
    return rules.obey(state, ChangeConversation(by="ada", command=command), NOW, policy)


def hear(state: ConversationState, *heads: Head) -> Decision:
    return rules.hear(state, heads, NOW + MINUTE, POLICY)


def expire(state: ConversationState, after: timedelta) -> Decision:
    return rules.expire(state, NOW + after, POLICY)


def types(decision: Decision) -> list[EventType]:
    return [event.type for event in decision.events]


class TestObey:
    def test_table_covers_everything(self) -> None:
        assert set(EXPECTED) == set(product(COMMANDS, ConversationStatus))

    @pytest.mark.parametrize(("name", "status"), list(product(COMMANDS, ConversationStatus)))
    def test_every_command_in_every_status(self, name: str, status: ConversationStatus) -> None:
        expected, state, command = EXPECTED[name, status], chat(status), COMMANDS[name]
        if expected in REFUSALS:
            with pytest.raises(REFUSALS[expected]):
                obey(state, command)
        elif expected == "=":
            assert obey(state, command) == Decision(state)
        else:
            after = obey(state, command)
            assert after.state.status == expected
            assert after.events

    @pytest.mark.parametrize(("name", "status"), list(product(COMMANDS, ConversationStatus)))
    def test_the_last_event_has_the_new_status(self, name: str, status: ConversationStatus) -> None:
        if EXPECTED[name, status] in {*ConversationStatus}:
            after = obey(chat(status), COMMANDS[name])
            assert after.events[-1].status == after.state.status

    @pytest.mark.parametrize(
        "name", ["accept_own", "close_any", "transfer_by_admin", "ticket_any", "assistant"]
    )
    def test_the_same_again_changes_nothing(self, name: str) -> None:
        after = obey(chat(QUEUED), COMMANDS[name]).state
        assert obey(after, COMMANDS[name]) == Decision(after)

    def test_closed_as_a_ticket_twice_is_once(self) -> None:
        after = obey(chat(ASSIGNED), ToTicket(agent_id="bob")).state
        assert after.as_ticket
        assert obey(after, ToTicket(agent_id="bob")) == Decision(after)

    def test_events_name_who_did_it_and_to_whom(self) -> None:
        (event,) = obey(chat(ASSIGNED), Transfer(to_agent_id="eve")).events
        assert (event.by, event.before, event.after) == ("ada", "bob", "eve")

    def test_accepting_ends_the_wait(self) -> None:
        after = obey(chat(QUEUED), Accept(agent_id="bob")).state
        assert (after.queue_timeout_at, after.assigned_at) == (None, NOW)

    def test_accepting_still_works_after_the_timeout(self) -> None:
        late = expire(chat(QUEUED), 5 * MINUTE).state
        assert obey(late, Accept(agent_id="bob")).state.status is ASSIGNED

    def test_accepting_while_the_customer_is_here_connects(self) -> None:
        after = obey(chat(QUEUED, customer_here=True), Accept(agent_id="bob"))
        assert types(after) == [EventType.ASSIGNED, EventType.CONNECTED]

    def test_new_agent_has_to_speak_before_it_is_connected(self) -> None:
        spoken = chat(CONNECTED, customer_spoke=True, agent_spoke=True)
        after = obey(spoken, Transfer(to_agent_id="eve"))
        assert types(after) == [EventType.TRANSFERRED]
        assert hear(after.state, said(AuthorKind.AGENT)).state.status is CONNECTED

    def test_transfer_forgets_that_the_last_agent_was_gone(self) -> None:
        gone = chat(ASSIGNED, agent_gone_at=NOW)
        assert obey(gone, Transfer(to_agent_id="eve")).state.agent_gone_at is None

    def test_released_keeps_its_age_and_waits_anew(self) -> None:
        later = NOW + 10 * MINUTE
        order = ChangeConversation(by="bob", command=Release(agent_id="bob"))
        after = rules.obey(chat(ASSIGNED), order, later, POLICY).state
        assert (after.queued_at, after.queue_timeout_at) == (NOW, later + 5 * MINUTE)
        assert (after.agent_id, after.released_by) == (None, "bob")

    def test_who_released_it_may_take_it_again(self) -> None:
        after = obey(chat(QUEUED, released_by="bob"), Accept(agent_id="bob")).state
        assert (after.agent_id, after.released_by) == ("bob", None)

    def test_closing_leaves_nothing_to_wait_for(self) -> None:
        state = chat(QUEUED, customer_gone_at=NOW)
        after = obey(state, Close()).state
        assert rules.alarms(after, POLICY) == []

    def test_whatever_its_tags_is_told(self) -> None:
        accepted = obey(chat(QUEUED), Accept(agent_id="bob", any_team=True))
        assert [event.any_team for event in accepted.events] == [True]
        assert obey(chat(QUEUED), Accept(agent_id="bob")).events[0].any_team is None

    def test_assistant_ends_the_wait_but_not_the_place(self) -> None:
        after = obey(chat(QUEUED), GoOnWithAssistant()).state
        assert (after.status, after.queue_timeout_at) == (QUEUED, None)
        assert after.with_assistant

    def test_agent_who_accepts_ends_the_assistants_part(self) -> None:
        after = obey(chat(QUEUED, with_assistant=True), Accept(agent_id="bob")).state
        assert not after.with_assistant


class TestHearWords:
    def test_both_have_spoken_is_connected(self) -> None:
        after = hear(chat(ASSIGNED), said(AuthorKind.CUSTOMER), said(AuthorKind.AGENT))
        assert types(after) == [EventType.CONNECTED]

    @pytest.mark.parametrize("author", [AuthorKind.CUSTOMER, AuthorKind.AGENT])
    def test_one_alone_is_not(self, author: AuthorKind) -> None:
        assert hear(chat(ASSIGNED), said(author)).events == []

    def test_what_was_said_in_the_queue_counts(self) -> None:
        waited = hear(chat(QUEUED), said(AuthorKind.CUSTOMER)).state
        taken = obey(waited, Accept(agent_id="bob")).state
        assert hear(taken, said(AuthorKind.AGENT)).state.status is CONNECTED

    def test_words_of_an_admin_in_the_queue_are_not_the_agents(self) -> None:
        waited = hear(chat(QUEUED), said(AuthorKind.AGENT), said(AuthorKind.CUSTOMER)).state
        assert obey(waited, Accept(agent_id="bob")).state.status is ASSIGNED

    @pytest.mark.parametrize("author", [AuthorKind.CUSTOMER, AuthorKind.AGENT, AuthorKind.AI])
    def test_every_word_puts_the_end_for_silence_off(self, author: AuthorKind) -> None:
        after = hear(chat(CONNECTED), said(author)).state
        assert rules.alarms(after, POLICY)[0].at == NOW + MINUTE + POLICY.idle_timeout

    @pytest.mark.parametrize(
        "head", [said(AuthorKind.AGENT, Visibility.PRIVATE), said(AuthorKind.SYSTEM)]
    )
    def test_notes_and_announcements_are_no_words(self, head: Head) -> None:
        assert hear(chat(ASSIGNED), head) == Decision(chat(ASSIGNED))

    def test_words_alone_need_not_be_written(self) -> None:
        spoken = chat(CONNECTED, customer_spoke=True, agent_spoke=True)
        assert not hear(spoken, said(AuthorKind.CUSTOMER)).changes(spoken)

    def test_closed_hears_nothing(self) -> None:
        heads = (said(AuthorKind.CUSTOMER), customer_came(), agent_left())
        assert hear(chat(CLOSED), *heads) == Decision(chat(CLOSED))

    @pytest.mark.parametrize("status", [QUEUED, ASSIGNED, CONNECTED])
    def test_ends_when_its_customer_is_erased(self, status: ConversationStatus) -> None:
        after = hear(chat(status), said(AuthorKind.CUSTOMER), told(EventType.ERASED))
        assert (after.state.status, after.state.as_ticket) == (CLOSED, False)
        assert after.events[-1].cause == "erased"

    def test_nothing_is_heard_after_the_end(self) -> None:
        closed = obey(chat(ASSIGNED), Close()).state
        assert hear(closed, customer_left()) == Decision(closed)


class TestHearTheAssistant:
    HANDED_OVER = told(EventType.HANDED_OVER)

    def test_handed_over_waits_for_a_person(self) -> None:
        """Whatever the last word is: a promise is no answer."""
        after = hear(chat(QUEUED), said(AuthorKind.AI), self.HANDED_OVER).state
        assert after.unanswered
        assert after.queue_timeout_at == chat(QUEUED).queue_timeout_at

    def test_who_had_chosen_the_assistant_waits_from_now_on(self) -> None:
        chosen = obey(chat(QUEUED), GoOnWithAssistant()).state
        after = hear(chosen, self.HANDED_OVER).state
        assert not after.with_assistant
        assert after.queue_timeout_at == NOW + MINUTE + POLICY.queue_timeout

    def test_agents_word_is_what_was_waited_for(self) -> None:
        waiting = hear(chat(QUEUED), self.HANDED_OVER).state
        taken = obey(waiting, Accept(agent_id="bob")).state
        assert taken.unanswered
        assert not hear(taken, said(AuthorKind.AGENT)).state.unanswered

    def test_choosing_it_again_lets_it_try_again(self) -> None:
        waiting = hear(chat(QUEUED), self.HANDED_OVER).state
        assert not obey(waiting, GoOnWithAssistant()).state.handed_over


class TestHearWhoIsThere:
    def test_customer_who_comes_connects(self) -> None:
        assert hear(chat(ASSIGNED), customer_came()).state.status is CONNECTED

    def test_customer_who_comes_into_the_queue_stays_there(self) -> None:
        after = hear(chat(QUEUED), customer_came())
        assert (after.state.status, after.state.customer_here) == (QUEUED, True)

    def test_customer_who_leaves_is_expected_for_a_while(self) -> None:
        after = hear(chat(CONNECTED, customer_here=True), customer_left(NOW - MINUTE)).state
        assert (after.customer_here, after.customer_gone_at) == (False, NOW - MINUTE)
        assert after.status is CONNECTED

    def test_customer_who_is_back_was_not_gone(self) -> None:
        after = hear(chat(QUEUED), customer_left(), customer_came()).state
        assert (after.customer_here, after.customer_gone_at) == (True, None)

    def test_since_when_defaults_to_when_it_was_told(self) -> None:
        assert hear(chat(ASSIGNED), agent_left()).state.agent_gone_at == NOW + MINUTE

    def test_agent_who_leaves_is_expected_for_a_while(self) -> None:
        after = hear(chat(ASSIGNED), agent_left(since=NOW))
        assert (after.state.status, after.state.agent_gone_at) == (ASSIGNED, NOW)

    def test_agent_who_is_back_keeps_it(self) -> None:
        after = hear(chat(ASSIGNED), agent_left(), agent_came()).state
        assert (after.agent_id, after.agent_gone_at) == ("bob", None)

    @pytest.mark.parametrize(
        "head",
        [
            agent_left("eve"),
            agent_came("eve"),
            told(EventType.SIGNED_OFF, Side.AGENT, "eve"),
        ],
    )
    def test_another_agent_is_of_no_matter(self, head: Head) -> None:
        state = chat(ASSIGNED, agent_gone_at=NOW)
        assert hear(state, head) == Decision(state)

    @pytest.mark.parametrize(
        "head",
        [agent_left("bob"), agent_came("bob"), told(EventType.SIGNED_OFF, Side.AGENT, "bob")],
    )
    def test_agents_are_of_no_matter_to_the_queue(self, head: Head) -> None:
        assert hear(chat(QUEUED), head) == Decision(chat(QUEUED))

    def test_signing_off_gives_it_back_at_once(self) -> None:
        """And it may be given to the same agent again, once they are back."""
        after = hear(chat(CONNECTED), told(EventType.SIGNED_OFF, Side.AGENT, "bob"))
        (event,) = after.events
        assert (event.type, event.cause) == (EventType.RELEASED, "signed_off")
        assert (after.state.status, after.state.released_by) == (QUEUED, None)

    def test_its_own_first_event_is_of_no_matter(self) -> None:
        assert hear(chat(QUEUED), told(EventType.QUEUED)) == Decision(chat(QUEUED))


class TestQueueTimesOut:
    def test_not_before_its_time(self) -> None:
        assert expire(chat(QUEUED), 5 * MINUTE - timedelta.resolution) == Decision(chat(QUEUED))

    def test_is_told_once_and_leaves_it_in_the_queue(self) -> None:
        after = expire(chat(QUEUED), 5 * MINUTE)
        assert types(after) == [EventType.QUEUE_TIMEOUT]
        assert after.state.status is QUEUED
        assert expire(after.state, 6 * MINUTE) == Decision(after.state)

    def test_is_told_again_to_one_who_was_given_back(self) -> None:
        late = expire(chat(QUEUED), 5 * MINUTE).state
        taken = obey(late, Accept(agent_id="bob")).state
        back = obey(taken, Release(agent_id="bob")).state
        assert types(expire(back, 5 * MINUTE)) == [EventType.QUEUE_TIMEOUT]


class TestAgentIsGone:
    def test_keeps_it_for_the_time_of_grace(self) -> None:
        state = chat(ASSIGNED, agent_gone_at=NOW)
        assert expire(state, MINUTE - timedelta.resolution) == Decision(state)

    def test_then_it_goes_back_to_the_queue(self) -> None:
        after = expire(chat(CONNECTED, agent_gone_at=NOW), MINUTE)
        (event,) = after.events
        assert (event.type, event.status, event.cause) == (
            EventType.RELEASED,
            QUEUED,
            "agent_gone",
        )
        assert (after.state.queued_at, after.state.agent_gone_at) == (NOW, None)


class TestCustomerIsGone:
    def test_from_the_queue_it_closes(self) -> None:
        after = expire(chat(QUEUED, queue_timeout_at=None, customer_gone_at=NOW), 15 * MINUTE)
        assert types(after) == [EventType.CUSTOMER_GONE, EventType.CLOSED]
        assert (after.state.status, after.state.as_ticket) == (CLOSED, False)
        assert after.events[-1].cause == EventType.CUSTOMER_GONE

    def test_what_was_not_answered_becomes_a_ticket(self) -> None:
        asked = hear(chat(QUEUED), said(AuthorKind.CUSTOMER), customer_left(NOW)).state
        assert expire(asked, 16 * MINUTE).state.as_ticket

    @pytest.mark.parametrize("status", [QUEUED, ASSIGNED, CONNECTED])
    def test_who_writes_without_a_socket_is_not_gone(self, status: ConversationStatus) -> None:
        left = hear(chat(status, queue_timeout_at=None), customer_left(NOW)).state
        written = hear(left, said(AuthorKind.CUSTOMER)).state
        almost = 16 * MINUTE - timedelta.resolution
        assert EventType.CUSTOMER_GONE not in types(expire(written, almost))
        assert EventType.CUSTOMER_GONE in types(expire(written, 16 * MINUTE))

    def test_with_an_agent_it_is_told_once_and_goes_on(self) -> None:
        after = expire(chat(CONNECTED, customer_gone_at=NOW), 15 * MINUTE)
        assert types(after) == [EventType.CUSTOMER_GONE]
        assert after.state.status is CONNECTED
        assert expire(after.state, 16 * MINUTE) == Decision(after.state)

    def test_both_gone_at_once_is_told_in_order(self) -> None:
        state = chat(CONNECTED, customer_gone_at=NOW, agent_gone_at=NOW)
        after = expire(state, 15 * MINUTE)
        assert [(event.type, event.status) for event in after.events] == [
            (EventType.RELEASED, QUEUED),
            (EventType.CUSTOMER_GONE, QUEUED),
            (EventType.CLOSED, CLOSED),
        ]


class TestSilence:
    @pytest.mark.parametrize("status", [ASSIGNED, CONNECTED])
    def test_closes_in_its_time(self, status: ConversationStatus) -> None:
        state = chat(status)
        assert expire(state, 30 * MINUTE - timedelta.resolution) == Decision(state)
        after = expire(state, 30 * MINUTE)
        assert types(after) == [EventType.IDLE, EventType.CLOSED]
        assert [event.status for event in after.events] == [status, CLOSED]

    def test_unanswered_becomes_a_ticket(self) -> None:
        after = expire(hear(chat(ASSIGNED), said(AuthorKind.CUSTOMER)).state, 31 * MINUTE)
        assert after.state.as_ticket

    def test_answered_is_just_over(self) -> None:
        heads = said(AuthorKind.CUSTOMER), said(AuthorKind.AGENT)
        assert not expire(hear(chat(ASSIGNED), *heads).state, 31 * MINUTE).state.as_ticket

    def test_who_waits_with_an_open_page_is_not_idle(self) -> None:
        state = chat(QUEUED, queue_timeout_at=None, customer_here=True)
        assert expire(state, timedelta(days=1)) == Decision(state)

    def test_who_waited_long_is_not_thrown_out_for_a_blink(self) -> None:
        """The page was open for hours; when it goes, the customer has the time of grace."""
        state = chat(QUEUED, queue_timeout_at=None, customer_here=True)
        hours = timedelta(hours=2)
        left = hear(state, customer_left(NOW + hours)).state
        assert expire(left, hours + MINUTE) == Decision(left)
        assert expire(left, hours + POLICY.customer_grace).state.status is CLOSED

    def test_one_given_back_has_its_time_in_the_queue(self) -> None:
        """However long nothing was said before: the customer was not asked to say anything."""
        late = timedelta(minutes=29)
        state = chat(ASSIGNED, agent_gone_at=NOW + late)
        after = expire(state, late + MINUTE)
        assert types(after) == [EventType.RELEASED]
        assert types(expire(after.state, late + 2 * MINUTE)) == []

    def test_nobody_in_the_queue_without_a_page_closes_in_time(self) -> None:
        state = chat(QUEUED, queue_timeout_at=None)
        assert expire(state, 30 * MINUTE).state.status is CLOSED

    def test_closed_stays_closed(self) -> None:
        assert expire(chat(CLOSED), timedelta(days=9)) == Decision(chat(CLOSED))


INSTANTS = st.timedeltas(timedelta(0), timedelta(hours=2)).map(lambda after: NOW + after)
SOMETIMES = st.none() | INSTANTS


@st.composite
def states(draw: st.DrawFn) -> ConversationState:
    """All that rules can bring about, and more."""
    status = draw(st.sampled_from(ConversationStatus))
    has_agent = status in (ASSIGNED, CONNECTED)
    return chat(
        status,
        queue_timeout_at=draw(SOMETIMES) if status is QUEUED else None,
        assigned_at=draw(SOMETIMES) if has_agent else None,
        agent_gone_at=draw(SOMETIMES) if has_agent else None,
        customer_gone_at=draw(SOMETIMES) if status is not CLOSED else None,
        customer_here=draw(st.booleans()),
        customer_spoke=draw(st.booleans()),
        agent_spoke=draw(st.booleans()),
        with_assistant=draw(st.booleans()),
        handed_over=draw(st.booleans()),
        last_word_at=draw(INSTANTS),
        last_word_by=draw(st.none() | st.sampled_from(AuthorKind)),
        released_by=draw(st.sampled_from([None, "bob", "eve"])),
    )


class TestAlarms:
    @given(states())
    def test_soonest_first_and_one_line(self, state: ConversationState) -> None:
        coming = rules.alarms(state, POLICY)
        assert coming == sorted(coming, key=lambda alarm: alarm.at)
        line = one_line(rules.waiting_for(state), coming)
        assert line
        assert "\n" not in line

    @given(states())
    def test_nothing_is_due_before_the_first_alarm(self, state: ConversationState) -> None:
        """The clock is set by the alarms: what they do not name would never happen."""
        coming = rules.alarms(state, POLICY)
        before = coming[0].at - timedelta.resolution if coming else NOW + timedelta(days=365)
        assert not rules.expire(state, before, POLICY).changes(state)

    @given(states())
    def test_what_is_due_is_done_once(self, state: ConversationState) -> None:
        """An alarm that stays due would have the workflow look for ever."""
        coming = rules.alarms(state, POLICY)
        if coming:
            due = coming[0].at
            after = rules.expire(state, due, POLICY)
            assert after.changes(state)
            assert all(alarm.at > due for alarm in rules.alarms(after.state, POLICY))

    @given(states(), INSTANTS)
    def test_the_last_event_has_the_status(self, state: ConversationState, now: datetime) -> None:
        after = rules.expire(state, now, POLICY)
        if after.events:
            assert after.events[-1].status == after.state.status

    def test_none_once_closed(self) -> None:
        assert rules.alarms(chat(CLOSED), POLICY) == []
