"""A colleague's inbox as a stream: `new_message`, and the `notification` that goes with it."""

from api.streams import Event, Inbox, Page, Source
from api.team_views import team_message
from domain.team import names_mentioned
from store import agents, team_chat
from store.database import Database
from store.team_chat import DirectMessage

PAGE = 100
"""Messages read and sent in one go; the largest have 16,000 characters."""
_EXCERPT = 200
"""Characters of a message in its notification."""


class InboxSource(Source[int]):
    """Positions are the ids of messages; see `store.team_chat` for why nothing is missed."""

    def __init__(self, database: Database, inbox: Inbox) -> None:
        self._database = database
        self._user_id = inbox.user_id

    async def head(self) -> int:
        async with self._database.reading() as session:
            return (await team_chat.heads(session, [self._user_id]))[self._user_id]

    async def read(self, since: int, until: int | None = None) -> Page[int]:
        async with self._database.reading() as session:
            messages = await team_chat.inbox(session, self._user_id, since, PAGE)
            me = await agents.get(session, self._user_id) if _any_mention(messages) else None
        last = messages[-1].id if messages else since
        more = len(messages) == PAGE
        if until is not None:
            messages = [each for each in messages if each.id <= until]
            more = more and last < until
            last = last if more else until
        name = me.name if me else ""
        return Page([event for each in messages for event in self._told(each, name)], last, more)

    def resume(self, after: int, head: int) -> int:
        return min(after, head)

    def seq(self, position: int) -> int:
        return position

    def _told(self, message: DirectMessage, my_name: str) -> list[Event]:
        payload = team_message(message).json_object()
        events = [Event("new_message", payload, private=False, besides=message.sender_sid)]
        to_me = message.receiver_id == self._user_id != message.sender_id
        if not to_me or message.read_at is not None:
            return events
        kinds = ["message"]
        if {self._user_id, my_name.lower()} & _named_in(message.message):
            kinds.append("mention")
        return events + [_notification(kind, message) for kind in kinds]


def excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 1]}…"


def _any_mention(messages: list[DirectMessage]) -> bool:
    return any("@" in message.message for message in messages)


def _named_in(text: str) -> set[str]:
    """Ids as they are written, names however they are."""
    names = names_mentioned(text)
    return {*names, *(name.lower() for name in names)}


def _notification(kind: str, message: DirectMessage) -> Event:
    payload = {"kind": kind, "messageId": message.id, "text": excerpt(message.message)}
    return Event("notification", payload, private=False)
