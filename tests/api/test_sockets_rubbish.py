"""What no client of ours would send: it ends with who sent it, at once, and nothing is left."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from engineio.packet import MESSAGE, NOOP
from engineio.packet import Packet as EnginePacket

from api import socket_frames
from api.config import ApiConfig
from api.socket_frames import MAX_FRAME, OutgoingQueue
from tests.api.people import token
from tests.api.socket_serving import PATIENCE, ApiProcess, api_process


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


def address(process: ApiProcess, transport: str, sid: str | None = None) -> str:
    known = f"&sid={sid}" if sid else ""
    return f"{process.url}/socket.io/?EIO=4&transport={transport}{known}"


async def poll(process: ApiProcess, session: aiohttp.ClientSession, sid: str | None = None) -> str:
    async with session.get(address(process, "polling", sid)) as answer:
        assert answer.status == 200
        return await answer.text()


async def opened(process: ApiProcess, session: aiohttp.ClientSession) -> str:
    """The id of a new connection by polling."""
    sid: str = json.loads((await poll(process, session))[1:])["sid"]
    return sid


async def until_nothing_is_left(process: ApiProcess) -> None:
    async with asyncio.timeout(5):
        while process.sockets._clients or process.sockets._server._transports:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("frame", ["x", "\0", "", "²", "-1", "9"])
async def test_no_frame_at_all_ends_the_connection(
    process: ApiProcess,
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    frame: str,
) -> None:
    async with session.ws_connect(address(process, "websocket")) as socket:
        await socket.receive()
        await socket.send_str(f'40{{"token":"{token("agent")}"}}')
        assert (await socket.receive_str()).startswith("40")
        await socket.send_str(frame)
        assert (await socket.receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE
        await until_nothing_is_left(process)
    assert not caplog.records


@pytest.mark.parametrize("body", [b"4" * (MAX_FRAME + 1), b"2", b"6\x1e6"])
async def test_bad_post_is_answered_and_ends_the_connection(
    process: ApiProcess, session: aiohttp.ClientSession, body: bytes
) -> None:
    sid = await opened(process, session)
    for _ in range(2):
        async with (
            asyncio.timeout(5),
            session.post(address(process, "polling", sid), data=body) as answer,
        ):
            assert answer.status == 400
        await until_nothing_is_left(process)


@pytest.mark.parametrize("says", [None, "2nothing", "x", ""])
async def test_upgrade_that_is_none_ends_and_polling_goes_on(
    process: ApiProcess,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    says: str | None,
) -> None:
    """Connections over which nobody has said who they are are few and short."""
    monkeypatch.setattr(socket_frames, "_TIME_TO_UPGRADE", 0.2)
    sid = await opened(process, session)
    for _ in range(3):
        async with session.ws_connect(address(process, "websocket", sid)) as socket:
            if says is not None:
                await socket.send_str(says)
            ended = await socket.receive(PATIENCE)
            assert ended.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    connect = f'40{{"token":"{token("agent")}"}}'
    async with session.post(address(process, "polling", sid), data=connect) as answer:
        assert answer.status == 200
    assert (await asyncio.wait_for(poll(process, session, sid), 5)).startswith('40{"sid"')
    assert not caplog.records


async def test_what_only_ends_a_poll_does_not_pile_up() -> None:
    """The library queues one for each frame `5` that it gets."""
    queue = OutgoingQueue()
    for _ in range(1_000):
        await queue.put(EnginePacket(NOOP))
    assert queue.qsize() == 1
    await queue.put(EnginePacket(MESSAGE, "0"))
    await queue.put(None)
    assert queue.qsize() == 3
