"""Replies by Messenger, against a server that speaks the Graph API."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from channels.accounts import MessengerAccount
from channels.messenger_outlet import MessengerOutlet
from channels.outlet import NotNow, Outlet, Uncertain, Undeliverable
from domain.deliveries import Piece
from domain.models import AuthorKind
from tests.channels.graph_answers import answers, refuses, takes_and_breaks
from tests.channels.graph_server import TOKEN, GraphServer, graph_server
from tests.channels.replies import NOON, PIECE_ID, Files, attachment, reply

PSID = "2000"
TEXT = Piece(0, text="Hello")
FILES = Files(
    att_1=("a.png", "image/png", b"p" * 5_000),
    att_2=("a.pdf", "application/pdf", b"%PDF"),
)


@pytest.fixture
async def server() -> AsyncIterator[GraphServer]:
    async with graph_server() as server:
        yield server


@pytest.fixture
async def outlet(server: GraphServer) -> AsyncIterator[MessengerOutlet]:
    account = MessengerAccount("1000", SecretStr(TOKEN), server.url)
    outlet = MessengerOutlet(account, FILES)
    yield outlet
    await outlet.close()


def test_is_an_outlet(outlet: MessengerOutlet) -> None:
    known: Outlet = outlet
    assert known.name == "facebook-1000"
    assert not known.looks
    assert known.external_id(reply(PSID), TEXT) is None


class TestPieces:
    def test_are_as_long_as_messenger_takes(self, outlet: MessengerOutlet) -> None:
        pieces = outlet.pieces(reply(PSID, "x" * 2_001, attachments=[attachment("att_1")]))
        assert [len(each.text) for each in pieces] == [2_000, 1, 0]

    def test_of_nothing_are_none(self, outlet: MessengerOutlet) -> None:
        with pytest.raises(Undeliverable):
            outlet.pieces(reply(PSID, ""))


class TestTexts:
    async def test_arrive(self, server: GraphServer, outlet: MessengerOutlet) -> None:
        assert await outlet.send(reply(PSID), TEXT) == "m_1"
        (taken,) = server.taken
        assert taken.body == {
            "recipient": {"id": PSID},
            "messaging_type": "RESPONSE",
            "message": {"text": "Hello", "metadata": f"{PIECE_ID}0"},
        }
        assert taken.account == "1000"

    async def test_whose_connection_breaks_may_have_arrived(
        self, server: GraphServer, outlet: MessengerOutlet
    ) -> None:
        server.behaviours = [takes_and_breaks]
        with pytest.raises(Uncertain):
            await outlet.send(reply(PSID), TEXT)
        assert server.texts_to(PSID) == ["Hello"]

    async def test_without_an_id_may_have_arrived(
        self, server: GraphServer, outlet: MessengerOutlet
    ) -> None:
        server.behaviours = [answers(200, '{"recipient_id": "2000"}')]
        with pytest.raises(Uncertain):
            await outlet.send(reply(PSID), TEXT)

    async def test_that_fail_for_long_may_be_blocked(
        self, server: GraphServer, outlet: MessengerOutlet
    ) -> None:
        server.default = refuses(2, status=500)
        with pytest.raises(NotNow):
            await outlet.send(reply(PSID, attempts=1), TEXT)
        with pytest.raises(Undeliverable):
            await outlet.send(reply(PSID, attempts=10), TEXT)


class TestFiles:
    @pytest.mark.parametrize(("attachment_id", "kind"), [("att_1", "image"), ("att_2", "file")])
    async def test_go_along(
        self, server: GraphServer, outlet: MessengerOutlet, attachment_id: str, kind: str
    ) -> None:
        sent = await outlet.send(reply(PSID), Piece(1, files=(attachment(attachment_id),)))
        opened = await FILES.open(attachment_id)
        (taken,) = server.taken
        assert taken.id == sent
        assert taken.file == b"".join([chunk async for chunk in opened.chunks])
        assert taken.body == {
            "recipient": {"id": PSID},
            "messaging_type": "RESPONSE",
            "message": {
                "attachment": {"type": kind, "payload": {"is_reusable": False}},
                "metadata": f"{PIECE_ID}1",
            },
        }

    async def test_that_lie_elsewhere_go_as_links(
        self, server: GraphServer, outlet: MessengerOutlet
    ) -> None:
        elsewhere = {"url": "https://example.com/a.pdf", "name": "a.pdf"}
        await outlet.send(reply(PSID), Piece(0, files=(elsewhere,)))
        payload = {"type": "file", "payload": {"url": "https://example.com/a.pdf"}}
        assert server.taken[0].body["message"]["attachment"] == payload

    async def test_that_are_not_there_go_nowhere(
        self, server: GraphServer, outlet: MessengerOutlet
    ) -> None:
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(reply(PSID), Piece(0, files=(attachment("att_9"),)))
        assert raised.value.reason == "file_missing"
        assert server.calls == 0


class TestWindow:
    @pytest.mark.parametrize(
        ("author", "ago", "rule"),
        [
            (AuthorKind.AI, timedelta(hours=24), {"messaging_type": "RESPONSE"}),
            (AuthorKind.AGENT, timedelta(hours=24), {"messaging_type": "RESPONSE"}),
            (AuthorKind.AGENT, timedelta(hours=25),
             {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}),
            (AuthorKind.AGENT, timedelta(days=7),
             {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}),
        ],
    )  # fmt: skip
    async def test_is_open(
        self,
        server: GraphServer,
        outlet: MessengerOutlet,
        author: AuthorKind,
        ago: timedelta,
        rule: dict[str, Any],
    ) -> None:
        await outlet.send(reply(PSID, author=author, heard_at=NOON - ago), TEXT)
        body = server.taken[0].body
        assert {key: body[key] for key in body if key in ("messaging_type", "tag")} == rule

    @pytest.mark.parametrize(
        ("author", "ago"),
        [
            (AuthorKind.AI, timedelta(hours=24, seconds=1)),
            (AuthorKind.AGENT, timedelta(days=7, seconds=1)),
        ],
    )
    async def test_is_closed(
        self, server: GraphServer, outlet: MessengerOutlet, author: AuthorKind, ago: timedelta
    ) -> None:
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(reply(PSID, author=author, heard_at=NOON - ago), TEXT)
        assert raised.value.reason == "window_closed"
        assert server.calls == 0

    async def test_that_nobody_knows_is_messengers_to_judge(
        self, server: GraphServer, outlet: MessengerOutlet
    ) -> None:
        server.behaviours = [refuses(10, 2018278)]
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(reply(PSID, heard_at=None), TEXT)
        assert raised.value.reason == "window_closed"
