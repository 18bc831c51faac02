"""A running application over a database of the test's own and a pretended engine."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from api.app import create_app
from api.config import ApiConfig
from domain.conversation_life import ChangeConversation, ConversationPolicy, ConversationState
from domain.conversation_rules import Decision, hear, obey
from domain.deadlines import DeadlinePolicy
from domain.errors import EngineUnavailable
from domain.life import ProcessView
from domain.models import Priority, ThreadRef, TicketStatus
from domain.ticket_life import ChangeTicket
from store import conversations, threads
from store.conversations import ConversationRow, Rules
from store.database import Database
from store.threads import Locked
from tests.api.people import SECRET
from workflows.engine import Engine, Facts


class PretendedEngine:
    """Takes everything and does nothing; the real one has tests of its own."""

    def __init__(self) -> None:
        self.works = True
        self.has_worker = True

    def nudge_soon(
        self, thread: ThreadRef, facts: Facts | None = None, *, at_once: bool = False
    ) -> None:
        pass

    async def change_ticket(self, ticket_id: UUID, order: ChangeTicket, cause: str) -> None:
        await self.check()

    async def change_conversation(
        self, conversation_id: UUID, order: ChangeConversation, cause: str
    ) -> None:
        await self.check()

    async def process(self, thread: ThreadRef) -> ProcessView:
        await self.check()
        return ProcessView(
            status=TicketStatus.NEW, waiting_for="an agent", alarms=[], handled_seq=1
        )

    async def check(self) -> None:
        if not self.works:
            raise EngineUnavailable

    async def worker_alive(self) -> bool:
        return self.has_worker


class JudgingEngine(PretendedEngine):
    """Carries out what is commanded to conversations, by the rules and in the database, as their
    workflows do; and nothing else ever happens."""

    def __init__(self, database: Database, config: ApiConfig) -> None:
        super().__init__()
        self._database = database
        self._policy = config.chat
        self._rules = Rules(config.agent_capacity, config.policy, config.assistance)
        self.orders = 0
        """How many commands got here."""
        self.nudged: list[ThreadRef] = []

    def nudge_soon(
        self, thread: ThreadRef, facts: Facts | None = None, *, at_once: bool = False
    ) -> None:
        self.nudged.append(thread)

    async def change_conversation(
        self, conversation_id: UUID, order: ChangeConversation, cause: str
    ) -> None:
        await self.check()
        self.orders += 1
        await self.hear(conversation_id)
        async with self._database.begin() as session:
            state, row = await conversations.load(session, conversation_id)
            decision = obey(state, order, datetime.now(UTC), self._policy)
            await self._record(session, row, decision.then(last_cause=cause), state)

    async def hear(self, conversation_id: UUID) -> None:
        """Have a conversation's workflow look at its log."""
        async with self._database.begin() as session:
            state, row = await conversations.load(session, conversation_id)
            seen = await threads.advance(session, row.locked, row.thread.handled_seq)
            decision = hear(state, seen.heads, datetime.now(UTC), self._policy)
            thread = await self._record(session, row, decision, state)
            cursor = seen.heads[-1].seq if seen.heads else seen.cursor
            await threads.advance(session, thread, cursor)

    async def _record(
        self,
        session: AsyncSession,
        row: ConversationRow,
        decision: Decision,
        state: ConversationState,
    ) -> Locked:
        if not decision.changes(state):
            return row.locked
        decided = decision.state.model_copy(update={"version": state.version + 1})
        return await conversations.record(session, row, decided, decision.events, self._rules)


@pytest.fixture
def engine(config: ApiConfig, database: Database) -> JudgingEngine:
    return JudgingEngine(database, config)


@pytest.fixture
def config(tmp_path: Path) -> ApiConfig:
    return ApiConfig(
        version="1.2.3",
        jwt_secret=SecretStr(SECRET),
        policy=DeadlinePolicy(
            first_response=dict.fromkeys(Priority, timedelta(hours=1)),
            resolution=dict.fromkeys(Priority, timedelta(days=1)),
            auto_close=timedelta(days=7),
        ),
        chat=ConversationPolicy(
            queue_timeout=timedelta(minutes=5),
            agent_grace=timedelta(minutes=1),
            customer_grace=timedelta(minutes=15),
            idle_timeout=timedelta(minutes=30),
        ),
        frontend_url="https://desk.example/",
        attachments=str(tmp_path / "attachments"),
        rate_limit_caller=100_000,
    )


@pytest.fixture
def app(config: ApiConfig, database: Database, engine: PretendedEngine) -> FastAPI:
    return create_app(config, database, cast("Engine", engine))


def client_of(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://holdfast")


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        yield opened
