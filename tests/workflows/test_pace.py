"""Turns of one thread."""

from uuid import uuid4

import pytest

from workflows.pace import Pace

ONE, OTHER = uuid4(), uuid4()


@pytest.fixture
def pace() -> Pace:
    return Pace(interval=0.5)


def test_quiet_thread_never_waits(pace: Pace) -> None:
    assert [pace.next_turn(ONE, now) for now in (10.0, 10.5, 12.0)] == [10.0, 10.5, 12.0]


def test_busy_thread_waits_for_its_next_turn(pace: Pace) -> None:
    pace.next_turn(ONE, 10.0)
    assert pace.next_turn(ONE, 10.1) == 10.5


def test_burst_has_one_turn_to_come(pace: Pace) -> None:
    turns = [pace.next_turn(ONE, 10.0 + n / 10) for n in range(5)]
    assert turns == [10.0, 10.5, None, None, None]


def test_threads_do_not_wait_for_each_other(pace: Pace) -> None:
    pace.next_turn(ONE, 10.0)
    assert pace.next_turn(OTHER, 10.1) == 10.1


def test_threads_of_the_past_are_forgotten(pace: Pace) -> None:
    for n in range(1000):
        pace.next_turn(uuid4(), float(n))
    assert len(pace._turns) <= 2
