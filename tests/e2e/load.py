"""Clients as they should be: they send again, with the same key, until they are answered."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.e2e.stack import Stack, until

_PATIENCE = 60.0
_PAUSE = 0.1


async def persist(send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """The first answer that is neither a broken connection nor "try again"."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            answer = await send()
        except httpx.TransportError:
            pass
        else:
            if answer.status_code != 503:
                return answer
            assert int(answer.headers["Retry-After"]) > 0
        assert time.monotonic() < deadline, "no answer"
        await asyncio.sleep(_PAUSE)


def new_ticket(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    """A body for `POST /api/tickets/create`."""
    return {
        "source": {"channel": "web"},
        "customer": {"name": "Ada", "primary_email": "ada@example.com"},
        "subject": "Cannot check out",
        "initial_message": "The payment page stays blank.",
        **changes,
    }


async def open_ticket(client: httpx.AsyncClient, **changes: Any) -> str:  # noqa: ANN401  JSON
    answer = await client.post("/api/tickets/create", json=new_ticket(**changes))
    assert answer.status_code == 201, answer.text
    ticket_id: str = answer.json()["ticket_id"]
    return ticket_id


class Writer:
    """Writes one message after another, each under its own key, and looks at the answers."""

    def __init__(self, name: str, sender_type: str) -> None:
        self.name = name
        self.sender_type = sender_type
        self.answered: dict[str, list[str]] = defaultdict(list)
        """By ticket, in order: what the API has promised to keep."""
        self.count = 0

    async def write(self, client: httpx.AsyncClient, ticket_id: str) -> None:
        content = f"{self.name}/{self.count}"
        self.count += 1
        body = {"content": content, "sender_type": self.sender_type}
        answer = await persist(
            lambda: client.post(
                f"/api/tickets/{ticket_id}/message",
                json=body,
                headers={"Idempotency-Key": content},
            )
        )
        assert answer.status_code == 200, answer.text
        # The answer shows the message, once, also when it is that to an earlier attempt.
        shown = [entry["content"] for entry in answer.json()["timeline"]]
        assert shown.count(content) == 1
        self.answered[ticket_id].append(content)

    async def write_once(self, client: httpx.AsyncClient, ticket_id: str) -> None:
        """As somebody in a hurry does, on a good day: without a key, and without a look."""
        content = f"{self.name}/{self.count}"
        self.count += 1
        body = {"content": content, "sender_type": self.sender_type}
        answer = await client.post(f"/api/tickets/{ticket_id}/message", json=body)
        assert answer.status_code == 200, answer.text
        self.answered[ticket_id].append(content)


class Steward:
    """Gives one ticket to one agent after the other, and changes its status in between.

    It goes on when it was told that the change was made, so that the ticket's log must tell of
    each change once, in this order.
    """

    def __init__(self, ticket_id: str, agents: Sequence[str]) -> None:
        self.ticket_id = ticket_id
        self.changes: list[tuple[str, str]] = []
        """Event type and what it was changed to."""
        self._agents = agents

    async def change(self, client: httpx.AsyncClient) -> None:
        count = len(self.changes)
        agent = self._agents[count // 2 % len(self._agents)]
        status = ("open", "resolved")[count // 2 % 2]
        place = f"/api/tickets/{self.ticket_id}"
        if count % 2 == 0:
            change = ("assigned", agent)
            answer = await persist(lambda: client.put(f"{place}/assign?agent_id={agent}"))
        else:
            change = ("status_changed", status)
            answer = await persist(lambda: client.put(place, json={"status": status}))
        assert answer.status_code == 200, answer.text
        self.changes.append(change)


class Load:
    """Customers, agents and a steward at work, until `stop`."""

    def __init__(
        self, stack: Stack, tickets: Sequence[str], steward: Steward | None = None
    ) -> None:
        kinds = ("customer", "agent", "customer", "agent")
        run = f"{time.monotonic_ns():x}"
        self.writers = [Writer(f"{run}-{kind}-{n}", kind) for n, kind in enumerate(kinds)]
        self.tickets = tickets
        self.steward = steward
        self._stack = stack
        self._stopped = False

    @property
    def answered(self) -> int:
        return sum(len(each) for writer in self.writers for each in writer.answered.values())

    async def grow(self, by: int) -> None:
        """Return when so many more messages were answered."""
        enough = self.answered + by

        async def grown() -> bool:
            return self.answered >= enough

        await until(grown, _PATIENCE, f"{by} more messages answered")

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Work as long as the block lasts, then wait for the last answers."""
        async with self._stack.client() as client, asyncio.TaskGroup() as group:
            for number, writer in enumerate(self.writers):
                group.create_task(self._write_on(client, writer, number))
            if self.steward is not None:
                group.create_task(self._steer_on(client, self.steward))
            try:
                yield
            finally:
                self._stopped = True

    async def _write_on(self, client: httpx.AsyncClient, writer: Writer, first: int) -> None:
        while not self._stopped:
            await writer.write(client, self.tickets[(first + writer.count) % len(self.tickets)])
            await asyncio.sleep(0.01)

    async def _steer_on(self, client: httpx.AsyncClient, steward: Steward) -> None:
        while not self._stopped:
            await steward.change(client)
            await asyncio.sleep(0.05)
