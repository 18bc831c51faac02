from datetime import timedelta

import pytest

from holdfast.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("0.5", 0.5),
        (" 15 m ", 900),
        ("24H", 86400),
        ("7d", 604800),
        (90, 90),
        (timedelta(seconds=3), 3),
    ],
)
def test_reads_seconds_and_units(text: object, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "-5m", "0", "1w", "1e9", "7d12h", "99999d", "nan", "٣m", None, 2.5e300]
)
def test_refuses_anything_else(text: object) -> None:
    with pytest.raises(ValueError, match="time span"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["0.5s", "90s", "15m", "36h", "7d"])
def test_spells_what_it_reads(text: str) -> None:
    assert format_duration(parse_duration(text)) == text
