"""The place for files that the settings name, and the chore of keeping it clean."""

import asyncio

import structlog
from sqlalchemy import exc

from domain.errors import FilesUnavailable
from holdfast.folder import DataFolder
from holdfast.settings import Settings
from store import exporting, files
from store.blobs import Blobs
from store.database import Database

log = structlog.get_logger(__name__)

_PAUSE = 60.0


def place_of_files(settings: Settings) -> str:
    """A folder or a bucket; see `store.blobs.Blobs.open`."""
    return settings.attachments_url or str(DataFolder(settings.data).attachments)


def open_blobs(settings: Settings) -> Blobs:
    return Blobs.open(place_of_files(settings))


async def forget_files(database: Database, blobs: Blobs) -> None:
    """Until cancelled: delete uploads that were never sent, what was erased, and old exports."""
    while True:
        try:
            while await files.forget_unused(database, blobs):
                pass
            await exporting.forget_old(database, blobs)
        except (FilesUnavailable, exc.SQLAlchemyError) as error:
            log.warning("files_not_forgotten", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)
