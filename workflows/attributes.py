"""By what operators find workflows in the Temporal UI. Stored as plain text: no personal data."""

from collections.abc import Iterator

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain import names
from domain.conversation_life import ConversationState
from domain.models import Channel, ConversationStatus, Priority, TicketStatus
from domain.ticket_life import TicketState

Attribute = tuple[SearchAttributeKey[str], str | None]

STATUS = SearchAttributeKey.for_keyword(names.STATUS_ATTRIBUTE)
CHANNEL = SearchAttributeKey.for_keyword(names.CHANNEL_ATTRIBUTE)
PRIORITY = SearchAttributeKey.for_keyword(names.PRIORITY_ATTRIBUTE)
AGENT = SearchAttributeKey.for_keyword(names.AGENT_ATTRIBUTE)


def of_new_ticket(channel: Channel, priority: Priority) -> TypedSearchAttributes:
    """Given at the start, they need no event of their own in the history."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(STATUS, TicketStatus.NEW.value),
            SearchAttributePair(CHANNEL, channel.value),
            SearchAttributePair(PRIORITY, priority.value),
        ]
    )


def of_new_conversation() -> TypedSearchAttributes:
    """See `of_new_ticket`."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(STATUS, ConversationStatus.QUEUED.value),
            SearchAttributePair(CHANNEL, Channel.WEB.value),
        ]
    )


def of_ticket(state: TicketState) -> Iterator[Attribute]:
    yield STATUS, state.status.value
    yield CHANNEL, state.channel.value
    yield PRIORITY, state.priority.value
    yield AGENT, state.agent_id


def of_conversation(state: ConversationState) -> Iterator[Attribute]:
    yield STATUS, state.status.value
    yield CHANNEL, Channel.WEB.value
    yield AGENT, state.agent_id
