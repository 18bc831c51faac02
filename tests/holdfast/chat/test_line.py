"""The line, to a server that breaks connections and says no."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
import socketio
import uvicorn

from holdfast.chat.line import Line
from holdfast.chat.log import Log
from holdfast.chat.rest import Refused

PATIENCE = 20.0
GONE = {"code": "gone", "message": "It is over."}
DOWN = {"code": "unavailable", "message": "The database does not answer."}


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to pytest."""
        yield


class Desk:
    """A log of one conversation behind a socket. `answers` are given before the log's own; None
    stands for a connection that breaks when the message is stored and not yet acknowledged."""

    def __init__(self) -> None:
        self.url = ""
        self.welcome = True
        self.said: dict[str, str] = {}
        self.asked: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any] | None] = []
        self.server = socketio.AsyncServer(async_mode="asgi")
        self.server.on("connect", self._connect)
        self.server.on("subscribe", self._subscribe)
        self.server.on("chat:send", self._send)

    async def hang_up(self) -> None:
        for sid in list(self.server.eio.sockets):
            await self.server.eio.disconnect(sid)

    async def say(self, content: str) -> None:
        self.said[f"id {content}"] = content
        await self.server.emit("chat:message", self._message(len(self.said)))

    def _message(self, seq: int) -> dict[str, Any]:
        content = list(self.said.values())[seq - 1]
        return {"conversationId": "c", "message": {"seq": seq, "content": content}}

    async def _connect(self, _sid: str, _environ: object, auth: dict[str, str]) -> None:
        assert auth == {"token": "secret"}
        if not self.welcome:
            raise socketio.exceptions.ConnectionRefusedError(
                "No.", {"code": "unauthorized", "message": "The token has expired."}
            )

    async def _subscribe(self, sid: str, what: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(what)
        for seq in range(what["afterSeq"] + 1, len(self.said) + 1):
            await self.server.emit("chat:message", self._message(seq), to=sid)
        return {"seq": len(self.said)}

    async def _send(self, _sid: str, what: dict[str, Any]) -> dict[str, Any]:
        answer = self.answers.pop(0) if self.answers else {"seq": len(self.said) + 1}
        if answer is not None and "code" in answer:
            return answer
        if what["clientId"] not in self.said:
            self.said[what["clientId"]] = what["content"]
            await self.server.emit("chat:message", self._message(len(self.said)))
        if answer is None:
            await self.hang_up()
            await asyncio.sleep(60)
        return {"seq": list(self.said).index(what["clientId"]) + 1}


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    server = _Server(
        uvicorn.Config(
            socketio.ASGIApp(desk.server), port=0, log_level="error", timeout_graceful_shutdown=1
        )
    )
    bound = server.config.bind_socket()
    desk.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    serving = asyncio.create_task(server.serve([bound]))
    yield desk
    server.should_exit = True
    await serving


class Listener:
    def __init__(self, desk: Desk) -> None:
        self.log = Log("c")
        self.shown: list[str] = []
        self.notices: list[str] = []
        self.line = Line(
            desk.url,
            lambda: "secret",
            hear=self._hear,
            wanted=lambda: [self.log.subscription()],
            notice=self.notices.append,
        )

    def _hear(self, event: str, payload: Any) -> None:  # noqa: ANN401  JSON
        if event == "chat:message" and self.log.is_new(event, payload):
            self.shown.append(payload["message"]["content"])

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self.line.keep())
        try:
            async with asyncio.timeout(PATIENCE):
                yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)


@pytest.fixture
def listener(desk: Desk) -> Listener:
    return Listener(desk)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.02)


def hello(client_id: str = "1") -> dict[str, str]:
    return {"conversationId": "c", "content": "Hello", "clientId": client_id}


async def test_misses_and_doubles_nothing_when_it_breaks(desk: Desk, listener: Listener) -> None:
    await desk.say("before")
    async with listener.listening():
        await until(lambda: listener.shown == ["before"])
        await desk.say("live")
        await until(lambda: listener.shown == ["before", "live"])
        await desk.hang_up()
        await desk.say("meanwhile")
        await until(lambda: len(listener.shown) > 2)
        await desk.say("again live")
        await until(lambda: len(listener.shown) > 3)
    assert listener.shown == ["before", "live", "meanwhile", "again live"]
    assert [each["afterSeq"] for each in desk.asked] == [0, 2]
    assert listener.notices == ["The connection is lost. Trying again …", "Connected again."]


async def test_asks_again_with_the_same_id_when_the_answer_is_lost(
    desk: Desk, listener: Listener
) -> None:
    desk.answers = [None]
    async with listener.listening():
        assert await listener.line.ask("chat:send", hello()) == {"seq": 1}
        await until(lambda: bool(listener.shown))
    assert desk.said == {"1": "Hello"}
    assert listener.shown == ["Hello"]


async def test_asks_again_when_something_is_down_for_a_while(
    desk: Desk, listener: Listener
) -> None:
    desk.answers = [DOWN, DOWN]
    async with listener.listening():
        assert await listener.line.ask("chat:send", hello()) == {"seq": 1}
    assert listener.notices == ["Not yet, trying again: The database does not answer."]


async def test_refusal_is_raised(desk: Desk, listener: Listener) -> None:
    desk.answers = [GONE]
    async with listener.listening():
        with pytest.raises(Refused, match="It is over"):
            await listener.line.ask("chat:send", hello())


async def test_token_that_is_not_taken_ends_it(desk: Desk, listener: Listener) -> None:
    desk.welcome = False
    with pytest.raises(Refused, match="The token has expired"):
        await asyncio.wait_for(listener.line.keep(), PATIENCE)
