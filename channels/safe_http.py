"""The one way by which we call addresses that others have named: webhooks, files of platforms.

A name is resolved once, every address that it has is checked, and the connection goes to exactly
the address that was checked, so that an answer of the DNS which changes in between changes nothing.
TLS checks the name all the same. No redirect is followed, no proxy is asked, no cookie is kept.

    HoldfastError
      Refused                   we do not call this, however often it is tried
      Unreachable               nobody answered, or not in HTTP; worth trying again
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpcore
import httpx

from channels.safe_addresses import public_address
from domain.errors import HoldfastError

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""From host and port to addresses; raises OSError."""

_RESOLVE = 5.0
"""Seconds that the DNS may take."""
_MOST_ADDRESSES = 4
"""Of one name that are tried."""
_MOST_CONNECTIONS = 100
_IDLE_CONNECTIONS = 20
_IDLE_FOR = 15.0
_TOO_LATE = "The address did not answer in time."
_UNKNOWN = "The name of the host could not be looked up."
_FAULTS = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


class Refused(HoldfastError):
    code = "refused"
    sentence = "This address is not called."


class Unreachable(HoldfastError):
    code = "unreachable"
    sentence = "The address does not answer."


@dataclass(frozen=True, slots=True)
class Response:
    """`content` is the beginning of the body where that was longer than `read_at_most`."""

    status_code: int
    headers: httpx.Headers
    content: bytes


@dataclass(frozen=True, slots=True)
class StreamedResponse:
    status_code: int
    headers: httpx.Headers
    chunks: AsyncIterator[bytes]
    """As sent, of any length. Raises Unreachable."""


class SafeClient:
    """`allowed_hosts`, each `host` or `host:port`, may be on private networks."""

    def __init__(
        self,
        allowed_hosts: frozenset[str] = frozenset(),
        *,
        resolve: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context or httpx.create_ssl_context(trust_env=False),
            max_connections=_MOST_CONNECTIONS,
            max_keepalive_connections=_IDLE_CONNECTIONS,
            keepalive_expiry=_IDLE_FOR,
            network_backend=_CheckedNetwork(allowed_hosts, resolve or _resolve),
        )

    async def __aenter__(self) -> Self:
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout: float,  # noqa: ASYNC109  as httpx has it, but for all of it together
        read_at_most: int = 1024 * 1024,
    ) -> Response:
        """`timeout`: seconds from the name's look-up to the body's end. Raises Refused, also for
        a URL that is none, and Unreachable."""
        asked = self.stream(method, url, headers=headers, content=content, timeout=timeout)
        try:
            async with asyncio.timeout(timeout), asked as response:
                body = await _beginning(response.chunks, read_at_most)
        except TimeoutError:
            raise Unreachable(_TOO_LATE) from None
        return Response(response.status_code, response.headers, body)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        timeout: float,  # noqa: ASYNC109  as httpx has it
    ) -> AsyncIterator[StreamedResponse]:
        """`timeout`: seconds for each step: to connect, to send a part, to receive a part. The
        whole is for the caller to bound. Raises Refused and Unreachable."""
        target = checked_url(url)
        # Compressed, a short answer could fill the memory.
        own = {"User-Agent": "Holdfast", "Accept-Encoding": "identity"}
        sent = [
            (name.encode(), value.encode()) for name, value in (own | dict(headers or {})).items()
        ]
        steps = dict.fromkeys(("pool", "connect", "read", "write"), timeout)
        with _as_unreachable():
            async with self._pool.stream(
                method,
                httpcore.URL(
                    scheme=target.raw_scheme,
                    host=target.raw_host,
                    port=target.port,
                    target=target.raw_path,
                ),
                headers=sent,
                content=content,
                extensions={"timeout": steps},
            ) as answer:
                yield StreamedResponse(
                    answer.status, httpx.Headers(answer.headers), _chunks(answer)
                )


def checked_url(text: str) -> httpx.URL:
    """Raises Refused for what is no plain web address. Whether the host may be called is seen
    when it is called."""
    try:
        url = httpx.URL(text)
        host, authority = url.host, urlsplit(text).netloc
    except (httpx.InvalidURL, ValueError):
        raise Refused("This is no web address.") from None
    if url.scheme not in ("http", "https") or not host:
        raise Refused("Only http:// and https:// addresses are called.")
    if url.userinfo or "@" in authority:
        raise Refused("An address with a user name or a password is not called.")
    # A percent sign is a network card's name, or nothing.
    if b"%" in url.raw_host or (url.port is not None and not 0 < url.port < 65_536):
        raise Refused("This is no web address.")
    return url


def is_allowed(host: str, port: int, allowed_hosts: frozenset[str]) -> bool:
    """Whether this host may be on a private network."""
    name = host.lower()
    bracketed = f"[{name}]" if ":" in name else name
    return not allowed_hosts.isdisjoint({name, bracketed, f"{bracketed}:{port}"})


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Where every connection is made, so that nothing can be reached by another way."""

    def __init__(self, allowed_hosts: frozenset[str], resolve: Resolver) -> None:
        self._allowed = allowed_hosts
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port)
        share = None if timeout is None else timeout / len(addresses)
        fault: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                fault = error
        raise fault or Unreachable(_UNKNOWN)

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise Refused

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[str]:
        """All checked. One that is refused refuses the name: whoever owns it wanted us there."""
        try:
            async with asyncio.timeout(_RESOLVE):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError, TimeoutError) as error:
            raise Unreachable(_UNKNOWN) from error
        if not is_allowed(host, port, self._allowed):
            for address in found:
                if public_address(address) is None:
                    raise Refused("This address leads into a private network.")
        if not found:
            raise Unreachable(_UNKNOWN)
        return found[:_MOST_ADDRESSES]


async def _resolve(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # IPv4 first: many machines have an IPv6 address and no way out by it.
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def _chunks(answer: httpcore.Response) -> AsyncIterator[bytes]:
    with _as_unreachable():
        async for chunk in answer.aiter_stream():
            yield chunk


async def _beginning(chunks: AsyncIterator[bytes], most: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) >= most:
            break
    return bytes(body[:most])


@contextmanager
def _as_unreachable() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        raise Unreachable(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    match error:
        case httpcore.TimeoutException():
            return _TOO_LATE
        case httpcore.ConnectError(args=(ssl.SSLCertVerificationError(),)):
            return "The certificate of the address is not one for its name, by an issuer we trust."
        case httpcore.ConnectError():
            return "No connection to the address could be made."
        case _:
            return "The connection to the address broke, or it does not speak HTTP."
