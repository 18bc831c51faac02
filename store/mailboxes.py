"""How far mailboxes were read. UIDs only grow, as long as a mailbox's validity is the same
(RFC 3501, 2.3.1.1)."""

from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from store.channel_tables import Mailbox


@dataclass(frozen=True, slots=True)
class MailboxPlace:
    uid_validity: int
    uid: int
    """Of the last mail that was looked at."""


async def place(session: AsyncSession, name: str) -> MailboxPlace | None:
    """None for a mailbox that was never read."""
    row = await session.get(Mailbox, name)
    return MailboxPlace(row.uid_validity, row.uid) if row else None


async def set_place(session: AsyncSession, name: str, reached: MailboxPlace) -> None:
    row = insert(Mailbox).values(name=name, uid_validity=reached.uid_validity, uid=reached.uid)
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[Mailbox.name],
            set_={"uid_validity": row.excluded.uid_validity, "uid": row.excluded.uid},
        )
    )
