"""Files: uploads, which a message names afterwards, and downloads.

What people send is never shown by a browser as a page of ours: it comes as a download, in a sandbox
without an origin, and with the type that its own bytes have.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Header, Path, Request, Response
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse

from api.access import Caller, allow
from api.attachment_bodies import ADDRESS
from api.attachment_references import reader_of
from api.errors import describe
from api.idempotency import Attempt, KeyHeader
from api.routes import Routes
from api.services import ServicesDep
from api.upload_forms import FIELD, FileInForm
from domain.errors import (
    AttachmentIsRefused,
    AttachmentNotFound,
    AttachmentNotReady,
    FilesUnavailable,
    IdempotencyKeyReused,
    InvalidRequest,
    PayloadTooLarge,
)
from domain.files import MAX_FILE, TEXT_TYPE, AttachmentState, clean_name
from domain.ids import attachment_id_text, parse_attachment_id
from domain.principals import Principal, Role, Scope
from store import attachments
from store.errand_tables import StoredAttachment
from store.files import drop, take_in

WRITERS = allow(Role.CUSTOMER, Role.VISITOR, Role.AGENT, Role.ADMIN, Scope.TICKETS)

_FORM = 64 * 1024
"""Bytes that may stand around the file."""
_PATIENCE = 300.0
"""Seconds for an upload: 25 MB at 90 KB a second."""
_POLICY = "sandbox; default-src 'none'"

router = Routes(
    prefix="/api/attachments",
    tags=["Attachments"],
    max_body=MAX_FILE + _FORM,
    patience=_PATIENCE,
)


class UploadedFile(BaseModel):
    id: str
    url: str
    name: str
    content_type: str = Field(description="As its bytes say.")
    size: int
    sha256: str


async def _attachment_id(
    attachment_id: Annotated[str, Path(description="`att_…`")],
) -> UUID:
    return parse_attachment_id(attachment_id)


_MULTIPART: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {
                            "type": "string",
                            "format": "binary",
                            "description": "At most 25 MB.",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=201,
    response_model=UploadedFile,
    dependencies=[WRITERS],
    responses=describe(PayloadTooLarge, FilesUnavailable, IdempotencyKeyReused),
    openapi_extra=_MULTIPART,
)
async def upload(
    request: Request, caller: Caller, services: ServicesDep, idempotency_key: KeyHeader = None
) -> Response:
    """Upload a file; a message can name it by its `id`, for a day. Its type is what its bytes are,
    whatever the form says, and a type that browsers would run is `application/octet-stream`."""
    await services.count_message(caller)
    form = FileInForm(request.headers.get("content-type", ""))
    with services.uploads.take(caller.key, by_customer=caller.is_customer):
        received = await take_in(
            services.database, services.blobs, form.read(_sent(request)), uploaded_by=caller.key
        )
    once = _attempt(caller, idempotency_key, form.name, received.look.sha256)
    kept = False
    try:
        async with services.database.begin() as session:
            if answer := await once.answered(session):
                return answer
            stored = await received.keep(session, form.name)
            response = await once.answer(session, 201, _view(stored))
            kept = True
        return response
    finally:
        if not kept:
            await drop(services.database, services.blobs, received)


@router.get(
    "/{attachment_id}",
    dependencies=[WRITERS],
    response_class=Response,
    responses={
        200: {
            "description": "The file, as a download.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "The file is the one that If-None-Match names."},
        **describe(AttachmentNotFound, AttachmentNotReady, AttachmentIsRefused, FilesUnavailable),
    },
)
async def download(
    attachment_id: Annotated[UUID, Depends(_attachment_id)],
    caller: Caller,
    services: ServicesDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """A file that the caller has uploaded, or that stands in a message that the caller may read."""
    async with services.database.begin() as session:
        file = await attachments.find(session, attachment_id, await reader_of(session, caller))
    if file.state == AttachmentState.AWAITED:
        raise AttachmentNotReady
    if file.state == AttachmentState.REFUSED:
        raise AttachmentIsRefused(file.error)
    headers = _headers(file)
    if if_none_match is not None and _names(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        chunks = await services.blobs.get(file.key)
    except FileNotFoundError:
        raise AttachmentNotFound from None
    return StreamingResponse(
        chunks, media_type=_served_type(file), headers=headers | {"Content-Length": str(file.size)}
    )


async def _sent(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        raise InvalidRequest("The upload broke off.") from None


def _attempt(caller: Principal, key: str | None, name: str, sha256: bytes) -> Attempt:
    said = f"POST {ADDRESS}\n{clean_name(name)}\n".encode() + sha256
    return Attempt(caller.key, key, hashlib.sha256(said).digest())


def _view(file: StoredAttachment) -> UploadedFile:
    if file.size is None or file.sha256 is None:
        raise RuntimeError("a file was stored of which neither size nor hash is known")
    shown_id = attachment_id_text(file.id)
    return UploadedFile(
        id=shown_id,
        url=f"{ADDRESS}{shown_id}",
        name=file.name,
        content_type=file.content_type,
        size=file.size,
        sha256=file.sha256.hex(),
    )


def _headers(file: StoredAttachment) -> dict[str, str]:
    # RFC 6266: for those who know no more than ASCII, and for all others (RFC 8187).
    plain = "".join(each if _is_plain(each) else "_" for each in file.name)
    named = f"filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"
    return {
        "Content-Disposition": f"attachment; {named}",
        "Content-Security-Policy": _POLICY,
        "Cross-Origin-Resource-Policy": "same-site",
        # Kept by the caller's browser, and asked for again: who may read it can change.
        "Cache-Control": "private, no-cache",
        "ETag": f'"{(file.sha256 or b"").hex()}"',
    }


def _is_plain(letter: str) -> bool:
    return letter.isascii() and letter.isprintable() and letter not in '"\\%'


def _served_type(file: StoredAttachment) -> str:
    return f"{TEXT_TYPE}; charset=utf-8" if file.content_type == TEXT_TYPE else file.content_type


def _names(if_none_match: str, etag: str) -> bool:
    """RFC 9110, 13.1.2: weak comparison."""
    named = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in named or etag in named
