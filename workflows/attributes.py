"""By what operators find workflows in the Temporal UI. Stored as plain text: no personal data."""

from collections.abc import Iterator

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from domain import names
from domain.lifecycle import TicketState
from domain.models import Channel, Priority, TicketStatus

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


def differing(
    shown: TypedSearchAttributes, state: TicketState
) -> Iterator[tuple[SearchAttributeKey[str], str | None]]:
    """The attributes that are not shown as they are, with their values."""
    for key, value in (
        (STATUS, state.status.value),
        (CHANNEL, state.channel.value),
        (PRIORITY, state.priority.value),
        (AGENT, state.agent_id),
    ):
        if shown.get(key) != value:
            yield key, value
