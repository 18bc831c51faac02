"""Where the bytes of files are kept: a folder of this machine, or a bucket that speaks S3.

    blobs = Blobs.open(".holdfast/attachments")     or "s3://bucket/folder"
    await blobs.put(key, chunks)

Keys are random hex, so nothing of a file's name is in them. A key has all of its bytes or none:
they are written elsewhere first, and appear at once.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Self

from domain.errors import FilesUnavailable

if TYPE_CHECKING:
    # Imported when the first file comes: idle processes do not pay for it.
    from obstore.store import LocalStore, S3Store

_BUCKET = "s3://"
_PART = 5 * 1024 * 1024
"""Bytes held back before they are sent; S3 takes no smaller parts."""
_LOCAL_PART = 512 * 1024
_READ = 128 * 1024
_STEP = timedelta(seconds=30)
"""For one request to a bucket: at most a part, or the beginning of an answer."""
_CONNECT = timedelta(seconds=5)
_RETRYING = timedelta(seconds=15)


def new_key() -> str:
    return token_hex(16)


class Blobs:
    def __init__(self, *, folder: Path | None = None, bucket: str = "") -> None:
        """See `open`."""
        self._folder = folder
        self._bucket = bucket

    @classmethod
    def open(cls, place: str | Path) -> Self:
        """`s3://bucket/folder`, with the usual `AWS_…` variables, or a folder, which is made when
        the first file comes. Nothing is tried before."""
        text = str(place)
        if text.startswith(_BUCKET):
            return cls(bucket=text)
        return cls(folder=Path(text).absolute())

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> None:
        """Keep the bytes under the key; what was there is replaced. At most two parts are held
        in memory. Should `chunks` raise, or the caller give up, nothing was kept.

        Raises FilesUnavailable.
        """
        import obstore

        store = await self._ready()
        part = _LOCAL_PART if self._folder else _PART
        with _as_unavailable():
            writer = obstore.open_writer_async(store, key, buffer_size=part, max_concurrency=1)
        try:
            async for chunk in chunks:
                with _as_unavailable():
                    await writer.write(chunk)
            with _as_unavailable():
                await writer.close()
        finally:
            # What was not closed is cleared away with the writer, however long somebody keeps the
            # exception. An `async with` would close it.
            del writer
        if self._folder:
            with _as_unavailable():
                await asyncio.to_thread(_settle, self._folder / key)

    async def get(self, key: str) -> AsyncIterator[bytes]:
        """Its bytes, a part at a time. Raises FileNotFoundError, before the first of them, and
        FilesUnavailable."""
        import obstore

        store = await self._ready()
        with _as_unavailable():
            found = await obstore.get_async(store, key)
        return _parts(found.stream(min_chunk_size=_READ))

    async def exists(self, key: str) -> bool:
        """Raises FilesUnavailable."""
        import obstore

        store = await self._ready()
        try:
            with _as_unavailable():
                await obstore.head_async(store, key)
        except FileNotFoundError:
            return False
        return True

    async def delete(self, key: str) -> None:
        """With what processes that died have left of it. Harmless where there is nothing.

        Raises FilesUnavailable."""
        import obstore

        store = await self._ready()
        with suppress(FileNotFoundError), _as_unavailable():
            await obstore.delete_async(store, key)
        if self._folder:
            with _as_unavailable():
                await asyncio.to_thread(_clear_away, self._folder, key)

    async def _ready(self) -> "LocalStore | S3Store":
        if "_store" not in self.__dict__:
            return await asyncio.to_thread(lambda: self._store)
        return self._store

    @cached_property
    def _store(self) -> "LocalStore | S3Store":
        from obstore.store import LocalStore, S3Store

        with _as_unavailable():
            if self._folder is not None:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                return LocalStore(self._folder)
            bucket, _, folder = self._bucket.removeprefix(_BUCKET).partition("/")
            # Beside an S3 of one's own there may be no TLS.
            plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
            return S3Store(
                bucket,
                prefix=folder.strip("/") or None,
                client_options={
                    "timeout": _STEP,
                    "connect_timeout": _CONNECT,
                    "allow_http": plain,
                },
                retry_config={"max_retries": 3, "retry_timeout": _RETRYING},
            )


async def _parts(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    with _as_unavailable():
        async for part in stream:
            yield bytes(part)


def _settle(path: Path) -> None:
    """Make a new file safe from a power cut, and its owner's alone."""
    path.chmod(0o600)
    for each in (path, path.parent):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _clear_away(folder: Path, key: str) -> None:
    """Delete what was written of a file that never appeared: the library calls it by the key and
    the first number that is free."""
    for number in count(1):
        try:
            (folder / f"{key}#{number}").unlink()
        except FileNotFoundError:
            return


@contextmanager
def _as_unavailable() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise FilesUnavailable from error
