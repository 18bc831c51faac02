"""What colleagues are told of each other as it happens, over the change feed.

Each piece of news is announced in the transaction that makes it true, so it is told if and only if
that commits, by PostgreSQL itself: no crash of ours comes in between. An api process that does not
listen at that moment misses it. Nothing is kept here, and nothing is lost by that: messages are
read from the inbox (`InboxChanged` is a hint, see `store.feed`), who is there and what is unread
can be asked for, assignments and notes stand in their logs.
"""

import json
from dataclasses import astuple, dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.names import TEAM_CHANNEL


@dataclass(frozen=True, slots=True)
class InboxChanged:
    """A user sent or got a message."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Typing:
    """To `user_id`: `sender_id` has begun or ceased to type."""

    user_id: str
    sender_id: str
    typing: bool


@dataclass(frozen=True, slots=True)
class HasRead:
    """To `user_id`: `reader_id` has read their messages up to the id `up_to`."""

    user_id: str
    reader_id: str
    up_to: int


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """To everybody: how available `user_id` is now."""

    user_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Assigned:
    """To `user_id`: somebody else has assigned a ticket to them."""

    user_id: str
    ticket_id: str
    """A UUID."""


@dataclass(frozen=True, slots=True)
class Mentioned:
    """To `user_id`: a private note names them."""

    user_id: str
    thread_id: str
    """A UUID."""
    seq: int


TeamNews = InboxChanged | Typing | HasRead | StatusChanged | Assigned | Mentioned

_KINDS: dict[str, type[TeamNews]] = {
    "inbox": InboxChanged,
    "typing": Typing,
    "read": HasRead,
    "status": StatusChanged,
    "assigned": Assigned,
    "mentioned": Mentioned,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


async def announce(session: AsyncSession, *news: TeamNews) -> None:
    """Tell all api processes, this one included, when the transaction commits."""
    for each in news:
        await session.execute(_ANNOUNCE, {"payload": payload_of(each)})


def payload_of(news: TeamNews) -> str:
    return json.dumps([_NAMES[type(news)], *astuple(news)], separators=(",", ":"))


def news_in(payload: str) -> TeamNews:
    """Raises ValueError for what is none."""
    try:
        name, *facts = json.loads(payload)
        return _KINDS[name](*facts)
    except (TypeError, KeyError):
        raise ValueError("no news of a team") from None


_ANNOUNCE = text("SELECT pg_notify(:channel, :payload)").bindparams(channel=TEAM_CHANNEL)
