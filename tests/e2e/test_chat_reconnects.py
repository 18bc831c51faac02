"""10,000 messages in 50 conversations over two api processes, one of which dies now and then.

Everybody's collected stream equals the log: in order, without a gap, nothing twice.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx
import pytest

from holdfast.ports import free_port
from tests.e2e.chatting import Talker, bearer, log_of, staff_token, visit
from tests.e2e.logs import until_handled
from tests.e2e.stack import Stack, until
from tests.holdfast.running import bare_environment

pytestmark = pytest.mark.alone

CONVERSATIONS = 50
AGENTS = 10
MESSAGES = 10_000
PRIVATE = 0.1
"""This part of what agents write is for each other."""


class SecondApi:
    """Another api process on the same database, that can be killed and started again."""

    def __init__(self, stack: Stack) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.deaths = 0
        self._environment = {
            **bare_environment(),
            **stack.house.settings,
            "HOLDFAST_PORT": str(port),
        }
        self._folder = stack.house.folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", "api"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self.deaths += 1

    async def until_ready(self) -> None:
        async def ready() -> bool:
            with suppress(httpx.TransportError):
                async with httpx.AsyncClient(base_url=self.url) as client:
                    return (await client.get("/api/ready")).status_code == 200
            return False

        await until(ready, 40, "the second api process is ready")


@asynccontextmanager
async def second_api(stack: Stack) -> AsyncIterator[SecondApi]:
    api = SecondApi(stack)
    api.start()
    try:
        await api.until_ready()
        yield api
    finally:
        api.kill()


@dataclass
class Chat:
    conversation_id: str
    customer: Talker
    agent: Talker


async def open_chats(
    stack: Stack, chance: random.Random, urls: Sequence[str], client: httpx.AsyncClient
) -> list[Chat]:
    chats: list[Chat] = []
    tokens = [staff_token(stack, f"talker-{number}") for number in range(AGENTS)]
    for number, token in enumerate(tokens):
        begun = await client.post("/api/agent/sessions", json={}, headers=bearer(token))
        assert begun.status_code == 200, begun.text
        capacity = {"capacity": CONVERSATIONS // AGENTS}
        answer = await client.put(
            f"/api/admin/agents/talker-{number}", json=capacity, headers=bearer(stack.key)
        )
        assert answer.status_code == 200, answer.text
    for number in range(CONVERSATIONS):
        visitor = await visit(client)
        token = tokens[number % AGENTS]
        place = f"/api/agent/conversations/{visitor.conversation_id}"
        accepted = await client.post(f"{place}/accept", json={}, headers=bearer(token))
        assert accepted.status_code == 200, accepted.text
        identity = visitor.conversation_id
        customer = Talker(chance, urls, visitor.token, identity, visitor.place)
        chats.append(Chat(identity, customer, Talker(chance, urls, token, identity, place)))
    return chats


@pytest.mark.timeout(600)
async def test_everybody_collects_the_log(chat_stack: Stack) -> None:
    chance = random.Random(3)
    done = asyncio.Event()
    limits = httpx.Limits(max_connections=200)
    async with (
        second_api(chat_stack) as second,
        httpx.AsyncClient(base_url=chat_stack.url, timeout=20, limits=limits) as client,
    ):
        urls = (chat_stack.url, second.url)
        chats = await open_chats(chat_stack, chance, urls, client)
        talkers = [talker for chat in chats for talker in (chat.customer, chat.agent)]
        async with asyncio.TaskGroup() as group:
            for talker in talkers:
                group.create_task(talker.listen(done))
            writing = asyncio.gather(*(_write(chat, chance, client) for chat in chats))
            while not writing.done():
                await asyncio.wait({writing}, timeout=20)
                if not writing.done():
                    second.kill()
                    second.start()
                    await second.until_ready()
            await writing
            done.set()
        await until_handled(chat_stack, within=20)
        for chat in chats:
            await _check(chat_stack, chat)
    assert second.deaths > 1


async def _write(chat: Chat, chance: random.Random, client: httpx.AsyncClient) -> None:
    async def customer() -> None:
        for number in range(MESSAGES // CONVERSATIONS // 2):
            await chat.customer.write(client, f"customer/{number}")

    async def agent() -> None:
        for number in range(MESSAGES // CONVERSATIONS // 2):
            private = {"visibility": "private"} if chance.random() < PRIVATE else {}
            await chat.agent.write(client, f"agent/{number}", **private)

    await asyncio.gather(customer(), agent())


async def _check(stack: Stack, chat: Chat) -> None:
    async with stack.database() as connection:
        log = await log_of(connection, chat.conversation_id)
        public = [entry for entry in log if entry["visibility"] == "public"]
        await chat.customer.catch_up(stack.url, public[-1]["seq"])
        await chat.agent.catch_up(stack.url, log[-1]["seq"])
        # Somebody's coming may have been told meanwhile.
        log = await log_of(connection, chat.conversation_id)
    assert [entry["seq"] for entry in log] == list(range(1, len(log) + 1))
    said = [entry["content"] for entry in log if entry["author"] != "system"]
    for talker, side in ((chat.customer, "customer/"), (chat.agent, "agent/")):
        assert [content for content in said if content.startswith(side)] == talker.said
        collected = talker.collected
        visible = log if talker is chat.agent else [e for e in log if e["visibility"] == "public"]
        expected = [entry["seq"] for entry in visible if entry["seq"] <= collected.last]
        assert collected.seqs == expected
        texts = {e["seq"]: e["content"] for e in visible if e["event"] is None}
        assert collected.contents == {s: t for s, t in texts.items() if s <= collected.last}
    assert len(said) == MESSAGES // CONVERSATIONS
