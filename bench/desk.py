"""The support desk as callers use it: tickets opened, written into and steered over REST."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from psycopg import AsyncConnection

from bench.client.http import Http
from bench.errors import TookTooLong
from bench.house import House
from bench.timing import now, side_by_side

_LOOK_AGAIN = 0.01
_PATIENCE = 120.0
_BEHIND = "SELECT count(*) FROM threads WHERE handled_seq < last_seq"
_OPEN = "SELECT count(*) FROM threads WHERE open"
_STORED = "SELECT count(*) FROM tickets"
_MESSAGE = "I tried again this morning, and the payment page still stays blank after I log in."


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

    async def until_handled(self) -> None:
        """Return when every workflow has looked at all that was written: handled_seq = last_seq."""
        patient_until = now() + _PATIENCE
        while behind := await self._count(_BEHIND):
            if now() > patient_until:
                raise TookTooLong(f"{behind} threads were not handled within {_PATIENCE:.0f} s")
            await asyncio.sleep(_LOOK_AGAIN)

    async def tickets_open(self) -> int:
        return await self._count(_OPEN)

    async def tickets_stored(self) -> int:
        return await self._count(_STORED)

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
