"""Reading JSON of which nothing is sure: what is not as expected is None, and nothing raises."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import JsonValue

from channels.heard import Arrived, ArrivedUntil, Echo, Heard, Reacted, Said

LONGEST_ID = 500
"""Characters. Longer ones would not fit into PostgreSQL's indexes, and no platform has any."""
LONGEST_TEXT = 16_000
_LONGEST_SHORT = 200
_LARGEST = 2**63
_JOINER = "\u200d"
"""Holds emoji together."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

Object = dict[str, JsonValue]
_Cuttable = TypeVar("_Cuttable", Said, Echo)


def at(value: JsonValue, *path: str | int) -> JsonValue:
    """What stands there, like `at(body, "entry", 0, "id")`."""
    for step in path:
        if isinstance(step, str):
            value = value.get(step) if isinstance(value, dict) else None
        else:
            value = value[step] if isinstance(value, list) and step < len(value) else None
    return value


def objects(value: JsonValue) -> list[Object]:
    """Those members of a list that are objects; none where there is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def name(value: JsonValue, longest: int = LONGEST_ID) -> str | None:
    """An id, as it is or not at all; platforms write some as numbers."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable():
        return value
    return None


def short(value: JsonValue, longest: int = _LONGEST_SHORT) -> str:
    """A title or somebody's name: one line, cut; empty where there is none."""
    if not isinstance(value, str):
        return ""
    words = " ".join(value[: 4 * longest].split())
    kept = (each for each in words if each.isprintable() or each == _JOINER)
    return "".join(kept)[:longest].strip()


def text(value: JsonValue) -> str:
    """What somebody wrote, as it can be kept; empty where there is nothing to be seen."""
    if not isinstance(value, str):
        return ""
    kept = value.replace("\0", "")
    # Two lone surrogates may be one character that was cut in two.
    kept = kept.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return kept if kept.strip() else ""


def number(value: JsonValue) -> float | None:
    """A number that is written as one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < _LARGEST else None


def instant(value: JsonValue, per_second: int = 1) -> datetime | None:
    """An instant in seconds since 1970, or parts of them; platforms write them as text, too."""
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        value = int(value)
    counted = number(value)
    if counted is None or counted <= 0:
        return None
    try:
        return datetime.fromtimestamp(counted / per_second, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def cut(said: _Cuttable) -> Iterator[_Cuttable]:
    """As many messages as its length needs, the others as `<id>/1`, `<id>/2` …"""
    if len(said.text) <= LONGEST_TEXT:
        yield said
        return
    whole = said.text.strip()
    yield replace(said, text=whole[:LONGEST_TEXT])
    for part, start in enumerate(range(LONGEST_TEXT, len(whole), LONGEST_TEXT), 1):
        if more := whole[start : start + LONGEST_TEXT].strip():
            yield replace(said, external_id=f"{said.external_id}/{part}", text=more, files=())


def in_order(heard: Iterable[Heard]) -> list[Heard]:
    """What was said and done, as it happened, before the news of our own messages: platforms mix
    the order within a body."""
    happened: list[Said | Echo | Reacted] = []
    news: list[Arrived | ArrivedUntil] = []
    for each in heard:
        if isinstance(each, Arrived | ArrivedUntil):
            news.append(each)
        else:
            happened.append(each)
    return [*sorted(happened, key=lambda each: each.at or _LONG_AGO), *news]
