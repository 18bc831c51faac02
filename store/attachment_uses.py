"""In which messages a file stands: written by whoever appends one, see `store.threads.append`."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import AttachmentNotFound
from domain.ids import parse_attachment_id
from domain.models import Visibility


def ids_in(attachments: Iterable[Mapping[str, Any]]) -> list[UUID]:
    """Those of ours among a message's `attachments`; files elsewhere have none."""
    found = []
    for each in attachments:
        try:
            found.append(parse_attachment_id(str(each.get("id"))))
        except AttachmentNotFound:
            continue
    return list(dict.fromkeys(found))


async def use(
    session: AsyncSession,
    thread_id: UUID,
    seq: int,
    visibility: Visibility,
    attachments: Iterable[Mapping[str, Any]],
) -> None:
    """Note that these files stand in a message. What is none of ours, or unknown, is passed over.

    From then on housekeeping leaves them alone, and who may read the message may read them.
    """
    ids = ids_in(attachments)
    if ids:
        used = {"ids": ids, "thread_id": thread_id, "seq": seq, "visibility": visibility}
        await session.execute(_USE, used)


# One that is unwanted is no more: its bytes may be gone already.
_USE = text(
    """
    WITH used AS (
        UPDATE attachments SET used = true
        WHERE id = ANY(:ids) AND state <> 'unwanted'
        RETURNING id
    )
    INSERT INTO attachment_uses (attachment_id, thread_id, seq, visibility)
    SELECT id, :thread_id, :seq, :visibility FROM used
    ON CONFLICT DO NOTHING
    """
)
