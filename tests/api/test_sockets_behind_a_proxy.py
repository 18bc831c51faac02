"""Who comes through a proxy counts by the own address, over HTTP and over sockets, if the proxy is
one whom we believe (`FORWARDED_ALLOW_IPS`)."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import socketio

from api.config import ApiConfig
from tests.api.chatting import JANE, said
from tests.api.socket_serving import PATIENCE, ApiProcess, api_process


@pytest.fixture(params=["127.0.0.1", "10.0.0.0/8, 127.0.0.0/8"])
async def believing(
    request: pytest.FixtureRequest,
    config: ApiConfig,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[ApiProcess]:
    """An api process that believes the proxy, which is on this machine."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", request.param)
    async with api_process(_two_at_most(config), database_url) as opened:
        yield opened


@pytest.fixture
async def doubting(
    config: ApiConfig, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ApiProcess]:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "10.0.0.1")
    async with api_process(_two_at_most(config), database_url) as opened:
        yield opened


def _two_at_most(config: ApiConfig) -> ApiConfig:
    """Visitors a minute, and sockets, of one address."""
    return config.model_copy(update={"rate_limit_visitors": 2, "sockets_per_address": 2})


async def visit(process: ApiProcess, forwarded: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=process.url) as client:
        return await client.post(
            "/api/customer/sessions", json=JANE, headers={"X-Forwarded-For": forwarded}
        )


async def tokens(process: ApiProcess, count: int) -> list[str]:
    """Of visitors who came each from an address of their own."""
    answers = [await visit(process, f"198.51.100.{number}") for number in range(count)]
    return [said(answer)["token"] for answer in answers]


async def connect(
    process: ApiProcess, clients: AsyncExitStack, token: str, forwarded: str, transport: str
) -> Any:  # noqa: ANN401  JSON
    """What a refusal says, or None."""
    client = socketio.AsyncClient(reconnection=False)
    refusals: list[Any] = []
    client.on("connect_error", refusals.append)
    clients.push_async_callback(client.disconnect)
    try:
        await client.connect(
            process.url,
            {"X-Forwarded-For": forwarded},
            auth={"token": token},
            transports=[transport],
            wait_timeout=PATIENCE,
        )
    except socketio.exceptions.ConnectionError:
        return refusals[0]["data"]["code"]
    return None


async def test_visitors_count_by_their_own_address(believing: ApiProcess) -> None:
    for forwarded, status in [
        ("198.51.100.1", 200),
        ("198.51.100.1", 200),
        ("198.51.100.1", 429),
        ("198.51.100.2", 200),
        # What the client made up stands before what our proxy has added.
        ("192.0.2.7, 198.51.100.1", 429),
    ]:
        assert (await visit(believing, forwarded)).status_code == status


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_sockets_count_by_their_own_address(believing: ApiProcess, transport: str) -> None:
    everybody = await tokens(believing, 4)
    addresses = ["203.0.113.1", "203.0.113.1", "203.0.113.1", "203.0.113.2"]
    async with AsyncExitStack() as clients:
        refusals = [
            await connect(believing, clients, token, address, transport)
            for token, address in zip(everybody, addresses, strict=True)
        ]
    assert refusals == [None, None, "too_many_requests", None]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_others_cannot_make_addresses_up(doubting: ApiProcess, transport: str) -> None:
    everybody = await tokens(doubting, 2)
    assert (await visit(doubting, "198.51.100.3")).status_code == 429
    async with AsyncExitStack() as clients:
        refusals = [
            await connect(doubting, clients, everybody[0], f"203.0.113.{number}", transport)
            for number in range(3)
        ]
    assert refusals == [None, None, "too_many_requests"]
