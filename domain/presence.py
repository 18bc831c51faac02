"""How available somebody is, in XMPP's words (RFC 6121, 4.7)."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class PresenceStatus(StrEnum):
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"


class Show(StrEnum):
    """What an available client adds; without it, it is simply there."""

    CHAT = "chat"
    AWAY = "away"
    XA = "xa"
    DND = "dnd"


class Presence(BaseModel):
    model_config = ConfigDict(frozen=True)

    status: PresenceStatus
    show: Show | None


_BEST_FIRST = (Show.CHAT, None, Show.AWAY, Show.XA, Show.DND)


def most_available(presences: Iterable[Presence]) -> Presence | None:
    """Of all clients of one person; None when nothing is known of any."""
    return min(presences, key=_rank, default=None)


def _rank(presence: Presence) -> int:
    if presence.status is PresenceStatus.UNAVAILABLE:
        return len(_BEST_FIRST)
    return _BEST_FIRST.index(presence.show)
