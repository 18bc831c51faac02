"""Replies by Messenger's Send API.

https://developers.facebook.com/docs/messenger-platform/send-messages. Anybody may answer within 24
hours of the customer's last message, and people within 7 days, by the tag HUMAN_AGENT. What became
of a call without an answer is told by the echo, with `metadata` as we sent it.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
from pydantic_core import to_json

from channels.accounts import MessengerAccount
from channels.files import FileSource
from channels.graph import Graph, new_client
from channels.graph_errors import MESSENGER, MESSENGER_CLOSED
from channels.multipart import Form
from channels.outgoing_files import Attachment, is_elsewhere, opened
from channels.outlet import Limit, Uncertain, Undeliverable, cut
from channels.untrusted import Object, name
from domain.deliveries import Outgoing, Piece, piece_id
from domain.models import AuthorKind

_LONGEST = 2_000
_FOR_ALL = timedelta(hours=24)
_FOR_PEOPLE = timedelta(days=7)
_SHOWN = ("image", "audio", "video")
"""All else goes as a file."""


class MessengerOutlet:
    """One Facebook page."""

    limits: Sequence[Limit] = (Limit(40, timedelta(seconds=1)),)
    looks = False

    def __init__(
        self, account: MessengerAccount, files: FileSource, client: httpx.AsyncClient | None = None
    ) -> None:
        self.name = account.outlet
        self._path = f"{account.page_id}/messages"
        self._files = files
        self._client = client or new_client()
        self._graph = Graph(self._client, account.api, account.token, MESSENGER)

    async def close(self) -> None:
        await self._client.aclose()

    def pieces(self, outgoing: Outgoing) -> Sequence[Piece]:
        return cut(outgoing, _LONGEST)

    def external_id(self, outgoing: Outgoing, piece: Piece) -> None:
        """Meta's to say."""

    async def send(self, outgoing: Outgoing, piece: Piece) -> str:
        about = {"recipient": {"id": outgoing.address}, **_reason(outgoing)}
        metadata = piece_id(outgoing, piece.number)
        if not piece.files:
            message: dict[str, Any] = {"text": piece.text, "metadata": metadata}
            return await self._post({**about, "message": message}, outgoing.attempts)
        attachment = piece.files[0]
        if is_elsewhere(attachment):
            message = {**_attached("file", url=attachment["url"]), "metadata": metadata}
            return await self._post({**about, "message": message}, outgoing.attempts)
        return await self._post_file(about, attachment, metadata, outgoing.attempts)

    async def _post(self, body: dict[str, Any], attempts: int) -> str:
        return _message_id(await self._graph.post(self._path, body, attempts))

    async def _post_file(
        self, about: dict[str, Any], attachment: Attachment, metadata: str, attempts: int
    ) -> str:
        file = await opened(self._files, attachment)
        kind = file.content_type.partition("/")[0]
        attached = _attached(kind if kind in _SHOWN else "file", is_reusable=False)
        fields = {**about, "message": {**attached, "metadata": metadata}}
        spelled = {
            key: value if isinstance(value, str) else to_json(value).decode()
            for key, value in fields.items()
        }
        form = Form(spelled, "filedata", file, file.content_type)
        return _message_id(await self._graph.post_form(self._path, form, attempts))


def _reason(outgoing: Outgoing) -> dict[str, str]:
    """By which of Messenger's rules the customer may be written to. Where nobody knows when they
    last wrote, Messenger judges."""
    silence = timedelta()
    if outgoing.at is not None and outgoing.heard_at is not None:
        silence = outgoing.at - outgoing.heard_at
    if silence <= _FOR_ALL:
        return {"messaging_type": "RESPONSE"}
    if silence <= _FOR_PEOPLE and outgoing.author is AuthorKind.AGENT:
        return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    raise Undeliverable("window_closed", MESSENGER_CLOSED)


def _attached(kind: str, **payload: object) -> dict[str, Any]:
    return {"attachment": {"type": kind, "payload": payload}}


def _message_id(told: Object) -> str:
    message_id = name(told.get("message_id"))
    if message_id is None:
        raise Uncertain
    return message_id
