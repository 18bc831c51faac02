"""Whole mails into the log, their files first: bytes are stored before the transaction, so that it
is short, and their rows are written within it."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import DeadlinePolicy
from domain.files import reference
from domain.ids import attachment_id_text
from domain.mail import Mail, Mailbox, MailFile, MailKind
from store import mail as mails
from store.blobs import Blobs
from store.database import Database
from store.files import Received, drop, take_in
from store.mail import Taken

_WITH_FILES = frozenset({MailKind.PERSON, MailKind.AUTOMATIC})
_CHUNK = 256 * 1024


class MailTaker:
    """What both ways in have in common, the webhook and the mailbox."""

    def __init__(
        self, database: Database, blobs: Blobs, mailbox: Mailbox, policy: DeadlinePolicy
    ) -> None:
        self.mailbox = mailbox
        self._database = database
        self._blobs = blobs
        self._policy = policy

    async def take(self, mail: Mail) -> Taken:
        """Returns when it is in the log. Its ticket has to be nudged if `written.entry.nudge`.

        Raises FilesUnavailable.
        """
        received: list[Received] = []
        kept = False
        try:
            for file in await self._wanted(mail):
                chunks = _chunks(file.content)
                uploaded_by = self.mailbox.source
                received.append(
                    await take_in(self._database, self._blobs, chunks, uploaded_by=uploaded_by)
                )
            async with self._database.begin() as session:
                files = await _keep(session, received, mail.files)
                taken = await mails.take(session, self.mailbox, mail, files, self._policy)
            kept = taken.written is not None
            return taken
        finally:
            if not kept:
                for each in received:
                    await drop(self._database, self._blobs, each)

    async def _wanted(self, mail: Mail) -> Sequence[MailFile]:
        if not mail.files or mail.kind not in _WITH_FILES:
            return ()
        async with self._database.begin() as session:
            known = await mails.is_known(session, self.mailbox, mail.message_id)
        return () if known else mail.files


async def _keep(
    session: AsyncSession, received: Sequence[Received], files: Sequence[MailFile]
) -> list[dict[str, Any]]:
    references = []
    for each, file in zip(received, files, strict=False):
        row = await each.keep(session, file.name)
        references.append(
            reference(attachment_id_text(row.id), row.name, row.content_type, row.size)
        )
    return references


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _CHUNK):
        yield content[start : start + _CHUNK]
