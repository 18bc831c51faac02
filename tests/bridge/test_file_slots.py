"""How a file is brought to where a server wants it, whatever the server says."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.errors import RequestRefused
from bridge.uploads import Uploads
from channels.files import OpenedFile
from channels.outlet import NotNow, Undeliverable
from holdfast.ports import free_port
from tests.bridge.file_keeper import Keeper, Line, slot
from tests.bridge.test_encryption import write_certificate


def file(size: int = 5) -> OpenedFile:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"12"
        yield b"345"

    return OpenedFile("a.txt", "text/plain", size, chunks())


def local(keeper: Keeper) -> str:
    return f"http://127.0.0.1:{keeper.port}/put"


class TestRequest:
    async def test_is_what_the_slot_is_for(self) -> None:
        async with Keeper.running() as keeper:
            line = Line(slot(local(keeper)))
            assert await Uploads().upload(line.stream, file()) == "https://example.org/file"
        assert keeper.bodies == [b"12345"]
        [head] = keeper.heads
        assert head.startswith("PUT /put HTTP/1.1\r\n")
        assert "content-type: text/plain" in head.lower()
        assert "transfer-encoding" not in head.lower()

    async def test_has_the_headers_that_a_server_may_want_and_no_others(self) -> None:
        headers = (
            "<header name='authorization'>Bearer&#10; x&#13;&#10;X-Evil: 1\u00e9</header>"
            "<header name='Cookie'>a=b</header>"
            "<header name='Expires'>never</header>"
            "<header name='Host'>evil.example</header>"
            "<header name='X-Evil&#10;'>2</header>"
        )
        async with Keeper.running() as keeper:
            await Uploads().upload(Line(slot(local(keeper), headers=headers)).stream, file())
        lines = keeper.heads[0].split("\r\n")
        assert "authorization: Bearer xX-Evil: 1" in lines
        assert {"Cookie: a=b", "Expires: never"} <= set(lines)
        assert not any(each.lower().startswith("x-evil") for each in lines)
        assert "evil.example" not in keeper.heads[0]

    async def test_follows_on_what_is_known_of_the_server(self) -> None:
        async with Keeper.running() as keeper:
            line, uploads = Line(slot(local(keeper))), Uploads()
            for _ in range(2):
                await uploads.upload(line.stream, file())
        assert len(line.asked) == 4
        assert len(keeper.bodies) == 2


class TestAnswer:
    @pytest.mark.parametrize(
        "status", ["403 Forbidden", "413 Too Large", "302 Found\r\nLocation: https://example.org/"]
    )
    async def test_that_refuses_for_good(self, status: str) -> None:
        async with Keeper.running(status) as keeper:
            with pytest.raises(Undeliverable, match="Send a link"):
                await Uploads().upload(Line(slot(local(keeper))).stream, file())
            assert len(keeper.heads) == 1

    @pytest.mark.parametrize("status", ["500 Error", "507 Full", "429 Too Many"])
    async def test_that_refuses_for_now(self, status: str) -> None:
        async with Keeper.running(status) as keeper:
            with pytest.raises(NotNow, match=status[:3]):
                await Uploads().upload(Line(slot(local(keeper))).stream, file())

    @pytest.mark.parametrize("size", [4, 6])
    async def test_is_not_waited_for_when_the_file_is_not_whole(self, size: int) -> None:
        async with Keeper.running() as keeper:
            with pytest.raises(NotNow):
                await Uploads().upload(Line(slot(local(keeper))).stream, file(size))

    async def test_that_does_not_come(self) -> None:
        line = Line(slot(f"http://127.0.0.1:{free_port()}/put"))
        with pytest.raises(NotNow, match=r"127\.0\.0\.1, cannot be reached"):
            await Uploads().upload(line.stream, file())


class TestAddress:
    @pytest.mark.parametrize(
        ("put", "get"),
        [
            ("http://example.org/put", "https://example.org/file"),
            ("https://example.org/put", "http://example.org/file"),
            ("https://example.org/put", ""),
            ("", "https://example.org/file"),
            ("https:///put", "https://example.org/file"),
            ("http://[::1/put", "https://example.org/file"),
            ("file:///etc/passwd", "https://example.org/file"),
        ],
    )
    async def test_that_is_not_safe_is_not_used(self, put: str, get: str) -> None:
        with pytest.raises(Undeliverable, match="https"):
            await Uploads().upload(Line(slot(put, get)).stream, file())

    async def test_with_a_certificate_of_one_s_own_is_trusted_by_the_ca_file(
        self, tmp_path: Path
    ) -> None:
        certificate = write_certificate(tmp_path / "certs", "localhost")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, certificate.with_suffix(".key"))
        async with Keeper.running(tls=tls) as keeper:
            line = Line(slot(f"https://localhost:{keeper.port}/put"))
            with pytest.raises(NotNow, match="localhost"):
                await Uploads().upload(line.stream, file())
            await Uploads(certificate).upload(line.stream, file())
        assert keeper.bodies[-1] == b"12345"


class TestRefusal:
    @pytest.mark.parametrize(
        "refused",
        [
            RequestRefused("resource-constraint", passes=True),
            RequestRefused("resource-constraint"),
            RequestRefused("internal-server-error", passes=True),
        ],
    )
    async def test_that_passes(self, refused: RequestRefused) -> None:
        with pytest.raises(NotNow):
            await Uploads().upload(Line(refused).stream, file())

    @pytest.mark.parametrize("condition", ["not-acceptable", "forbidden", "not-allowed"])
    async def test_for_good(self, condition: str) -> None:
        with pytest.raises(Undeliverable, match=f"{condition}.*Send a link") as refusal:
            await Uploads().upload(Line(RequestRefused(condition)).stream, file())
        assert refusal.value.reason == "files"
