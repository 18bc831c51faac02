import re

import pytest

from bench.rows import Reach, Row
from bench.table import table
from bench.timing import percentile


def row(measured: float | None, reach: Reach | None = None, floor: float | None = None) -> Row:
    return Row(
        figure="2",
        what="post -> answered",
        unit="ms",
        measured=measured,
        floor=floor,
        floor_name="A",
        reach=reach,
    )


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (row(4.0, Reach.at_most(4), floor=1.0), "ok"),
        (row(4.1, Reach.at_most(4), floor=1.0), "MISS"),
        (row(3.0, Reach.at_least(3), floor=1.0), "ok"),
        (row(2.9, Reach.at_least(3), floor=1.0), "MISS"),
        (row(29.0, Reach.no_more_than(30), floor=1.0), "ok"),
        (row(31.0, Reach.no_more_than(30)), "MISS"),
        (row(31.0), ""),
        (row(None, Reach.no_more_than(30)), "FAILED"),
    ],
)
def test_a_row_is_judged_by_its_reach(one: Row, verdict: str) -> None:
    assert one.verdict == verdict


def test_the_table_shows_value_floor_ratio_reach_and_verdict() -> None:
    *_, line = table([row(4.4, Reach.at_most(4), floor=1.1)]).splitlines()
    assert re.split(r" {2,}", line) == [
        "2",
        "post -> answered",
        "4.40 ms",
        "A 1.10 ms",
        "4.00",
        "<= 4 x A",
        "ok",
    ]


@pytest.mark.parametrize(("percent", "value"), [(50, 2), (99, 4), (100, 4), (1, 1)])
def test_percentiles_are_values_that_were_measured(percent: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], percent) == value
