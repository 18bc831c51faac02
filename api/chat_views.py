"""Live chat as seed 003 shows it. JSON names are camelCase."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from api.attachment_bodies import shown
from domain.ids import customer_id_text, message_id_text, ticket_id_text
from domain.models import AuthorKind, ConversationStatus, Side, Visibility
from store.chat_queue import QueueEntry
from store.conversations import ConversationRow
from store.reading import Entry
from store.tables import Customer

_ROLES = {
    AuthorKind.CUSTOMER: "CUSTOMER",
    AuthorKind.AGENT: "AGENT",
    AuthorKind.AI: "AI",
    AuthorKind.SYSTEM: "SYSTEM",
}


class ChatModel(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )

    def json_text(self) -> str:
        return self.model_dump_json(by_alias=True)

    def json_object(self) -> dict[str, Any]:
        """As an event's payload."""
        return self.model_dump(mode="json", by_alias=True)


class Sender(ChatModel):
    role: str = Field(description="CUSTOMER, AGENT, AI or SYSTEM.")
    id: str | None
    display_name: str | None


class MessageView(ChatModel):
    model_config = ConfigDict(title="ChatMessage")

    id: str
    conversation_id: UUID
    seq: int
    sender: Sender
    content: str
    attachments: list[dict[str, Any]]
    metadata: dict[str, Any]
    visibility: Visibility = Field(description="`private` for agents' notes among themselves.")
    created_at: datetime


class ChatCustomer(ChatModel):
    id: str
    display_name: str | None
    phone: str | None


class ChatAgent(ChatModel):
    id: str
    display_name: str


class ConversationView(ChatModel):
    model_config = ConfigDict(title="Conversation")

    id: UUID
    status: ConversationStatus
    customer: ChatCustomer
    agent: ChatAgent | None
    tags: list[str]
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    queued_at: datetime
    closed_at: datetime | None
    close_reason: str | None = Field(
        description="For customers only their own, or a word for what closed it by itself."
    )
    ticket_id: str | None = Field(description="As which it went on.")
    last_seq: int


class ConversationDetail(ConversationView):
    read_seq: dict[Side, int] = Field(description="How far each side has read.")


class QueueEntryView(ChatModel):
    conversation_id: UUID
    customer: ChatCustomer
    tags: list[str]
    queued_at: datetime
    wait_seconds: int
    position: int
    last_message: MessageView | None


class QueuePage(ChatModel):
    content: list[QueueEntryView]
    page: int
    size: int
    total_elements: int
    total_pages: int


def message_view(entry: Entry) -> MessageView:
    author = AuthorKind(entry.author)
    return MessageView(
        id=message_id_text(entry.id),
        conversation_id=entry.thread_id,
        seq=entry.seq,
        sender=Sender(
            role=_ROLES[author], id=_sender_id(author, entry), display_name=entry.author_name
        ),
        content=entry.content,
        attachments=shown(entry.attachments),
        metadata=entry.metadata,
        visibility=Visibility(entry.visibility),
        created_at=entry.created_at,
    )


def event_payload(entry: Entry) -> dict[str, Any]:
    """A system event of a conversation, as `system:event` tells it."""
    told = dict(entry.event or {})
    told.pop("visibility", None)
    return {
        **told,
        "conversationId": str(entry.thread_id),
        "seq": entry.seq,
        "at": entry.created_at.isoformat().replace("+00:00", "Z"),
        "text": entry.content,
    }


def conversation_view(row: ConversationRow) -> ConversationView:
    conversation = row.conversation
    agent = row.agent
    ticket_id = conversation.ticket_id
    return ConversationView(
        id=conversation.id,
        status=ConversationStatus(conversation.status),
        customer=customer_view(row.customer),
        agent=ChatAgent(id=agent.id, display_name=agent.name or agent.id) if agent else None,
        tags=conversation.tags,
        metadata=conversation.meta,
        created_at=conversation.created_at,
        updated_at=row.thread.updated_at,
        queued_at=conversation.queued_at,
        closed_at=conversation.closed_at,
        close_reason=conversation.close_reason,
        ticket_id=ticket_id_text(ticket_id) if ticket_id else None,
        last_seq=row.thread.last_seq,
    )


def customer_view(customer: Customer) -> ChatCustomer:
    return ChatCustomer(
        id=customer_id_text(customer.id), display_name=customer.name, phone=customer.phone
    )


def queue_entry_view(entry: QueueEntry) -> QueueEntryView:
    waited = datetime.now(UTC) - entry.queued_at
    return QueueEntryView(
        conversation_id=entry.conversation_id,
        customer=customer_view(entry.customer),
        tags=entry.tags,
        queued_at=entry.queued_at,
        wait_seconds=max(0, int(waited.total_seconds())),
        position=entry.position,
        last_message=message_view(entry.last_message) if entry.last_message else None,
    )


def _sender_id(author: AuthorKind, entry: Entry) -> str | None:
    if author is AuthorKind.CUSTOMER and entry.author_id:
        return customer_id_text(UUID(entry.author_id))
    return entry.author_id
