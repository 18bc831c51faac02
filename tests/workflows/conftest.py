"""A worker of the test's own, on the shared Temporal server."""

import shutil
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from domain.deadlines import DeadlinePolicy
from domain.models import Priority
from holdfast.embedded.temporal import EmbeddedTemporal
from store.database import Database
from tests.workflows.chat_desk import ChatDesk
from tests.workflows.desk import Desk
from tests.workflows.policies import CHAT
from workers.threads import Policies, make_worker
from workflows.engine import Engine

_SKIPPING_SERVER = shutil.which("temporal-test-server", path=str(Path(sys.executable).parent))


@pytest.fixture
async def client(temporal_server: EmbeddedTemporal) -> Client:
    return await Client.connect(temporal_server.address, data_converter=pydantic_data_converter)


@pytest.fixture
async def skipping() -> AsyncIterator[WorkflowEnvironment]:
    """Temporal's server that skips time."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=_SKIPPING_SERVER, data_converter=pydantic_data_converter
    ) as environment:
        await Engine(environment.client).add_search_attributes()
        yield environment


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
