"""How long people wait in tests: long enough to never happen, unless a test says otherwise."""

from datetime import timedelta

from domain.conversation_life import ConversationPolicy

CHAT = ConversationPolicy(
    queue_timeout=timedelta(minutes=5),
    agent_grace=timedelta(minutes=1),
    customer_grace=timedelta(minutes=15),
    idle_timeout=timedelta(minutes=30),
)
