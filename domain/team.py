"""Colleagues among themselves: how available they are, and whom a text names."""

import re
from datetime import timedelta
from enum import StrEnum


class TeamStatus(StrEnum):
    ONLINE = "online"
    AWAY = "away"
    BUSY = "busy"
    OFFLINE = "offline"


ONLINE_FOR = timedelta(minutes=2)
AWAY_FOR = timedelta(minutes=5)
"""Since the last activity; whoever has a socket is there however long that was ago."""

_MENTION = re.compile(r"(?<!\w)@(?=\S)")
_LONGEST_NAME = 200
_MOST_WORDS = 4
_MOST_MENTIONS = 20
_PUNCTUATION = ".,;:!?…'\"*_~`()[]{}<>"


def status_of(said: TeamStatus | None, *, here: bool, idle: timedelta | None) -> TeamStatus:
    """How available somebody is who said `said`, was active `idle` ago (None: never), and has a
    socket or has not. What they said counts as long as they are there."""
    if here or (idle is not None and idle < ONLINE_FOR):
        return said or TeamStatus.ONLINE
    if said is TeamStatus.OFFLINE or idle is None or idle >= AWAY_FOR:
        return TeamStatus.OFFLINE
    return TeamStatus.AWAY


def names_mentioned(text: str) -> list[str]:
    """What may be a name or an id behind an `@`: one word, and up to four, because names have
    several; each as it stands and without the punctuation that follows."""
    found: dict[str, None] = {}
    for _, mention in zip(range(_MOST_MENTIONS), _MENTION.finditer(text), strict=False):
        words = text[mention.end() : mention.end() + _LONGEST_NAME].split()[:_MOST_WORDS]
        for count in range(1, len(words) + 1):
            name = " ".join(words[:count])
            found |= dict.fromkeys([name, name.rstrip(_PUNCTUATION)])
    return [name for name in found if name]
