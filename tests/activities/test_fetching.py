"""Fetching files from a platform's hosts, which stand in on this machine."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from sqlalchemy import select, text
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

from activities.fetching import FetchAttachment
from activities.files import StoredFiles
from channels.accounts import Accounts, MessengerAccount, WhatsAppAccount, XAccount
from channels.files import FileMissing
from channels.graph import new_client
from channels.media_hosts import stand_ins
from channels.safe_http import SafeClient
from domain.files import MAX_FILE, AttachmentState, Look, Origin
from domain.ids import parse_attachment_id
from domain.models import AuthorKind, Channel
from store import attachments, reading, threads
from store.blobs import Blobs
from store.database import Database
from store.errand_tables import StoredAttachment, StoredErrand
from store.files import forget_unused, look_at
from store.threads import Draft
from tests.store.writing import open_ticket

PNG = b"\x89PNG\r\n\x1a\n" + bytes(1000)


@dataclass
class Host:
    """A web server that answers as told, and remembers what it was asked."""

    server: TestServer
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[web.Request] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        answer = self.answers.get(request.path, 404)
        if isinstance(answer, int):
            return web.Response(status=answer)
        if isinstance(answer, dict):
            return web.json_response(answer)
        if isinstance(answer, str):
            return web.Response(status=302, headers={"Location": answer})
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="text/html")
        response: web.StreamResponse = await answer(request)
        return response


async def host() -> AsyncIterator[Host]:
    app = web.Application()
    opened = Host(TestServer(app))
    app.router.add_route("GET", "/{path:.*}", opened.handle)
    await opened.server.start_server()
    yield opened
    await opened.server.close()


platform = pytest.fixture(host)
foreign = pytest.fixture(host)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs.open(tmp_path)


@pytest.fixture
async def fetch(database: Database, blobs: Blobs, platform: Host) -> AsyncIterator[FetchAttachment]:
    token = SecretStr("t0ken")
    accounts = Accounts(
        whatsapp=WhatsAppAccount("1", token, f"{platform.url}/v24.0"),
        messenger=MessengerAccount("2", token, f"{platform.url}/v24.0"),
        x=XAccount("3", token, platform.url),
    )
    async with SafeClient(stand_ins(accounts)) as client, new_client() as graph:
        yield FetchAttachment(database, blobs, accounts, client, graph)


@dataclass
class Awaited:
    """A message that came with a file."""

    database: Database
    ticket_id: UUID
    seq: int
    id: UUID

    async def row(self) -> StoredAttachment:
        async with self.database.begin() as session:
            row = await session.get(StoredAttachment, self.id)
        assert row is not None
        return row

    async def state(self) -> tuple[str, str | None]:
        row = await self.row()
        return row.state, row.error

    async def in_message(self) -> dict[str, Any]:
        async with self.database.begin() as session:
            entry = await reading.entry(session, self.ticket_id, self.seq)
        assert entry is not None
        return entry.attachments[-1]

    async def has_errand(self) -> bool:
        async with self.database.begin() as session:
            return await session.scalar(select(StoredErrand.id)) is not None

    async def grow_old(self) -> None:
        async with self.database.begin() as session:
            week = {"week": timedelta(days=8)}
            await session.execute(text("UPDATE attachments SET created_at = now() - :week"), week)


async def awaited(
    database: Database,
    reference: str,
    channel: Channel = Channel.FACEBOOK,
    sha256: str | None = None,
) -> Awaited:
    ticket_id = await open_ticket(database)
    origin = Origin(channel=channel, reference=reference, sha256=sha256)
    async with database.begin() as session:
        file = await attachments.await_file(session, "", "image/jpeg", origin)
        thread = await threads.lock(session, ticket_id)
        elsewhere = {"url": "https://example.com/a", "name": "a"}
        draft = Draft(AuthorKind.CUSTOMER, "look", attachments=[elsewhere, file])
        appended = await threads.append(session, thread, draft)
    return Awaited(database, ticket_id, appended.seq, parse_attachment_id(file["id"]))


async def run(fetch: FetchAttachment, file: Awaited) -> None:
    await ActivityEnvironment().run(fetch.fetch, file.id)


async def test_file_is_stored_and_the_message_says_so(
    database: Database, blobs: Blobs, platform: Host, fetch: FetchAttachment
) -> None:
    platform.answers["/a"] = PNG
    file = await awaited(database, f"{platform.url}/a")
    assert await file.in_message() == {
        "id": f"att_{file.id.hex}", "name": "image.jpg", "content_type": "image/jpeg", "size": None,
    }  # fmt: skip
    await run(fetch, file)
    assert await file.state() == (AttachmentState.STORED, None)
    assert await file.in_message() == {
        "id": f"att_{file.id.hex}", "name": "image.jpg", "content_type": "image/png",
        "size": len(PNG),
    }  # fmt: skip
    assert not await file.has_errand()
    opened = await StoredFiles(database, blobs).open(f"att_{file.id.hex}")
    assert b"".join([part async for part in opened.chunks]) == PNG
    assert (opened.content_type, opened.size) == ("image/png", len(PNG))


async def test_running_twice_fetches_once(
    database: Database, platform: Host, fetch: FetchAttachment
) -> None:
    platform.answers["/a"] = PNG
    file = await awaited(database, f"{platform.url}/a")
    await run(fetch, file)
    await run(fetch, file)
    assert len(platform.asked) == 1


async def test_whatsapp_is_asked_where_the_file_lies_with_the_token(
    database: Database, platform: Host, fetch: FetchAttachment
) -> None:
    platform.answers["/v24.0/1234"] = {"url": f"{platform.url}/media"}
    platform.answers["/media"] = PNG
    file = await awaited(database, "1234", Channel.WHATSAPP, hashlib.sha256(PNG).hexdigest())
    await run(fetch, file)
    assert await file.state() == (AttachmentState.STORED, None)
    tokens = [each.headers.get("Authorization") for each in platform.asked]
    assert tokens == ["Bearer t0ken", "Bearer t0ken"]


async def test_messenger_files_are_fetched_without_the_token(
    database: Database, platform: Host, fetch: FetchAttachment
) -> None:
    platform.answers["/a"] = PNG
    await run(fetch, await awaited(database, f"{platform.url}/a"))
    assert "Authorization" not in platform.asked[0].headers


@pytest.mark.parametrize("channel", [Channel.FACEBOOK, Channel.TWITTER])
async def test_foreign_host_is_never_asked(
    database: Database, foreign: Host, fetch: FetchAttachment, channel: Channel
) -> None:
    file = await awaited(database, f"{foreign.url}/a", channel)
    await run(fetch, file)
    state, error = await file.state()
    assert state == AttachmentState.REFUSED
    assert error
    assert (await file.in_message())["error"] == error
    assert foreign.asked == []
    assert not await file.has_errand()


async def test_foreign_host_named_by_whatsapps_answer_is_never_asked(
    database: Database, platform: Host, foreign: Host, fetch: FetchAttachment
) -> None:
    platform.answers["/v24.0/1234"] = {"url": f"{foreign.url}/media"}
    file = await awaited(database, "1234", Channel.WHATSAPP)
    await run(fetch, file)
    assert (await file.row()).state == AttachmentState.REFUSED
    assert foreign.asked == []


async def test_redirect_is_followed_once_and_only_to_the_platform(
    database: Database, platform: Host, foreign: Host, fetch: FetchAttachment
) -> None:
    platform.answers |= {"/one": "/a", "/two": "/one", "/out": f"{foreign.url}/a", "/a": PNG}
    foreign.answers["/a"] = PNG
    inside = await awaited(database, f"{platform.url}/one", Channel.TWITTER)
    await run(fetch, inside)
    assert (await inside.row()).state == AttachmentState.STORED
    outside = await awaited(database, f"{platform.url}/out", Channel.TWITTER)
    await run(fetch, outside)
    assert (await outside.row()).state == AttachmentState.REFUSED
    assert foreign.asked == []
    with pytest.raises(ApplicationError):
        await run(fetch, await awaited(database, f"{platform.url}/two", Channel.TWITTER))


async def test_platforms_name_that_leads_into_a_private_network_is_refused(
    database: Database, blobs: Blobs
) -> None:
    # By its name it is Meta's; by its address it is ours.
    file = await awaited(database, "https://localhost.fbcdn.net/a")

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with SafeClient(resolve=resolve) as client, new_client() as graph:
        await run(FetchAttachment(database, blobs, Accounts(), client, graph), file)
    assert (await file.row()).state == AttachmentState.REFUSED


async def test_too_large_is_cut_off_early(
    database: Database, blobs: Blobs, platform: Host, fetch: FetchAttachment
) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65_536))
            sent += 65_536

    platform.answers["/a"] = endless
    file = await awaited(database, f"{platform.url}/a")
    await run(fetch, file)
    assert await file.state() == (AttachmentState.REFUSED, "The file is larger than 25 MB.")
    assert sent < 2 * MAX_FILE
    assert not await blobs.exists((await file.row()).key)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (404, "The file is no longer there."),
        (410, "The file is no longer there."),
        (b"", "The file is empty."),
        (b"another", "The file that lies there is not the one that was sent."),
    ],
)
async def test_what_is_not_the_file_is_refused(
    database: Database,
    blobs: Blobs,
    platform: Host,
    fetch: FetchAttachment,
    answer: object,
    sentence: str,
) -> None:
    platform.answers["/a"] = answer
    sha256 = hashlib.sha256(PNG).hexdigest()
    file = await awaited(database, f"{platform.url}/a", sha256=sha256)
    await run(fetch, file)
    assert await file.state() == (AttachmentState.REFUSED, sentence)
    assert not await blobs.exists((await file.row()).key)
    with pytest.raises(FileMissing):
        await StoredFiles(database, blobs).open(f"att_{file.id.hex}")


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_what_may_pass_is_tried_again_for_a_week(
    database: Database, platform: Host, fetch: FetchAttachment, status: int
) -> None:
    platform.answers["/a"] = status
    file = await awaited(database, f"{platform.url}/a")
    with pytest.raises(ApplicationError) as failed:
        await run(fetch, file)
    assert failed.value.category is ApplicationErrorCategory.BENIGN
    assert not failed.value.non_retryable
    assert await file.has_errand()
    await file.grow_old()
    await run(fetch, file)
    assert (await file.row()).state == AttachmentState.REFUSED
    assert not await file.has_errand()


async def test_answer_that_breaks_off_is_tried_again(
    database: Database, blobs: Blobs, platform: Host, fetch: FetchAttachment
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    platform.answers["/a"] = broken
    file = await awaited(database, f"{platform.url}/a")
    with pytest.raises(ApplicationError):
        await run(fetch, file)
    assert (await file.row()).state == AttachmentState.AWAITED
    assert not await blobs.exists((await file.row()).key)


async def test_file_that_is_erased_meanwhile_is_not_kept(
    database: Database, blobs: Blobs, platform: Host, fetch: FetchAttachment
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        begun.set()
        await go_on.wait()
        return web.Response(body=os.urandom(1000))

    platform.answers["/a"] = slow
    file = await awaited(database, f"{platform.url}/a")
    key = (await file.row()).key
    work = asyncio.create_task(run(fetch, file))
    await begun.wait()
    async with database.begin() as session:
        await attachments.delete_of_threads(session, [file.ticket_id])
    go_on.set()
    await work
    assert not await blobs.exists(key)
    assert not await file.has_errand()


async def test_file_that_is_erased_while_its_process_dies_is_not_kept(
    database: Database, blobs: Blobs, platform: Host, fetch: FetchAttachment
) -> None:
    platform.answers["/a"] = PNG
    file = await awaited(database, f"{platform.url}/a")
    key = (await file.row()).key
    async with database.begin() as session:
        unwanted = await attachments.delete_of_threads(session, [file.ticket_id])
    async with database.begin() as session:
        await attachments.forget(session, [each.id for each in unwanted])
    # The last that it did before it died.
    await blobs.put(key, look_at(_whole(PNG), Look()))
    assert not await forget_unused(database, blobs)
    await run(fetch, file)
    assert not await blobs.exists(key)
    assert not await file.has_errand()
    assert await forget_unused(database, blobs)
    async with database.begin() as session:
        assert await session.get(StoredAttachment, file.id) is None


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    yield content
