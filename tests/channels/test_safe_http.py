"""The safe client, against real sockets: what it calls, and what it never does."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from channels import safe_http
from channels.safe_addresses import public_address
from channels.safe_http import Refused, SafeClient, Unreachable

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PUBLIC = "93.184.215.14"


def says(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers everything in one way, and keeps the heads of what it was asked."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.asked: list[str] = []
        self.port = 0
        self.clients: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
                if self.answer is None:
                    await reader.read()
                else:
                    writer.write(self.answer)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def served(
    answer: bytes | None = says("200 OK", b"hello"),
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server
        for client in server.clients:
            client.close()


async def get(
    url: str, *allowed: str, patience: float = 5.0, **options: object
) -> safe_http.Response:
    async with SafeClient(frozenset(allowed), **options) as client:  # type: ignore[arg-type]
        return await client.request("GET", url, timeout=patience)


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "127.8.9.10",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "fe80::1",
            "fe80::1%eth0",
            "2606:2800:21f::1%eth0",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "no address",
        ],
    )
    def test_not_public(self, address: str) -> None:
        assert public_address(address) is None

    @pytest.mark.parametrize(
        "address",
        [PUBLIC, "::ffff:93.184.215.14", "64:ff9b::5db8:d70e", "2606:2800:21f:cb07::1"],
    )
    def test_public(self, address: str) -> None:
        assert public_address(address) is not None


class TestRefusal:
    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:{port}/",
            "http://2130706433:{port}/",
            "http://0x7f000001:{port}/",
            "http://0x7f.1:{port}/",
            "http://0177.0.0.1:{port}/",
            "http://127.1:{port}/",
            "http://0:{port}/",
            "http://0.0.0.0:{port}/",
            "http://localhost:{port}/",
            "http://LOCALHOST:{port}/",
            "http://[::1]:{port}/",
            "http://[::ffff:127.0.0.1]:{port}/",
            "http://[::ffff:10.0.0.1]:{port}/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fe80::1%25lo]:{port}/",
            "http://[fe80::1%lo]:{port}/",
            "http://①②⑦.0.0.1:{port}/",
            "http://127。0。0。1:{port}/",
            "http://user@example.com/",
            "http://:secret@127.0.0.1:{port}/",
            "https://@example.com/",
            "http://example.com\\@127.0.0.1:{port}/",
            "http://example.com:80@127.0.0.1:{port}/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:{port}/",
            "//example.com/",
            "http://",
            "http:///path",
            "http://xn--/",
            "http://example.com:0/",
            "http://example.com:99999/",
            "http://[::1/",
            "http://exa mple.com/",
            "http://example.com/\r\nX: y",
            "",
        ],
    )
    async def test_nobody_is_called(self, url: str) -> None:
        async with served() as server:
            with pytest.raises(Refused):
                await get(url.format(port=server.port))
            assert server.asked == []

    async def test_localhost_with_a_dot_is_never_reached(self) -> None:
        async with served() as server:
            with pytest.raises((Refused, Unreachable)):
                await get(f"http://localhost.:{server.port}/")
            assert server.asked == []

    async def test_name_with_one_private_address_among_public_ones(self) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return [PUBLIC, "10.0.0.1"]

        with pytest.raises(Refused):
            await get("http://mixed.example/", resolve=resolve)

    async def test_name_of_a_private_address_over_tls(self) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["::ffff:192.168.0.1"]

        with pytest.raises(Refused):
            await get("https://inside.example/", resolve=resolve)

    async def test_sentence_says_what_to_know_and_no_more(self) -> None:
        with pytest.raises(Refused, match=r"^This address leads into a private network\.$"):
            await get("http://10.11.12.13/")


class TestRebinding:
    async def test_it_is_the_checked_address_that_is_connected_to(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name that is public for the first question and ours for the second is asked once."""
        answers = [[PUBLIC], ["127.0.0.1"]]
        asked: list[str] = []
        connected: list[str] = []

        async def resolve(host: str, port: int) -> list[str]:
            asked.append(host)
            return answers.pop(0)

        async def connect(self: object, host: str, *_: object) -> None:
            connected.append(host)
            raise httpcore.ConnectError

        monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
        async with served() as server, SafeClient(resolve=resolve) as client:
            url = f"http://rebinding.example:{server.port}/"
            with pytest.raises(Unreachable):
                await client.request("GET", url, timeout=5)
            assert (asked, connected) == (["rebinding.example"], [PUBLIC])
            with pytest.raises(Refused):
                await client.request("GET", url, timeout=5)
            assert (connected, server.asked) == ([PUBLIC], [])


class TestAllowedHosts:
    @pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.1:{port}"])
    async def test_is_called_by_its_exact_name(self, allowed: str) -> None:
        async with served() as server:
            answer = await get(f"http://127.0.0.1:{server.port}/", allowed.format(port=server.port))
            assert (answer.status_code, answer.content) == (200, b"hello")

    @pytest.mark.parametrize(
        "allowed", ["127.0.0.1:1", "localhost", "127.0.0", "127.0.0.1.example"]
    )
    async def test_another_port_or_name_is_not(self, allowed: str) -> None:
        async with served() as server:
            with pytest.raises(Refused):
                await get(f"http://127.0.0.1:{server.port}/", allowed)

    def test_ipv6_is_written_with_brackets_or_without(self) -> None:
        for allowed in ("::1", "[::1]", "[::1]:80"):
            assert safe_http.is_allowed("::1", 80, frozenset({allowed}))
        assert not safe_http.is_allowed("::1", 81, frozenset({"[::1]:80"}))


class TestAnswers:
    async def test_redirect_is_not_followed(self) -> None:
        location = "Location: http://169.254.169.254/latest/meta-data/"
        async with served(says("302 Found", b"", location)) as server:
            answer = await get(f"http://127.0.0.1:{server.port}/", "127.0.0.1")
            assert answer.status_code == 302
            assert len(server.asked) == 1

    async def test_proxies_of_the_environment_are_ignored(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with served() as proxy, served() as server:
            for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            await get(f"http://127.0.0.1:{server.port}/", "127.0.0.1")
            assert (len(proxy.asked), len(server.asked)) == (0, 1)

    async def test_cookies_are_forgotten(self) -> None:
        async with served(says("200 OK", b"", "Set-Cookie: a=b")) as server:
            async with SafeClient(frozenset({"127.0.0.1"})) as client:
                for _ in range(2):
                    await client.request("GET", f"http://127.0.0.1:{server.port}/", timeout=5)
            assert not any("cookie" in head.lower() for head in server.asked)

    async def test_long_body_is_read_to_its_bound(self) -> None:
        async with (
            served(says("200 OK", b"x" * 1_000_000)) as server,
            SafeClient(frozenset({"127.0.0.1"})) as client,
        ):
            url = f"http://127.0.0.1:{server.port}/"
            answer = await client.request("GET", url, timeout=5, read_at_most=1000)
            assert answer.content == b"x" * 1000

    async def test_stream_gives_the_whole_body(self) -> None:
        async with (
            served(says("200 OK", b"x" * 1_000_000)) as server,
            SafeClient(frozenset({"127.0.0.1"})) as client,
            client.stream("GET", f"http://127.0.0.1:{server.port}/", timeout=5) as answer,
        ):
            assert sum([len(chunk) async for chunk in answer.chunks]) == 1_000_000

    async def test_what_is_sent_arrives(self) -> None:
        async with served() as server, SafeClient(frozenset({"127.0.0.1"})) as client:
            url = f"http://127.0.0.1:{server.port}/hook?a=b"
            await client.request("POST", url, headers={"X-Name": "ü"}, content=b"body", timeout=5)
            head = server.asked[0]
            assert head.startswith("POST /hook?a=b HTTP/1.1\r\n")
            assert f"Host: 127.0.0.1:{server.port}\r\n" in head
            assert "Content-Length: 4\r\n" in head
            assert "X-Name: ü\r\n" in head

    async def test_silence_ends_in_time(self) -> None:
        async with served(None) as server:
            with pytest.raises(Unreachable, match="in time"):
                await get(f"http://127.0.0.1:{server.port}/", "127.0.0.1", patience=0.2)

    async def test_body_that_never_ends_ends_in_time(self) -> None:
        """Byte by byte, each within its time, and all together not."""

        async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        listening = await asyncio.start_server(dribble, "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            with pytest.raises(Unreachable, match="in time"):
                await get(f"http://127.0.0.1:{port}/", "127.0.0.1", patience=0.3)

    async def test_what_is_no_http_is_unreachable(self) -> None:
        async with served(b"220 mail.example.com ESMTP\r\n\r\n") as server:
            with pytest.raises(Unreachable):
                await get(f"http://127.0.0.1:{server.port}/", "127.0.0.1")

    async def test_name_that_nobody_knows_is_unreachable(self) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            raise OSError("no such name")

        with pytest.raises(Unreachable, match="name of the host"):
            await get("http://nowhere.example/", resolve=resolve)

    async def test_second_address_is_tried_when_the_first_does_not_answer(self) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]

        async with served() as server:
            url = f"http://two.example:{server.port}/"
            assert (await get(url, "two.example", resolve=resolve)).status_code == 200


class TestTls:
    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """Of hooks.example, by itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.DNSName("hooks.example")])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(names, critical=False)
            .sign(key, hashes.SHA256())
        )
        path = tmp_path / "hooks.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        return path

    @pytest.mark.parametrize(("host", "fits"), [("hooks.example", True), ("other.example", False)])
    async def test_certificate_has_to_name_the_host_and_not_the_address(
        self, certificate: Path, host: str, fits: bool
    ) -> None:
        async def resolve(host: str, port: int) -> list[str]:
            return ["127.0.0.1"]

        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(certificate)
        trusting = ssl.create_default_context(cafile=str(certificate))
        async with served(tls=server_side) as server:
            asked = get(
                f"https://{host}:{server.port}/", host, resolve=resolve, ssl_context=trusting
            )
            if fits:
                assert (await asked).status_code == 200
            else:
                with pytest.raises(Unreachable, match="certificate"):
                    await asked

    async def test_unknown_issuer_is_not_trusted(self, certificate: Path) -> None:
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(certificate)
        async with served(tls=server_side) as server:
            with pytest.raises(Unreachable):
                await get(f"https://127.0.0.1:{server.port}/", "127.0.0.1")
