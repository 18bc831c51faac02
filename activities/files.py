"""The files that outlets send along, out of our own store."""

from channels.files import FileMissing, OpenedFile
from domain.errors import AttachmentNotFound
from domain.files import AttachmentState
from domain.ids import parse_attachment_id
from store import attachments
from store.blobs import Blobs
from store.database import Database


class StoredFiles:
    """A `channels.files.FileSource`."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database = database
        self._blobs = blobs

    async def open(self, attachment_id: str) -> OpenedFile:
        """Raises FileMissing and FilesUnavailable."""
        try:
            known_id = parse_attachment_id(attachment_id)
        except AttachmentNotFound:
            raise FileMissing from None
        async with self._database.begin() as session:
            found = await attachments.get(session, known_id)
        if found is None or found.state != AttachmentState.STORED or found.size is None:
            raise FileMissing
        try:
            chunks = await self._blobs.get(found.key)
        except FileNotFoundError:
            raise FileMissing from None
        return OpenedFile(found.name, found.content_type, found.size, chunks)
