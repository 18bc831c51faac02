"""E-mail as the rest of Holdfast knows it: what was written, by whom, and what it answers."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

_OURS = re.compile(r"<msg\.([0-9a-f]{32})\.([0-9]{1,6})@[^<>\s]+>")
_ANSWERING = re.compile(
    r"(?:(?:re|aw|antw|sv|vs|rv|res|rif|ref|r|odp|ynt|fw|fwd|wg|tr|vl|vb|i|enc|doorst|pd)"
    r"(?:\[\d{1,3}\])?\s?[:\uff1a]\s*|\[#\d{1,18}\]\s*)+",
    re.IGNORECASE,
)
_TAG = re.compile(r"\[#(\d{1,18})\]", re.ASCII)


class MailKind(StrEnum):
    PERSON = "person"
    AUTOMATIC = "automatic"
    """A program wrote it, to many or by itself: nothing may answer by itself."""
    AUTO_REPLY = "auto_reply"
    """A program answered what we sent: somebody is out of office."""
    REPORT = "report"
    """On the way of something that we sent."""
    OWN = "own"
    """From our own address."""


class Fate(StrEnum):
    """What a report tells of a message."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    READ = "read"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery status notification (RFC 3464) or a read receipt (RFC 8098)."""

    message_id: str | None
    """Ours, with its angle brackets, where it can be found."""
    fate: Fate
    status: str | None = None
    """Like `5.1.1` (RFC 3463)."""


@dataclass(frozen=True, slots=True)
class MailFile:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail. Message-IDs keep their angle brackets."""

    kind: MailKind
    address: str
    """Of the one who wrote it, in lower case."""
    name: str | None
    to: tuple[str, ...]
    subject: str
    """May be empty."""
    message_id: str
    """Made of the mail's hash where it has none."""
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    """The oldest first."""
    date: datetime | None
    """As the sender's clock has it."""
    text: str
    """What is new in it, without what it quotes; may be empty."""
    quoted: str = ""
    """Where something quoted was left away: how the whole text begins."""
    cut: bool = False
    """It was longer than anybody writes, or had more files than are kept."""
    files: tuple[MailFile, ...] = ()
    report: Report | None = None

    @property
    def answers(self) -> tuple[str, ...]:
        """The Message-IDs of what it may answer, the likeliest first."""
        return tuple(dict.fromkeys((*self.in_reply_to, *reversed(self.references))))


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The address that people write to, in lower case, and by what replies go out."""

    address: str
    outlet: str

    @classmethod
    def of(cls, address: str) -> Self:
        """The address as the settings have it."""
        return cls(address.lower(), outlet_name(address))

    @property
    def source(self) -> str:
        return f"email/{self.address}"


def outlet_name(address: str) -> str:
    """Of replies from our address."""
    return f"email-{address}"


def message_id_of(message_id: UUID, piece: int, domain: str) -> str:
    """By what Message-ID one of our messages goes out."""
    return f"<msg.{message_id.hex}.{piece}@{domain}>"


def our_message(message_id: str) -> UUID | None:
    """The message of ours that goes by this Message-ID."""
    found = _OURS.fullmatch(message_id)
    return UUID(found[1]) if found else None


def plain_subject(subject: str) -> str:
    """What a mail is about: without `Re:` and `Fwd:` in any language, and without our tag."""
    return " ".join(_ANSWERING.sub("", untagged(subject), count=1).split())


def untagged(subject: str) -> str:
    """Without a number, which would be that of another ticket."""
    return " ".join(_TAG.sub("", subject).split())


def tagged_number(subject: str) -> int | None:
    """The number of the ticket that a subject names, as in `Re: Help [#123]`."""
    found = _TAG.search(subject)
    return int(found[1]) if found else None
