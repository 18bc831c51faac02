"""What colleagues hear as it happens: typing, having read, who is here, and notifications of what
stands in the tickets' logs.

A notification is a hint, the log is the truth. It is announced by the transaction that writes the
note or the assignment (see `store.team_news`), so a crash of the process that wrote it loses none;
one that does not listen at that moment, or cannot read what it is about, loses its own users'.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

import structlog
from sqlalchemy import exc

from api.socket_commands import Answer
from api.socket_tasks import Tasks
from api.streams import Inbox, Outlet, Streams
from api.team_inbox import excerpt
from api.team_views import user_id_view
from domain.errors import TicketNotFound
from domain.ids import ticket_id_text
from domain.models import ThreadKind
from store import reading, tickets
from store.database import Database
from store.tables import Thread
from store.team_news import (
    Assigned,
    HasRead,
    InboxChanged,
    Mentioned,
    StatusChanged,
    TeamNews,
    Typing,
)

log = structlog.get_logger(__name__)


class NewsOfTeam:
    """`staff` tells the sockets of all colleagues at this process."""

    def __init__(
        self,
        database: Database,
        streams: Streams,
        outlet: Outlet,
        staff: Callable[[], Iterable[str]],
        tasks: Tasks,
    ) -> None:
        self._database = database
        self._streams = streams
        self._outlet = outlet
        self._staff = staff
        self._tasks = tasks

    def tell(self, news: TeamNews) -> None:
        match news:
            case Typing():
                sender = user_id_view(news.sender_id)
                told = {"userId": sender, "senderId": sender, "typing": news.typing}
                self._send(news.user_id, "typing", told)
            case HasRead():
                told = {"userId": user_id_view(news.reader_id), "upTo": news.up_to}
                self._send(news.user_id, "message_read", told)
            case StatusChanged():
                told = {"userId": user_id_view(news.user_id), "status": news.status}
                self._outlet.send("presence", told, self._staff())
            case Assigned() | Mentioned():
                if self._streams.has_listeners(Inbox(news.user_id)):
                    self._tasks.start(self._notify(news))
            case InboxChanged():
                pass  # streams read it

    async def _notify(self, news: Assigned | Mentioned) -> None:
        """`notification {kind, ticketId, text}`; of a note in a conversation `conversationId`."""
        try:
            told = await self._read(news)
        except (exc.SQLAlchemyError, TicketNotFound) as error:
            log.warning("notification_not_told", reason=type(error).__name__)
            return
        if told is not None:
            self._send(news.user_id, "notification", told)

    async def _read(self, news: Assigned | Mentioned) -> Answer | None:
        if isinstance(news, Assigned):
            return await self._assignment(UUID(news.ticket_id))
        return await self._mention(UUID(news.thread_id), news.seq)

    async def _assignment(self, ticket_id: UUID) -> Answer:
        async with self._database.reading() as session:
            ticket = (await tickets.find(session, ticket_id)).ticket
        text = f"#{ticket.number} {ticket.subject}"
        return {"kind": "assignment", "ticketId": ticket_id_text(ticket_id), "text": excerpt(text)}

    async def _mention(self, thread_id: UUID, seq: int) -> Answer | None:
        async with self._database.reading() as session:
            entry = await reading.entry(session, thread_id, seq)
            thread = await session.get(Thread, thread_id)
        if entry is None or thread is None:
            return None
        told: Answer = {"kind": "mention", "seq": seq, "text": excerpt(entry.content)}
        if thread.kind == ThreadKind.TICKET:
            return told | {"ticketId": ticket_id_text(thread_id)}
        return told | {"conversationId": str(thread_id)}

    def _send(self, user_id: str, event: str, payload: Answer) -> None:
        self._streams.relay(Inbox(user_id), event, payload, besides="")
