"""One client's calls: done in turn, but nothing waits for a workflow that takes its time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.config import ApiConfig
from store.database import Database
from tests.api.chatting import ASHIK, Chat, Visitor, said
from tests.api.conftest import JudgingEngine
from tests.api.socket_serving import PATIENCE, ApiProcess, Listener, api_process
from tests.store.chatting import log_of


class Gate:
    """Stands before the engine; who comes waits until it is opened."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self._opened = asyncio.Event()
        self._came = asyncio.Condition()

    def open(self) -> None:
        self._opened.set()

    async def check(self) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        async with self._came:
            self._came.notify_all()
        try:
            await self._opened.wait()
        finally:
            self.waiting -= 1

    async def until_it_has(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: self.waiting == count)


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
def gate(process: ApiProcess, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(process.engine, "check", gate.check)
    return gate


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


@pytest.fixture
async def visitor(chat: Chat) -> Visitor:
    """One whose conversation ASHIK has."""
    return await chat.accepted()


def connect(process: ApiProcess, headers: dict[str, str]) -> Listener:
    return Listener(process.url, headers["Authorization"][7:])


async def ask(listener: Listener, event: str, payload: object) -> asyncio.Future[dict[str, Any]]:
    """Send a call, and do not wait for its answer."""
    answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    await listener.client.emit(event, payload, callback=answer.set_result)
    return answer


async def close(listener: Listener, visitor: Visitor) -> asyncio.Future[dict[str, Any]]:
    return await ask(listener, "conversation:close", {"conversationId": visitor.conversation_id})


async def send(listener: Listener, visitor: Visitor, content: str) -> dict[str, Any]:
    words = {"conversationId": visitor.conversation_id, "content": content}
    return await listener.call("chat:send", words)


async def test_message_does_not_wait_for_the_close_before_it(
    process: ApiProcess, visitor: Visitor, gate: Gate
) -> None:
    async with connect(process, visitor.headers) as customer:
        closed = await close(customer, visitor)
        await gate.until_it_has(1)
        async with asyncio.timeout(1):
            assert (await send(customer, visitor, "still here"))["content"] == "still here"
        assert not closed.done()
        gate.open()
        assert (await asyncio.wait_for(closed, PATIENCE))["status"] == "CLOSED"


async def test_close_comes_after_the_message_before_it(
    process: ApiProcess, visitor: Visitor, database: Database
) -> None:
    async with connect(process, visitor.headers) as customer:
        words = {"conversationId": visitor.conversation_id, "content": "Bye"}
        sent = [await ask(customer, "chat:send", words) for _ in range(5)]
        closed = await close(customer, visitor)
        assert (await asyncio.wait_for(closed, PATIENCE))["status"] == "CLOSED"
        assert [answer.result()["content"] for answer in sent] == ["Bye"] * 5
    log = await log_of(database, UUID(visitor.conversation_id))
    assert [entry.content for entry in log if entry.event is None][-5:] == ["Bye"] * 5
    assert "closed" in str(log[-1].event)


async def test_close_is_done_though_its_sender_has_left(
    process: ApiProcess, chat: Chat, visitor: Visitor, gate: Gate
) -> None:
    async with connect(process, visitor.headers) as customer:
        await close(customer, visitor)
        await gate.until_it_has(1)
    gate.open()
    async with asyncio.timeout(PATIENCE):
        while (await chat.state(visitor))["status"] != "CLOSED":
            await asyncio.sleep(0.02)


async def test_many_closes_wait_in_line_and_more_are_refused(
    process: ApiProcess, visitor: Visitor, gate: Gate
) -> None:
    """Few at once, and the socket stays."""
    async with connect(process, visitor.headers) as customer:
        closes = [await close(customer, visitor) for _ in range(60)]
        assert (await send(customer, visitor, "still here"))["content"] == "still here"
        await gate.until_it_has(8)
        refused = [answer.result()["code"] for answer in closes if answer.done()]
        assert refused == ["too_many_requests"] * 20
        assert gate.most == 8
        gate.open()
        await asyncio.wait(closes, timeout=PATIENCE)
        outcomes = [answer.result().get("status") for answer in closes]
        assert outcomes.count("CLOSED") == 40
        assert not customer.disconnected.is_set()


async def test_others_do_not_wait_either(process: ApiProcess, chat: Chat, gate: Gate) -> None:
    """One socket serves a whole console."""
    gate.open()
    one, other = await chat.accepted(), await chat.accepted()
    async with connect(process, ASHIK) as agent:
        answers = [await close(agent, each) for each in (one, other)]
        await asyncio.wait(answers, timeout=PATIENCE)
        assert {answer.result()["id"] for answer in answers} == {
            one.conversation_id,
            other.conversation_id,
        }


async def test_stop_waits_for_nobody(
    config: ApiConfig, database_url: str, chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor leaves anything running."""
    visitor = await chat.accepted()
    before = asyncio.all_tasks()
    gate = Gate()
    async with AsyncExitStack() as clients:
        async with asyncio.timeout(PATIENCE), api_process(config, database_url) as process:
            monkeypatch.setattr(process.engine, "check", gate.check)
            customer = await clients.enter_async_context(connect(process, visitor.headers))
            for _ in range(10):
                await close(customer, visitor)
            await gate.until_it_has(8)
        assert gate.waiting == 0
        await asyncio.wait_for(customer.disconnected.wait(), PATIENCE)
    left = {task.get_name() for task in asyncio.all_tasks() - before if "sockets" in repr(task)}
    assert not left
    assert said(await chat.client.get(visitor.place, headers=visitor.headers))
