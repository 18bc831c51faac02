"""What becomes of replies on their way, told to the staff who listen to the ticket."""

import structlog
from sqlalchemy import exc

from api.streams import Streams
from api.views import delivery_view
from domain.ids import message_id_text, ticket_id_text
from store import deliveries, reading
from store.database import Database
from store.feed import Whisper

log = structlog.get_logger(__name__)


class DeliveryNews:
    def __init__(self, database: Database, streams: Streams) -> None:
        self._database = database
        self._streams = streams

    async def tell(self, whisper: Whisper) -> None:
        """`ticket:delivery {ticketId, messageId, seq, delivery}`. A hint that is lost is no loss:
        the same stands on the message."""
        thread, seq = whisper.thread, whisper.value
        try:
            async with self._database.begin() as session:
                progress = (await deliveries.progress(session, thread.id, [seq])).get(seq)
                entry = await reading.entry(session, thread.id, seq)
        except exc.SQLAlchemyError as error:
            log.warning("delivery_not_told", reason=type(error).__name__)
            return
        if progress is None or entry is None:
            return
        told = {
            "ticketId": ticket_id_text(thread.id),
            "messageId": message_id_text(entry.id),
            "seq": seq,
            "delivery": delivery_view(progress).model_dump(mode="json"),
        }
        self._streams.tell_staff(thread, "ticket:delivery", told)
