"""What has changed since a moment: tickets in the order of their revisions.

Why a moment and not a number: see `store.feed`. Two moments enclose a window, and every ticket
whose last change lies in a window is in exactly one window of a row of them, however late its
transaction was committed. A ticket that changes again leaves its window for a later one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from store import tickets
from store.tables import Thread
from store.tickets import TicketRow


@dataclass(frozen=True, slots=True)
class Moment:
    """Which transactions had ended: all before `end` but those in `running`, as in PostgreSQL's
    own snapshots (`pg_current_snapshot()`)."""

    end: int
    running: frozenset[int] = frozenset()

    @property
    def start(self) -> int:
        """The first transaction that had not ended."""
        return min(self.running, default=self.end)

    @property
    def horizon(self) -> int:
        """The newest revision up to which nothing was still to come."""
        return self.start - 1

    @classmethod
    def after(cls, revision: int) -> "Moment":
        """The moment at which exactly all up to `revision` had ended."""
        return cls(revision + 1)

    def seen_up_to(self, revision: int, until: "Moment") -> "Moment":
        """The moment of one who had this one, and on the way to `until` came to `revision`."""
        end = max(self.end, revision + 1)
        unread = {each for each in self.running if each > revision}
        return Moment(end, frozenset(unread | {each for each in until.running if each < end}))


@dataclass(frozen=True, slots=True)
class Window:
    """Tickets in the order of their revisions. All up to `until` are there."""

    rows: list[TicketRow]
    until: Moment
    more: bool
    """Not all that was asked for is here: go on from `until`."""


async def moment_now(session: AsyncSession) -> Moment:
    """The moment of this very statement: what was committed before is before it."""
    start, end, running = (await session.scalars(_SNAPSHOT)).one().split(":")
    ids = frozenset(int(each) for each in running.split(",")) if running else frozenset()
    # `start` is that of `running`, but for the rare transactions that snapshots do not list.
    return Moment(int(end), ids | ({int(start)} if start != end else frozenset()))


async def changed_between(
    session: AsyncSession, since: Moment, until: Moment, limit: int
) -> Window:
    """The first changes after `since` and up to `until`.

    About `limit` of them: all tickets that one transaction changed come together.
    """
    query = (
        tickets.rows()
        .where(*_between(since, until))
        .order_by(Thread.revision)
        .fetch(limit, with_ties=True)
    )
    rows = [TicketRow(*row) for row in await session.execute(query)]
    if len(rows) < limit:
        return Window(rows, until, more=False)
    return Window(rows, since.seen_up_to(rows[-1].thread.revision, until), more=True)


async def heads(session: AsyncSession, thread_ids: Collection[UUID]) -> dict[UUID, int]:
    """How far each of these logs is written."""
    query = select(Thread.id, Thread.last_seq).where(Thread.id.in_(thread_ids))
    return {row.id: row.last_seq for row in await session.execute(query)}


def _between(since: Moment, until: Moment) -> list[ColumnElement[bool]]:
    # The upper bound also leaves out revisions of another cluster, from which this database may
    # have been restored: they can lie in the future of this one.
    conditions: list[ColumnElement[bool]] = [
        Thread.revision >= since.start,
        Thread.revision < until.end,
    ]
    if since.running:
        late: Any = Thread.revision.in_(since.running)
        conditions.append(or_(Thread.revision >= since.end, late))
    if until.running:
        conditions.append(Thread.revision.not_in(until.running))
    return conditions


_SNAPSHOT = text("SELECT pg_current_snapshot()::text")
