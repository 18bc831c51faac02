"""Files: what is known of them, who may read them, and when they are forgotten.

A row is written before the first byte is, and deleted after the last one was: bytes of which
nobody knows cannot be left behind, whatever dies in between. `store.blobs` has the bytes,
`store.attachment_uses` the messages in which a file stands.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errands import ErrandKind
from domain.errors import AttachmentNotFound
from domain.files import AttachmentState, Origin, clean_name, name_by_type, reference
from domain.ids import attachment_id_text, new_id
from domain.models import Visibility
from domain.names import WHISPERS_CHANNEL
from store import errands, threads
from store.blobs import new_key
from store.errand_tables import AttachmentUse, StoredAttachment, StoredErrand
from store.tables import Conversation, Ticket

_UNUSED_FOR = timedelta(hours=24)
"""So long an upload waits for the message that it belongs to."""
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks for files. `everywhere`: staff and back ends, who see every thread."""

    key: str
    """A `Principal.key`."""
    everywhere: bool = False
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Unwanted:
    """Bytes to be deleted, and then the row: `forget`."""

    id: UUID
    key: str


async def expect(session: AsyncSession, uploaded_by: str) -> str:
    """The key for a file whose bytes are about to come. Commit before the first is stored."""
    key = new_key()
    session.add(
        StoredAttachment(
            id=new_id(),
            key=key,
            name="",
            content_type="",
            state=AttachmentState.ARRIVING,
            uploaded_by=uploaded_by,
            created_at=func.clock_timestamp(),
        )
    )
    await session.flush()
    return key


async def keep(
    session: AsyncSession,
    *,
    key: str,
    name: str,
    content_type: str,
    size: int,
    sha256: bytes,
    uploaded_by: str | None,
) -> StoredAttachment:
    """Note a file whose bytes are stored under `key`, expected or not."""
    known = {
        "name": clean_name(name),
        "content_type": content_type,
        "size": size,
        "sha256": sha256,
        "state": AttachmentState.STORED,
        "uploaded_by": uploaded_by,
    }
    written = (
        insert(StoredAttachment)
        .values(id=new_id(), key=key, created_at=func.clock_timestamp(), **known)
        .on_conflict_do_update(index_elements=[StoredAttachment.key], set_=known)
        .returning(StoredAttachment)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(written)).scalar_one()


async def await_file(
    session: AsyncSession, name: str, content_type: str, origin: Origin
) -> dict[str, Any]:
    """Have a file fetched from where it is. Returns it as it goes into the `attachments` of the
    message that is appended in this same transaction."""
    attachment_id, name = new_id(), clean_name(name or name_by_type(content_type))
    session.add(
        StoredAttachment(
            id=attachment_id,
            key=new_key(),
            name=name,
            content_type=content_type,
            state=AttachmentState.AWAITED,
            origin=origin.model_dump(mode="json"),
            created_at=func.clock_timestamp(),
        )
    )
    await session.flush()
    await errands.add(session, ErrandKind.FETCH, attachment_id)
    return reference(attachment_id_text(attachment_id), name, content_type)


async def get(session: AsyncSession, attachment_id: UUID) -> StoredAttachment | None:
    """For those who have seen to it that it may be read; None also for one that is about to be
    deleted."""
    return await session.scalar(
        select(StoredAttachment).where(
            StoredAttachment.id == attachment_id,
            StoredAttachment.state.not_in((AttachmentState.ARRIVING, AttachmentState.UNWANTED)),
        )
    )


async def unwanted(session: AsyncSession, attachment_id: UUID) -> Unwanted | None:
    """One that is about to be deleted."""
    row = await session.get(StoredAttachment, attachment_id)
    if row is None or row.state != AttachmentState.UNWANTED:
        return None
    return Unwanted(row.id, row.key)


async def find(session: AsyncSession, attachment_id: UUID, reader: Reader) -> StoredAttachment:
    """Raises AttachmentNotFound, also for one that the reader may not have."""
    found = await readable(session, [attachment_id], reader)
    if not found:
        raise AttachmentNotFound
    return found[0]


async def readable(
    session: AsyncSession, attachment_ids: Collection[UUID], reader: Reader
) -> Sequence[StoredAttachment]:
    """Those of these that the reader may have: own uploads, and what stands in a message that
    the reader may read."""
    query = select(StoredAttachment).where(
        StoredAttachment.id.in_(attachment_ids),
        StoredAttachment.state.not_in((AttachmentState.ARRIVING, AttachmentState.UNWANTED)),
        (StoredAttachment.uploaded_by == reader.key) | _stands_before(reader),
    )
    return (await session.scalars(query)).all()


async def fetched(
    session: AsyncSession, attachment_id: UUID, *, content_type: str, size: int, sha256: bytes
) -> None:
    """The bytes of a file that was awaited are there; the messages in which it stands say so."""
    await _settle(
        session,
        attachment_id,
        {"state": AttachmentState.STORED, "content_type": content_type, "size": size}
        | {"sha256": sha256},
        {"content_type": content_type, "size": size},
    )


async def refuse(session: AsyncSession, attachment_id: UUID, sentence: str) -> None:
    """A file that was awaited will not come; the messages in which it stands say why."""
    await _settle(
        session,
        attachment_id,
        {"state": AttachmentState.REFUSED, "error": sentence},
        {"error": sentence},
    )


async def forget_unused(session: AsyncSession) -> list[Unwanted]:
    """Give up uploads that stand in no message after a day. Returns some of those whose bytes
    are to be deleted after the commit, earlier ones included."""
    await session.execute(_GIVE_UP, {"unused_for": _UNUSED_FOR, "limit": _BATCH})
    query = select(StoredAttachment.id, StoredAttachment.key).where(
        StoredAttachment.state == AttachmentState.UNWANTED,
        ~StoredAttachment.used,
        ~_BEING_FETCHED,
    )
    rows = await session.execute(query.order_by(StoredAttachment.created_at).limit(_BATCH))
    return [Unwanted(row.id, row.key) for row in rows]


async def delete_of_threads(session: AsyncSession, thread_ids: Collection[UUID]) -> list[Unwanted]:
    """Take the files out of these threads. Those that stand nowhere else can be read by nobody
    from then on; their bytes are deleted by housekeeping, or by the caller after the commit."""
    rows = await session.execute(_TAKE_OUT, {"thread_ids": list(thread_ids)})
    return [Unwanted(row.id, row.key) for row in rows]


async def delete_of_uploader(session: AsyncSession, uploaded_by: str) -> list[Unwanted]:
    """The same for what somebody has uploaded and never sent. What is still arriving is left to
    whoever takes it in."""
    rows = await session.execute(_TAKE_BACK, {"uploaded_by": uploaded_by})
    return [Unwanted(row.id, row.key) for row in rows]


async def forget_key(session: AsyncSession, key: str) -> None:
    """Delete the row of a file that was never kept, nor any more are its bytes."""
    await session.execute(
        delete(StoredAttachment).where(StoredAttachment.key == key, ~StoredAttachment.used)
    )


async def forget(session: AsyncSession, attachment_ids: Collection[UUID]) -> None:
    """Delete the rows of files whose bytes are deleted. Of one that is being fetched its bytes may
    come yet: it stays until its errand has ended."""
    rows = delete(StoredAttachment).where(StoredAttachment.id.in_(attachment_ids))
    await session.execute(rows.where(~_BEING_FETCHED))


def _stands_before(reader: Reader) -> Any:  # noqa: ANN401  an SQL expression
    uses = select(AttachmentUse.thread_id).where(AttachmentUse.attachment_id == StoredAttachment.id)
    if reader.everywhere:
        return uses.exists()
    public = (
        uses.outerjoin(Ticket, Ticket.id == AttachmentUse.thread_id)
        .outerjoin(Conversation, Conversation.id == AttachmentUse.thread_id)
        .where(
            AttachmentUse.visibility == Visibility.PUBLIC,
            func.coalesce(Ticket.customer_id, Conversation.customer_id) == reader.customer_id,
        )
    )
    return public.exists()


async def _settle(
    session: AsyncSession, attachment_id: UUID, values: dict[str, Any], told: dict[str, Any]
) -> None:
    uses = select(AttachmentUse.thread_id, AttachmentUse.seq).where(
        AttachmentUse.attachment_id == attachment_id
    )
    # In one order for all, so that two who lock the same threads never wait for each other.
    places = (await session.execute(uses.order_by(AttachmentUse.thread_id))).all()
    for thread_id in dict.fromkeys(place.thread_id for place in places):
        await threads.lock(session, thread_id)
    changed = await session.scalar(
        update(StoredAttachment)
        .where(
            StoredAttachment.id == attachment_id, StoredAttachment.state == AttachmentState.AWAITED
        )
        .values(**values)
        .returning(StoredAttachment.id)
    )
    if changed is None:
        return
    named = {"attachment_id": attachment_id_text(attachment_id), "told": told}
    for place in places:
        where = {"thread_id": place.thread_id, "seq": place.seq}
        await session.execute(_TELL_IN_MESSAGE, named | where)
        await threads.touch(session, place.thread_id)
        await session.execute(_WHISPER, where)


_BEING_FETCHED = (
    select(StoredErrand.id)
    .where(StoredErrand.kind == ErrandKind.FETCH, StoredErrand.id == StoredAttachment.id)
    .exists()
)
# The name may say who it was.
_BLANK = "state = 'unwanted', used = false, name = '', origin = NULL, uploaded_by = NULL"
_GIVE_UP = text(
    f"""
    UPDATE attachments SET {_BLANK}
    WHERE id IN (
        SELECT id FROM attachments
        WHERE NOT used AND state <> 'unwanted' AND created_at < clock_timestamp() - :unused_for
        ORDER BY created_at LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    """  # noqa: S608  fixed words
)
_TAKE_OUT = text(
    f"""
    WITH uses AS (
        DELETE FROM attachment_uses WHERE thread_id = ANY(:thread_ids) RETURNING attachment_id
    )
    UPDATE attachments SET {_BLANK}
    WHERE id IN (SELECT attachment_id FROM uses) AND NOT EXISTS (
        SELECT FROM attachment_uses
        WHERE attachment_id = attachments.id AND thread_id <> ALL(:thread_ids)
    )
    RETURNING id, key
    """  # noqa: S608  fixed words
)
_TAKE_BACK = text(
    f"""
    UPDATE attachments SET {_BLANK}
    WHERE uploaded_by = :uploaded_by AND NOT used AND state NOT IN ('unwanted', 'arriving')
    RETURNING id, key
    """  # noqa: S608  fixed words
)
_TELL_IN_MESSAGE = text(
    """
    UPDATE messages SET attachments = (
        SELECT coalesce(jsonb_agg(
            CASE WHEN file.value ->> 'id' = :attachment_id THEN file.value || :told
                ELSE file.value END
            ORDER BY file.ordinality
        ), '[]')
        FROM jsonb_array_elements(attachments) WITH ORDINALITY AS file
    )
    WHERE thread_id = :thread_id AND seq = :seq
    """
).bindparams(bindparam("told", type_=JSONB))
_WHISPER = text(
    """
    SELECT pg_notify(:channel, concat_ws(' ', kind, id, 'attachment', 'staff', :seq, '-'))
    FROM threads WHERE id = :thread_id
    """
).bindparams(channel=WHISPERS_CHANNEL)
