"""The conversation workflow's side of the log; see `activities.tickets`."""

from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from domain.assistance import Question
from domain.conversation_life import ConversationInput, ConversationPolicy, ConversationState
from domain.errors import Conflict, InvalidRequest
from domain.life import Loaded, Look, Seen
from domain.models import ThreadKind, ThreadRef
from store import assistance, conversations, threads
from store.conversations import Rules
from store.database import Database

log = structlog.get_logger(__name__)


class ConversationActivities:
    """Both are safe to run twice: what a lost worker wrote is found, not written again."""

    def __init__(self, database: Database, policy: ConversationPolicy, rules: Rules) -> None:
        self._database = database
        self._policy = policy
        self._rules = rules

    @activity.defn
    async def load_conversation(
        self, start: ConversationInput
    ) -> Loaded[ConversationState, ConversationPolicy]:
        """Where the conversation stands, how far its log was looked at, and what follows."""
        async with self._database.begin() as session:
            state, row = await conversations.load(session, start.conversation_id)
            first = await threads.advance(session, row.locked, row.thread.handled_seq)
            to_answer = await self._to_answer(session, start.conversation_id)
        return Loaded(
            state=state,
            policy=self._policy,
            cursor=first.cursor,
            heads=list(first.heads),
            to_answer=to_answer,
            answer_within=self._rules.assistance.deadline,
        )

    @activity.defn
    async def advance_conversation(self, look: Look[ConversationState]) -> Seen[ConversationState]:
        """Write what the workflow has decided, record how far it looked, return what follows.

        One transaction, see `store.threads` and `activities.tickets`. An agent who has no room
        is found here, under the lock of the agent's row: then nothing is written.
        """
        refusal: str | None = None
        async with self._database.begin() as session:
            row = await conversations.find(session, look.thread_id, lock=True)
            thread = row.locked
            current = row.conversation.version == look.version
            unseen = look.drained and thread.last_seq > max(look.cursor, thread.handled_seq)
            written = look.decided is not None and current and not unseen
            if look.decided is not None and written:
                try:
                    thread = await conversations.record(
                        session, row, look.decided, look.events, self._rules
                    )
                except (Conflict, InvalidRequest) as error:
                    refusal, written = type(error).__name__, False
            looked = look.cursor if current else thread.handled_seq
            advanced = await threads.advance(session, thread, looked)
            state = None if current else await conversations.whole_state(session, row)
            to_answer = await self._to_answer(session, look.thread_id)
        if written:
            for event in look.events:
                log.debug(
                    "conversation_event",
                    type=event.type,
                    conversation_id=str(look.thread_id),
                    status=event.status,
                    agent_id=event.after,
                    by=event.by,
                )
        return Seen(
            cursor=advanced.cursor,
            written=written,
            state=state,
            heads=list(advanced.heads),
            refusal=refusal,
            to_answer=to_answer,
        )

    async def _to_answer(self, session: AsyncSession, conversation_id: UUID) -> Question | None:
        conversation = ThreadRef(kind=ThreadKind.CONVERSATION, id=conversation_id)
        return await assistance.to_answer(session, conversation, self._rules.assistance)
