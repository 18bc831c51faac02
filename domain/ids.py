"""Ids as people and clients see them. Inside, every id but the ticket's number is a UUID."""

import re
from typing import NewType
from uuid import UUID, uuid4, uuid5

from domain.errors import (
    ArticleNotFound,
    AttachmentNotFound,
    ConversationNotFound,
    CustomerNotFound,
    CustomerRequestNotFound,
    MessageNotFound,
    NotFound,
    TicketNotFound,
    WebhookEventNotFound,
    WebhookNotFound,
)

TicketNumber = NewType("TicketNumber", int)
TicketRef = UUID | TicketNumber

_HEX = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"#?([0-9]{1,18})")
_LARGEST_NUMBER = 2**63 - 1
_CUSTOMER_NAMES = UUID("6f1c6bb4-8d0c-4b8e-9d4e-0d9a5d7c2a11")


def ticket_id_text(ticket_id: UUID) -> str:
    return f"tkt_{ticket_id.hex}"


def message_id_text(message_id: UUID) -> str:
    return f"msg_{message_id.hex}"


def customer_id_text(customer_id: UUID) -> str:
    return f"cust_{customer_id.hex}"


def article_id_text(article_id: UUID) -> str:
    return f"art_{article_id.hex}"


def attachment_id_text(attachment_id: UUID) -> str:
    return f"att_{attachment_id.hex}"


def webhook_id_text(subscription_id: UUID) -> str:
    return f"whk_{subscription_id.hex}"


def webhook_event_id_text(event_id: UUID) -> str:
    return f"evt_{event_id.hex}"


def parse_ticket_ref(text: str) -> TicketRef:
    """Read any of the three spellings of a ticket's id: `tkt_` + 32 hex, a UUID, a number.

    Raises TicketNotFound for anything else: what cannot be an id names no ticket.
    """
    number = _NUMBER.fullmatch(text)
    if number and number.group(1).isascii():
        return TicketNumber(min(int(number.group(1)), _LARGEST_NUMBER))
    found = _uuid(text.removeprefix("tkt_"))
    if found is None:
        raise TicketNotFound
    return found


def parse_customer_id(text: str) -> UUID:
    """Read `cust_` + 32 hex. Raises CustomerNotFound for anything else."""
    return _after(text, "cust_", CustomerNotFound)


def request_id_text(request_id: UUID) -> str:
    return f"req_{request_id.hex}"


def parse_request_id(text: str) -> UUID:
    """Read `req_` + 32 hex. Raises CustomerRequestNotFound for anything else."""
    return _after(text, "req_", CustomerRequestNotFound)


def parse_message_id(text: str) -> UUID:
    """Read `msg_` + 32 hex. Raises MessageNotFound for anything else."""
    return _after(text, "msg_", MessageNotFound)


def parse_article_id(text: str) -> UUID:
    """Read `art_` + 32 hex. Raises ArticleNotFound for anything else."""
    return _after(text, "art_", ArticleNotFound)


def parse_attachment_id(text: str) -> UUID:
    """Read `att_` + 32 hex. Raises AttachmentNotFound for anything else."""
    return _after(text, "att_", AttachmentNotFound)


def parse_webhook_id(text: str) -> UUID:
    """Read `whk_` + 32 hex. Raises WebhookNotFound for anything else."""
    return _after(text, "whk_", WebhookNotFound)


def parse_webhook_event_id(text: str) -> UUID:
    """Read `evt_` + 32 hex. Raises WebhookEventNotFound for anything else."""
    return _after(text, "evt_", WebhookEventNotFound)


def parse_conversation_id(text: str) -> UUID:
    """Read a bare UUID. Raises ConversationNotFound for anything else."""
    found = _uuid(text)
    if found is None:
        raise ConversationNotFound
    return found


def new_id() -> UUID:
    return uuid4()


def customer_id_from_subject(subject: str) -> UUID:
    """The customer for whom a token speaks: `cust_…` is the id itself, any other name maps to one.

    The mapping is fixed, so that two first requests of one person meet in one customer.
    """
    try:
        return parse_customer_id(subject)
    except CustomerNotFound:
        return uuid5(_CUSTOMER_NAMES, subject)


def customer_id_after(erased_id: UUID) -> UUID:
    """Who somebody is whose token names a customer that was erased.

    It follows from the old id, so that nothing has to be kept that would lead from one to the
    other.
    """
    return uuid5(_CUSTOMER_NAMES, f"after {erased_id}")


def _after(text: str, prefix: str, missing: type[NotFound]) -> UUID:
    found = _uuid(text.removeprefix(prefix)) if text.startswith(prefix) else None
    if found is None:
        raise missing
    return found


def _uuid(text: str) -> UUID | None:
    plain = text.lower().replace("-", "")
    return UUID(plain) if _HEX.fullmatch(plain) else None
