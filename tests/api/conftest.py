"""A running application over a database of the test's own and a pretended engine."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from api.app import create_app
from api.config import ApiConfig
from domain.conversation_life import ChangeConversation, ConversationPolicy
from domain.deadlines import DeadlinePolicy
from domain.errors import EngineUnavailable
from domain.life import ProcessView
from domain.models import Priority, ThreadRef, TicketStatus
from domain.ticket_life import ChangeTicket
from store.database import Database
from tests.api.people import SECRET
from workflows.engine import Engine, Facts


class PretendedEngine:
    """Takes everything and does nothing; the real one has tests of its own."""

    def __init__(self) -> None:
        self.works = True
        self.has_worker = True

    def nudge_soon(self, thread: ThreadRef, facts: Facts | None = None) -> None:
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


@pytest.fixture
def engine() -> PretendedEngine:
    return PretendedEngine()


@pytest.fixture
def config() -> ApiConfig:
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
