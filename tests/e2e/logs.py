"""What PostgreSQL holds in the end, and what must be true of it whatever has happened."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from domain.ids import parse_ticket_ref
from domain.models import TicketStatus, Visibility
from domain.ticket_rules import Trigger, next_status
from tests.e2e.load import Writer
from tests.e2e.stack import Connection, Stack, until


@dataclass(frozen=True)
class Entry:
    seq: int
    author: str
    visibility: str
    content: str
    event: dict[str, Any] | None


@dataclass(frozen=True)
class Log:
    """One thread with its ticket's status."""

    last_seq: int
    handled_seq: int
    status: str
    entries: Sequence[Entry]

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        return [e.event for e in self.entries if e.event and e.event["type"] in kinds]

    @property
    def moves(self) -> list[tuple[str, str]]:
        """From which status to which, as the events tell."""
        return [(each["before"], each["after"]) for each in self.events("status_changed")]

    @property
    def moves_by_messages(self) -> list[tuple[str, str]]:
        """The same, as the rules say of the messages when each is handled once and in order."""
        return list(_moves(self.entries))


def _moves(entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    triggers = {"customer": Trigger.CUSTOMER_WROTE, "agent": Trigger.AGENT_REPLIED}
    status = TicketStatus.NEW
    for entry in entries:
        if entry.author in triggers and entry.visibility == Visibility.PUBLIC:
            before, status = status, next_status(status, triggers[entry.author])
            if before is not status:
                yield before, status


async def read(connection: Connection, ticket_ids: Sequence[str]) -> dict[str, Log]:
    """The logs of these tickets."""
    ids = {ticket_id: cast("UUID", parse_ticket_ref(ticket_id)) for ticket_id in ticket_ids}
    heads = await connection.execute(
        "SELECT id, last_seq, handled_seq, status FROM threads JOIN tickets USING (id)"
        " WHERE id = ANY(%s)",
        [list(ids.values())],
    )
    head_of = {row["id"]: row for row in await heads.fetchall()}
    rows = await connection.execute(
        "SELECT thread_id, seq, author, visibility, content, event FROM messages"
        " WHERE thread_id = ANY(%s) ORDER BY thread_id, seq",
        [list(ids.values())],
    )
    entries: defaultdict[object, list[Entry]] = defaultdict(list)
    for row in await rows.fetchall():
        entries[row.pop("thread_id")].append(Entry(**row))
    return {
        ticket_id: Log(
            entries=entries[id_],
            **{key: value for key, value in head_of[id_].items() if key != "id"},
        )
        for ticket_id, id_ in ids.items()
    }


async def until_handled(stack: Stack, within: float) -> float:
    """Wait until no thread has an unhandled entry; returns the seconds that took."""
    async with stack.database() as connection:

        async def handled() -> bool:
            behind = await connection.execute(
                "SELECT count(*) AS n FROM threads WHERE handled_seq < last_seq"
            )
            row = await behind.fetchone()
            return row is not None and row["n"] == 0

        return await until(handled, within, "everything handled")


def check_whole(log: Log) -> None:
    """Gapless, all handled, and its status changes form one chain that ends where it stands."""
    assert [entry.seq for entry in log.entries] == list(range(1, log.last_seq + 1))
    assert log.handled_seq == log.last_seq
    before = str(TicketStatus.NEW)
    for event in log.events("status_changed"):
        assert event["before"] == before
        before = event["after"]
    assert before == log.status


def check_kept(log: Log, ticket_id: str, writers: Sequence[Writer]) -> None:
    """All that was answered stands in the log once, in each writer's order, and nothing else."""
    said = [entry.content for entry in log.entries if entry.author in ("customer", "agent")]
    for writer in writers:
        theirs = [content for content in said if content.startswith(f"{writer.name}/")]
        assert theirs == writer.answered[ticket_id]
