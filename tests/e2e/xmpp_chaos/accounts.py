"""What the server's archives, the log and the outbox say of one person's conversation."""

from collections import Counter
from dataclasses import dataclass

from bridge import archive
from bridge.account import Account
from bridge.stanzas import Said
from bridge.stream import Stream
from tests.e2e.stack import Connection

_CUSTOMER = "customer"
_AGENT = "agent"


@dataclass(frozen=True)
class Archive:
    """What one account's archive holds of its conversation with somebody, oldest first."""

    sent: list[str]
    got: list[str]

    @classmethod
    async def of(cls, stream: Stream, with_jid: str) -> "Archive":
        sent: list[str] = []
        got: list[str] = []
        after, complete = None, False
        while not complete:
            page = await archive.page(stream, after, with_jid=with_jid)
            for each in page.items:
                if isinstance(each.stanza, Said):
                    (sent if each.outgoing else got).append(each.stanza.body)
            after, complete = page.last, page.complete or not page.items
        return cls(sent, got)


def auditor(account: Account, port: int) -> Account:
    """The account by another resource, so that nobody who works with it is thrown out."""
    return Account(
        bare_jid=account.bare_jid,
        password=account.password,
        host=account.host,
        port=port,
        tls=account.tls,
        resource="auditor",
    )


@dataclass(frozen=True)
class Log:
    """What stands in a person's tickets, in order."""

    heard: list[str]
    replied: list[str]

    @classmethod
    async def of(cls, database: Connection, jid: str) -> "Log":
        rows = await database.execute(
            """
            SELECT m.author, m.content FROM messages m
            JOIN tickets t ON t.id = m.thread_id
            JOIN customer_identities i ON i.customer_id = t.customer_id
            WHERE i.identity = %s AND m.event IS NULL ORDER BY t.number, m.seq
            """,
            [jid],
        )
        said = [(row["author"], row["content"]) for row in await rows.fetchall()]
        return cls(
            [content for author, content in said if author == _CUSTOMER],
            [content for author, content in said if author == _AGENT],
        )


async def unsent(database: Connection) -> dict[str, int]:
    """How many replies are still on their way, or will never arrive, by state."""
    rows = await database.execute(
        "SELECT state, count(*) AS n FROM deliveries "
        "WHERE state NOT IN ('sent', 'delivered', 'read') GROUP BY state"
    )
    return {row["state"]: row["n"] for row in await rows.fetchall()}


def difference(wanted: list[str], found: list[str]) -> str:
    """In words; empty when they are the same."""
    if wanted == found:
        return ""
    missing = [each for each in wanted if each not in found]
    more = Counter(found) - Counter(wanted)
    if missing or more:
        return f"{len(missing)} missing: {missing[:5]}, too many: {more.most_common(5)}"
    at = next(n for n, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1])
    return f"order, from {at} on: {wanted[at : at + 5]} came as {found[at : at + 5]}"
