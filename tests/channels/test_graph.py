"""Calls to the Graph API: what was refused, what was not taken, and what nobody knows."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from pydantic import JsonValue, SecretStr

from channels.accounts import WhatsAppAccount
from channels.files import OpenedFile
from channels.graph import Graph, new_client
from channels.graph_errors import MESSENGER, WHATSAPP, Book, Fate, code_of
from channels.meta_media import whatsapp_media_url
from channels.multipart import Form
from channels.outlet import NotNow, Paused, Uncertain, Undeliverable
from domain.errors import HoldfastError
from tests.channels.graph_answers import (
    answers,
    breaks,
    later,
    refuses,
    takes,
    takes_and_breaks,
    takes_and_hangs,
)
from tests.channels.graph_server import TOKEN, Behaviour, GraphServer, Upload, graph_server

BODY = {"messaging_product": "whatsapp", "to": "15550100", "type": "text", "text": {"body": "Hi"}}
IMPATIENT = httpx.Timeout(0.5, connect=10)


@pytest.fixture
async def server() -> AsyncIterator[GraphServer]:
    async with graph_server() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with new_client() as client:
        yield client


def graph(client: httpx.AsyncClient, server: GraphServer, book: Book = WHATSAPP) -> Graph:
    return Graph(client, server.url, SecretStr(TOKEN), book)


async def failure(
    client: httpx.AsyncClient,
    server: GraphServer,
    behaviour: Behaviour,
    book: Book = WHATSAPP,
    attempts: int = 1,
) -> HoldfastError:
    """What sending raises when it is answered so."""
    server.behaviours = [behaviour]
    with pytest.raises((Undeliverable, NotNow, Uncertain, Paused)) as raised:
        await graph(client, server, book).post("100/messages", BODY, attempts)
    assert isinstance(raised.value, HoldfastError)
    assert "SECRET WORDS" not in str(raised.value)
    return raised.value


class TestErrors:
    @pytest.mark.parametrize(
        "code", [4, 80007, 130429, 131000, 131016, 1, 2, 131057, 131056]
    )  # fmt: skip
    async def test_of_whatsapp_that_pass(
        self, client: httpx.AsyncClient, server: GraphServer, code: int
    ) -> None:
        assert isinstance(await failure(client, server, refuses(code)), NotNow)

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (131047, "window_closed"),
            (131026, "unreachable"),
            (131051, "refused"),
            (131008, "refused"),
            (131009, "refused"),
            (131030, "unreachable"),
            (131049, "refused"),
            (131050, "unreachable"),
            (130472, "refused"),
            (131062, "unreachable"),
            (132000, "refused"),
            (132999, "refused"),
            (100, "refused"),
            (999999, "refused"),
        ],
    )
    async def test_of_whatsapp_that_are_final(
        self, client: httpx.AsyncClient, server: GraphServer, code: int, reason: str
    ) -> None:
        error = await failure(client, server, refuses(code))
        assert isinstance(error, Undeliverable)
        assert error.reason == reason

    @pytest.mark.parametrize("code", [0, 3, 10, 190, 200, 299, 368, 131031, 131042])
    async def test_of_whatsapp_that_are_the_channels(
        self, client: httpx.AsyncClient, server: GraphServer, code: int
    ) -> None:
        assert isinstance(await failure(client, server, refuses(code)), Paused)

    @pytest.mark.parametrize("code", [1200, 2, 4, 613])
    async def test_of_messenger_that_pass(
        self, client: httpx.AsyncClient, server: GraphServer, code: int
    ) -> None:
        assert isinstance(await failure(client, server, refuses(code), MESSENGER), NotNow)

    @pytest.mark.parametrize(
        ("code", "subcode", "reason"),
        [
            (10, 2018278, "window_closed"),
            (551, 1545041, "unreachable"),
            (100, 2018001, "unreachable"),
            (100, 2018109, "file_refused"),
            (200, 2018108, "unreachable"),
            (100, 0, "refused"),
        ],
    )
    async def test_of_messenger_that_are_final(
        self,
        client: httpx.AsyncClient,
        server: GraphServer,
        code: int,
        subcode: int,
        reason: str,
    ) -> None:
        error = await failure(client, server, refuses(code, subcode), MESSENGER)
        assert isinstance(error, Undeliverable)
        assert error.reason == reason

    @pytest.mark.parametrize("code", [190, 368, 10, 200])
    async def test_of_messenger_that_are_the_channels(
        self, client: httpx.AsyncClient, server: GraphServer, code: int
    ) -> None:
        assert isinstance(await failure(client, server, refuses(code), MESSENGER), Paused)

    async def test_2_at_messenger_is_final_in_the_end(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        """It can mean that the customer has blocked the page."""
        error = await failure(client, server, refuses(2, status=500), MESSENGER, attempts=9)
        assert isinstance(error, NotNow)
        error = await failure(client, server, refuses(2, status=500), MESSENGER, attempts=10)
        assert isinstance(error, Undeliverable)

    async def test_too_many_to_one_customer_wait_four_times_as_long_each_time(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        waits = []
        for attempts in (1, 2, 3, 6, 60_000):
            error = await failure(client, server, refuses(131056), attempts=attempts)
            assert isinstance(error, NotNow)
            assert error.retry_after is not None
            waits.append(error.retry_after.total_seconds())
        assert waits == [4, 16, 64, 3_600, 3_600]

    async def test_unknown_ones_go_by_the_status(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        assert isinstance(await failure(client, server, refuses(99, status=500)), NotNow)
        assert isinstance(await failure(client, server, refuses(99, status=429)), NotNow)
        assert isinstance(await failure(client, server, refuses(99, is_transient=True)), NotNow)
        assert isinstance(await failure(client, server, refuses(99)), Undeliverable)

    @pytest.mark.parametrize("book", [WHATSAPP, MESSENGER])
    def test_each_has_a_sentence_for_agents(self, book: Book) -> None:
        for meaning in book.entries.values():
            assert meaning.sentence.endswith(".")
            assert "{" not in meaning.sentence
            assert meaning.fate is not Fate.NEVER or meaning.reason

    def test_odd_ones_have_no_code(self) -> None:
        odds: list[JsonValue] = [None, [], [{}], [None], "errors", {"code": 1}, [{"code": True}]]
        for odd in odds:
            assert code_of(odd) is None


class TestAnswers:
    async def test_without_words(self, client: httpx.AsyncClient, server: GraphServer) -> None:
        for status, kind in (
            (500, NotNow),
            (502, NotNow),
            (503, NotNow),
            (504, Uncertain),
            (429, NotNow),
            (413, Undeliverable),
            (404, Paused),
            (407, Paused),
            (302, Paused),
        ):
            error = await failure(client, server, answers(status, "<html>SECRET WORDS"))
            assert type(error) is kind, status

    @pytest.mark.parametrize("body", ["", "<html>", "[]", "7", "null", '{"a":', "[" * 9_999])
    async def test_200_that_makes_no_sense_is_no_answer(
        self, client: httpx.AsyncClient, server: GraphServer, body: str
    ) -> None:
        assert isinstance(await failure(client, server, answers(200, body)), Uncertain)

    async def test_200_without_an_end_is_cut(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        error = await failure(client, server, answers(200, '"' + "x" * 1024 * 1024 + '"'))
        assert isinstance(error, Uncertain)

    @pytest.mark.parametrize(
        ("said", "seconds"),
        [
            ("7", 7),
            ("99999999", 3_600),
            ("0", None),
            ("soon", None),
            ("9" * 5_000, None),
            ("²", None),
        ],
    )
    async def test_429_says_how_long(
        self, client: httpx.AsyncClient, server: GraphServer, said: str, seconds: int | None
    ) -> None:
        error = await failure(client, server, answers(429, Retry_After=said))
        assert isinstance(error, NotNow)
        assert error.retry_after == (timedelta(seconds=seconds) if seconds else None)

    async def test_redirects_are_not_followed(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        await failure(client, server, answers(307, Location=f"{server.url}/200/messages"))
        assert server.calls == 1
        assert server.taken == []


class TestConnections:
    async def test_refused_ones_took_nothing(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        await server.vanish()
        assert isinstance(await failure(client, server, takes), NotNow)
        await server.appear()
        assert await graph(client, server).post("100/messages", BODY)

    async def test_that_are_not_answered_leave_it_open(self, server: GraphServer) -> None:
        async with new_client(IMPATIENT) as client:
            for number, behaviour in enumerate(
                (takes_and_hangs, takes_and_breaks, later(60, takes), breaks)
            ):
                error = await failure(client, server, behaviour)
                assert isinstance(error, Uncertain), number
        assert len(server.taken) == 2

    async def test_that_nobody_accepts_took_nothing(self) -> None:
        """A full backlog: the kernel answers no more."""
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)
            port = listening.getsockname()[1]
            others = [socket.socket() for _ in range(4)]
            for other in others:
                other.setblocking(False)
                other.connect_ex(("127.0.0.1", port))
            async with new_client(httpx.Timeout(60, connect=0.3)) as client:
                full = Graph(client, f"http://127.0.0.1:{port}", SecretStr(TOKEN), WHATSAPP)
                with pytest.raises(NotNow):
                    await full.post("100/messages", BODY)
            for other in others:
                other.close()


class TestToken:
    async def test_is_in_no_address(self, client: httpx.AsyncClient, server: GraphServer) -> None:
        await graph(client, server).post("100/messages", BODY)
        assert server.violations == []

    async def test_that_is_refused_pauses(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        server.token = "another"
        assert isinstance(await failure(client, server, takes), Paused)


class TestUploads:
    async def test_may_be_tried_again_whatever_became_of_them(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        server.down_until = server.clock() + timedelta(hours=1)
        with pytest.raises(NotNow):
            await graph(client, server).upload("100/media", form(b"x"))

    async def test_that_end_too_early_were_not_taken(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        with pytest.raises(NotNow):
            await graph(client, server).post_form("100/messages", form(b"x", size=9))
        with pytest.raises(NotNow):
            await graph(client, server).post_form("100/messages", form(b"xyz", size=2))
        assert server.taken == []

    async def test_that_break_off_on_the_way_were_not_taken(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        begun, gate = asyncio.Event(), asyncio.Event()

        async def chunks() -> AsyncIterator[bytes]:
            yield b"x"
            begun.set()
            await gate.wait()
            yield b"x" * 999_999

        file = OpenedFile("a", "text/plain", 1_000_000, chunks())
        sending = asyncio.create_task(
            graph(client, server).post_form("100/messages", Form({}, "file", file, "text/plain"))
        )
        await begun.wait()
        await server.vanish()
        gate.set()
        with pytest.raises(NotNow):
            await sending

    async def test_names_cannot_break_out(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        told = await graph(client, server).upload("100/media", form(b"x", 'ü"\r\nX: y'))
        assert server.uploads[str(told["id"])] == Upload("text/plain", "ü%22%0D%0AX: y", b"x")


class TestMedia:
    async def test_lie_where_the_api_says(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        server.uploads["7"] = Upload("text/plain", "a", b"x")
        account = WhatsAppAccount("100", SecretStr(TOKEN), server.url)
        url = await whatsapp_media_url(client, account, "7")
        assert url.endswith("/media/7")

    async def test_that_are_gone_are_gone(
        self, client: httpx.AsyncClient, server: GraphServer
    ) -> None:
        account = WhatsAppAccount("100", SecretStr(TOKEN), server.url)
        for media_id in ("7", "../7?x="):
            with pytest.raises(Undeliverable):
                await whatsapp_media_url(client, account, media_id)


def form(content: bytes, name: str = "a", size: int | None = None) -> Form:
    async def chunks() -> AsyncIterator[bytes]:
        await asyncio.sleep(0)
        yield content

    file = OpenedFile(name, "text/plain", len(content) if size is None else size, chunks())
    return Form({"messaging_product": "whatsapp"}, "file", file, "text/plain")
