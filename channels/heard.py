"""What platforms tell us, in one vocabulary: what each channel's `parse` makes of a body.

Addresses are in the one form by which we know a person on the channel: `+15550100` on WhatsApp,
the page-scoped id on Messenger, the user's id on X. Instants are the platform's.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from domain.models import DeliveryState


@dataclass(frozen=True, slots=True)
class File:
    """A file that came with a message, still at the platform."""

    reference: str
    """Its address, or the platform's id of it."""
    content_type: str = ""
    name: str = ""
    sha256: str | None = None
    """In hex, where the platform tells it."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote: `address` is where replies go, `identities` all names, the surest first."""

    address: str
    identities: tuple[str, ...]
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """A customer has said something."""

    account: str | None
    """The page, number or user that it was said to; None where the body does not tell."""
    sender: Sender
    external_id: str
    """Unique at this account."""
    text: str
    """Never empty: what cannot be shown is named, like "Sent a location: …"."""
    at: datetime | None
    files: tuple[File, ...] = ()
    metadata: dict[str, Any] = field(default_factory=dict)
    """What agents and later events may want to know: `reply_to`, `referral`, `payload`, …"""


@dataclass(frozen=True, slots=True)
class Echo:
    """Something was said in our name: by us, which `our_id` or the delivery tells, or by a person
    in the platform's own inbox."""

    account: str | None
    to: str
    """The customer's address."""
    external_id: str
    text: str
    at: datetime | None
    our_id: str | None = None
    """What we sent along, where the platform sends it back: our message's id and piece."""
    app: str | None = None
    """By which program it was sent, as the platform names it."""
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Reacted:
    """A customer's reaction to a message."""

    account: str | None
    sender: Sender
    external_id: str
    to: str
    """The platform's name of the message."""
    emoji: str | None
    """None when it was taken back."""
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """How far one message of ours has come. `error` is a sentence for agents."""

    account: str | None
    external_id: str
    state: DeliveryState
    our_id: str | None = None
    address: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ArrivedUntil:
    """All that went to an address until `until` has come so far."""

    account: str | None
    address: str
    state: DeliveryState
    until: datetime


Heard = Said | Echo | Reacted | Arrived | ArrivedUntil
