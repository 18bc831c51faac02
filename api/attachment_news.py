"""That a file was fetched, told to those who listen and may read the message in which it stands."""

import structlog
from sqlalchemy import exc

from api.attachment_bodies import shown
from api.socket_commands import named
from api.streams import Streams
from domain.ids import message_id_text
from domain.models import ThreadKind, Visibility
from store import reading
from store.database import Database
from store.feed import Whisper

log = structlog.get_logger(__name__)


class AttachmentNews:
    def __init__(self, database: Database, streams: Streams) -> None:
        self._database = database
        self._streams = streams

    async def tell(self, whisper: Whisper) -> None:
        """`ticket:attachments {ticketId, messageId, seq, attachments}`, `chat:attachments` with a
        conversationId. A hint that is lost is no loss: the same stands on the message."""
        thread, seq = whisper.thread, whisper.value
        try:
            async with self._database.reading() as session:
                entry = await reading.entry(session, thread.id, seq)
        except exc.SQLAlchemyError as error:
            log.warning("attachment_not_told", reason=type(error).__name__)
            return
        if entry is None:
            return
        event = "ticket:attachments" if thread.kind is ThreadKind.TICKET else "chat:attachments"
        told = {
            **named(thread),
            "messageId": message_id_text(entry.id),
            "seq": seq,
            "attachments": shown(entry.attachments),
        }
        if entry.visibility == Visibility.PRIVATE:
            self._streams.tell_staff(thread, event, told)
        else:
            self._streams.relay(thread, event, told, besides=whisper.sid)
