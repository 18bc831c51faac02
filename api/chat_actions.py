"""What people do in live conversations, the same over HTTP and over sockets."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from api.attachment_bodies import Attachment
from api.attachment_references import resolved
from api.chat_access import Acting, note_activity, visible
from api.chat_foresight import foresee
from api.chat_reading import view_for
from api.chat_views import ConversationView
from api.services import Services
from domain.conversation_life import ChangeConversation, Close, ConversationCommand
from domain.errors import InsufficientPermissions
from domain.ids import customer_id_text
from domain.models import AuthorKind, ThreadKind, ThreadRef, Visibility
from domain.principals import Principal
from store import command_texts, conversations, reading, threads
from store.conversations import ConversationRow
from store.reading import Entry
from store.threads import Draft
from workflows.engine import Facts


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody wants to say. `external_id` names it to the sender, in this conversation: an
    Idempotency-Key over HTTP, a clientId over a socket."""

    content: str
    metadata: dict[str, Any] = field(default_factory=dict)
    visibility: Visibility = Visibility.PUBLIC
    external_id: str | None = None
    attachments: Sequence[Attachment] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A message that stands in the log; its thread is to be nudged after the commit."""

    entry: Entry
    nudge: bool


async def say(
    session: AsyncSession,
    caller: Principal,
    acting: Acting | None,
    conversation_id: UUID,
    words: Words,
) -> Said:
    """Write into a conversation: as its customer, or as `acting`, the agent who has it.

    Raises ConversationNotFound, ConversationIsClosed, NotAssigned, UnknownAttachment,
    IdempotencyKeyReused, and InsufficientPermissions for a customer's private note.
    """
    row = await visible(session, caller, conversation_id, lock=True)
    # Of the caller in this conversation: clients count from 1 anew in the next one.
    draft = replace(
        _draft(row, acting, words, source=f"chat/{conversation_id}/{caller.key}"),
        attachments=await resolved(session, caller, words.attachments),
    )
    appended = await conversations.write(session, row, draft, only=acting.only if acting else None)
    if acting is not None:
        await note_activity(session, caller, acting.agent_id)
    if appended.created:
        return Said(threads.entry_of(appended, draft), appended.nudge)
    entry = await reading.entry(session, appended.thread_id, appended.seq)
    if entry is None:
        raise RuntimeError("a message that was appended is not in the log")
    return Said(entry, nudge=False)


def nudge(services: Services, conversation_id: UUID, facts: Facts | None = None) -> None:
    """Have the conversation's workflow look at what was written."""
    thread = ThreadRef(kind=ThreadKind.CONVERSATION, id=conversation_id)
    services.engine.nudge_soon(thread, facts)


async def order(
    services: Services,
    caller: Principal,
    conversation_id: UUID,
    command: ConversationCommand,
    *,
    by: str | None = None,
    said: str | None = None,
) -> ConversationRow:
    """Have the conversation's workflow carry out a command; returns the conversation after it.

    `by` is the agent for whom the caller acts, `said` what goes along with the command. Raises
    ConversationNotFound, what the rules raise, and EngineUnavailable.
    """
    cause = uuid4().hex
    async with services.database.begin() as session:
        row = await visible(session, caller, conversation_id)
        if by is not None:
            await note_activity(session, caller, by)
        # A customer is the same person by every token.
        doer = customer_id_text(row.customer.id) if caller.is_customer else by or caller.id
        change = ChangeConversation(by=doer, command=command)
        if not await foresee(session, services.config, row, change):
            return row
        if said is not None:
            await command_texts.keep(session, cause, said, conversation_id)
    await services.engine.change_conversation(conversation_id, change, cause)
    async with services.database.begin() as session:
        return await conversations.find(session, conversation_id)


async def close(
    services: Services,
    caller: Principal,
    acting: Acting | None,
    conversation_id: UUID,
    reason: str | None,
) -> ConversationView:
    """End a conversation, as its customer or as `acting`; one that is closed stays closed."""
    command = Close(agent_id=acting.only if acting else None)
    by = acting.agent_id if acting else None
    row = await order(services, caller, conversation_id, command, by=by, said=reason)
    async with services.database.reading() as session:
        return await view_for(session, caller, row)


def _draft(row: ConversationRow, acting: Acting | None, words: Words, source: str) -> Draft:
    if acting is None:
        if words.visibility is Visibility.PRIVATE:
            raise InsufficientPermissions
        kind, author_id, name = AuthorKind.CUSTOMER, str(row.customer.id), row.customer.name
    else:
        kind, author_id, name = AuthorKind.AGENT, acting.agent_id, acting.name
    return Draft(
        author=kind,
        content=words.content,
        author_id=author_id,
        author_name=name,
        visibility=words.visibility,
        metadata=words.metadata,
        source=source,
        external_id=words.external_id,
    )
