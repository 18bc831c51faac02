"""Files of messages that go out: ours by id, others where they lie."""

from typing import Any

from channels.files import FileMissing, FileSource, OpenedFile
from channels.outlet import Undeliverable

Attachment = dict[str, Any]
"""As in a message's `attachments`."""


def is_elsewhere(attachment: Attachment) -> bool:
    """Whether it is at an address that somebody named, and not kept by us."""
    return not attachment.get("id") and bool(attachment.get("url"))


def name_of(attachment: Attachment) -> str:
    return str(attachment.get("name") or "file")


async def opened(files: FileSource, attachment: Attachment) -> OpenedFile:
    """Raises Undeliverable."""
    try:
        return await files.open(str(attachment.get("id") or ""))
    except FileMissing:
        sentence = "A file of the message is not there. Attach it again."
        raise Undeliverable("file_missing", sentence) from None
