"""Files that people send: what they may be called, how large they may be, and what they are.

What a client or a platform says of a file's type is never believed, its bytes are. And they are
only believed where it does no harm: whatever a browser could run is `application/octet-stream`.
"""

import hashlib
import unicodedata
from codecs import getincrementaldecoder
from enum import StrEnum
from mimetypes import guess_extension
from pathlib import PurePosixPath
from typing import Any

import filetype
from pydantic import BaseModel, ConfigDict

from domain.models import Channel

MAX_FILE = 25 * 1024 * 1024
"""Bytes."""
MAX_NAME = 200
"""Characters."""
UNKNOWN_TYPE = "application/octet-stream"
TEXT_TYPE = "text/plain"

_HEAD = 8192
"""Bytes by which `filetype` knows what it knows."""
_HARMLESS = ("image/", "audio/", "video/", "application/vnd.openxml", "application/vnd.oasis")
_HARMLESS_TYPES = frozenset(
    {
        "application/pdf",
        "application/zip",
        "application/gzip",
        "application/msword",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
    }
)
_RUN_BY_BROWSERS = frozenset(
    {
        *(".htm", ".html", ".mht", ".mhtml", ".shtml", ".svg", ".svgz", ".xht", ".xhtml", ".xml"),
        *(".xsl", ".xslt", ".cjs", ".hta", ".js", ".jse", ".mjs", ".vbs", ".wsf"),
    }
)
_NAMELESS = "file"


class AttachmentState(StrEnum):
    ARRIVING = "arriving"
    """Its bytes come in just now, or did when a process died."""
    STORED = "stored"
    AWAITED = "awaited"
    """Still at the platform from which it came."""
    REFUSED = "refused"
    """It will not come; `error` says why."""
    UNWANTED = "unwanted"
    """Nobody can find it any more; its bytes are about to be deleted."""


class Origin(BaseModel):
    """Where a file is that is to be fetched."""

    model_config = ConfigDict(frozen=True)

    channel: Channel
    reference: str
    """Its address, or the platform's id of it."""
    sha256: str | None = None
    """In hex, where the platform tells it."""


class Look:
    """What is learnt of a file while its bytes go by."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()
        self._head = b""
        self._decoder = getincrementaldecoder("utf-8")()
        self._is_text = True

    def see(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._hash.update(chunk)
        if len(self._head) < _HEAD:
            self._head += chunk[: _HEAD - len(self._head)]
        self._is_text = self._is_text and self._decodes(chunk)

    @property
    def sha256(self) -> bytes:
        return self._hash.digest()

    def content_type(self, name: str) -> str:
        """Once all of it was seen. The name can only make it less than it looks like."""
        kind = filetype.guess(self._head)
        if kind is not None:
            mime: str = kind.mime
            return mime if mime.startswith(_HARMLESS) or mime in _HARMLESS_TYPES else UNKNOWN_TYPE
        if not self._is_text or not self._decodes(b"", final=True):
            return UNKNOWN_TYPE
        starts = self._head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        by_browsers = starts == b"<" or PurePosixPath(name.lower()).suffix in _RUN_BY_BROWSERS
        return UNKNOWN_TYPE if by_browsers or not self._head else TEXT_TYPE

    def _decodes(self, chunk: bytes, *, final: bool = False) -> bool:
        try:
            return "\0" not in self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            return False


def clean_name(name: str) -> str:
    """A file's name without folders, without what cannot be seen, and without what turns the order
    of its letters round (`exe.gpj` shown as `jpg.exe`)."""
    shown = "".join(each for each in name if _is_shown(each))
    last = shown.replace("\\", "/").rsplit("/", 1)[-1].strip().lstrip(".").strip()
    if len(last) > MAX_NAME:
        suffix = PurePosixPath(last).suffix[:20]
        last = last[: MAX_NAME - len(suffix)] + suffix
    return last or _NAMELESS


def name_by_type(content_type: str) -> str:
    """For a file that came without a name: `image.jpg`."""
    kind = content_type.partition(";")[0].strip()
    suffix = guess_extension(kind)
    return f"{kind.partition('/')[0]}{suffix}" if suffix else _NAMELESS


def _is_shown(letter: str) -> bool:
    # Other, control; format, which holds the bidirectional marks; surrogate; private; unassigned;
    # and the separators of lines and paragraphs.
    return unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def reference(
    attachment_id: str, name: str, content_type: str, size: int | None = None
) -> dict[str, Any]:
    """A file of ours as it stands in a message's `attachments`; without a size as long as it is
    still to be fetched."""
    return {"id": attachment_id, "name": name, "content_type": content_type, "size": size}
