"""Files in messages: what the caller may name, and how it stands in the log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.attachment_bodies import Attachment
from api.ownership import own_customer
from domain.errors import AttachmentNotFound, UnknownAttachment
from domain.files import AttachmentState, reference
from domain.ids import attachment_id_text, parse_attachment_id
from domain.principals import Principal, Scope
from store import attachments
from store.attachments import Reader


async def reader_of(session: AsyncSession, caller: Principal) -> Reader:
    if not caller.is_customer:
        return Reader(caller.key, everywhere=caller.is_staff or caller.has(Scope.TICKETS))
    own = await own_customer(session, caller)
    return Reader(caller.key, customer_id=own.id if own else None)


async def resolved(
    session: AsyncSession, caller: Principal, references: Sequence[Attachment]
) -> list[dict[str, Any]]:
    """Files as they stand in the log. Raises UnknownAttachment for one that is not stored, or
    that the caller may not read."""
    named = [_named_id(each.id) for each in references if each.id is not None]
    known: dict[UUID, dict[str, Any]] = {}
    if named:
        found = await attachments.readable(session, named, await reader_of(session, caller))
        known = {
            file.id: reference(attachment_id_text(file.id), file.name, file.content_type, file.size)
            for file in found
            if file.state == AttachmentState.STORED
        }
    if not known.keys() >= set(named):
        raise UnknownAttachment
    return [
        known[_named_id(each.id)]
        if each.id is not None
        else each.model_dump(mode="json", exclude={"id"})
        for each in references
    ]


def _named_id(text: str) -> UUID:
    try:
        return parse_attachment_id(text)
    except AttachmentNotFound:
        raise UnknownAttachment from None
