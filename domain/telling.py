"""System events as sentences, for timelines."""

from domain.lifecycle import Event
from domain.models import EventType


def tell(event: Event) -> str:
    """One sentence for people, without names: `before`, `after` and `by` stand in the event."""
    match event.type:
        case EventType.STATUS_CHANGED:
            return f"Status changed from {event.before} to {event.after}."
        case EventType.PRIORITY_CHANGED:
            return f"Priority changed from {event.before} to {event.after}."
        case EventType.ASSIGNED if event.after is None:
            return "No longer assigned."
        case EventType.ASSIGNED:
            return f"Assigned to {event.after}."
        case EventType.SNOOZED:
            return f"Snoozed until {event.after}."
        case EventType.WOKEN:
            return "No longer snoozed."
        case EventType.DEADLINE_BREACHED:
            what = event.deadline.replace("_", " ") if event.deadline else "deadline"
            return f"The time for the {what} has passed."
        case EventType.DETAILS_CHANGED:
            return "Subject or tags changed."
