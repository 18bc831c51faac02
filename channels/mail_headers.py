"""A mail's headers as they were written, which Python's parser would rather interpret."""

import re
from email.message import Message

_LONGEST_HEADER = 64_000
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,498}>")


def header_of(message: Message, name: str) -> str:
    """The first of this name (in lower case), unfolded; empty when there is none."""
    for each, value in message.raw_items():
        if each.lower() == name:
            return healed(str(value)[:_LONGEST_HEADER]).replace("\r", "").replace("\n", "")
    return ""


def healed(text: str) -> str:
    """What the parser has read as ASCII, with other bytes as lone surrogates, as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def message_ids(text: str) -> tuple[str, ...]:
    """All Message-IDs in a header, in their order, with their angle brackets."""
    return tuple(_MESSAGE_ID.findall(text))
