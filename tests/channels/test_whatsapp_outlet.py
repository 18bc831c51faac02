"""Replies by WhatsApp, against a server that speaks the Graph API."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from pydantic import SecretStr

from channels.accounts import WhatsAppAccount
from channels.graph import new_client
from channels.outlet import NotNow, Outlet, Paused, Uncertain, Undeliverable
from channels.whatsapp_outlet import WhatsAppOutlet
from domain.deliveries import Outgoing, Piece
from domain.models import AuthorKind
from tests.channels.graph_answers import answers, refuses, takes_and_hangs
from tests.channels.graph_server import TOKEN, GraphServer, Upload, graph_server
from tests.channels.replies import NOON, PIECE_ID, Files, attachment, reply

PHONE = "+15550100"
TEXT = Piece(0, text="Hello")
FILES = Files(
    att_1=("a.png", "image/png", b"p" * 5_000),
    att_2=("huge.png", "image/png", b"p" * (5 * 1024 * 1024 + 1)),
    att_3=("a.pdf", "application/pdf", b"%PDF"),
    att_4=("a.ogg", "audio/ogg; codecs=opus", b"OggS"),
    att_5=("a.mp4", "video/mp4", b"mp4"),
    att_6=("a.txt", "text/plain", b""),
)


@pytest.fixture
async def server() -> AsyncIterator[GraphServer]:
    async with graph_server() as server:
        yield server


@pytest.fixture
async def outlet(server: GraphServer) -> AsyncIterator[WhatsAppOutlet]:
    account = WhatsAppAccount("100", SecretStr(TOKEN), server.url)
    outlet = WhatsAppOutlet(account, FILES)
    yield outlet
    await outlet.close()


def file(attachment_id: str) -> Piece:
    return Piece(1, files=(attachment(attachment_id),))


async def test_is_an_outlet(outlet: WhatsAppOutlet) -> None:
    known: Outlet = outlet
    assert known.name == "whatsapp-100"
    assert not known.looks
    assert known.external_id(reply(PHONE), TEXT) is None


class TestPieces:
    def test_are_as_long_as_whatsapp_takes(self, outlet: WhatsAppOutlet) -> None:
        pieces = outlet.pieces(reply(PHONE, "x" * 4_097, attachments=[attachment("att_1")]))
        assert [len(each.text) for each in pieces] == [4_096, 1, 0]
        assert pieces[-1].files == (attachment("att_1"),)

    def test_of_nothing_are_none(self, outlet: WhatsAppOutlet) -> None:
        with pytest.raises(Undeliverable):
            outlet.pieces(reply(PHONE, " \n"))


class TestTexts:
    async def test_arrive(self, server: GraphServer, outlet: WhatsAppOutlet) -> None:
        assert await outlet.send(reply(PHONE), TEXT) == "wamid.1"
        (taken,) = server.taken
        assert taken.body == {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "15550100",
            "type": "text",
            "text": {"body": "Hello"},
            "biz_opaque_callback_data": f"{PIECE_ID}0",
        }
        assert taken.account == "100"

    async def test_reach_who_hides_the_number(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        await outlet.send(reply("US.2"), TEXT)
        assert "to" not in server.taken[0].body
        assert server.texts_to("US.2") == ["Hello"]

    async def test_that_nobody_answers_may_have_arrived(self, server: GraphServer) -> None:
        account = WhatsAppAccount("100", SecretStr(TOKEN), server.url)
        outlet = WhatsAppOutlet(account, FILES, new_client(httpx.Timeout(0.5, connect=10)))
        server.behaviours = [takes_and_hangs]
        with pytest.raises(Uncertain):
            await outlet.send(reply(PHONE), TEXT)
        await outlet.close()
        assert server.texts_to("15550100") == ["Hello"]

    @pytest.mark.parametrize("body", ["{}", '{"messages": []}', '{"messages": [{"id": null}]}'])
    async def test_without_an_id_may_have_arrived(
        self, server: GraphServer, outlet: WhatsAppOutlet, body: str
    ) -> None:
        server.behaviours = [answers(200, body)]
        with pytest.raises(Uncertain):
            await outlet.send(reply(PHONE), TEXT)

    async def test_too_many_to_one_customer_wait_longer_each_time(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        server.behaviours = [refuses(131056)]
        with pytest.raises(NotNow) as raised:
            await outlet.send(reply(PHONE, attempts=3), TEXT)
        assert raised.value.retry_after == timedelta(seconds=64)


class TestFiles:
    @pytest.mark.parametrize(
        ("attachment_id", "kind"),
        [
            ("att_1", "image"),
            ("att_2", "document"),
            ("att_3", "document"),
            ("att_4", "audio"),
            ("att_5", "video"),
            ("att_6", "document"),
        ],
    )
    async def test_go_up_first(
        self, server: GraphServer, outlet: WhatsAppOutlet, attachment_id: str, kind: str
    ) -> None:
        await outlet.send(reply(PHONE), file(attachment_id))
        opened = await FILES.open(attachment_id)
        (taken,) = server.taken
        (upload,) = server.uploads.values()
        assert upload.name == opened.name
        assert upload.content_type == opened.content_type
        assert taken.file == b"".join([chunk async for chunk in opened.chunks])
        assert taken.body["type"] == kind
        named = {"filename": opened.name} if kind == "document" else {}
        assert taken.body[kind] == {"id": "1000", **named}
        assert taken.our_id == f"{PIECE_ID}1"

    async def test_that_lie_elsewhere_go_as_links(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        elsewhere = {"url": "https://example.com/a.pdf", "name": "a.pdf"}
        await outlet.send(reply(PHONE), Piece(0, files=(elsewhere,)))
        document = {"link": "https://example.com/a.pdf", "filename": "a.pdf"}
        assert server.taken[0].body["document"] == document

    async def test_that_are_not_there_go_nowhere(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(reply(PHONE), file("att_9"))
        assert raised.value.reason == "file_missing"
        assert server.calls == 0

    async def test_that_whatsapp_does_not_take_go_nowhere(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        server.upload_error = 100
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(reply(PHONE), file("att_1"))
        assert raised.value.reason == "file_refused"
        assert server.taken == []

    @pytest.mark.parametrize("error", [190, 131000])
    async def test_that_fail_for_other_reasons_wait(
        self, server: GraphServer, outlet: WhatsAppOutlet, error: int
    ) -> None:
        server.upload_error = error
        with pytest.raises((NotNow, Paused)):
            await outlet.send(reply(PHONE), file("att_1"))

    async def test_that_cannot_go_up_wait(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        server.down_until = server.clock() + timedelta(hours=1)
        with pytest.raises(NotNow):
            await outlet.send(reply(PHONE), file("att_1"))
        assert server.uploads == {}

    async def test_names_are_kept(self, server: GraphServer) -> None:
        account = WhatsAppAccount("100", SecretStr(TOKEN), server.url)
        outlet = WhatsAppOutlet(account, Files(att_1=("Übersicht 1.pdf", "application/pdf", b"1")))
        await outlet.send(reply(PHONE), file("att_1"))
        assert server.uploads["1000"] == Upload("application/pdf", "Übersicht 1.pdf", b"1")
        await outlet.close()


class TestWindow:
    @pytest.mark.parametrize("author", [AuthorKind.AGENT, AuthorKind.AI])
    async def test_closes_after_24_hours(
        self, server: GraphServer, outlet: WhatsAppOutlet, author: AuthorKind
    ) -> None:
        await outlet.send(heard(timedelta(hours=24), author), TEXT)
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(heard(timedelta(hours=24, seconds=1), author), TEXT)
        assert raised.value.reason == "window_closed"
        assert server.calls == 1

    async def test_that_nobody_knows_is_whatsapps_to_judge(
        self, server: GraphServer, outlet: WhatsAppOutlet
    ) -> None:
        await outlet.send(reply(PHONE, at=None, heard_at=NOON - timedelta(days=9)), TEXT)
        await outlet.send(reply(PHONE, heard_at=None), TEXT)
        server.behaviours = [refuses(131047)]
        with pytest.raises(Undeliverable) as raised:
            await outlet.send(reply(PHONE), TEXT)
        assert raised.value.reason == "window_closed"


def heard(ago: timedelta, author: AuthorKind) -> Outgoing:
    return reply(PHONE, author=author, heard_at=NOON - ago)
