"""Files as they come in: the bytes and what is known of them, together.

    received = await take_in(database, blobs, chunks, uploaded_by=caller.key)
    async with database.begin() as session:
        stored = await received.keep(session, name)

Whoever does not keep what was received drops it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import FilesUnavailable, PayloadTooLarge
from domain.files import MAX_FILE, Look
from store import attachments
from store.blobs import Blobs
from store.database import Database
from store.errand_tables import StoredAttachment

log = structlog.get_logger(__name__)

TOO_LARGE = "A file may have at most 25 MB."


@dataclass(frozen=True, slots=True)
class Received:
    """A file whose bytes are stored, and nothing else of it."""

    key: str
    look: Look
    uploaded_by: str

    async def keep(self, session: AsyncSession, name: str) -> StoredAttachment:
        return await attachments.keep(
            session,
            key=self.key,
            name=name,
            content_type=self.look.content_type(name),
            size=self.look.size,
            sha256=self.look.sha256,
            uploaded_by=self.uploaded_by,
        )


async def take_in(
    database: Database, blobs: Blobs, chunks: AsyncIterator[bytes], *, uploaded_by: str
) -> Received:
    """Store the bytes as they come. When that fails, or is called off, nothing of them is left.

    Raises PayloadTooLarge, FilesUnavailable and whatever `chunks` does.
    """
    async with database.begin() as session:
        key = await attachments.expect(session, uploaded_by)
    look = Look()
    received = Received(key, look, uploaded_by)
    try:
        await blobs.put(key, look_at(chunks, look))
    except BaseException:
        await drop(database, blobs, received)
        raise
    return received


async def drop(database: Database, blobs: Blobs, received: Received) -> None:
    """Forget a file that is not kept. What cannot be done just now, housekeeping does."""
    try:
        await blobs.delete(received.key)
        async with database.begin() as session:
            await attachments.forget_key(session, received.key)
    except (FilesUnavailable, exc.SQLAlchemyError) as error:
        log.warning("file_not_dropped", reason=type(error).__name__)


async def forget_unused(database: Database, blobs: Blobs) -> bool:
    """Delete what nobody can find any more: bytes first, so that none are left without their row.
    Whether there may be more. Raises FilesUnavailable."""
    async with database.begin() as session:
        unwanted = await attachments.forget_unused(session)
    for each in unwanted:
        await blobs.delete(each.key)
    if unwanted:
        async with database.begin() as session:
            await attachments.forget(session, [each.id for each in unwanted])
    return bool(unwanted)


async def look_at(chunks: AsyncIterator[bytes], look: Look) -> AsyncIterator[bytes]:
    """Pass the bytes on, and note what they are. Raises PayloadTooLarge as soon as there are too
    many."""
    async for chunk in chunks:
        look.see(chunk)
        if look.size > MAX_FILE:
            raise PayloadTooLarge(TOO_LARGE)
        yield chunk
