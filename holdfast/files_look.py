"""What `holdfast doctor` says of the place for files."""

import asyncio
from collections.abc import AsyncIterator

from domain.errors import FilesUnavailable
from holdfast.errors import SetupError
from holdfast.settings import Settings
from store.blobs import Blobs, new_key
from workers.attachments import open_blobs, place_of_files

_PATIENCE = 20.0
"""Seconds for a bucket far away."""
_PROBE = b"holdfast doctor"


async def look_at(settings: Settings) -> str:
    """One sentence. Raises SetupError for a place that does not keep what it is given."""
    place = place_of_files(settings)
    try:
        async with asyncio.timeout(_PATIENCE):
            kept = await _keep_and_forget(open_blobs(settings))
    except (FilesUnavailable, FileNotFoundError, TimeoutError):
        kept = b""
    if kept != _PROBE:
        raise SetupError(f"{place} keeps no files: look at {_responsible(settings)}")
    return f"are kept in {place}"


async def _keep_and_forget(blobs: Blobs) -> bytes:
    key = new_key()
    await blobs.put(key, _chunks())
    try:
        return b"".join([chunk async for chunk in await blobs.get(key)])
    finally:
        await blobs.delete(key)


async def _chunks() -> AsyncIterator[bytes]:
    yield _PROBE


def _responsible(settings: Settings) -> str:
    if settings.attachments_url is not None:
        return "ATTACHMENTS_URL and the variables AWS_…"
    return "HOLDFAST_DATA, and who may write there"
