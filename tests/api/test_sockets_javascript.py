"""The client that browsers use, the real one, over each transport."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import pytest

from api.config import ApiConfig
from domain.ids import ticket_id_text
from store.database import Database
from tests.api.people import token, visitor
from tests.api.socket_serving import PATIENCE, ApiProcess, api_process
from tests.store.chatting import new_customer, start
from tests.store.writing import open_ticket, write

_MESSAGES = ("ticket:message", "chat:message")
FOLDER = Path(__file__).parent.parent / "js"

pytestmark = pytest.mark.skipif(
    not (FOLDER / "node_modules").exists(), reason="tests/install brings the JavaScript packages"
)


@pytest.fixture
async def process(config: ApiConfig, database_url: str) -> AsyncIterator[ApiProcess]:
    async with api_process(config, database_url) as opened:
        yield opened


class Served(Protocol):
    @property
    def url(self) -> str: ...


class Browser:
    """A running `listen.js`; `told` is all that it has said."""

    def __init__(self, node: asyncio.subprocess.Process) -> None:
        self._node = node
        self.told: list[dict[str, Any]] = []

    async def order(self, order: dict[str, Any]) -> None:
        assert self._node.stdin is not None
        self._node.stdin.write(json.dumps(order).encode() + b"\n")
        await self._node.stdin.drain()

    async def until(self, reached: Callable[[], object]) -> None:
        assert self._node.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self.told.append(json.loads(await self._node.stdout.readline()))

    async def until_it_has(self, count: int) -> None:
        """So many messages."""
        await self.until(lambda: len(self.seqs) >= count)

    async def hear(self, what: str) -> Any:  # noqa: ANN401  it is any JSON
        await self.until(lambda: any(what in line for line in self.told))
        return next(line[what] for line in self.told if what in line)

    @property
    def seqs(self) -> list[int]:
        payloads = [line["payload"] for line in self.told if line.get("event") in _MESSAGES]
        return [payload["message"]["seq"] for payload in payloads]


@asynccontextmanager
async def browser(
    process: Served, token: str, transports: list[str], **query: object
) -> AsyncIterator[Browser]:
    node = await asyncio.create_subprocess_exec(
        "node",
        "listen.js",
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**20,
    )
    opened = Browser(node)
    await opened.order(
        {"url": process.url, "token": token, "transports": transports, "query": query}
    )
    try:
        yield opened
        assert node.stdin is not None
        node.stdin.close()
        await asyncio.wait_for(node.wait(), PATIENCE)
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_every_transport(
    process: ApiProcess, database: Database, transports: list[str]
) -> None:
    ticket_id = await open_ticket(database)
    for _ in range(249):
        await write(database, ticket_id)
    query = {"ticketId": ticket_id_text(ticket_id), "afterSeq": 0}
    async with browser(process, token("agent"), transports, **query) as listener:
        assert await listener.hear("connected") in transports
        await write_on(listener, database, ticket_id)
        await listener.until_it_has(260)
        assert listener.seqs == list(range(1, 261))
        if len(transports) > 1:
            assert await listener.hear("upgraded") == "websocket"
        await listener.order({"event": "subscribe", "payload": {"scope": "tickets"}})
        assert (await listener.hear("answer"))["scope"] == "tickets"


async def write_on(listener: Browser, database: Database, ticket_id: UUID) -> None:
    """While the client still catches up, and perhaps upgrades."""
    for written in range(1, 11):
        await listener.until_it_has(written)
        await write(database, ticket_id)


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
async def test_live_chat(process: ApiProcess, database: Database, transports: list[str]) -> None:
    """As the widget does it: a visitor's token, and a query with much in it."""
    customer_id = await new_customer(database)
    conversation_id = str((await start(database, customer_id)).conversation_id)
    query = {"role": "customer", "fingerprint": "f", "conversationId": None, "afterSeq": 0}
    visitor_token = visitor(customer_id)["Authorization"].removeprefix("Bearer ")
    async with (
        browser(process, visitor_token, transports, **query) as widget,
        browser(process, token("agent"), transports, role="agent", scope="queue") as desk,
    ):
        assert await widget.hear("connected") in transports
        await widget.until(lambda: _payloads(widget, "system:event"))
        assert _payloads(widget, "system:event")[0]["status"] == "QUEUED"
        for number in range(20):
            words = {
                "conversationId": conversation_id,
                "content": f"{number}",
                "clientId": f"{number}",
            }
            await widget.order({"event": "chat:send", "payload": words})
        await widget.until_it_has(20)
        answers = [line["answer"] for line in widget.told if "answer" in line]
        assert [answer["content"] for answer in answers] == [
            str(number) for number in range(len(answers))
        ]
        messages = [told["message"] for told in _payloads(widget, "chat:message")]
        assert [message["content"] for message in messages] == [str(n) for n in range(20)]
        await desk.until(lambda: _shows(desk, conversation_id, "19"))
        await widget.order({"event": "subscribe", "payload": {"scope": "queue"}})
        await widget.until(lambda: _payloads(widget, "system:error"))
        assert _payloads(widget, "system:error")[0]["code"] == "forbidden"
        assert not _payloads(widget, "queue:snapshot")


def _payloads(listener: Browser, event: str) -> list[Any]:
    return [line["payload"] for line in listener.told if line.get("event") == event]


def _shows(desk: Browser, conversation_id: str, content: str) -> bool:
    """Whether the last snapshot is of this one conversation, and up to date."""
    snapshots = _payloads(desk, "queue:snapshot")
    entries = snapshots[-1] if snapshots else []
    return [
        (entry["conversationId"], (entry["lastMessage"] or {}).get("content")) for entry in entries
    ] == [(conversation_id, content)]


async def test_refusal(process: ApiProcess) -> None:
    async with browser(process, "nonsense", ["websocket"]) as listener:
        assert await listener.hear("refused") == "Invalid authentication token"
        assert (await listener.hear("data"))["code"] == "unauthorized"


async def test_senseless_subscription(process: ApiProcess) -> None:
    async with browser(process, token("agent"), ["websocket"], ticketId="0") as listener:
        await listener.until(lambda: any("event" in line for line in listener.told))
        assert listener.told[-1] == {
            "event": "system:error",
            "payload": {"code": "not_found", "message": "Ticket not found"},
        }
