"""Visitors and agents of the live chat, as their front ends behave."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import jwt
import socketio

from tests.e2e.load import persist
from tests.e2e.stack import Connection, Stack

PATIENCE = 20.0
BROKEN = (socketio.exceptions.SocketIOError, OSError, TimeoutError)
"""What a client may see of an api process that dies."""
SETTINGS = {
    "RATE_LIMIT_VISITORS": "1000000",
    "RATE_LIMIT_MESSAGES": "1000000",
    "SOCKETS_PER_ADDRESS": "100000",
    "HOLDFAST_DEMO": "true",
}
"""One machine plays a thousand visitors."""


def staff_token(stack: Stack, sub: str, role: str = "agent") -> str:
    """Signed here, because the command line takes a fifth of a second."""
    secret = stack.data.jwt_secret()
    assert secret is not None
    claims = {"sub": sub, "role": role, "name": sub.title(), "exp": int(time.time()) + 3600}
    return jwt.encode(claims, secret, "HS256")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Visitor:
    conversation_id: str
    token: str

    @property
    def place(self) -> str:
        return f"/api/customer/conversations/{self.conversation_id}"


async def visit(client: httpx.AsyncClient, name: str = "Jane Doe", **body: object) -> Visitor:
    """A new visitor with a conversation in the queue."""
    sent = {"fingerprint": uuid4().hex, "displayName": name, **body}
    answer = await client.post("/api/customer/sessions", json=sent)
    assert answer.status_code == 200, answer.text
    session = answer.json()
    return Visitor(session["conversationId"], session["token"])


Taken = Callable[[str, Any], None]


@asynccontextmanager
async def connected(
    url: str, token: str, take: Taken, *transports: str, **query: object
) -> AsyncIterator[socketio.AsyncClient]:
    """A socket that subscribes by its query, as seed 003 writes it; `take` gets all events."""
    client = socketio.AsyncClient(reconnection=False)

    def taken(event: str, payload: object = None) -> None:
        # Colleagues come and go while other tests run.
        if event != "presence":
            take(event, payload)

    client.on("*", taken)
    await client.connect(
        f"{url}?{urlencode(query)}",
        auth={"token": token},
        transports=list(transports) or ["websocket"],
        wait_timeout=5,
    )
    try:
        yield client
    finally:
        with suppress(*BROKEN):
            await asyncio.wait_for(client.disconnect(), 3)


@dataclass
class Collected:
    """The stream of one conversation, as one client has put it together."""

    seqs: list[int] = field(default_factory=list)
    contents: dict[int, str] = field(default_factory=dict)

    @property
    def last(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    def take(self, event: str, payload: Any) -> None:  # noqa: ANN401  JSON
        if event == "chat:message":
            self.seqs.append(payload["message"]["seq"])
            self.contents[payload["message"]["seq"]] = payload["message"]["content"]
        elif event == "system:event":
            self.seqs.append(payload["seq"])


class Talker:
    """One side of a conversation, that comes and goes, and writes whatever happens."""

    def __init__(
        self,
        chance: random.Random,
        urls: Sequence[str],
        token: str,
        conversation_id: str,
        place: str,
    ) -> None:
        self.collected = Collected()
        self.said: list[str] = []
        """In order: what was promised to be kept."""
        self.reconnects = 0
        self._chance = chance
        self._urls = urls
        self._token = token
        self._conversation_id = conversation_id
        self._place = place
        self._socket: socketio.AsyncClient | None = None
        self._arrived = asyncio.Event()

    async def listen(self, done: asyncio.Event) -> None:
        """Be connected, now here, now there, until `done`."""
        while not done.is_set():
            # In a task of its own: when its server dies, the client cancels whoever waits in it.
            visit = asyncio.create_task(self._listen_for_a_while(done))
            [result] = await asyncio.gather(visit, return_exceptions=True)
            if isinstance(result, Exception) and not isinstance(result, BROKEN):
                raise result
            self.reconnects += 1
            await asyncio.sleep(self._chance.uniform(0, 0.2))

    async def catch_up(self, url: str, last_seq: int) -> None:
        """Collect what is left."""
        async with self._connected(url, "websocket"), asyncio.timeout(PATIENCE):
            while self.collected.last < last_seq:
                self._arrived.clear()
                await self._arrived.wait()

    async def write(self, client: httpx.AsyncClient, content: str, **more: object) -> None:
        """Over the socket if there is one, else over REST; again, until it is answered."""
        key = uuid4().hex
        body = {"content": content, **more}
        if self._chance.random() < 0.8 and await self._send(body, key):
            self.said.append(content)
            return

        def post() -> Any:  # noqa: ANN401  a coroutine of httpx
            url = f"{self._chance.choice(self._urls)}{self._place}/messages"
            headers = {**bearer(self._token), "Idempotency-Key": key}
            return client.post(url, json=body, headers=headers)

        answer = await persist(post)
        assert answer.status_code == 201, answer.text
        self.said.append(content)

    async def _send(self, body: dict[str, object], key: str) -> bool:
        socket = self._socket
        if socket is None:
            return False
        message = {"conversationId": self._conversation_id, "clientId": key, **body}
        with suppress(*BROKEN):
            ack = await socket.call("chat:send", message, timeout=3)
            return "seq" in ack
        return False

    async def _listen_for_a_while(self, done: asyncio.Event) -> None:
        transports = self._chance.choice((["websocket"], ["websocket"], ["polling", "websocket"]))
        async with self._connected(self._chance.choice(self._urls), *transports) as client:
            self._socket = client
            lost = asyncio.create_task(client.wait())
            over = asyncio.create_task(done.wait())
            try:
                await asyncio.wait(
                    {lost, over},
                    timeout=self._chance.uniform(1, 40),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                self._socket = None
                lost.cancel()
                over.cancel()

    def _connected(
        self, url: str, *transports: str
    ) -> AbstractAsyncContextManager[socketio.AsyncClient]:
        query = {"conversationId": self._conversation_id, "afterSeq": self.collected.last}
        return connected(url, self._token, self._take, *transports, **query)

    def _take(self, event: str, payload: Any) -> None:  # noqa: ANN401  JSON
        self.collected.take(event, payload)
        self._arrived.set()


async def log_of(connection: Connection, conversation_id: str) -> list[dict[str, Any]]:
    """All entries of a conversation, in order."""
    rows = await connection.execute(
        "SELECT seq, author, visibility, content, event, created_at FROM messages"
        " WHERE thread_id = %s ORDER BY seq",
        [UUID(conversation_id)],
    )
    return await rows.fetchall()
