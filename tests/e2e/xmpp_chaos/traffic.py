"""Five people and the agent who answers them, who go on whatever happens around them."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import httpx
from slixmpp.exceptions import XMPPError

from bridge.account import Account
from tests.bridge.xmpp_user import XmppUser
from tests.e2e.load import persist
from tests.e2e.stack import Stack, until

OFFLINE = (XMPPError, TimeoutError, OSError)
"""What a person's client may see of a server that ends."""
_LOOK_AGAIN = 0.1
_TICKET = """
SELECT t.id FROM tickets t JOIN customer_identities i USING (customer_id) WHERE i.identity = %s
"""


class Pace:
    """So many turns a second; those that were missed are made up for."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        clock = asyncio.get_running_loop().time
        self._clock = clock
        self._next = clock() + random.uniform(0, self._gap)

    async def turn(self) -> None:
        await asyncio.sleep(max(0.0, self._next - self._clock()))
        self._next += self._gap


@dataclass
class Person:
    """Somebody who writes to support, and logs in again whenever the server has gone."""

    account: Account
    support: str
    tried: int = 0
    ticket_id: str | None = None
    answers: list[str] = field(default_factory=list)
    """What the API has promised to send them, in order."""

    @property
    def name(self) -> str:
        return self.account.bare_jid.partition("@")[0]

    async def begin(self, stack: Stack) -> None:
        """Write for the first time, and learn the ticket that this opens."""
        async with XmppUser.online(self.account) as user, stack.database() as database:
            user.say(self.support, f"{self.name} says hello")

            async def opened() -> bool:
                found = await database.execute(_TICKET, [self.account.bare_jid])
                row = await found.fetchone()
                self.ticket_id = str(row["id"]) if row else None
                return row is not None

            await until(opened, 30, f"a ticket for {self.name}")

    async def write_on(self, stopped: asyncio.Event, per_second: float) -> None:
        pace = Pace(per_second)
        while not stopped.is_set():
            with suppress(*OFFLINE):
                async with XmppUser.online(self.account) as user:
                    while user.connected and not stopped.is_set():
                        user.say(self.support, f"{self.name} says {self.tried}")
                        self.tried += 1
                        await pace.turn()
                    # What was written last has to leave before the client does.
                    await user.ping()
            await asyncio.sleep(_LOOK_AGAIN)

    async def be_answered(
        self, client: httpx.AsyncClient, stopped: asyncio.Event, per_second: float
    ) -> None:
        pace = Pace(per_second)
        while not stopped.is_set():
            text = f"{self.name} is told {len(self.answers)}"
            answer = await persist(partial(self._answer, client, text))
            assert answer.status_code == 200, answer.text
            self.answers.append(text)
            await pace.turn()

    async def _answer(self, client: httpx.AsyncClient, text: str) -> httpx.Response:
        return await client.post(
            f"/api/tickets/{self.ticket_id}/message",
            json={"content": text},
            headers={"Idempotency-Key": text.replace(" ", "-")},
        )


@asynccontextmanager
async def busy(stack: Stack, people: list[Person], per_second: float) -> AsyncIterator[None]:
    """So many messages a second in each direction, as long as the block lasts; then wait for the
    last answers."""
    each = per_second / len(people)
    stopped = asyncio.Event()
    token = await asyncio.to_thread(stack.token, "agent", "ann")
    async with stack.client(token) as client, asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(person.write_on(stopped, each))
            group.create_task(person.be_answered(client, stopped, each))
        try:
            yield
        finally:
            stopped.set()
