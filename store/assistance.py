"""The assistant's turn: when it may answer a customer, and that it does so once.

One question decides it, asked before the assistant is set to work and again under the lock of the
thread in the transaction that appends its answer: a person who is faster, and a customer who
writes on, are always seen.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.assistance import LIVECHAT, AssistPolicy, Question
from domain.models import ThreadKind, ThreadRef

RECENT = timedelta(hours=1)
"""What was said longer ago is left to people: whoever switches the assistant on does not want it
to answer last year's letters."""


async def is_there(session: AsyncSession, policy: AssistPolicy, channel: str = LIVECHAT) -> bool:
    """Whether there is an assistant on this channel: it needs a model, or something to tell."""
    if channel not in policy.channels:
        return False
    return policy.model or bool(await session.scalar(_ANY_ARTICLE))


async def to_answer(
    session: AsyncSession, thread: ThreadRef, policy: AssistPolicy
) -> Question | None:
    """The customer's message that it is the assistant's turn to answer.

    It is, if that is the last word, no person has the thread or has spoken in it, and it was not
    handed over; or if the customer has chosen the assistant since.
    """
    if not policy.channels:
        return None
    asked: Mapping[str, Any] = {
        "id": thread.id,
        "channels": list(policy.channels),
        "model": policy.model,
        "recent": RECENT,
    }
    row = (await session.execute(_TO_ANSWER[thread.kind], asked)).one_or_none()
    return Question(seq=row.seq, at=row.at) if row else None


async def hand_over(session: AsyncSession, thread_id: UUID) -> None:
    """Leave a locked thread to people."""
    await session.execute(_HAND_OVER, {"id": thread_id, "handed_over": True})


async def take_back(session: AsyncSession, thread_id: UUID) -> None:
    """The customer has chosen the assistant."""
    await session.execute(_HAND_OVER, {"id": thread_id, "handed_over": False})


_ANY_ARTICLE = text("SELECT EXISTS (SELECT FROM articles WHERE audience = 'public')")
_HAND_OVER = text("UPDATE threads SET handed_over = :handed_over WHERE id = :id")
_LAST_WORD = """
    JOIN LATERAL (
        SELECT seq, author, created_at FROM messages
        WHERE thread_id = threads.id AND visibility = 'public' AND author <> 'system'
        ORDER BY seq DESC LIMIT 1
    ) AS last ON last.author = 'customer' AND last.created_at > now() - :recent
    WHERE threads.id = :id AND threads.open AND NOT threads.handed_over
        AND (:model OR EXISTS (SELECT FROM articles WHERE audience = 'public'))
"""
_TO_ANSWER = {
    ThreadKind.TICKET: text(
        f"""
        SELECT last.seq, last.created_at AS at FROM threads JOIN tickets USING (id) {_LAST_WORD}
            AND threads.last_agent_seq IS NULL AND tickets.assigned_agent_id IS NULL
            AND tickets.status IN ('new', 'open', 'pending_customer')
            AND NOT tickets.is_bot_handoff AND tickets.channel = ANY(:channels)
        """  # noqa: S608  nothing of it comes from outside
    ),
    ThreadKind.CONVERSATION: text(
        f"""
        SELECT last.seq, last.created_at AS at
        FROM threads JOIN conversations USING (id) {_LAST_WORD}
            AND conversations.status = 'QUEUED' AND conversations.agent_id IS NULL
            AND '{LIVECHAT}' = ANY(:channels)
            AND (
                threads.last_agent_seq IS NULL
                OR conversations.state @> '{{"with_assistant": true}}'
                AND threads.last_agent_seq < (
                    SELECT max(seq) FROM messages AS chosen
                    WHERE chosen.thread_id = threads.id AND chosen.event ->> 'type' = 'assistant'
                )
            )
        """  # noqa: S608  the same
    ),
}
