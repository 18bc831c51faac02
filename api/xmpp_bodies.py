"""What clients send in the two XMPP families, as seeds 000 and 001 write it."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from channels.jids import checked_resource
from domain.presence import PresenceStatus, Show
from domain.text import IdText, MessageText, ShortText, storable

JidText = Annotated[str, StringConstraints(min_length=1, max_length=3071), AfterValidator(storable)]
"""Bare or full. Whether it is one, `channels.jids` says."""
ResourceText = Annotated[str, StringConstraints(max_length=1023), AfterValidator(checked_resource)]
SentAt = Annotated[
    datetime | None,
    Field(description="When its sender says that it was written. Kept, and orders nothing."),
]


class Incoming(BaseModel):
    from_jid: JidText
    to_jid: JidText | None = None
    body: MessageText
    message_type: ShortText | None = Field(
        None,
        description="As the stanza has it. `groupchat`, `headline` and `error` are answered "
        '`{"status": "ignored"}`: nobody speaks to us there (RFC 6121, 5.2.2). What is not known '
        "is taken for `normal`.",
    )
    thread_id: ShortText | None = None
    timestamp: SentAt = None
    id: IdText | None = Field(
        None, description="The stanza's id: the same one from the same JID is the same message."
    )


class RespondToTicket(BaseModel):
    response: MessageText
    timestamp: SentAt = None
    agent_id: IdText | None = Field(None, description="For back ends and admins: who answers.")


class CreateXmppTicket(BaseModel):
    jid: JidText
    message: MessageText
    resource: ResourceText | None = Field(None, description="By default that of a full `jid`.")


class SendXmppMessage(BaseModel):
    content: MessageText
    jid: JidText | None = Field(None, description="Who writes: a JID of the ticket's customer.")


class UpdatePresence(BaseModel):
    jid: JidText
    status: PresenceStatus
    show: Show | None = None
    resource: ResourceText | None = Field(None, description="By default that of a full `jid`.")
