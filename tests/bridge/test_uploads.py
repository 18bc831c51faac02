"""Files on their way to people, by a real server that keeps them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from slixmpp.stanza import Message

from bridge import xmlns
from bridge.account import Account
from bridge.component import Component
from bridge.connection import Connection
from channels.files import OpenedFile
from channels.outlet import NotNow, Undeliverable
from domain.deliveries import Outgoing
from domain.errors import FilesUnavailable
from domain.models import AuthorKind
from store.database import Database
from tests.bridge.prosody import COMPONENT, Prosody
from tests.bridge.waiting import until
from tests.bridge.working import Desk
from tests.bridge.xmpp_user import XmppUser

OURS = {"id": "att_1", "name": "bild ü.png", "content_type": "image/png", "size": 300_000}
ELSEWHERE = {"url": "https://files.example.org/a%20b.pdf", "name": "a b.pdf"}
PICTURE = bytes(range(250)) * 1200


def message(to: Account, *attachments: dict[str, Any], content: str = "") -> Outgoing:
    return Outgoing(
        thread_id=uuid4(),
        seq=1,
        message_id=uuid4(),
        outlet="xmpp-support@localhost",
        address=to.bare_jid,
        author=AuthorKind.AGENT,
        author_name=None,
        content=content,
        attempts=1,
        waits_since=datetime.now(UTC),
        attachments=list(attachments),
    )


async def send(desk: Desk, outgoing: Outgoing) -> None:
    """All its pieces."""
    for piece in desk.outlet.pieces(outgoing):
        await desk.outlet.send(outgoing, piece)


def address_in(said: Message) -> str | None:
    """Of the file that a message is about (XEP-0066)."""
    return said.xml.findtext(f"{{{xmlns.OUT_OF_BAND}}}x/{{{xmlns.OUT_OF_BAND}}}url")


async def download(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url)


@pytest.fixture
def desk(database: Database, support: Account) -> Desk:
    desk = Desk(database, support)
    desk.files.contents["att_1"] = PICTURE
    return desk


class TestPieces:
    def test_are_the_text_and_each_file(self, desk: Desk, alice: Account) -> None:
        pieces = desk.outlet.pieces(message(alice, OURS, ELSEWHERE, content="Look"))
        assert [(each.number, each.text, each.files) for each in pieces] == [
            (0, "Look", ()),
            (1, "", (OURS,)),
            (2, "", (ELSEWHERE,)),
        ]

    def test_have_names_of_their_own(self, desk: Desk, alice: Account) -> None:
        outgoing = message(alice, OURS, ELSEWHERE, content="Look")
        pieces = desk.outlet.pieces(outgoing)
        assert len({desk.outlet.external_id(outgoing, each) for each in pieces}) == 3

    def test_without_text_begin_with_the_file(self, desk: Desk, alice: Account) -> None:
        [piece] = desk.outlet.pieces(message(alice, OURS))
        assert (piece.number, piece.files) == (0, (OURS,))

    def test_of_nothing_are_refused(self, desk: Desk, alice: Account) -> None:
        with pytest.raises(Undeliverable, match="empty"):
            desk.outlet.pieces(message(alice))


class TestSending:
    async def test_file_arrives_and_can_be_fetched(self, desk: Desk, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            await send(desk, message(alice, OURS, content="Look"))
            await until(lambda: len(person.said) == 2)
        text, file = person.said
        assert (text["body"], address_in(text)) == ("Look", None)
        assert file["body"] == address_in(file)
        fetched = await download(file["body"])
        assert fetched.content == PICTURE
        assert fetched.headers["Content-Type"] == "image/png"
        assert fetched.headers["Content-Disposition"].endswith("bild%20%c3%bc.png")

    async def test_file_elsewhere_is_named_where_it_lies(self, desk: Desk, alice: Account) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            await send(desk, message(alice, ELSEWHERE))
            await until(lambda: person.said)
        [file] = person.said
        assert file["body"] == address_in(file) == ELSEWHERE["url"]

    async def test_file_that_is_gone_is_undeliverable(self, desk: Desk, alice: Account) -> None:
        desk.files.contents.clear()
        async with desk.working():
            with pytest.raises(Undeliverable, match="Attach it again"):
                await send(desk, message(alice, OURS))

    async def test_file_that_cannot_be_read_just_now_is_tried_again(
        self, desk: Desk, alice: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def breaks_off() -> AsyncIterator[bytes]:
            yield PICTURE[:1000]
            raise FilesUnavailable

        async def open_file(_id: str) -> OpenedFile:
            return OpenedFile("a.png", "image/png", len(PICTURE), breaks_off())

        monkeypatch.setattr(desk.files, "open", open_file)
        async with desk.working():
            with pytest.raises(NotNow, match="where files are kept"):
                await send(desk, message(alice, OURS))

    async def test_too_large_a_file_is_undeliverable(self, desk: Desk, alice: Account) -> None:
        desk.files.contents["att_1"] = bytes(1024 * 1024 + 1)
        async with desk.working(), XmppUser.online(alice) as person:
            with pytest.raises(Undeliverable, match=r"at most 1 MB\. Send a link") as refusal:
                await send(desk, message(alice, OURS))
            assert refusal.value.reason == "files"
            await send(desk, message(alice, content="end"))
            await until(lambda: person.texts == ["end"])

    async def test_server_that_takes_none_makes_it_undeliverable(
        self, database: Database, tmp_path: Path
    ) -> None:
        async with Prosody(tmp_path, without=("http_file_share",)) as server:
            desk = Desk(database, await server.register("support"))
            alice = await server.register("alice")
            desk.files.contents["att_1"] = PICTURE
            async with desk.working():
                with pytest.raises(Undeliverable, match=r"takes no files\. Send a link"):
                    await send(desk, message(alice, OURS))

    async def test_full_server_is_asked_again_later(
        self, database: Database, tmp_path: Path
    ) -> None:
        async with Prosody(tmp_path, daily_quota=len(PICTURE)) as server:
            desk = Desk(database, await server.register("support"))
            alice = await server.register("alice")
            desk.files.contents["att_1"] = PICTURE
            async with desk.working():
                await send(desk, message(alice, OURS))
                with pytest.raises(NotNow, match="resource-constraint"):
                    await send(desk, message(alice, OURS))

    async def test_component_asks_the_service_of_its_server(
        self, desk: Desk, alice: Account, shared_prosody: Prosody
    ) -> None:
        async with (
            Component.open(shared_prosody.component()) as stream,
            XmppUser.online(alice) as person,
        ):
            desk.outlet.connected(stream)
            await send(desk, message(alice, OURS))
            await until(lambda: person.said)
        [file] = person.said
        assert file["from"].bare == f"help@{COMPONENT}"
        assert (await download(file["body"])).content == PICTURE


class TestSecondAttempt:
    async def test_that_finds_the_stanza_brings_no_file_again(
        self, desk: Desk, alice: Account
    ) -> None:
        async with desk.working(), XmppUser.online(alice) as person:
            outgoing = message(alice, OURS)
            await send(desk, outgoing)
            await send(desk, again(outgoing))
            await send(desk, message(alice, content="end"))
            await until(lambda: "end" in person.texts)
            assert len(person.texts) == 2
            assert desk.files.opened == 1

    async def test_after_a_crash_between_file_and_stanza_sends_once(
        self, desk: Desk, alice: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        brought = asyncio.Event()
        upload = desk.outlet._uploads.upload

        async def upload_and_hang(stream: Connection, file: OpenedFile) -> str:
            await upload(stream, file)
            brought.set()
            await asyncio.get_running_loop().create_future()
            return ""

        async with desk.working(), XmppUser.online(alice) as person:
            outgoing = message(alice, OURS)
            monkeypatch.setattr(desk.outlet._uploads, "upload", upload_and_hang)
            sending = asyncio.create_task(send(desk, outgoing))
            await asyncio.wait_for(brought.wait(), 10)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            monkeypatch.undo()
            await send(desk, again(outgoing))
            await until(lambda: person.said)
            archive = await person.archive(desk.account.bare_jid)
        [kept] = [str(each["body"]) for each in archive if each["body"]]
        assert (await download(kept)).content == PICTURE


def again(outgoing: Outgoing) -> Outgoing:
    """As it is taken up after a crash."""
    return replace(outgoing, first_tried_at=datetime.now(UTC))
