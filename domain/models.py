"""Words that every part shares: what a ticket and a message can be."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel


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


class EventType(StrEnum):
    """What a system event tells."""

    STATUS_CHANGED = "status_changed"
    PRIORITY_CHANGED = "priority_changed"
    ASSIGNED = "assigned"
    SNOOZED = "snoozed"
    WOKEN = "woken"
    DEADLINE_BREACHED = "deadline_breached"
    DETAILS_CHANGED = "details_changed"


class Head(BaseModel):
    """What a workflow may know of a message: everything but its text."""

    seq: int
    author: AuthorKind
    visibility: Visibility
    at: datetime


class ThreadRef(BaseModel):
    """Which thread to look at."""

    kind: ThreadKind
    id: UUID
