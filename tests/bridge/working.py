"""A bridge that works: a real server, a real log, and what is told to the workflows noted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from bridge.account import Account
from bridge.archive_reader import ArchiveReader
from bridge.bridge import Bridge
from bridge.inbound import Inbound
from bridge.listener import Listener
from bridge.news import News
from bridge.outbound import XmppOutlet
from bridge.policy import Policy
from bridge.stream import Stream
from channels.files import FileMissing, OpenedFile
from domain.models import ThreadRef
from store import reading, tickets
from store.database import Database
from store.postgres_feed import PostgresFeed
from store.reading import Entry
from store.tables import Ticket
from store.tickets import TicketRow
from tests.bridge.waiting import until
from tests.store.writing import POLICY
from workflows.engine import Facts

_PART = 100_000


@dataclass
class Nudged:
    """Stands where the engine does, and only notes: what workflows do is tested elsewhere."""

    threads: list[ThreadRef] = field(default_factory=list)

    def nudge_soon(
        self, thread: ThreadRef, facts: Facts | None = None, *, at_once: bool = False
    ) -> None:
        self.threads.append(thread)


@dataclass
class Files:
    """A FileSource of what stands in it, by id."""

    contents: dict[str, bytes] = field(default_factory=dict)
    opened: int = 0

    async def open(self, attachment_id: str) -> OpenedFile:
        content = self.contents.get(attachment_id)
        if content is None:
            raise FileMissing
        self.opened += 1
        return OpenedFile("bild ü.png", "image/png", len(content), _in_parts(content))


async def _in_parts(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _PART):
        yield content[start : start + _PART]


class Desk:
    """What the log has of one account's people, and the parts of its bridge."""

    def __init__(self, database: Database, account: Account, policy: Policy | None = None) -> None:
        self.database = database
        self.account = account
        self.nudged = Nudged()
        self.files = Files()
        self.outlet = XmppOutlet(f"xmpp-{account.bare_jid}", self.files)
        policy = policy or Policy(account.bare_jid)
        self.news = News(database, PostgresFeed(database), self.outlet.name, policy)
        self.inbound = Inbound(
            database,
            self.nudged,  # type: ignore[arg-type]
            self.outlet.name,
            policy,
            POLICY,
        )
        self.listener = Listener(self.inbound, self.news)
        self.reader = ArchiveReader(database, account.bare_jid, self.listener)
        self.bridge = Bridge(lambda: Stream.open(account), self.listener, self.reader, self.outlet)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Connected as long as the block lasts."""
        task = asyncio.create_task(self.bridge.run())
        try:
            await until(lambda: self.bridge.is_listening or task.done())
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def tickets(self) -> list[TicketRow]:
        """The oldest first."""
        async with self.database.begin() as session:
            return [TicketRow(*row) for row in await session.execute(_IN_ORDER)]

    async def said(self, *, of: int = 0) -> list[Entry]:
        """What people said in the ticket with that place in the list."""
        known = await self.tickets()
        if len(known) <= of:
            return []
        async with self.database.begin() as session:
            return await reading.entries(
                session, known[of].ticket.id, after_seq=0, limit=1000, private=True, events=False
            )

    async def texts(self, *, of: int = 0) -> list[str]:
        return [entry.content for entry in await self.said(of=of)]

    async def until_said(self, *texts: str, of: int = 0) -> None:
        """Return when exactly this stands in the log, in this order."""
        async with asyncio.timeout(15):
            while await self.texts(of=of) != list(texts):
                await asyncio.sleep(0.02)


_IN_ORDER = tickets.rows().order_by(Ticket.number)
