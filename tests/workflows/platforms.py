"""Fake platforms that go by the clock of the workflows, and the real outlets that send to them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from channels.accounts import MessengerAccount, WhatsAppAccount, XAccount
from channels.files import OpenedFile
from channels.messenger_outlet import MessengerOutlet
from channels.outlet import Outlet
from channels.whatsapp_outlet import WhatsAppOutlet
from channels.x_outlet import XOutlet
from domain.deliveries import Limit, Outgoing, Piece
from domain.models import Channel
from tests.channels import graph_server, x_server
from tests.channels.graph_server import GraphServer
from tests.channels.x_server import XServer

_IMPATIENT = 2.0
"""Real seconds for an answer."""


class Clock:
    """Goes by the attempts: none is made before its time."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class TimedOutlet:
    """Sets the clock by what it is given to send."""

    def __init__(self, outlet: Outlet, clock: Clock) -> None:
        self._outlet = outlet
        self._clock = clock
        self.name = outlet.name
        self.looks = outlet.looks
        self.limits: Sequence[Limit] = outlet.limits

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        return self._outlet.pieces(outgoing)

    def external_id(self, outgoing: Outgoing, piece: Piece) -> str | None:
        return self._outlet.external_id(outgoing, piece)

    async def send(self, outgoing: Outgoing, piece: Piece) -> str | None:
        assert outgoing.at is not None
        self._clock.now = max(self._clock.now, outgoing.at)
        return await self._outlet.send(outgoing, piece)


class NoFiles:
    async def open(self, attachment_id: str) -> OpenedFile:
        raise NotImplementedError(attachment_id)


@dataclass
class Platform:
    channel: Channel
    outlet: TimedOutlet
    server: GraphServer | XServer
    clock: Clock

    def address(self, number: int) -> str:
        """Of one of its customers."""
        return f"{'+' if self.channel is Channel.WHATSAPP else ''}155501{number:04}"

    def texts_to(self, address: str) -> list[str | None]:
        """What a customer got, in its order."""
        return list(self.server.texts_to(address.removeprefix("+")))


@asynccontextmanager
async def whatsapp() -> AsyncIterator[Platform]:
    clock = Clock()
    async with graph_server.graph_server(clock=clock) as server:
        account = WhatsAppAccount("100", SecretStr(graph_server.TOKEN), server.url)
        outlet = WhatsAppOutlet(account, NoFiles(), httpx.AsyncClient(timeout=_IMPATIENT))
        yield Platform(Channel.WHATSAPP, TimedOutlet(outlet, clock), server, clock)
        await outlet.close()


@asynccontextmanager
async def messenger() -> AsyncIterator[Platform]:
    clock = Clock()
    async with graph_server.graph_server(clock=clock) as server:
        account = MessengerAccount("200", SecretStr(graph_server.TOKEN), server.url)
        outlet = MessengerOutlet(account, NoFiles(), httpx.AsyncClient(timeout=_IMPATIENT))
        yield Platform(Channel.FACEBOOK, TimedOutlet(outlet, clock), server, clock)
        await outlet.close()


@asynccontextmanager
async def x() -> AsyncIterator[Platform]:
    clock = Clock()
    async with x_server.x_server(clock) as server:
        account = XAccount(x_server.ACCOUNT, SecretStr(x_server.TOKEN), server.url)
        outlet = XOutlet(account, clock=clock, timeout=_IMPATIENT)
        yield Platform(Channel.TWITTER, TimedOutlet(outlet, clock), server, clock)
        await outlet.close()
