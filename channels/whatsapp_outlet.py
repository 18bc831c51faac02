"""Replies by WhatsApp's Cloud API.

https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages. A reply goes out
within 24 hours of the customer's last message. To one customer it is one message per 6 seconds,
with bursts of 45. That a call is answered means that the message was accepted, and nothing else:
what became of it is told by the webhook, with `biz_opaque_callback_data` as we sent it.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx

from channels.accounts import WhatsAppAccount
from channels.files import FileSource, OpenedFile
from channels.graph import Graph, new_client
from channels.graph_errors import WHATSAPP, WHATSAPP_CLOSED
from channels.multipart import Form
from channels.outgoing_files import is_elsewhere, name_of, opened
from channels.outlet import Limit, NotNow, Uncertain, Undeliverable, cut
from channels.untrusted import Object, at, name
from domain.deliveries import Outgoing, Piece, piece_id

_LONGEST = 4_096
_WINDOW = timedelta(hours=24)
_MEGABYTE = 1024 * 1024
_FILE_REFUSED = "WhatsApp does not take this file. Send it as PDF, or a link to it."
_KINDS = (
    ("image", 5 * _MEGABYTE, frozenset({"image/jpeg", "image/png"})),
    ("video", 16 * _MEGABYTE, frozenset({"video/mp4", "video/3gpp"})),
    (
        "audio",
        16 * _MEGABYTE,
        frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}),
    ),
)
"""What is shown as such, up to that many bytes; all else goes as a document."""


class WhatsAppOutlet:
    """One phone number of the business."""

    limits: Sequence[Limit] = (
        Limit(80, timedelta(seconds=1)),
        Limit(45, timedelta(seconds=270), to_each=True),
    )
    looks = False

    def __init__(
        self, account: WhatsAppAccount, files: FileSource, client: httpx.AsyncClient | None = None
    ) -> None:
        self.name = account.outlet
        self._number = account.phone_number_id
        self._files = files
        self._client = client or new_client()
        self._graph = Graph(self._client, account.api, account.token, WHATSAPP)

    async def close(self) -> None:
        await self._client.aclose()

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        return cut(outgoing, _LONGEST)

    def external_id(self, outgoing: Outgoing, piece: Piece) -> None:
        """Meta's to say."""

    async def send(self, outgoing: Outgoing, piece: Piece) -> str:
        _check_window(outgoing)
        message = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_recipient(outgoing.address),
            **await self._content(piece),
            "biz_opaque_callback_data": piece_id(outgoing, piece.number),
        }
        told = await self._graph.post(f"{self._number}/messages", message, outgoing.attempts)
        return _message_id(told)

    async def _content(self, piece: Piece) -> dict[str, Any]:
        if not piece.files:
            return {"type": "text", "text": {"body": piece.text}}
        attachment = piece.files[0]
        if is_elsewhere(attachment):
            document = {"link": attachment["url"], "filename": name_of(attachment)}
            return {"type": "document", "document": document}
        file = await opened(self._files, attachment)
        kind = _kind(file)
        media: dict[str, str] = {"id": await self._upload(file)}
        if kind == "document":
            media["filename"] = file.name
        return {"type": kind, kind: media}

    async def _upload(self, file: OpenedFile) -> str:
        fields = {"messaging_product": "whatsapp", "type": file.content_type}
        form = Form(fields, "file", file, file.content_type)
        try:
            told = await self._graph.upload(f"{self._number}/media", form)
        except Undeliverable:
            raise Undeliverable("file_refused", _FILE_REFUSED) from None
        media_id = name(told.get("id"))
        if media_id is None:
            raise NotNow("WhatsApp has not taken the file.")
        return media_id


def _check_window(outgoing: Outgoing) -> None:
    """Where nobody knows when the customer last wrote, WhatsApp judges."""
    if outgoing.at is None or outgoing.heard_at is None:
        return
    if outgoing.at - outgoing.heard_at > _WINDOW:
        raise Undeliverable("window_closed", WHATSAPP_CLOSED)


def _recipient(address: str) -> dict[str, str]:
    """A phone number, or the id of somebody who hides theirs."""
    if address.startswith("+"):
        return {"to": address.removeprefix("+")}
    return {"recipient": address}


def _kind(file: OpenedFile) -> str:
    content_type = file.content_type.partition(";")[0].strip().lower()
    fitting = (kind for kind, most, types in _KINDS if content_type in types and file.size <= most)
    return next(fitting, "document")


def _message_id(told: Object) -> str:
    message_id = name(at(told, "messages", 0, "id"))
    if message_id is None:
        raise Uncertain
    return message_id
