"""The support desk as callers use it: tickets opened, written into and steered over REST."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count

from psycopg import AsyncConnection

from bench.client.http import Http
from bench.errors import TookTooLong
from bench.house import House
from bench.timing import Call, as_many_as_possible, now, side_by_side

_LOOK_AGAIN = 0.01
_PATIENCE = 120.0
_BEHIND = "SELECT count(*) FROM threads WHERE handled_seq < last_seq"
_UNSENT = "SELECT count(*) FROM deliveries WHERE state = 'pending'"
_OPEN = "SELECT count(*) FROM threads WHERE open"
_STORED = "SELECT count(*) FROM tickets"
_MESSAGE = "I tried again this morning, and the payment page still stays blank after I log in."


@dataclass(frozen=True, slots=True)
class Throughput:
    """What many callers got done, and how long the workflows needed after the last answer."""

    made: int
    calling: float
    catching_up: float

    @property
    def a_second(self) -> float:
        return self.made / (self.calling + self.catching_up)

    def __str__(self) -> str:
        return f"{self.made / self.calling:.0f}/s answered, then {self.catching_up:.1f} s behind"


def median_of(rounds: Sequence[Throughput]) -> Throughput:
    """The round in the middle, as one that has happened."""
    return sorted(rounds, key=lambda each: each.a_second)[(len(rounds) - 1) // 2]


class Desk:
    """Writes through the API, and reads from the database alone whether it was handled."""

    def __init__(self, http: Http, database: AsyncConnection, callers: int) -> None:
        self.http = http
        self._database = database
        self._callers = callers
        self._people = count()

    async def open_ticket(self) -> str:
        """A ticket of a new customer; returns its id, `tkt_…`."""
        person = next(self._people)
        body = {
            "source": {"channel": "web"},
            "customer": {"name": "Ada", "primary_email": f"ada-{person}@bench.example"},
            "subject": "Cannot check out",
            "initial_message": _MESSAGE,
            "priority": "high",
        }
        ticket_id: str = (await self.http.post("/api/tickets/create", body)).json()["ticket_id"]
        return ticket_id

    async def open_tickets(self, number: int) -> list[str]:
        """So many tickets, whose workflows have handled them."""
        ticket_ids: list[str] = []

        async def open_one(_: int) -> None:
            ticket_ids.append(await self.open_ticket())

        await side_by_side(self._callers, number, open_one)
        await self.until_handled()
        return ticket_ids

    async def write(self, ticket_id: str, content: str = _MESSAGE, *, by: str = "customer") -> None:
        """A customer's message moves no status here, an agent's and a customer's in turn do."""
        body = {"content": content, "sender_type": by}
        await self.http.post(f"/api/tickets/{ticket_id}/message", body)

    async def set_status(self, ticket_id: str, status: str) -> None:
        await self.http.put(f"/api/tickets/{ticket_id}", {"status": status})

    async def handled(self, seconds: float, call: Call) -> Throughput:
        """Have the callers call for so long, and wait until all of it is handled."""
        made, calling = await as_many_as_possible(self._callers, seconds, call)
        answered = now()
        await self.until_handled()
        return Throughput(made, calling, now() - answered)

    async def until_handled(self) -> None:
        """Return when every workflow has looked at all that was written: handled_seq = last_seq."""
        await self._until_none(_BEHIND, "threads were not handled")

    async def until_sent(self) -> None:
        """Return when no reply is on its way to an outside address any more."""
        await self._until_none(_UNSENT, "replies were not sent")

    async def tickets_open(self) -> int:
        return await self._count(_OPEN)

    async def tickets_stored(self) -> int:
        return await self._count(_STORED)

    async def _until_none(self, query: str, what: str) -> None:
        patient_until = now() + _PATIENCE
        while left := await self._count(query):
            if now() > patient_until:
                raise TookTooLong(f"{left} {what} within {_PATIENCE:.0f} s")
            await asyncio.sleep(_LOOK_AGAIN)

    async def _count(self, query: str) -> int:
        row = await (await self._database.execute(query)).fetchone()
        assert row is not None
        return int(row[0])


@asynccontextmanager
async def open_desk(house: House, url: str, callers: int) -> AsyncIterator[Desk]:
    """At one of the house's API processes, for so many callers at once."""
    http = Http(url, {"Authorization": f"Bearer {house.admin_key}"})
    try:
        async with await AsyncConnection.connect(house.database_url, autocommit=True) as database:
            yield Desk(http, database, callers)
    finally:
        http.close()
