"""Reading a mailbox: what comes in goes into the log, is marked as read, and stays where it is.

One of several workers reads it. Should two for a moment, nothing is doubled: mails are known by
their Message-IDs. The place is noted after each mail, so whoever goes on reads none twice.
"""

import asyncio
from datetime import timedelta
from uuid import uuid4

import structlog
from sqlalchemy import exc

from channels.mail import NotAMail, read_mail
from channels.mail_servers import MailServer
from channels.mailbox import MailboxRefuses, OpenMailbox, TooLarge, open_mailbox
from domain.errors import EngineUnavailable, HoldfastError
from domain.models import Channel, Priority, ThreadKind, ThreadRef
from store import leases, mailboxes
from store.database import Database
from store.mail import Taken
from store.mail_taker import MailTaker
from store.mailboxes import MailboxPlace
from workflows.engine import Engine, NewTicketFacts

log = structlog.get_logger(__name__)

_LEASE = timedelta(seconds=90)
"""Longer than one mail takes, or a wait."""
_WAIT = 10.0
"""Seconds that the server may keep still about a new mail before it is asked."""
_STAND_BY = 5.0
_AGAIN_AFTER = 5.0
_REFUSED_AGAIN_AFTER = 60.0
"""Servers lock accounts that log in with a wrong password too often."""


async def read_mailbox_forever(
    database: Database, engine: Engine, taker: MailTaker, server: MailServer
) -> None:
    """Until cancelled, whatever is away in between."""
    reader = MailReader(database, engine, taker, server)
    try:
        while True:
            try:
                await reader.read_while_ours()
                pause = _STAND_BY
            except MailboxRefuses as error:
                log.warning("mailbox_refuses", mailbox=reader.name, reason=str(error))
                pause = _REFUSED_AGAIN_AFTER
            except (HoldfastError, exc.SQLAlchemyError) as error:
                log.warning("mailbox_waits", mailbox=reader.name, reason=type(error).__name__)
                pause = _AGAIN_AFTER
            await asyncio.sleep(pause)
    finally:
        await reader.release()


class MailReader:
    """One mailbox, as one worker reads it."""

    def __init__(
        self, database: Database, engine: Engine, taker: MailTaker, server: MailServer
    ) -> None:
        self.name = f"{server.user or ''}@{server.host}/{server.folder or 'INBOX'}"
        self._database = database
        self._engine = engine
        self._taker = taker
        self._server = server
        self._id = uuid4()

    async def read_while_ours(self) -> None:
        """Return when another worker reads it. Raises MailboxAway and MailboxRefuses."""
        if not await self._is_ours():
            return
        async with open_mailbox(self._server) as box:
            place = await self._begin(box)
            while place is not None and await self._is_ours():
                place = await self._read_on(box, place)
                await box.wait(_WAIT)

    async def release(self) -> None:
        """Give it to the next, who need not wait."""
        try:
            async with asyncio.timeout(2), self._database.begin() as session:
                await leases.release(session, self._lease, self._id)
        except (TimeoutError, exc.SQLAlchemyError) as error:
            log.debug("mailbox_not_released", reason=type(error).__name__)

    async def _begin(self, box: OpenMailbox) -> MailboxPlace | None:
        """Where to go on; None when another worker does. A mailbox that was never read, or was
        made anew, begins with what is unread in it and new."""
        async with self._database.begin() as session:
            place = await mailboxes.place(session, self.name)
        if place is not None and place.uid_validity == box.uid_validity:
            return place
        log.info("mailbox_begins", mailbox=self.name, anew=place is not None)
        for uid in await box.unread(box.last_uid):
            if not await self._is_ours():
                # Whoever has it begins as well, and notes the place when all of it is read.
                return None
            await self._read(box, uid)
        return await self._reached(MailboxPlace(box.uid_validity, box.last_uid))

    async def _read_on(self, box: OpenMailbox, place: MailboxPlace) -> MailboxPlace:
        for uid in await box.uids_after(place.uid):
            if not await self._is_ours():
                break
            await self._read(box, uid)
            place = await self._reached(MailboxPlace(box.uid_validity, uid))
        return place

    async def _read(self, box: OpenMailbox, uid: int) -> None:
        """Take one mail. What cannot be taken stays unread, for people to look at."""
        raw = await box.fetch(uid)
        if raw is None:
            return
        if isinstance(raw, TooLarge):
            self._leave(uid, "too_large")
            return
        mail = await asyncio.to_thread(read_mail, raw, ours=(self._taker.mailbox.address,))
        if isinstance(mail, NotAMail):
            self._leave(uid, mail.reason)
            return
        try:
            taken = await self._taker.take(mail)
        except exc.DataError as error:
            # It would hold up all that follow.
            self._leave(uid, type(error).__name__)
            return
        await self._nudge(taken)
        await box.mark_read(uid)

    def _leave(self, uid: int, reason: str) -> None:
        log.error("mail_left_unread", mailbox=self.name, uid=uid, reason=reason)

    async def _nudge(self, taken: Taken) -> None:
        if taken.written is None or not taken.written.entry.nudge:
            return
        thread = ThreadRef(kind=ThreadKind.TICKET, id=taken.written.ticket_id)
        facts = None
        if taken.number is not None:
            facts = NewTicketFacts(taken.number, Channel.EMAIL, Priority.MEDIUM)
        try:
            await self._engine.nudge(thread, facts)
        except EngineUnavailable:
            log.debug("nudge_left_to_relay", thread_id=str(thread.id))

    async def _reached(self, place: MailboxPlace) -> MailboxPlace:
        async with self._database.begin() as session:
            await mailboxes.set_place(session, self.name, place)
        return place

    async def _is_ours(self) -> bool:
        async with self._database.begin() as session:
            return await leases.hold(session, self._lease, self._id, _LEASE)

    @property
    def _lease(self) -> str:
        return f"mailbox/{self.name}"
