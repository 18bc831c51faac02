"""Turns of one thread."""

from uuid import uuid4

import pytest

from workflows.pace import Pace

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture
def pace() -> Pace:
    return Pace(interval=2.0, burst=3)


def test_quiet_thread_never_waits(pace: Pace) -> None:
    assert [pace.next_turn(ONE, now) for now in (10.0, 11.0, 12.0)] == [10.0, 11.0, 12.0]


def test_question_and_answer_do_not_wait(pace: Pace) -> None:
    assert [pace.next_turn(ONE, now) for now in (10.0, 10.05, 10.1)] == [10.0, 10.05, 10.1]


def test_busy_thread_waits_for_its_next_turn(pace: Pace) -> None:
    turns = [pace.next_turn(ONE, 10.0 + n / 10) for n in range(6)]
    assert turns == [10.0, 10.1, 10.2, 12.0, None, None]


def test_no_more_turns_than_the_burst_in_any_interval(pace: Pace) -> None:
    turns = [turn for n in range(200) if (turn := pace.next_turn(ONE, 10.0 + n / 20)) is not None]
    assert all(later - turn >= 2.0 for turn, later in zip(turns, turns[3:], strict=False))


def test_threads_do_not_wait_for_each_other(pace: Pace) -> None:
    for n in range(4):
        pace.next_turn(ONE, 10.0 + n / 10)
    assert pace.next_turn(OTHER, 10.4) == 10.4


def test_threads_of_the_past_are_forgotten(pace: Pace) -> None:
    for n in range(1000):
        pace.next_turn(uuid4(), float(n))
    assert len(pace._turns) <= 3
