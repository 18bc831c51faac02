from typing import Any

import pytest

from domain.events import Event
from domain.models import EventType, Side
from domain.telling import tell
from holdfast.chat.telling import told_event, told_message, told_queue


def message(role: str = "CUSTOMER", name: str | None = "Jane", **more: object) -> dict[str, Any]:
    sender = {"role": role, "id": "x", "displayName": name}
    return {"sender": sender, "content": "Hello", "visibility": "public", **more}


def event(kind: EventType, **more: object) -> dict[str, Any]:
    told = Event(type=kind, after="ann", side=more.get("side"))  # type: ignore[arg-type]
    return {"type": kind.value, "text": tell(told), "after": "ann", **more}


def waiting(name: str | None, seconds: int, said: str | None = None) -> dict[str, Any]:
    last = message(content=said) if said else None
    return {"customer": {"displayName": name}, "waitSeconds": seconds, "lastMessage": last}


class TestMessage:
    def test_has_its_senders_name(self) -> None:
        assert told_message(message()) == "Jane: Hello"

    @pytest.mark.parametrize(
        ("role", "name"),
        [("CUSTOMER", "Customer"), ("AGENT", "Agent"), ("AI", "Assistant"), ("SYSTEM", "Holdfast")],
    )
    def test_of_the_nameless(self, role: str, name: str) -> None:
        assert told_message(message(role, None)) == f"{name}: Hello"

    def test_shows_that_a_note_is_one(self) -> None:
        assert told_message(message("AGENT", "Ann", visibility="private")) == "Ann (note): Hello"


class TestEvent:
    @pytest.mark.parametrize("kind", [EventType.ASSIGNED, EventType.TRANSFERRED])
    def test_names_the_agent_to_customers(self, kind: EventType) -> None:
        assert told_event(event(kind, agentName="Ann"), Side.CUSTOMER) == "Ann is with you now."
        assert told_event(event(kind), Side.CUSTOMER) == "An agent is with you now."

    def test_nobody_is_told_of_their_own_coming(self) -> None:
        for kind in (EventType.ARRIVED, EventType.DISCONNECTED):
            arrived = event(kind, side=Side.CUSTOMER)
            assert told_event(arrived, Side.CUSTOMER) is None
            assert told_event(arrived, Side.AGENT) == arrived["text"]

    def test_gives_the_reason_of_closing(self) -> None:
        closed = event(EventType.CLOSED)
        assert told_event(closed, Side.CUSTOMER) == "The conversation was closed."
        closed["reason"] = "Solved."
        assert told_event(closed, Side.AGENT) == "The conversation was closed. Reason: Solved."

    def test_timed_out_wait_is_told_to_customers_by_its_message_alone(self) -> None:
        timed_out = event(EventType.QUEUE_TIMEOUT)
        assert told_event(timed_out, Side.CUSTOMER) is None
        assert told_event(timed_out, Side.AGENT) == "Nobody was free in time."

    def test_of_a_kind_that_is_new_is_told_as_it_tells_itself(self) -> None:
        told = {"type": "moon_landing", "text": "The moon was reached."}
        for side in Side:
            assert told_event(told, side) == "The moon was reached."


class TestQueue:
    def test_is_numbered(self) -> None:
        queue = [waiting("Jane", 12, "Hello,\nanybody?"), waiting(None, 3)]
        assert told_queue(queue).splitlines() == [
            "Waiting:",
            "  1. Jane, for 12 s: Hello, anybody?",
            "  2. Customer, for 3 s",
        ]

    def test_can_be_empty(self) -> None:
        assert told_queue([]) == "Nobody waits."

    def test_shows_a_part_of_a_long_message(self) -> None:
        (_, line) = told_queue([waiting("Jane", 0, "x" * 500)]).splitlines()
        assert line.endswith("x…")
        assert len(line) < 100
