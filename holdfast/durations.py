"""Spans of time as people write them in settings."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SPELLING = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*([smhd]?)", re.ASCII)
_LONGEST = timedelta(days=3650)


def parse_duration(value: object) -> timedelta:
    """Seconds (`90`), or a number with its unit: `90s`, `15m`, `24h`, `7d`.

    Raises ValueError for anything else, for nothing at all, and beyond ten years.
    """
    if isinstance(value, timedelta):
        duration = value
    else:
        found = _SPELLING.fullmatch(str(value).strip().lower())
        if found is None:
            raise ValueError("must be a time span: seconds, or like 90s, 15m, 24h or 7d")
        number, unit = found.groups()
        duration = timedelta(seconds=float(number) * _SECONDS[unit])
    if not timedelta() < duration <= _LONGEST:
        raise ValueError("must be a time span above zero and of at most ten years")
    return duration


def format_duration(duration: timedelta) -> str:
    """The shortest spelling that `parse_duration` reads back: `7d`, `90s`, `0.5s`."""
    seconds = duration.total_seconds()
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds / _SECONDS[unit]:.0f}{unit}"
    return f"{seconds:.10g}s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
