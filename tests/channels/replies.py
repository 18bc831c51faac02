"""Replies and files that go out, for the outlets' tests."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from channels.files import FileMissing, OpenedFile
from domain.deliveries import Outgoing
from domain.models import AuthorKind

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PIECE_ID = f"{UUID(int=1).hex}/2/"
"""And then the piece's number: what platforms get along with it."""
_REPLY = Outgoing(
    thread_id=UUID(int=1),
    seq=2,
    message_id=UUID(int=3),
    outlet="outlet",
    address="address",
    author=AuthorKind.AGENT,
    author_name="Alex",
    content="Hello",
    attempts=1,
    waits_since=NOON,
    at=NOON,
)


def reply(address: str, content: str = "Hello", **more: Any) -> Outgoing:  # noqa: ANN401
    return replace(_REPLY, address=address, content=content, **more)


class Files:
    """Those that there are, by id: name, content type and bytes."""

    def __init__(self, **files: tuple[str, str, bytes]) -> None:
        self._files = files

    async def open(self, attachment_id: str) -> OpenedFile:
        if attachment_id not in self._files:
            raise FileMissing
        name, content_type, content = self._files[attachment_id]
        return OpenedFile(name, content_type, len(content), _chunks(content))


def attachment(attachment_id: str) -> dict[str, Any]:
    return {"id": attachment_id, "name": "a", "content_type": "text/plain", "size": 1}


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 1_000):
        yield content[start : start + 1_000]
