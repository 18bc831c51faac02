"""Bytes in a folder, and in a bucket of a server that speaks S3."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from domain.errors import FilesUnavailable
from store.blobs import Blobs, new_key

LARGE = 12 * 1024 * 1024


async def parts(content: bytes, *, then: Exception | None = None) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]
    if then is not None:
        raise then


async def content_of(blobs: Blobs, key: str) -> bytes:
    return b"".join([part async for part in await blobs.get(key)])


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(scope="module")
def s3() -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bucket(s3: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    _, port = s3.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = f"bucket-{new_key()}"
    made = boto3.resource("s3", region_name="us-east-1").Bucket(name)
    made.create()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attachments"


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest) -> Blobs:
    place = request.getfixturevalue(request.param)
    return Blobs.open(place if request.param == "folder" else f"s3://{place.name}/some/folder")


@pytest.mark.parametrize("size", [1, 100_000, LARGE])
async def test_what_was_put_is_got(blobs: Blobs, size: int) -> None:
    key, content = new_key(), os.urandom(size)
    await blobs.put(key, parts(content))
    assert await blobs.exists(key)
    assert await content_of(blobs, key) == content


async def test_put_again_replaces(blobs: Blobs) -> None:
    key = new_key()
    await blobs.put(key, parts(b"before"))
    await blobs.put(key, parts(b"after"))
    assert await content_of(blobs, key) == b"after"


async def test_what_is_not_there_is_said_before_the_first_byte(blobs: Blobs) -> None:
    assert not await blobs.exists(new_key())
    with pytest.raises(FileNotFoundError):
        await blobs.get(new_key())


async def test_delete_takes_it_away_and_may_be_called_twice(blobs: Blobs) -> None:
    key = new_key()
    await blobs.put(key, parts(b"content"))
    await blobs.delete(key)
    await blobs.delete(key)
    assert not await blobs.exists(key)


async def test_an_upload_that_breaks_off_keeps_nothing(blobs: Blobs) -> None:
    key = new_key()
    with pytest.raises(ValueError, match="broke off"):
        await blobs.put(key, parts(os.urandom(LARGE), then=ValueError("broke off")))
    assert not await blobs.exists(key)


async def test_a_folder_and_its_files_are_their_owners_alone(folder: Path) -> None:
    key = new_key()
    await Blobs.open(folder).put(key, parts(b"content"))
    assert [mode_of(folder), mode_of(folder / key)] == [0o700, 0o600]


async def test_an_upload_that_is_called_off_leaves_no_file(folder: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield os.urandom(2 * 1024 * 1024)
        begun.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(Blobs.open(folder).put(new_key(), endless()))
    await begun.wait()
    upload.cancel()
    await asyncio.gather(upload, return_exceptions=True)
    async with asyncio.timeout(10):
        while os.listdir(folder):  # noqa: PTH208  no blocking paths in coroutines
            await asyncio.sleep(0.01)


_KILLED = """
import asyncio, os, signal, sys
from store.blobs import Blobs

async def chunks():
    yield bytes(2 * 1024 * 1024)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(Blobs.open(sys.argv[1]).put(sys.argv[2], chunks()))
"""


async def test_what_killed_processes_have_left_goes_with_its_key(folder: Path) -> None:
    key, other = new_key(), new_key()
    for each in (key, key, other):
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _KILLED, str(folder), each
        )
        await killed.wait()
    assert len(os.listdir(folder)) == 3  # noqa: PTH208  no blocking paths in coroutines
    await Blobs.open(folder).delete(key)
    [left] = os.listdir(folder)  # noqa: PTH208
    assert left.startswith(other)


async def test_what_is_deleted_while_it_comes_is_not_kept(folder: Path) -> None:
    blobs, key = Blobs.open(folder), new_key()

    async def deleted() -> AsyncIterator[bytes]:
        yield bytes(2 * 1024 * 1024)
        await blobs.delete(key)

    with pytest.raises(FilesUnavailable):
        await blobs.put(key, deleted())
    assert not os.listdir(folder)  # noqa: PTH208


async def test_keys_of_a_bucket_stand_below_its_folder(bucket: Any) -> None:  # noqa: ANN401
    key = new_key()
    await Blobs.open(f"s3://{bucket.name}/some/folder/").put(key, parts(b"content"))
    assert [each.key for each in bucket.objects.all()] == [f"some/folder/{key}"]


async def test_a_bucket_that_does_not_answer_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
    bucket: Any,  # noqa: ANN401
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    blobs = Blobs.open(f"s3://{bucket.name}")
    with pytest.raises(FilesUnavailable):
        await blobs.put(new_key(), parts(b"content"))
    with pytest.raises(FilesUnavailable):
        await blobs.get(new_key())


async def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FilesUnavailable):
        await Blobs.open(tmp_path / "file" / "attachments").put(new_key(), parts(b"content"))
