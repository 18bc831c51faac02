"""The queue's snapshots, who is there, and how many may be: through real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import aiohttp
import httpx
import pytest
import socketio
from sqlalchemy import text

from api.config import ApiConfig
from api.queue_board import ENTRIES
from api.visitors import VisitorTokens
from domain.models import EventType
from domain.principals import Scope
from store import keys
from store.database import Database
from store.postgres_feed import APPLICATION_NAME
from tests.api.chatting import ASHIK, Chat, said
from tests.api.conftest import JudgingEngine
from tests.api.people import SECRET, bearer, token
from tests.api.socket_serving import PATIENCE, ApiProcess, Listener, api_process
from tests.store import chatting
from tests.store.chatting import accept, events_of, hire, new_conversation


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


@pytest.fixture
def chat(client: httpx.AsyncClient, engine: JudgingEngine) -> Chat:
    return Chat(client, engine)


def connect(process: ApiProcess, headers: dict[str, str], **query: object) -> Listener:
    return Listener(process.url, headers["Authorization"][7:], **query)


def watcher(process: ApiProcess, headers: dict[str, str] = ASHIK) -> Listener:
    return connect(process, headers, role="agent", scope="queue")


def snapshots(listener: Listener) -> list[list[Any]]:
    return [payload for event, payload in listener.events if event == "queue:snapshot"]


def waiting_in(listener: Listener) -> list[str]:
    """Whom the last snapshot shows."""
    return [entry["conversationId"] for entry in snapshots(listener)[-1]]


async def refusal(listener: Listener) -> Any:  # noqa: ANN401  JSON
    with pytest.raises(socketio.exceptions.ConnectionError):
        await listener.__aenter__()
    return listener.payloads("connect_error")[0]["data"]


async def until(reached: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not reached():
            await asyncio.sleep(0.02)


class TestQueue:
    async def test_comes_at_once_and_follows(
        self, process: ApiProcess, chat: Chat, database: Database
    ) -> None:
        async with watcher(process) as agent:
            await agent.until(lambda: snapshots(agent) == [[]])
            first = await chat.waiting(displayName="Ada")
            second = await chat.waiting(displayName="Bob", metadata={})
            expected = [first.conversation_id, second.conversation_id]
            await agent.until(lambda: waiting_in(agent) == expected)
            page = said(await chat.client.get("/api/agent/queue", headers=ASHIK))["content"]
            await agent.until(
                lambda: (
                    [entry["lastMessage"] for entry in snapshots(agent)[-1]]
                    == [entry["lastMessage"] for entry in page]
                )
            )
            entries = snapshots(agent)[-1]
            assert [entry["position"] for entry in entries] == [1, 2]
            assert entries[0].keys() == page[0].keys()
            said(await chat.client.post(f"{first.desk}/accept", headers=ASHIK))
            await agent.until(lambda: waiting_in(agent) == expected[1:])

    async def test_keys_and_both_ways_to_subscribe(
        self, process: ApiProcess, database: Database
    ) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "desk", [Scope.TICKETS])
        async with Listener(process.url, key) as listener:
            for _ in range(2):
                assert await listener.call("subscribe", {"scope": "queue"}) == {"scope": "queue"}
            assert snapshots(listener) == [[]]
            assert await listener.call("unsubscribe", {"scope": "queue"}) == {"scope": "queue"}
            assert (await listener.call("unsubscribe", {"scope": "queue"}))["code"] == "invalid"

    async def test_busy_queue(self, process: ApiProcess, database: Database) -> None:
        """However fast it changes, four snapshots a second; and the last one is right."""
        conversation_id = await new_conversation(database)
        async with watcher(process) as agent:
            await agent.until(lambda: bool(snapshots(agent)))
            began = time.monotonic()
            changes = 0
            while time.monotonic() - began < 2:
                changes += 1
                await chatting.say(database, conversation_id, content=f"change {changes}")
            last = f"change {changes}"
            await agent.until(lambda: _last_message(agent) == last)
            assert len(snapshots(agent)) <= (time.monotonic() - began) * 4 + 2
            assert changes > len(snapshots(agent))

    async def test_long_queue_is_cut_and_short(
        self, process: ApiProcess, database: Database
    ) -> None:
        first = await new_conversation(database)
        for _ in range(ENTRIES + 5):
            await new_conversation(database)
        await chatting.say(database, first, content="x" * 16_000)
        async with watcher(process) as agent:
            await agent.until(lambda: bool(snapshots(agent)))
            entries = snapshots(agent)[0]
            assert len(entries) == ENTRIES
            assert entries[0]["conversationId"] == str(first)
            assert len(entries[0]["lastMessage"]["content"]) == 200

    async def test_lost_feed_heals(self, process: ApiProcess, database: Database) -> None:
        async with watcher(process) as agent:
            await agent.until(lambda: bool(snapshots(agent)))
            conversation_ids = []
            for _ in range(3):
                async with database.begin() as session:
                    await session.execute(_END_FEEDS, {"name": APPLICATION_NAME})
                conversation_ids.append(str(await new_conversation(database)))
            await agent.until(lambda: waiting_in(agent) == conversation_ids)


class TestPresence:
    async def test_customer_who_comes_is_told_of(
        self, process: ApiProcess, chat: Chat, database: Database
    ) -> None:
        visitor = await chat.visit()
        async with connect(process, visitor.headers) as customer:
            await customer.until(lambda: "arrived" in _types(customer))
            async with connect(process, visitor.headers):
                pass
            assert _types(customer) == ["arrived"]
        await until(lambda: not process.sockets.presence._sockets)

    async def test_customer_who_was_unknown(self, process: ApiProcess, chat: Chat) -> None:
        jwt = bearer(token("customer", "jo"))
        async with connect(process, jwt) as customer:
            await chat.visit(jwt)
            await customer.call("subscribe", {"scope": "conversation"})
            await customer.until(lambda: "arrived" in _types(customer))
        await until(lambda: not process.sockets.presence._sockets)

    async def test_agents_are_there_as_long_as_a_socket_is(
        self, process: ApiProcess, database: Database
    ) -> None:
        await hire(database, "agent-123")
        async with connect(process, ASHIK), connect(process, ASHIK):
            await until(lambda: len(process.sockets.presence._sockets) == 1)
        await until(lambda: not process.sockets.presence._sockets)

    async def test_keys_are_nobody(self, process: ApiProcess, database: Database) -> None:
        async with database.begin() as session:
            key = await keys.create(session, "desk", [Scope.TICKETS])
        async with Listener(process.url, key):
            assert not process.sockets.presence._sockets

    async def test_agent_who_comes_back_is_told_of(
        self, process: ApiProcess, database: Database
    ) -> None:
        await hire(database, "agent-123")
        conversation_id = await new_conversation(database)
        await accept(database, conversation_id, "agent-123")
        async with database.begin() as session:
            await session.execute(text("UPDATE conversations SET agent_absent = true"))
        async with connect(process, ASHIK):
            async with asyncio.timeout(PATIENCE):
                while EventType.ARRIVED not in await events_of(database, conversation_id):
                    await asyncio.sleep(0.02)
        assert conversation_id in [thread.id for thread in process.engine.nudged]


class TestLimits:
    async def test_of_one_visitor(self, config: ApiConfig, database_url: str, chat: Chat) -> None:
        few = config.model_copy(update={"sockets_per_visitor": 2})
        visitor, other = await chat.visit(), await chat.visit()
        async with api_process(few, database_url) as process:
            async with connect(process, visitor.headers), connect(process, visitor.headers):
                assert (await refusal(connect(process, visitor.headers)))["code"] == (
                    "too_many_requests"
                )
                async with connect(process, other.headers), connect(process, ASHIK):
                    pass
            await until(lambda: not process.sockets._clients)
            async with connect(process, visitor.headers):
                pass

    async def test_of_one_address(self, config: ApiConfig, database_url: str, chat: Chat) -> None:
        """Those who do not say who they are count; the desk does not, and always comes in."""
        few = config.model_copy(update={"sockets_per_address": 3})
        visitors = [await chat.visit() for _ in range(4)]
        address = "/socket.io/?EIO=4&transport=websocket"
        async with (
            api_process(few, database_url) as process,
            connect(process, visitors[0].headers),
            connect(process, visitors[1].headers),
            aiohttp.ClientSession() as session,
        ):
            async with (
                session.ws_connect(process.url + address),
                connect(process, ASHIK),
                connect(process, ASHIK),
                connect(process, ASHIK),
            ):
                answer = await refusal(connect(process, visitors[2].headers))
                assert answer["code"] == "too_many_requests"
            await until(lambda: process.sockets._server.strangers("127.0.0.1") == 0)
            async with connect(process, visitors[2].headers), connect(process, ASHIK):
                answer = await refusal(connect(process, visitors[3].headers))
                assert answer["code"] == "too_many_requests"

    async def test_of_those_who_say_nothing(self, config: ApiConfig, database_url: str) -> None:
        """The oldest goes, and so the desk comes in."""
        few = config.model_copy(update={"sockets_per_address": 3})
        address = "/socket.io/?EIO=4&transport=websocket"
        async with (
            api_process(few, database_url) as process,
            aiohttp.ClientSession() as session,
        ):
            silent = [await session.ws_connect(process.url + address) for _ in range(4)]
            await silent[0].receive()
            assert (await silent[0].receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE
            async with connect(process, ASHIK):
                assert (await silent[1].receive()).type is aiohttp.WSMsgType.TEXT
                assert (await silent[1].receive(PATIENCE)).type is aiohttp.WSMsgType.CLOSE
            for socket in silent:
                await socket.close()
            await until(lambda: not process.sockets._server._transports)
            assert not process.sockets._server._strangers._at

    async def test_socket_ends_with_its_visitors_token(
        self, process: ApiProcess, chat: Chat
    ) -> None:
        visitor = await chat.visit()
        short = VisitorTokens(SECRET, timedelta(seconds=2)).issue(visitor.customer_id)
        async with Listener(process.url, short.token) as listener:
            await listener.until(lambda: bool(listener.payloads("system:error")))
            assert listener.payloads("system:error")[0]["code"] == "unauthorized"
            await asyncio.wait_for(listener.disconnected.wait(), PATIENCE)


def _last_message(listener: Listener) -> object:
    """Of the one who waits longest, as the last snapshot shows it."""
    message = snapshots(listener)[-1][0]["lastMessage"]
    return message and message["content"]


def _types(listener: Listener) -> list[str]:
    return [event["type"] for event in listener.payloads("system:event")]


_END_FEEDS = text(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = :name AND datname = current_database()"
)
