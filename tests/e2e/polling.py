"""The client of seed 000, as the document tells it: it counts messages to find the new ones."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

WEBHOOKS = "/api/v1/webhooks/xmpp"


class PollingClient:
    """Brings what one person writes, and keeps in a file how much of the answers it has brought.

    `interval` is in seconds; the document polls every three.
    """

    def __init__(
        self, client: httpx.AsyncClient, jid: str, folder: Path, interval: float = 3.0
    ) -> None:
        self._client = client
        self._jid = jid
        self._counts = folder / f"{jid.replace('/', '_')}.json"
        self._interval = interval
        self._polling: asyncio.Task[None] | None = None
        self.delivered: list[str] = []
        """What this process has sent to the user over XMPP."""

    async def hear(self, text: str) -> str:
        """The user writes: bring it, and watch the ticket. Returns the ticket's id."""
        answer = await self._client.post(
            f"{WEBHOOKS}/incoming",
            json={
                "from_jid": self._jid,
                "to_jid": "support@domain.com",
                "body": text,
                "message_type": "chat",
                "thread_id": None,
                "timestamp": "2024-01-15T10:00:00Z",
            },
        )
        assert answer.status_code == 200, answer.text
        self.watch()
        return str(answer.json()["ticket_id"])

    def watch(self) -> None:
        """Start the polling thread of this user, if it does not run."""
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())

    @property
    def watching(self) -> bool:
        return self._polling is not None and not self._polling.done()

    async def stopped(self) -> None:
        """Wait until the polling has ended by itself; raises what made it fail."""
        assert self._polling is not None
        await self._polling

    async def kill(self) -> None:
        """The process ends, wherever it is between two polls."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    async def _poll(self) -> None:
        while True:
            ticket = await self._active_ticket()
            if ticket is None:
                return
            await self._bring(ticket["ticket_id"])
            if ticket["status"] in ("RESOLVED", "CLOSED"):
                return
            await asyncio.sleep(self._interval)

    async def _active_ticket(self) -> dict[str, Any] | None:
        place = quote(self._jid, safe="")
        answer = await self._client.get(f"{WEBHOOKS}/user/{place}/active-ticket")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        ticket: dict[str, Any] | None = answer.json()
        return ticket

    async def _bring(self, ticket_id: str) -> None:
        answer = await self._client.get(
            f"{WEBHOOKS}/tickets/{ticket_id}/messages", params={"limit": 20}
        )
        assert answer.status_code == 200, answer.text
        messages = answer.json()
        counts = self._load()
        for message in messages[counts.get(ticket_id, 0) :]:
            if not message["is_customer"]:
                self.delivered.append(message["content"])
        # No await between the two: it is killed before both or after both.
        self._counts.write_text(json.dumps(counts | {ticket_id: len(messages)}))

    def _load(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        if self._counts.exists():
            counts = json.loads(self._counts.read_text())
        return counts
