"""Reading the account's archive from where it was read last: nothing is missed, and nothing of it
is taken twice."""

from datetime import UTC, datetime, timedelta

import structlog

from bridge import archive
from bridge.archive import ArchivePage
from bridge.errors import UnknownCursor
from bridge.listener import Listener
from bridge.stanzas import Displayed, Received, Said
from bridge.stream import Stream
from store import xmpp
from store.database import Database
from store.xmpp import Place

log = structlog.get_logger(__name__)

_FIRST_LOOK_BACK = timedelta(minutes=1)
"""Somebody may have written just before the account was read for the first time; and clocks
differ."""
_OVERLAP = timedelta(minutes=10)
"""What was being written while we read may have got an earlier time."""


class ArchiveReader:
    """Moves an account's place in its archive on. The place moves after what lies before it is
    in the log, and only here: a crash in between costs a second look."""

    def __init__(self, database: Database, account: str, listener: Listener) -> None:
        self._database = database
        self._account = account
        self._listener = listener

    async def catch_up(self, stream: Stream) -> None:
        """Take all that the archive has got since it was read last.

        An account that was never read begins about now: what people wrote before it was ours is
        not for us. Raises StreamLost and ArchiveUnavailable.
        """
        place = await self._place()
        complete = False
        while not complete:
            page = await self._page(stream, place)
            await self._take(stream, page)
            complete = page.complete or not page.items
            if page.items:
                last = page.items[-1]
                place = Place(last.stanza_id, last.at or place.at)
                await self._move(place)

    async def _place(self) -> Place:
        async with self._database.begin() as session:
            known = await xmpp.place(session, self._account)
        if known is not None:
            return known
        begin = Place(None, datetime.now(UTC) - _FIRST_LOOK_BACK)
        await self._move(begin)
        return begin

    async def _page(self, stream: Stream, place: Place) -> ArchivePage:
        if place.stanza_id is None:
            return await archive.page(stream, after=None, start=place.at)
        try:
            return await archive.page(stream, after=place.stanza_id)
        except UnknownCursor:
            # The archive has expired up to there, or was made anew.
            log.warning("archive_has_lost_our_place", account=self._account, at=str(place.at))
            since = place.at - _OVERLAP if place.at else None
            return await archive.page(stream, after=None, start=since)

    async def _take(self, stream: Stream, page: ArchivePage) -> None:
        told = [each.stanza for each in page.items if not each.outgoing]
        missing = await self._listener.missing([each for each in told if isinstance(each, Said)])
        for each in told:
            match each:
                case Said(stanza_id=stanza_id) if stanza_id in missing:
                    await self._listener.say(stream, each)
                case Received() | Displayed():
                    await self._listener.note(each)

    async def _move(self, place: Place) -> None:
        async with self._database.begin() as session:
            await xmpp.set_place(session, self._account, place)
