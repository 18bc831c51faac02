"""Names that two processes, or a process and its operators, must agree on."""

from uuid import UUID

TASK_QUEUE_THREADS = "threads"
TASK_QUEUE_ASSIST = "assist"
TASK_QUEUE_ERRANDS = "errands"

TICKET_WORKFLOW = "Ticket"
CONVERSATION_WORKFLOW = "Conversation"
ERRAND_WORKFLOW = "Errand"
NUDGE = "nudge"
"""The empty signal that says "look": it carries no data, so losing or doubling one is harmless."""
CHANGE = "change"
PROCESS = "get_process"

STATUS_ATTRIBUTE = "HoldfastStatus"
CHANNEL_ATTRIBUTE = "HoldfastChannel"
PRIORITY_ATTRIBUTE = "HoldfastPriority"
AGENT_ATTRIBUTE = "HoldfastAgent"
SEARCH_ATTRIBUTES = (STATUS_ATTRIBUTE, CHANNEL_ATTRIBUTE, PRIORITY_ATTRIBUTE, AGENT_ATTRIBUTE)
"""All of Temporal's type Keyword."""

THREADS_CHANNEL = "holdfast_threads"
"""PostgreSQL NOTIFY channel; the payload is one thread id, nothing else."""
KEYS_CHANNEL = "holdfast_keys"
"""PostgreSQL NOTIFY channel: the service keys have changed; the payload is empty."""
WHISPERS_CHANNEL = "holdfast_whispers"
"""PostgreSQL NOTIFY channel: what is told and not kept. The payload is ids and numbers, never
text; see `store.feed.Whisper`."""

TEAM_CHANNEL = "holdfast_team"
"""PostgreSQL NOTIFY channel: what concerns colleagues among themselves. The payload is ids, numbers
and fixed words; see `store.team_news`."""


def delivery_queue(outlet: str) -> str:
    """The task queue of what goes out by `outlet`, like `xmpp-support@example.org`."""
    return f"deliver-{outlet}"


def errand_workflow_id(kind: str, subject: UUID) -> str:
    return f"{kind}/{subject}"


def ticket_workflow_id(ticket_id: UUID) -> str:
    return f"ticket/{ticket_id}"


def conversation_workflow_id(conversation_id: UUID) -> str:
    return f"conversation/{conversation_id}"
