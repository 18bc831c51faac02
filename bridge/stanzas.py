"""What comes in and goes out by XMPP, in our words.

JIDs are strings as the server wrote them. What comes in is made by `reading`, what goes out is
turned into XML by `writing`.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class File:
    """Something to fetch (XEP-0066)."""

    url: str
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message with text or a file.

    `id` is the sender's, and any client may use one twice; `origin_id` too, but a client that
    sets it means it (XEP-0359). `stanza_id` is our own server's, which alone is sure: None when the
    server has not told it, and then the archive has to be asked.

    `at` is when our server took it, if that was before now. `encrypted`: the text, if there is one,
    only says that it cannot be read.
    """

    from_jid: str
    to_jid: str
    type: str
    body: str
    id: str | None = None
    origin_id: str | None = None
    stanza_id: str | None = None
    subject: str | None = None
    thread: str | None = None
    corrects: str | None = None
    """The `id` of the message that this one replaces (XEP-0308)."""
    files: tuple[File, ...] = ()
    wants_receipt: bool = False
    """XEP-0184."""
    at: datetime | None = None
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A client has got the message that we sent under `id` (XEP-0184)."""

    from_jid: str
    id: str


@dataclass(frozen=True, slots=True)
class Displayed:
    """Somebody has read up to the message that we sent under `id` (XEP-0333)."""

    from_jid: str
    id: str


@dataclass(frozen=True, slots=True)
class Typing:
    """XEP-0085. Every state but `composing` means that nothing is being written."""

    from_jid: str
    composing: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A presence of one device. `show`: away, chat, dnd, xa, or None for plainly there."""

    from_jid: str
    available: bool
    show: str | None = None


@dataclass(frozen=True, slots=True)
class Bounced:
    """What we sent under `id` was not delivered. `condition` is RFC 6120's, 8.3.3."""

    from_jid: str
    id: str
    condition: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """More came than was taken, and here something was left out. Ask the archive."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing that concerns support."""

    reason: str


Incoming = Said | Received | Displayed | Typing | Seen | Bounced | Missed | Ignored


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to a person. `id` becomes its origin-id too, so the archive can be asked for it.

    `from_jid` is for components, which may speak as any local part of their domain. `is_file`: the
    body is a file's address and nothing else, which clients then show as the file (XEP-0066).
    """

    to: str
    id: str
    body: str
    thread: str | None = None
    from_jid: str | None = None
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Receipt:
    """We have taken the message that came under `id` (XEP-0184)."""

    to: str
    id: str
    from_jid: str | None = None


@dataclass(frozen=True, slots=True)
class TypingNotice:
    """Somebody here is writing, or has stopped (XEP-0085)."""

    to: str
    composing: bool
    from_jid: str | None = None


@dataclass(frozen=True, slots=True)
class Presence:
    """Ours, to all who may see it, or to one. `type`: None is available, else RFC 6121's."""

    to: str | None = None
    type: str | None = None
    status: str | None = None
    from_jid: str | None = None


Outgoing = Reply | Receipt | TypingNotice | Presence
