"""A worker of the test's own, on the shared Temporal server."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.deadlines import DeadlinePolicy
from domain.models import Priority
from holdfast.embedded.temporal import EmbeddedTemporal
from store.database import Database
from tests.workflows.chat_desk import ChatDesk
from tests.workflows.desk import Desk
from tests.workflows.policies import CHAT
from workers.threads import Policies, make_worker
from workflows.engine import Engine


@pytest.fixture
async def client(temporal_server: EmbeddedTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
def policy() -> DeadlinePolicy:
    """First responses within an hour, twice as much for each lower priority."""
    hours = {Priority.URGENT: 1, Priority.HIGH: 2, Priority.MEDIUM: 4, Priority.LOW: 8}
    return DeadlinePolicy(
        first_response={priority: timedelta(hours=n) for priority, n in hours.items()},
        resolution={priority: timedelta(hours=3 * n) for priority, n in hours.items()},
        auto_close=timedelta(days=7),
    )


@pytest.fixture
def engine(client: Client) -> Engine:
    return Engine(client, task_queue=f"test-{uuid4().hex}")


@pytest.fixture
async def desk(
    client: Client, engine: Engine, database: Database, policy: DeadlinePolicy
) -> AsyncIterator[Desk]:
    """A desk whose worker runs."""
    async with make_worker(client, database, Policies(policy, CHAT), task_queue=engine.task_queue):
        yield Desk(database, engine, policy)


@pytest.fixture
async def chat(
    client: Client, engine: Engine, database: Database, policy: DeadlinePolicy
) -> AsyncIterator[ChatDesk]:
    """The same for live conversations."""
    policies = Policies(policy, CHAT)
    async with make_worker(client, database, policies, task_queue=engine.task_queue):
        yield ChatDesk(database, engine, CHAT)
