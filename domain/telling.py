"""System events as sentences, for timelines."""

from domain.events import Event
from domain.models import EventType, Side


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
        case EventType.FROM_CONVERSATION:
            return "Goes on from a live conversation."
        case EventType.DELIVERY_FAILED:
            return f"Message {event.of_seq} did not reach the customer."
        case EventType.AUTO_REPLIED:
            return "The customer's mail program has answered by itself."
        case EventType.DELIVERY_UNKNOWN:
            return f"It is not known whether message {event.of_seq} reached the customer."
        case EventType.DELIVERY_DELAYED:
            return f"Message {event.of_seq} waits to be sent."
        case EventType.REACTED if event.cause == "taken_back":
            return f"The customer took back a reaction to message {event.of_seq}."
        case EventType.REACTED:
            return f"The customer reacted to message {event.of_seq}."
        case EventType.HANDED_OVER:
            return "The assistant has handed it over to a person."
        case EventType.ERASED:
            return "The customer's data was erased."
        case _:
            return _tell_of_conversation(event)


def told_of_timeout(*, assistant: bool) -> str:
    """What the customer is told in so many words, in the conversation itself."""
    choices = "keep waiting, go on with our assistant, or" if assistant else "keep waiting, or"
    return f"Nobody is free right now, and we are sorry. You can {choices} leave this as a ticket."


def _tell_of_conversation(event: Event) -> str:
    match event.type:
        case EventType.TRANSFERRED:
            return f"Transferred to {event.after}."
        case EventType.CLOSED if event.cause == "to_ticket":
            return "The conversation goes on as a ticket."
        case EventType.ARRIVED | EventType.DISCONNECTED:
            who = "The customer" if event.side is Side.CUSTOMER else "The agent"
            return f"{who} {'is here' if event.type is EventType.ARRIVED else 'was disconnected'}."
        case _:
            return _CONVERSATION[event.type]


_CONVERSATION = {
    EventType.QUEUED: "Waits for an agent.",
    EventType.CONNECTED: "Customer and agent are connected.",
    EventType.RELEASED: "Back in the queue.",
    EventType.CLOSED: "The conversation was closed.",
    EventType.QUEUE_TIMEOUT: "Nobody was free in time.",
    EventType.IDLE: "Nobody has said anything for long.",
    EventType.CUSTOMER_GONE: "The customer has not come back.",
    EventType.ASSISTANT: "The customer goes on with the assistant.",
    EventType.SIGNED_OFF: "The agent has signed off.",
}
