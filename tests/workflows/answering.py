"""A desk with an assistant: its model answers as the test says, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from temporalio import activity
from temporalio.client import Client

from activities.assistance import AnswerActivities
from assistant.case import Case
from assistant.reply import Assistant, ModelTrouble, Reply, answered
from domain.assistance import Assisted, AssistInput, AssistPolicy
from domain.deadlines import DeadlinePolicy
from domain.knowledge import Writing
from domain.models import AuthorKind
from store import articles
from store.database import Database
from store.reading import Entry
from tests.workflows.policies import CHAT
from workers.assistance import make_answer_worker
from workers.threads import Policies, make_worker
from workflows.engine import Engine

QUICK = timedelta(seconds=8)
"""Within which customers hear something, in tests where that matters."""


@dataclass
class ScriptedModel:
    """Thinks until `gate` is open, then fails with the first of `troubles`, or replies."""

    name: str = "scripted"
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    troubles: list[ModelTrouble] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """The questions that it was asked, in their order."""
    called_off: int = 0
    thinking: asyncio.Event = field(default_factory=asyncio.Event)

    async def reply(self, case: Case) -> Reply:
        self.asked.append(case.question)
        self.thinking.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.called_off += 1
            raise
        if self.troubles:
            raise self.troubles.pop(0)
        return self.replies.pop(0) if self.replies else answered(f"To: {case.question}", [])


class WatchedAnswers(AnswerActivities):
    """`running` of them are at work."""

    running = 0

    @activity.defn(name="answer")
    async def answer(self, order: AssistInput) -> Assisted:
        self.running += 1
        try:
            return await super().answer(order)
        finally:
            self.running -= 1

    async def until_idle(self) -> None:
        async with asyncio.timeout(20):
            while self.running:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def assisted(
    client: Client,
    database: Database,
    engine: Engine,
    tickets: DeadlinePolicy,
    policy: AssistPolicy,
    model: Assistant | None = None,
    *,
    answers: bool = True,
) -> AsyncIterator[WatchedAnswers]:
    """Workers for threads, and with `answers` one for the assistant."""
    policies = Policies(tickets, CHAT, assistance=policy)
    working = make_worker(client, database, policies, task_queue=engine.task_queue)
    activities = WatchedAnswers(database, policy, tickets, model)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working)
        if answers:
            await stack.enter_async_context(make_answer_worker(client, activities))
        yield activities


async def publish(database: Database, title: str, body: str) -> UUID:
    """An article for customers."""
    async with database.begin() as session:
        writing = Writing(title=title, body=body)
        return (await articles.create(session, writing)).id


def spoken(log: list[Entry]) -> list[str]:
    """What the assistant has said."""
    return [entry.content for entry in log if entry.author == AuthorKind.AI]
