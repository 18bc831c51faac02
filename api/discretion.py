"""What customers are told of the events in a log: that something happened, and no more.

Which of their colleagues did it, and why, agents tell each other in the same events.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.events import Event
from domain.models import EventType
from domain.telling import tell
from store.reading import Entry

_TOLD = frozenset({"type", "status", "side", "cause", "agentName", "ticket_id"})
_STATUSES = frozenset({"before", "after"})
"""Of a ticket. In other events these are agents."""
_NAMES_AGENT = frozenset({EventType.ASSIGNED, EventType.TRANSFERRED})


def for_customers(entry: Entry) -> Entry:
    """An entry as its customer may see it; messages are theirs to read as they are."""
    if entry.event is None:
        return entry
    event = entry.event
    kept = _TOLD | _STATUSES if event["type"] == EventType.STATUS_CHANGED else _TOLD
    told = {name: value for name, value in event.items() if name in kept}
    reason = reason_for_customers(event)
    if reason is not None:
        told["reason"] = reason
    return replace(entry, event=told, content=_text(event, entry.content))


def reason_for_customers(closed: Mapping[str, Any]) -> str | None:
    """Why it was closed, in a person's words, if they are the customer's own."""
    by = closed.get("by")
    own = by is None or by.startswith("cust_")
    return closed.get("reason") if own else None


def _text(event: Mapping[str, Any], content: str) -> str:
    if event["type"] not in _NAMES_AGENT:
        return content
    name = event.get("agentName") or "an agent"
    return tell(Event(type=event["type"], after=name))
