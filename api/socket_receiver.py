"""What a socket server has to say, and to whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client says when it connects. `auth` can be any JSON."""

    auth: object
    authorization: str
    query: Mapping[str, str]
    address: str


@dataclass(frozen=True, slots=True)
class Call:
    """An event from a client; `ack` is set when it wants an answer."""

    event: str
    arguments: list[Any]
    ack: int | None


class Refused(Exception):
    """A connection is refused for good: the client will not try again by itself."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotNow(Exception):
    """A connection cannot be accepted now: the client will try again by itself."""


class Receiver(Protocol):
    """Whoever the clients talk to. A socket is known by its `sid`."""

    async def connect(self, sid: str, handshake: Handshake) -> None:
        """Judge a client. Raises Refused or NotNow."""

    def connected(self, sid: str) -> None:
        """The client knows that it is in: it can be sent events."""

    def called(self, sid: str, call: Call) -> None: ...

    def disconnected(self, sid: str) -> None: ...


def handshake_in(environ: Mapping[str, Any], auth: object) -> Handshake:
    return Handshake(
        auth=auth,
        authorization=environ.get("HTTP_AUTHORIZATION", ""),
        query=dict(parse_qsl(environ["QUERY_STRING"])),
        address=address_in(environ),
    )


def address_in(environ: Mapping[str, Any]) -> str:
    client = environ["asgi.scope"].get("client")
    return client[0] if client else "unknown"
