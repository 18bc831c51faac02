"""Words that every part shares: what a ticket, a conversation and a message can be."""

from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Channel(StrEnum):
    WEB = "web"
    API = "api"
    EMAIL = "email"
    XMPP = "xmpp"
    WHATSAPP = "whatsapp"
    FACEBOOK = "facebook"
    TWITTER = "twitter"
    CHATBOT = "chatbot"


class TicketStatus(StrEnum):
    NEW = "new"
    OPEN = "open"
    PENDING_CUSTOMER = "pending_customer"
    RESOLVED = "resolved"
    CLOSED = "closed"


class ConversationStatus(StrEnum):
    """As seed 003 writes them."""

    QUEUED = "QUEUED"
    ASSIGNED = "ASSIGNED"
    """An agent has accepted."""
    CONNECTED = "CONNECTED"
    """Both have spoken, or the customer's socket is there."""
    CLOSED = "CLOSED"


class Priority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    URGENT = "urgent"


class AuthorKind(StrEnum):
    CUSTOMER = "customer"
    AGENT = "agent"
    AI = "ai"
    SYSTEM = "system"


class Visibility(StrEnum):
    PUBLIC = "public"
    PRIVATE = "private"


class ThreadKind(StrEnum):
    TICKET = "ticket"
    CONVERSATION = "conversation"


class DeliveryState(StrEnum):
    """How far a message has come on its way to an outside address."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """A crash or time-out hit a provider that cannot be asked whether it has it."""


class Side(StrEnum):
    """Of a live conversation."""

    CUSTOMER = "CUSTOMER"
    AGENT = "AGENT"


class EventType(StrEnum):
    """What a system event tells."""

    STATUS_CHANGED = "status_changed"
    PRIORITY_CHANGED = "priority_changed"
    ASSIGNED = "assigned"
    SNOOZED = "snoozed"
    WOKEN = "woken"
    DEADLINE_BREACHED = "deadline_breached"
    DETAILS_CHANGED = "details_changed"
    FROM_CONVERSATION = "from_conversation"
    """The ticket goes on where a live conversation ended."""
    DELIVERY_FAILED = "delivery_failed"
    """A reply has not reached the customer and will not by itself; `cause` says why."""
    AUTO_REPLIED = "auto_replied"
    """A program has answered for the customer: they are away. What it says stands beside it."""
    REACTED = "reacted"
    """The customer, to the message `of_seq`; with cause `taken_back`, no longer."""
    DELIVERY_UNKNOWN = "delivery_unknown"
    """A reply was sent, and nobody knows whether it was taken."""
    DELIVERY_DELAYED = "delivery_delayed"
    """A reply waits; `cause` says why."""

    QUEUED = "queued"
    CONNECTED = "connected"
    TRANSFERRED = "transferred"
    RELEASED = "released"
    """Back to the queue; `reason` says why."""
    CLOSED = "closed"
    QUEUE_TIMEOUT = "queue_timeout"
    IDLE = "idle"
    CUSTOMER_GONE = "customer_gone"
    """For so long that nobody should wait for them."""
    ASSISTANT = "assistant"
    """The customer goes on with the assistant."""
    HANDED_OVER = "handed_over"
    """By the assistant to people; `cause` says why."""
    ARRIVED = "arrived"
    DISCONNECTED = "disconnected"
    """All sockets of one side are gone, `since` when."""
    SIGNED_OFF = "signed_off"
    """The agent has ended the shift."""

    ERASED = "erased"
    """All that the customer has said and is known by is gone; the thread ends."""


class ThreadRef(BaseModel):
    """Which thread to look at."""

    model_config = ConfigDict(frozen=True)

    kind: ThreadKind
    id: UUID
