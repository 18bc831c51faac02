"""What a terminal shows of what happens, as one line of text."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.models import EventType, Side

Json = Mapping[str, Any]

_NAMELESS = {"CUSTOMER": "Customer", "AGENT": "Agent", "AI": "Assistant", "SYSTEM": "Holdfast"}
_FOR_CUSTOMERS: dict[str, str | None] = {
    EventType.QUEUED: "You are in the queue.",
    EventType.CONNECTED: None,
    EventType.RELEASED: "You are back in the queue, where you keep your place.",
    EventType.QUEUE_TIMEOUT: None,  # what it means is told by a message
    EventType.CUSTOMER_GONE: None,
    EventType.ASSISTANT: "You go on with the assistant.",
    EventType.SIGNED_OFF: None,
}


def told_message(message: Json) -> str:
    """`Ann: Hello`"""
    sender = message["sender"]
    name = sender["displayName"] or _NAMELESS[sender["role"]]
    note = " (note)" if message["visibility"] == "private" else ""
    return f"{name}{note}: {message['content']}"


def told_event(event: Json, side: Side) -> str | None:
    """A short sentence for one side; None for what it need not be told."""
    if event.get("side") == side:
        return None
    match event["type"]:
        case EventType.ASSIGNED | EventType.TRANSFERRED:
            sentence = f"{event.get('agentName') or 'An agent'} is with you now."
            return sentence if side is Side.CUSTOMER else event["text"]
        case EventType.CLOSED:
            reason = event.get("reason")
            return f"{event['text']}{f' Reason: {reason}' if reason else ''}"
        case kind if side is Side.CUSTOMER and kind in _FOR_CUSTOMERS:
            return _FOR_CUSTOMERS[kind]
        case _:
            return str(event["text"])


def told_queue(entries: Sequence[Json]) -> str:
    """All who wait, the longest-waiting first, with the numbers that `/accept` takes."""
    if not entries:
        return "Nobody waits."
    return "\n".join(
        ["Waiting:", *(_told_entry(number, entry) for number, entry in enumerate(entries, start=1))]
    )


def customer_of(entry: Json) -> str:
    return entry["customer"]["displayName"] or _NAMELESS["CUSTOMER"]


def _told_entry(number: int, entry: Json) -> str:
    last = entry["lastMessage"]
    said = f": {_shortened(last['content'])}" if last else ""
    return f"  {number}. {customer_of(entry)}, for {entry['waitSeconds']} s{said}"


def _shortened(text: str, length: int = 60) -> str:
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"
