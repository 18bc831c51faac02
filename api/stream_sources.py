"""What the streams consist of: the events of one log, a colleague's messages, the list of all
tickets."""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from api.chat_views import event_payload, message_view
from api.discretion import for_customers
from api.streams import TICKETS, Event, Inbox, Log, Page, Source, Topic
from api.team_inbox import InboxSource
from api.views import ticket_updated, timeline_entry
from domain.ids import ticket_id_text
from domain.models import ThreadKind, ThreadRef, Visibility
from store import changes, reading, team_chat
from store.changes import Moment, Window
from store.database import Database
from store.reading import Entry

PAGE = 100
"""Entries, or tickets, read and sent in one go; the largest entries have 24,000 characters."""


class LogSource(Source[int]):
    """One log, read by seq: `ticket:message` and `ticket:event`, or for a conversation
    `chat:message` and `system:event`."""

    def __init__(self, database: Database, thread: ThreadRef) -> None:
        self._database = database
        self._thread_id = thread.id
        self._event = _EVENTS[thread.kind]

    async def head(self) -> int:
        async with self._database.reading() as session:
            return await reading.newest_seq(session, self._thread_id)

    async def read(self, since: int, until: int | None = None) -> Page[int]:
        async with self._database.reading() as session:
            entries = await reading.entries(
                session, self._thread_id, after_seq=since, limit=PAGE, private=True
            )
        last = entries[-1].seq if entries else since
        more = len(entries) == PAGE
        if until is not None:
            entries = [entry for entry in entries if entry.seq <= until]
            more = more and last < until
            last = last if more else until
        return Page([self._told(entry) for entry in entries], last, more)

    def _told(self, entry: Entry) -> Event:
        event = self._event(entry)
        if entry.event is None or event.private:
            return event
        return replace(event, for_customers=self._event(for_customers(entry)).payload)

    def resume(self, after: int, head: int) -> int:
        return min(after, head)

    def seq(self, position: int) -> int:
        return position


class TicketsSource(Source[Moment]):
    """All tickets, as they change: `ticket:updated`.

    The `seq` of each is a revision from which a client that has got it, and nothing after it,
    may resume.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def head(self) -> Moment:
        async with self._database.reading() as session:
            return await changes.moment_now(session)

    async def read(self, since: Moment, until: Moment | None = None) -> Page[Moment]:
        async with self._database.begin() as session:
            if until is None:
                until = await changes.moment_now(session)
            window = await changes.changed_between(session, since, until, PAGE)
        return Page(_list_events(window), window.until, window.more)

    def resume(self, after: int, head: Moment) -> Moment:
        client = Moment.after(after)
        return client if client.end <= head.end else head

    def seq(self, position: Moment) -> int:
        return position.horizon


class DatabaseSources:
    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, topic: Topic) -> Source[Any]:
        if topic == TICKETS:
            return TicketsSource(self._database)
        if isinstance(topic, Inbox):
            return InboxSource(self._database, topic)
        return LogSource(self._database, topic)

    async def heads(self, logs: Collection[Log]) -> dict[Log, int]:
        threads = {log.id: log for log in logs if isinstance(log, ThreadRef)}
        inboxes = {log.user_id: log for log in logs if isinstance(log, Inbox)}
        found: dict[Log, int] = {}
        async with self._database.reading() as session:
            if threads:
                of_threads = await changes.heads(session, threads)
                found |= {threads[each]: head for each, head in of_threads.items()}
            if inboxes:
                of_inboxes = await team_chat.heads(session, inboxes)
                found |= {inboxes[each]: head for each, head in of_inboxes.items()}
        return found


def _of_ticket(entry: Entry) -> Event:
    told = timeline_entry(entry).model_dump(mode="json")
    ticket_id = ticket_id_text(entry.thread_id)
    private = entry.visibility == Visibility.PRIVATE
    if entry.event is None:
        return Event("ticket:message", {"ticketId": ticket_id, "message": told}, private)
    payload = {
        **entry.event,
        "ticketId": ticket_id,
        "seq": entry.seq,
        "at": told["timestamp"],
        "text": entry.content,
    }
    return Event("ticket:event", payload, private)


def _of_conversation(entry: Entry) -> Event:
    private = entry.visibility == Visibility.PRIVATE
    if entry.event is not None:
        return Event("system:event", event_payload(entry), private)
    payload = {
        "conversationId": str(entry.thread_id),
        "message": message_view(entry).json_object(),
    }
    return Event("chat:message", payload, private)


_EVENTS: dict[ThreadKind, Callable[[Entry], Event]] = {
    ThreadKind.TICKET: _of_ticket,
    ThreadKind.CONVERSATION: _of_conversation,
}


def _list_events(window: Window) -> list[Event]:
    """A client that got one of them and not the next must be able to resume in between."""
    if not window.rows:
        return []
    horizon = window.until.horizon
    following = [row.thread.revision - 1 for row in window.rows[1:]]
    return [
        Event("ticket:updated", {**ticket_updated(row), "seq": min(horizon, seq)}, private=True)
        for row, seq in zip(window.rows, [*following, horizon], strict=True)
    ]
