"""The assistant at work: it reads a thread, thinks, and says one thing, if it is still its turn."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from assistant.builtin import BuiltInAssistant
from assistant.case import Case
from assistant.embeddings import Embedder, QuestionMeanings
from assistant.reply import Assistant, ModelTrouble, Reply
from domain.assistance import Assisted, AssistInput, AssistPolicy, Reaction
from domain.deadlines import DeadlinePolicy
from domain.events import Event
from domain.ids import article_id_text
from domain.models import AuthorKind, EventType, ThreadKind
from store import assistance, case_files, conversations, threads, tickets
from store.case_files import OwnRecords, PublicLibrary
from store.database import Database
from store.threads import Draft, Locked

log = structlog.get_logger(__name__)

NAME = "Assistant"

_RESERVE = 3.0
"""Seconds before the deadline in which the built-in assistant is asked, should the model not have
answered."""
_WORTH_TRYING = 2.0
"""Seconds. In less, no model answers."""
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 4.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be answered, and since when it waits."""

    case: Case
    at: datetime


class AnswerActivities:
    """Safe to run twice, also at the same time: the log takes one answer to each message."""

    def __init__(
        self,
        database: Database,
        policy: AssistPolicy,
        tickets_policy: DeadlinePolicy,
        model: Assistant | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self._database = database
        self._policy = policy
        self._tickets_policy = tickets_policy
        self._built_in = BuiltInAssistant()
        self._model = model
        self._meanings = QuestionMeanings(embedder) if embedder else None

    @activity.defn
    async def answer(self, order: AssistInput) -> Assisted:
        """Answer a customer's message, ask back, or hand over to a person.

        What the model cannot do now fails the activity, to be tried again; towards the deadline
        the built-in assistant speaks instead.
        """
        async with beating():
            asked = await self._read(order)
            if asked is None:
                return Assisted(reaction=Reaction.SILENT)
            reply, by = await self._think(asked)
            return await self._say(order, reply, by)

    @activity.defn
    async def answer_simply(self, order: AssistInput) -> Assisted:
        """The same without the model, and without the task queue of its own: for when nobody has
        answered in time."""
        asked = await self._read(order)
        if asked is None:
            return Assisted(reaction=Reaction.SILENT)
        return await self._say(order, await self._built_in.reply(asked.case), self._built_in.name)

    async def _read(self, order: AssistInput) -> _Asked | None:
        async with self._database.begin() as session:
            if not await self._is_our_turn(session, order):
                return None
            file = await case_files.read(session, order.thread)
        case = Case(
            file.turns,
            PublicLibrary(self._database, self._meanings),
            OwnRecords(self._database, file.customer_id),
            file.title,
        )
        return _Asked(case, file.turns[-1].at)

    async def _think(self, asked: _Asked) -> tuple[Reply, str]:
        """A reply, and who has made it up."""
        if self._model is None:
            return await self._built_in.reply(asked.case), self._built_in.name
        deadline = asked.at + self._policy.deadline
        left = (deadline - datetime.now(UTC)).total_seconds() - _RESERVE
        if left >= _WORTH_TRYING:
            try:
                async with asyncio.timeout(left):
                    return await self._model.reply(asked.case), self._model.name
            except TimeoutError:
                log.warning("model_timed_out")
            except ModelTrouble as trouble:
                log.warning("model_failed", reason=trouble.reason)
                self._try_again(trouble, deadline)
        return await self._built_in.reply(asked.case), self._built_in.name

    def _try_again(self, trouble: ModelTrouble, deadline: datetime) -> None:
        """Fail, to be tried again, where that may help and there is time for it."""
        if trouble.lasting:
            return
        pause = max(trouble.retry_after or 0.0, _pause(activity.info().attempt))
        left = (deadline - datetime.now(UTC)).total_seconds() - _RESERVE
        if left - pause >= _WORTH_TRYING:
            raise _failed(trouble, pause) from None

    async def _say(self, order: AssistInput, reply: Reply, by: str) -> Assisted:
        """Append the reply, unless a person or the customer was faster."""
        draft = _draft(order, reply, by)
        promises = reply.reaction is Reaction.HANDED_OVER
        async with self._database.begin() as session:
            thread = await self._append(session, order, draft, promises=promises)
            if thread is None:
                return Assisted(reaction=Reaction.SILENT)
            if promises:
                event = Event(type=EventType.HANDED_OVER, cause=reply.reason)
                await threads.append_event(session, thread, event)
                await assistance.hand_over(session, thread.id)
        return Assisted(reaction=reply.reaction, reason=reply.reason)

    async def _append(
        self, session: AsyncSession, order: AssistInput, draft: Draft, *, promises: bool
    ) -> Locked | None:
        """The thread after it, locked; None when it is not the assistant's turn any more."""
        if order.thread.kind is ThreadKind.CONVERSATION:
            conversation = await conversations.find(session, order.thread.id, lock=True)
            if not await self._is_our_turn(session, order):
                return None
            entry = await conversations.write(session, conversation, draft)
            return threads.after_append(conversation.locked, entry)
        ticket = await tickets.find(session, order.thread.id, lock=True)
        before = ticket.locked
        if not await self._is_our_turn(session, order):
            return None
        written = await tickets.write(
            session, ticket, draft, self._tickets_policy, promises=promises
        )
        return threads.after_append(before, written.entry)

    async def _is_our_turn(self, session: AsyncSession, order: AssistInput) -> bool:
        question = await assistance.to_answer(session, order.thread, self._policy)
        return question is not None and question.seq == order.seq


def _draft(order: AssistInput, reply: Reply, by: str) -> Draft:
    metadata: dict[str, Any] = {
        "sources": [
            {"id": article_id_text(article.id), "title": article.title} for article in reply.sources
        ],
        "assistant": {"answers": order.seq, "by": by, "reaction": reply.reaction.value},
    }
    return Draft(AuthorKind.AI, reply.text, author_name=NAME, metadata=metadata)


def _pause(attempt: int) -> float:
    """Seconds until the next attempt."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))


def _failed(trouble: ModelTrouble, pause: float) -> ApplicationError:
    return ApplicationError(
        trouble.reason,
        type=type(trouble).__name__,
        next_retry_delay=timedelta(seconds=pause),
        # Expected, and logged in a line: no traceback for each attempt.
        category=ApplicationErrorCategory.BENIGN,
    )
