"""Files over HTTP: what may be uploaded, as what it comes back, and to whom."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
from sqlalchemy import func, select, text

from api.app import create_app
from api.config import ApiConfig
from api.upload_turns import UploadTurns
from domain.errors import FilesUnavailable
from domain.files import MAX_FILE, Origin
from domain.ids import parse_attachment_id
from domain.models import AuthorKind, Channel
from domain.principals import Role, Scope
from store import attachments, files, threads
from store.blobs import Blobs
from store.database import Database
from store.errand_tables import StoredAttachment
from store.threads import Draft
from tests.api.chatting import ADMIN, ASHIK, Chat, code, said
from tests.api.conftest import JudgingEngine, client_of
from tests.api.people import as_, visitor, with_key
from tests.api.serving import served
from workflows.engine import Engine

Json = dict[str, Any]

ADA = as_(Role.AGENT, "ada", name="Ada")
EVE = as_(Role.CUSTOMER, "eve", email="eve@example.com", name="Eve")
MALLORY = as_(Role.CUSTOMER, "mallory", email="mallory@example.com")

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
GIF_AND_SCRIPT = b"GIF89a=1;alert(document.domain)//" + b"<script>alert(1)</script>"
OCTETS = "application/octet-stream"


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


async def upload(
    client: httpx.AsyncClient,
    content: bytes = b"Hello",
    name: str = "hello.txt",
    headers: dict[str, str] = ADA,
    kind: str = "text/html",
) -> httpx.Response:
    form = {"file": (name, content, kind)}
    return await client.post("/api/attachments", files=form, headers=headers)


async def uploaded(client: httpx.AsyncClient, *rest: Any, **more: Any) -> Json:  # noqa: ANN401
    file: Json = said(await upload(client, *rest, **more), 201)
    return file


async def raw(client: httpx.AsyncClient, kind: str, body: bytes) -> httpx.Response:
    headers = {**ADA, "Content-Type": kind}
    return await client.post("/api/attachments", content=body, headers=headers)


async def ticket_of_eve(client: httpx.AsyncClient, **changes: object) -> Json:
    body = {"subject": "Broken", "initial_message": "See the picture."}
    answer = await client.post("/api/tickets/create", json=body | changes, headers=EVE)
    ticket: Json = said(answer, 201)
    return ticket


async def write(
    client: httpx.AsyncClient, ticket: Json, headers: dict[str, str], **body: object
) -> httpx.Response:
    path = f"/api/tickets/{ticket['ticket_id']}/message"
    return await client.post(path, json={"content": "text"} | body, headers=headers)


def kept(config: ApiConfig) -> list[str]:
    folder = Path(config.attachments)
    return os.listdir(folder) if folder.exists() else []  # noqa: PTH208


async def rows(database: Database) -> int:
    async with database.begin() as session:
        return await session.scalar(select(func.count()).select_from(StoredAttachment)) or 0


class TestUploads:
    async def test_upload_is_answered_with_what_it_is(self, client: httpx.AsyncClient) -> None:
        file = await uploaded(client, PNG, "picture.png")
        assert file.pop("id").startswith("att_")
        assert file.pop("url").startswith("/api/attachments/att_")
        assert len(file.pop("sha256")) == 64
        assert file == {"name": "picture.png", "content_type": "image/png", "size": len(PNG)}

    async def test_it_comes_back_as_it_was(self, client: httpx.AsyncClient) -> None:
        content = os.urandom(3_000_000)
        file = await uploaded(client, content)
        answer = await client.get(file["url"], headers=ADA)
        assert answer.content == content
        assert answer.headers["Content-Length"] == "3000000"

    async def test_it_is_a_download_that_can_run_nothing(self, client: httpx.AsyncClient) -> None:
        answer = await client.get((await uploaded(client))["url"], headers=ADA)
        assert answer.headers["Content-Disposition"].startswith("attachment;")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"

    async def test_known_etag_gets_304(self, client: httpx.AsyncClient) -> None:
        file = await uploaded(client)
        first = await client.get(file["url"], headers=ADA)
        for known in (first.headers["ETag"], f"W/{first.headers['ETag']}", '"x", *'):
            headers = {**ADA, "If-None-Match": known}
            answer = await client.get(file["url"], headers=headers)
            assert (answer.status_code, answer.content) == (304, b"")
        other = await client.get(file["url"], headers={**ADA, "If-None-Match": '"x"'})
        assert other.status_code == 200

    async def test_file_of_25_mb_is_taken_and_a_byte_more_is_not(
        self, client: httpx.AsyncClient, config: ApiConfig, database: Database
    ) -> None:
        assert (await uploaded(client, bytes(MAX_FILE)))["size"] == MAX_FILE
        assert code(await upload(client, bytes(MAX_FILE + 1))) == (413, "too_large")
        assert len(kept(config)) == 1
        assert await rows(database) == 1

    async def test_body_that_says_it_is_larger_is_not_read(self, client: httpx.AsyncClient) -> None:
        read = False

        async def body() -> AsyncIterator[bytes]:
            nonlocal read
            read = True
            yield b""

        headers = {**ADA, "Content-Type": "multipart/form-data; boundary=b"}
        headers["Content-Length"] = str(MAX_FILE * 2)
        answer = await client.post("/api/attachments", content=body(), headers=headers)
        assert code(answer) == (413, "too_large")
        assert not read

    async def test_forms_without_a_file_get_422(
        self, client: httpx.AsyncClient, config: ApiConfig, database: Database
    ) -> None:
        part = b"--b\r\nContent-Disposition: form-data; name=%s\r\n\r\nhello\r\n"
        file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhi\r\n'
        form = "multipart/form-data; boundary=b"
        for kind, body in (
            ("application/json", b"{}"),
            ("multipart/form-data", b"--b--\r\n"),
            (f"multipart/form-data; boundary={'b' * 200}", b"--b--\r\n"),
            (form, b""),
            (form, b"--b--\r\n"),
            (form, b"no form at all"),
            (form, part % b'"other"' + b"--b--\r\n"),
            (form, part % b'"file"' + b"--b--\r\n"),
            (form, file),
            (form, file + file + b"--b--\r\n"),
            (form, part % b'"other"' * 100 + file + b"--b--\r\n"),
            (form, b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\n"),
            (form, b"--b\r\nX: " + b"y" * 100_000),
        ):
            answer = await raw(client, kind, body)
            assert code(answer) == (422, "invalid"), (kind, body)
        assert code(await upload(client, b"")) == (422, "invalid")
        assert kept(config) == []
        assert await rows(database) == 0

    async def test_other_fields_are_passed_over(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(
            "/api/attachments",
            data={"note": "x" * 10_000},
            files={"file": ("a.txt", b"Hello"), "thumbnail": ("b.txt", b"no")},
            headers=ADA,
        )
        assert said(answer, 201)["size"] == 5

    async def test_upload_that_breaks_off_leaves_nothing(
        self, config: ApiConfig, database: Database, database_url: str
    ) -> None:
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        with served(config, database_url) as address:
            url = httpx.URL(address)
            _, writer = await asyncio.open_connection(url.host, url.port)
            lines = [
                "POST /api/attachments HTTP/1.1",
                f"Host: {url.host}",
                f"Authorization: {ADA['Authorization']}",
                "Content-Type: multipart/form-data; boundary=b",
                f"Content-Length: {MAX_FILE}",
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode() + head + bytes(2_000_000))
            await writer.drain()
            async with asyncio.timeout(10):
                while not kept(config):
                    await asyncio.sleep(0.01)
                writer.close()
                while kept(config) or await rows(database):
                    await asyncio.sleep(0.01)

    async def test_same_key_gets_the_same_file_and_another_file_409(
        self, client: httpx.AsyncClient, config: ApiConfig
    ) -> None:
        headers = {**ADA, "Idempotency-Key": "k1"}
        first = await uploaded(client, b"one", headers=headers)
        assert await uploaded(client, b"one", headers=headers) == first
        other = await upload(client, b"two", headers=headers)
        assert code(other) == (409, "idempotency_key_reused")
        assert len(kept(config)) == 1

    async def test_customers_upload_no_faster_than_they_write(
        self, config: ApiConfig, database: Database, engine: JudgingEngine
    ) -> None:
        strict = config.model_copy(update={"rate_limit_messages": 2})
        async with client_of(create_app(strict, database, cast("Engine", engine))) as client:
            answers = [await upload(client, headers=EVE) for _ in range(3)]
        assert [each.status_code for each in answers] == [201, 201, 429]

    async def test_one_caller_uploads_four_at_once(self, client: httpx.AsyncClient) -> None:
        all_begun, go_on = asyncio.Barrier(5), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhi'
            await all_begun.wait()
            await go_on.wait()
            yield b"\r\n--b--\r\n"

        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        async with asyncio.TaskGroup() as group:
            uploads = [
                group.create_task(
                    client.post("/api/attachments", content=body(), headers=ADA | kind)
                )
                for _ in range(4)
            ]
            await all_begun.wait()
            assert code(await upload(client)) == (429, "too_many_requests")
            assert (await upload(client, headers=EVE)).status_code == 201
            go_on.set()
        assert {each.result().status_code for each in uploads} == {201}

    def test_customers_leave_room_for_the_desk(self) -> None:
        turns = UploadTurns()
        with ExitStack() as running:
            for number in range(24):
                running.enter_context(turns.take(f"visitor:{number}", by_customer=True))
            with pytest.raises(FilesUnavailable), turns.take("visitor:24", by_customer=True):
                pass
            for number in range(8):
                running.enter_context(turns.take(f"user:{number}"))
            with pytest.raises(FilesUnavailable), turns.take("user:8"):
                pass
        with turns.take("visitor:24", by_customer=True):
            pass

    async def test_ten_at_once_take_little_memory(
        self, config: ApiConfig, database_url: str
    ) -> None:
        process = psutil.Process()

        async def body() -> AsyncIterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(MAX_FILE // 65_536):
                yield bytes(65_536)
            yield b"\r\n--b--\r\n"

        with served(config, database_url) as address:
            async with httpx.AsyncClient(base_url=address, timeout=60) as client:
                said(await upload(client), 201)
                before = most = process.memory_info().rss
                kind = {"Content-Type": "multipart/form-data; boundary=b"}
                uploads = [
                    asyncio.create_task(
                        client.post(
                            "/api/attachments",
                            content=body(),
                            headers=kind | as_(Role.AGENT, f"agent-{number}"),
                        )
                    )
                    for number in range(10)
                ]
                while not all(each.done() for each in uploads):
                    most = max(most, process.memory_info().rss)
                    await asyncio.sleep(0.01)
                assert {(await each).status_code for each in uploads} == {201}
        assert most - before < 80 * 1024 * 1024


class TestTypes:
    @pytest.mark.parametrize(
        ("content", "name", "expected"),
        [
            (PNG, "a.html", "image/png"),
            (b"\xff\xd8\xff\xe0" + bytes(64), "a", "image/jpeg"),
            (b"%PDF-1.7\n", "a.pdf", "application/pdf"),
            (b"just words", "a.png", "text/plain"),
            ("Grüße, 你好".encode(), "a.txt", "text/plain"),
            (b"a,b\r\n1,2\r\n", "table.csv", "text/plain"),
            (GIF_AND_SCRIPT, "a.js", "image/gif"),
            (b"<!doctype html><script>alert(1)</script>", "cat.png", OCTETS),
            (b"\xef\xbb\xbf \n<html>", "cat.txt", OCTETS),
            (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "a.svg", OCTETS),
            (b"<?xml version='1.0'?><x/>", "a.xml", OCTETS),
            (b"alert(1)", "a.JS", OCTETS),
            (b"alert(1)", "a.mjs", OCTETS),
            (b"caf\xe9", "latin1.txt", OCTETS),
            (b"a\0b", "a.txt", OCTETS),
            (b"cut off \xe2\x82", "a.txt", OCTETS),
            (b"MZ" + bytes(64), "a.exe", OCTETS),
        ],
    )
    async def test_type_is_what_the_bytes_are(
        self, client: httpx.AsyncClient, content: bytes, name: str, expected: str
    ) -> None:
        file = await uploaded(client, content, name)
        assert file["content_type"] == expected
        answer = await client.get(file["url"], headers=ADA)
        assert answer.headers["Content-Type"].partition(";")[0] == expected

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\eve\\cat.png", "cat.png"),
            ("a\u202egpj.exe", "agpj.exe"),
            ("a\x00b\r\nc\x7f.txt", "abc.txt"),
            ("..", "file"),
            (".htaccess", "htaccess"),
            ("你好 😀.txt", "你好 😀.txt"),
            ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
            ('a"b;c.txt', 'a"b;c.txt'),
        ],
    )
    async def test_names_are_cleaned(
        self, client: httpx.AsyncClient, name: str, expected: str
    ) -> None:
        # As browsers write it: the HTML standard's percent-encoding of quotes and line ends aside.
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').encode()
        body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\nhi'
        body = body % quoted.replace(b"\r\n", b"").replace(b"\0", b"") + b"\r\n--b--\r\n"
        file = said(await raw(client, "multipart/form-data; boundary=b", body), 201)
        assert file["name"] == expected
        answer = await client.get(file["url"], headers=ADA)
        told = answer.headers["Content-Disposition"]
        assert unquote(told.partition("filename*=UTF-8''")[2]) == expected
        assert told.isascii()


class TestReferences:
    async def test_uploaded_file_stands_in_the_ticket(self, client: httpx.AsyncClient) -> None:
        file = await uploaded(client, PNG, "cat.png", EVE)
        ticket = await ticket_of_eve(client, attachments=[{"id": file["id"]}])
        [shown] = ticket["timeline"][0]["attachments"]
        del file["sha256"]
        assert shown == file

    async def test_answer_of_an_upload_is_understood_as_it_is(
        self, client: httpx.AsyncClient
    ) -> None:
        file = await uploaded(client, headers=EVE)
        ticket = await ticket_of_eve(client, attachments=[file])
        assert ticket["timeline"][0]["attachments"][0]["id"] == file["id"]
        ticket = await ticket_of_eve(client, attachments=[{"url": file["url"]}])
        assert ticket["timeline"][0]["attachments"][0]["id"] == file["id"]

    async def test_file_elsewhere_is_kept_as_it_was_named(self, client: httpx.AsyncClient) -> None:
        there = {"url": "https://example.com/a", "name": "a", "content_type": "x/y", "size": 3}
        ticket = await ticket_of_eve(client, attachments=[there])
        assert ticket["timeline"][0]["attachments"] == [there]

    async def test_what_cannot_be_named_gets_422(self, client: httpx.AsyncClient) -> None:
        ticket = await ticket_of_eve(client)
        foreign = await uploaded(client, headers=MALLORY)
        for reference in (
            {"id": foreign["id"]},
            {"id": f"att_{'0' * 32}"},
            {"id": "msg_1"},
            {},
            {"id": foreign["id"], "url": "https://example.com/"},
            {"id": foreign["id"], "url": f"/api/attachments/att_{'0' * 32}"},
            {"url": "/api/attachments/../tickets"},
        ):
            answer = await write(client, ticket, EVE, attachments=[reference])
            assert answer.status_code == 422, reference

    async def test_agent_passes_on_what_a_customer_sent(self, client: httpx.AsyncClient) -> None:
        file = await uploaded(client, headers=EVE)
        assert (await write(client, await ticket_of_eve(client), ADA)).status_code == 200
        unsent = await write(
            client, await ticket_of_eve(client), ADA, attachments=[{"id": file["id"]}]
        )
        assert code(unsent) == (422, "unknown_attachment")
        await ticket_of_eve(client, attachments=[{"id": file["id"]}])
        sent = await write(
            client, await ticket_of_eve(client), ADA, attachments=[{"id": file["id"]}]
        )
        assert sent.status_code == 200

    async def test_live_chat_takes_files_from_both_sides(self, chat: Chat) -> None:
        visitor = await chat.accepted()
        theirs = await uploaded(chat.client, PNG, "cat.png", visitor.headers)
        message = await chat.ask(visitor, attachments=[{"id": theirs["id"]}])
        assert message["attachments"][0]["url"] == theirs["url"]
        assert (await chat.client.get(theirs["url"], headers=ASHIK)).content == PNG
        ours = await uploaded(chat.client, PNG, "dog.png", ASHIK)
        await chat.reply(visitor, attachments=[{"id": ours["id"]}])
        assert (await chat.client.get(ours["url"], headers=visitor.headers)).content == PNG
        history = said(await chat.client.get(f"{visitor.place}/messages", headers=visitor.headers))
        names = [file["name"] for message in history for file in message["attachments"]]
        assert names == ["cat.png", "dog.png"]

    async def test_conversation_that_becomes_a_ticket_takes_its_files_along(
        self, chat: Chat, database: Database
    ) -> None:
        visitor = await chat.waiting()
        file = await uploaded(chat.client, headers=visitor.headers)
        await chat.ask(visitor, attachments=[{"id": file["id"]}])
        said(await chat.client.post(f"{visitor.place}/to-ticket", headers=visitor.headers))
        async with database.begin() as session:
            await attachments.delete_of_threads(session, [UUID(visitor.conversation_id)])
        assert (await chat.client.get(file["url"], headers=ADA)).status_code == 200


class TestReaders:
    async def test_only_those_who_may_read_a_message_get_its_files(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        ticket = await ticket_of_eve(client)
        everybody = {
            "uploader": ADA,
            "colleague": ASHIK,
            "admin": ADMIN,
            "key": await with_key(database, Scope.TICKETS),
            "customer": EVE,
            "other customer": MALLORY,
            "visitor": visitor(uuid4()),
        }
        desk = {"uploader", "colleague", "admin", "key"}

        async def readers(url: str) -> set[str]:
            answers = {
                who: await client.get(url, headers=headers) for who, headers in everybody.items()
            }
            assert {each.status_code for each in answers.values()} <= {200, 404}
            return {who for who, answer in answers.items() if answer.status_code == 200}

        file = await uploaded(client)
        assert await readers(file["url"]) == {"uploader"}
        named = [{"id": file["id"]}]
        said(await write(client, ticket, ADA, attachments=named, visibility="private"))
        assert await readers(file["url"]) == desk
        said(await write(client, ticket, ADA, attachments=named))
        assert await readers(file["url"]) == desk | {"customer"}

    async def test_visitors_get_the_files_of_their_own_conversation(self, chat: Chat) -> None:
        visitor, other = await chat.accepted(), await chat.visit()
        file = await uploaded(chat.client, headers=ASHIK)
        note = await uploaded(chat.client, headers=ASHIK)
        await chat.reply(visitor, attachments=[{"id": file["id"]}])
        await chat.reply(visitor, attachments=[{"id": note["id"]}], visibility="private")
        for url, headers, status in (
            (file["url"], visitor.headers, 200),
            (note["url"], visitor.headers, 404),
            (file["url"], other.headers, 404),
        ):
            assert (await chat.client.get(url, headers=headers)).status_code == status

    async def test_key_of_another_scope_gets_403(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        key = await with_key(database, Scope.HANDOFF)
        assert (await upload(client, headers=key)).status_code == 403
        url = (await uploaded(client))["url"]
        assert (await client.get(url, headers=key)).status_code == 403

    async def test_what_is_no_id_gets_404(self, client: httpx.AsyncClient) -> None:
        for name in ("1", "att_", f"att_{'0' * 32}", "%2e%2e"):
            answer = await client.get(f"/api/attachments/{name}", headers=ADA)
            assert answer.status_code == 404


class TestFetchedFiles:
    async def awaited(self, client: httpx.AsyncClient, database: Database) -> Json:
        ticket = await ticket_of_eve(client)
        origin = Origin(channel=Channel.WHATSAPP, reference="123")
        async with database.begin() as session:
            file = await attachments.await_file(session, "cat.png", "image/png", origin)
            thread = await threads.lock(session, UUID(ticket["ticket_id"][4:]))
            draft = Draft(AuthorKind.CUSTOMER, "look", attachments=[file])
            await threads.append(session, thread, draft)
        return file

    async def test_awaited_file_gets_409(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        file = await self.awaited(client, database)
        answer = await client.get(f"/api/attachments/{file['id']}", headers=EVE)
        assert code(answer) == (409, "not_fetched")

    async def test_refused_file_gets_410_and_the_reason(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        file = await self.awaited(client, database)
        async with database.begin() as session:
            file_id = parse_attachment_id(file["id"])
            await attachments.refuse(session, file_id, "It is larger than 25 MB.")
        answer = await client.get(f"/api/attachments/{file['id']}", headers=EVE)
        assert code(answer) == (410, "refused")
        assert answer.json()["detail"] == "It is larger than 25 MB."

    async def test_awaited_file_cannot_be_passed_on(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        file = await self.awaited(client, database)
        ticket = await ticket_of_eve(client)
        answer = await write(client, ticket, ADA, attachments=[{"id": file["id"]}])
        assert code(answer) == (422, "unknown_attachment")


class TestForgetting:
    async def test_upload_that_was_never_sent_is_gone_after_a_day(
        self, client: httpx.AsyncClient, config: ApiConfig, database: Database
    ) -> None:
        blobs = Blobs.open(config.attachments)
        unsent = await uploaded(client, headers=EVE)
        sent = await uploaded(client, headers=EVE)
        await ticket_of_eve(client, attachments=[{"id": sent["id"]}])
        await files.forget_unused(database, blobs)
        assert len(kept(config)) == 2
        async with database.begin() as session:
            a_day = {"day": timedelta(hours=25)}
            await session.execute(text("UPDATE attachments SET created_at = now() - :day"), a_day)
        await files.forget_unused(database, blobs)
        assert (await client.get(unsent["url"], headers=EVE)).status_code == 404
        assert (await client.get(sent["url"], headers=EVE)).status_code == 200
        assert len(kept(config)) == 1
