"""What clients send about tickets, as seed 004 writes it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from api.attachment_bodies import Attachments
from channels.jids import InvalidJid, bare_jid
from domain.models import AuthorKind, Channel, Priority, TicketStatus, Visibility
from domain.text import (
    EmailText,
    IdText,
    MessageText,
    Metadata,
    ShortText,
    SubjectText,
    TagText,
)
from domain.ticket_life import Assign, Command, SetPriority, SetStatus, Snooze, Wake

_BY_ADDRESS = frozenset({Channel.XMPP, Channel.WHATSAPP, Channel.FACEBOOK, Channel.TWITTER})
"""Channels on which a customer has one address, to which replies go."""
_FURTHEST = timedelta(days=3 * 366)
_PHONE = re.compile(r"\+?[0-9][0-9 ().-]{2,30}", re.ASCII)


def _empty_is_none(text: str | None) -> str | None:
    return text.strip() or None if text is not None else None


def _address(text: str | None) -> str | None:
    text = _empty_is_none(text)
    if text is not None and (text.count("@") != 1 or text.startswith("@") or text.endswith("@")):
        raise ValueError("must be an e-mail address, like jane@example.com")
    return text


def _medium_for_normal(priority: object) -> object:
    return Priority.MEDIUM if priority == "normal" else priority


def _once_each(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


def _soon(at: datetime) -> datetime:
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    now = datetime.now(UTC)
    if not now < at < now + _FURTHEST:
        raise ValueError("must be a time to come, within three years")
    return at.astimezone(UTC)


def address_on(channel: Channel, named: str) -> str:
    """As the channel itself spells it. Raises InvalidJid."""
    match channel:
        case Channel.XMPP:
            return bare_jid(named)
        case Channel.WHATSAPP if _PHONE.fullmatch(named):
            return f"+{''.join(filter(str.isdigit, named))}"
        case _:
            return named


OptionalText = Annotated[ShortText | None, AfterValidator(_empty_is_none)]
OptionalEmail = Annotated[EmailText | None, AfterValidator(_address)]
PriorityIn = Annotated[Priority, BeforeValidator(_medium_for_normal)]
Tags = Annotated[list[TagText], Field(max_length=20), AfterValidator(_once_each)]
Soon = Annotated[datetime, AfterValidator(_soon)]


class SourceIn(BaseModel):
    channel: Channel = Channel.API
    origin_platform_id: OptionalText = None
    is_bot_handoff: bool = False


class CustomerIn(BaseModel):
    internal_id: OptionalText = None
    name: OptionalText = None
    primary_email: OptionalEmail = None
    channel_identity: OptionalText = None


class CreateTicket(BaseModel):
    source: SourceIn = Field(default_factory=SourceIn)
    customer: CustomerIn = Field(default_factory=CustomerIn)
    subject: SubjectText
    initial_message: MessageText
    priority: PriorityIn = Priority.MEDIUM
    tags: Tags = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)
    attachments: Attachments = Field(default_factory=list)

    @model_validator(mode="after")
    def _platforms_know_people_by_address(self) -> "CreateTicket":
        named = self.customer.channel_identity or self.source.origin_platform_id
        if self.source.channel in _BY_ADDRESS and named is not None:
            try:
                self.customer.channel_identity = address_on(self.source.channel, named)
            except InvalidJid as error:
                raise ValueError(f"channel_identity: {error}") from None
        return self

    @property
    def identities(self) -> tuple[str, ...]:
        """By what the customer is known on the channel."""
        if self.source.channel is Channel.XMPP:
            return (self.customer.channel_identity,) if self.customer.channel_identity else ()
        named = (self.customer.channel_identity, self.source.origin_platform_id)
        spelled = (address_on(self.source.channel, name) for name in named if name is not None)
        return tuple(dict.fromkeys(spelled))


class AddMessage(BaseModel):
    content: MessageText
    sender_type: AuthorKind | None = Field(
        None, description="By default what the token is; back ends write as agents."
    )
    visibility: Visibility = Visibility.PUBLIC
    agent_id: IdText | None = Field(None, description="For back ends and admins: who writes.")
    attachments: Attachments = Field(default_factory=list)
    metadata: Metadata = Field(default_factory=dict)


class UpdateTicket(BaseModel):
    """What is left out stays as it is."""

    status: TicketStatus | None = None
    priority: PriorityIn | None = None
    tags: Tags | None = None
    subject: SubjectText | None = None
    assigned_agent_id: IdText | None = Field(None, description="null: assigned to nobody")
    snoozed_until: Soon | None = Field(None, description="null: wake now")

    @model_validator(mode="after")
    def _cannot_sleep_when_done(self) -> "UpdateTicket":
        if self.snoozed_until and self.status in (TicketStatus.RESOLVED, TicketStatus.CLOSED):
            raise ValueError("a ticket cannot be done and snoozed at once")
        return self

    def commands(self) -> list[Command]:
        """What the ticket's workflow has to judge; subject and tags are none of its business."""
        found: list[Command] = []
        if self.priority is not None:
            found.append(SetPriority(priority=self.priority))
        if "assigned_agent_id" in self.model_fields_set:
            found.append(Assign(agent_id=self.assigned_agent_id))
        if self.status is not None:
            found.append(SetStatus(status=self.status))
        if "snoozed_until" in self.model_fields_set:
            until = self.snoozed_until
            found.append(Snooze(until=until) if until is not None else Wake())
        return found
