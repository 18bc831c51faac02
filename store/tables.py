"""The tables. Migrations make them; these classes say what is in them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, DateTime, ForeignKey, Identity, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Table(DeclarativeBase):
    """Base of all tables; every instant is stored with its time zone."""

    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it as a plain dictionary
        str: Text,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[dict[str, Any]]: JSONB,
        list[str]: ARRAY(Text),
        bytes: LargeBinary,
    }


class Thread(Table):
    """The head of one log: how far it was written, and how far its workflow has looked.

    All that changes with every message stands here and not in the ticket, so that the busiest
    write touches a row with few indexes.
    """

    __tablename__ = "threads"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    open: Mapped[bool]
    last_seq: Mapped[int]
    handled_seq: Mapped[int]
    nudge_due_at: Mapped[datetime]
    """When the relay should nudge, if the workflow is still behind by then."""
    last_message_at: Mapped[datetime]
    last_agent_seq: Mapped[int | None]
    """The newest public message by an agent, so that polling for it costs one row."""
    updated_at: Mapped[datetime]
    revision: Mapped[int] = mapped_column(BigInteger)
    """The transaction that changed the thread or its ticket last; see `store.feed`."""
    handed_over: Mapped[bool] = mapped_column(default=False)
    """By the assistant to people; see `store.assistance`."""


class Message(Table):
    """One entry of a log: a public message, a private note, or a system event."""

    __tablename__ = "messages"

    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    author: Mapped[str]
    author_id: Mapped[str | None]
    author_name: Mapped[str | None]
    visibility: Mapped[str]
    content: Mapped[str]
    content_type: Mapped[str]
    event: Mapped[dict[str, Any] | None]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    attachments: Mapped[list[dict[str, Any]]]
    source: Mapped[str | None]
    external_id: Mapped[str | None]
    created_at: Mapped[datetime]
    search: Mapped[str] = mapped_column(
        TSVECTOR, Computed("to_tsvector('simple', content)", persisted=True), deferred=True
    )


class Customer(Table):
    """A person who writes to us, however many channels they use."""

    __tablename__ = "customers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    """As the customer said it; nobody has called it."""
    created_at: Mapped[datetime]
    merged_into: Mapped[UUID | None]
    """The customer who turned out to be the same person."""
    erased_at: Mapped[datetime | None]


class CustomerIdentity(Table):
    """By what name a customer is known on a channel."""

    __tablename__ = "customer_identities"

    channel: Mapped[str] = mapped_column(primary_key=True)
    identity: Mapped[str] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))


class Ticket(Table):
    """Where a ticket stands. Its lifecycle is written by its workflow alone."""

    __tablename__ = "tickets"

    id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    channel: Mapped[str]
    channel_identity: Mapped[str | None]
    outlet: Mapped[str | None]
    """By which replies go out, like `xmpp-support@example.org`; None where they are fetched."""
    awaits_reply: Mapped[bool] = mapped_column(default=False)
    """Of channel xmpp alone: open, with a JID, and its newest public message is the customer's."""
    origin_platform_id: Mapped[str | None]
    is_bot_handoff: Mapped[bool]
    subject: Mapped[str]
    tags: Mapped[list[str]]
    status: Mapped[str]
    priority: Mapped[str]
    assigned_agent_id: Mapped[str | None]
    snoozed_until: Mapped[datetime | None]
    auto_close_at: Mapped[datetime | None]
    deadlines: Mapped[dict[str, Any]]
    breached: Mapped[bool]
    version: Mapped[int]
    """How often the workflow has written the lifecycle; see `store.tickets.record`."""
    last_cause: Mapped[str | None]
    follow_up_of: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    """The live conversation from which it goes on."""
    created_at: Mapped[datetime]
    search: Mapped[str] = mapped_column(
        TSVECTOR, Computed("to_tsvector('simple', subject)", persisted=True), deferred=True
    )


class TicketTally(Table):
    """Changes to the number of tickets of each kind; their sum is the number.

    Written by a trigger, one row a change, so that writers never wait for each other;
    the worker folds them together now and then.
    """

    __tablename__ = "ticket_tallies"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    status: Mapped[str]
    priority: Mapped[str]
    channel: Mapped[str]
    assigned_agent_id: Mapped[str | None]
    change: Mapped[int]


class Agent(Table):
    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str | None]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    on_duty: Mapped[bool]
    """Has begun a shift and not signed off; whether they are there is another matter."""
    gone_at: Mapped[datetime | None]
    """Since when all their sockets are gone. None while one is open, and for those who have had
    none in this shift: they work without."""
    capacity: Mapped[int | None]
    """Conversations at once; None for as many as the settings say."""
    tags: Mapped[list[str]]
    department: Mapped[str | None]
    presence_status: Mapped[str | None]
    """What they said of themselves; None for online. See `store.team_presence`."""


class Conversation(Table):
    """Where a live conversation stands. Its lifecycle is written by its workflow alone.

    `customer_present` and `agent_absent` are the log's own: what it told last of each side's
    sockets. See `store.attendance`.
    """

    __tablename__ = "conversations"

    id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id"))
    tags: Mapped[list[str]]
    meta: Mapped[dict[str, Any]] = mapped_column("metadata")
    contact_email: Mapped[str | None]
    """Where the customer wants to be answered, not proven to be theirs."""
    status: Mapped[str]
    agent_id: Mapped[str | None]
    queued_at: Mapped[datetime]
    state: Mapped[dict[str, Any]]
    """A `ConversationState`, whole."""
    version: Mapped[int]
    last_cause: Mapped[str | None]
    customer_present: Mapped[bool]
    agent_absent: Mapped[bool]
    close_reason: Mapped[str | None]
    ticket_id: Mapped[UUID | None] = mapped_column(ForeignKey("tickets.id"))
    """As which it went on."""
    created_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class CommandText(Table):
    """What a person says along with a command. It waits here for the workflow to judge the
    command, because text never enters a workflow."""

    __tablename__ = "command_texts"

    cause: Mapped[str] = mapped_column(primary_key=True)
    thread_id: Mapped[UUID | None]
    content: Mapped[str]
    created_at: Mapped[datetime]


class ReadMark(Table):
    """How far one side of a conversation has read."""

    __tablename__ = "read_marks"

    thread_id: Mapped[UUID] = mapped_column(ForeignKey("threads.id"), primary_key=True)
    side: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int]


class ApiProcess(Table):
    """An api process and when it was last seen at work: its sockets are as alive as it is."""

    __tablename__ = "api_processes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]


class Presence(Table):
    """Somebody has sockets at an api process, or had until `gone_at`."""

    __tablename__ = "presences"

    process_id: Mapped[UUID] = mapped_column(ForeignKey("api_processes.id"), primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    gone_at: Mapped[datetime | None]


class Delivery(Table):
    """A message on its way to one outside address. The outbox: see `store.deliveries`."""

    __tablename__ = "deliveries"

    thread_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    outlet: Mapped[str]
    address: Mapped[str]
    state: Mapped[str]
    attempts: Mapped[int]
    error: Mapped[str | None]
    first_tried_at: Mapped[datetime | None]
    """When the piece whose turn it is may have got through for the first time."""
    pieces: Mapped[int] = mapped_column(default=1)
    """Known once the first is tried."""
    pieces_sent: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime]
    nudge_due_at: Mapped[datetime]
    """When the relay should have its workflow look, if it is still pending by then."""


class Lease(Table):
    """Who alone may do something for now; it ends by itself."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[UUID]
    until: Mapped[datetime]


class XmppAccount(Table):
    """How far the archive of an account has been read."""

    __tablename__ = "xmpp_accounts"

    bare_jid: Mapped[str] = mapped_column(primary_key=True)
    archived_id: Mapped[str | None]
    archived_at: Mapped[datetime | None]


class XmppOrigin(Table):
    """What a client called a stanza, for those that send it again after a reconnect."""

    __tablename__ = "xmpp_origins"

    bare_jid: Mapped[str] = mapped_column(primary_key=True)
    origin_id: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]


class XmppPresence(Table):
    """What a customer's client last said of itself; it counts until `until`."""

    __tablename__ = "xmpp_presences"

    bare_jid: Mapped[str] = mapped_column(primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    status: Mapped[str]
    show: Mapped[str | None]
    until: Mapped[datetime]


class ServiceKey(Table):
    """A back end's key, as a hash: the key itself was shown once."""

    __tablename__ = "service_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_hash: Mapped[bytes]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class IdempotencyKey(Table):
    """The first answer to a request, for those who ask again with the same key."""

    __tablename__ = "idempotency_keys"

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes]
    status: Mapped[int | None]
    body: Mapped[str | None]
    created_at: Mapped[datetime]


class EngineState(Table):
    """Which Temporal namespace holds our workflows; one row."""

    __tablename__ = "engine_state"

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace_id: Mapped[str]


class Heartbeat(Table):
    """When a part of the system was last seen at work."""

    __tablename__ = "heartbeats"

    part: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime]
