"""Where an outlet gets the bytes of a file that goes out."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from domain.errors import HoldfastError


class FileMissing(HoldfastError):
    """There are no bytes of it: unknown, not fetched yet, or refused."""

    code = "file_missing"
    sentence = "The file is not there."


@dataclass(frozen=True, slots=True)
class OpenedFile:
    name: str
    content_type: str
    """As its bytes say."""
    size: int
    """In bytes: what `chunks` give together."""
    chunks: AsyncIterator[bytes]


class FileSource(Protocol):
    async def open(self, attachment_id: str) -> OpenedFile:
        """Raises FileMissing, also for an id that is none."""
