"""Which conversations are not tried again for a while."""

from uuid import uuid4

from workers.passed_over import PassedOver

FIRST, SECOND, THIRD = (uuid4() for _ in range(3))


def test_nobody_at_first() -> None:
    assert PassedOver(seconds=10, most=2).at(0) == []


def test_for_a_while() -> None:
    passed_over = PassedOver(seconds=10, most=2)
    passed_over.add(FIRST, 0)
    passed_over.add(SECOND, 5)
    assert passed_over.at(9) == [FIRST, SECOND]
    assert passed_over.at(10) == [SECOND]
    assert passed_over.at(15) == []


def test_counts_from_the_last_time() -> None:
    passed_over = PassedOver(seconds=10, most=2)
    passed_over.add(FIRST, 0)
    passed_over.add(SECOND, 1)
    passed_over.add(FIRST, 5)
    assert passed_over.at(12) == [FIRST]


def test_only_the_newest_are_remembered() -> None:
    passed_over = PassedOver(seconds=10, most=2)
    for each in (FIRST, SECOND, THIRD):
        passed_over.add(each, 0)
    assert passed_over.at(1) == [SECOND, THIRD]
