"""A real Prosody, and people on it."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from bridge.account import Account
from tests.bridge.prosody import INSTALLED, Prosody


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_prosody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prosody]:
    """One for all tests that leave it alone."""
    if not INSTALLED:
        pytest.skip("needs Prosody; tests/install brings it")
    async with Prosody(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest_asyncio.fixture
async def prosody(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Prosody]:
    """One of the test's own, to be killed and started again."""
    if not INSTALLED:
        pytest.skip("needs Prosody; tests/install brings it")
    async with Prosody(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def support(shared_prosody: Prosody) -> Account:
    """An account of the test's own, for the bridge."""
    return await shared_prosody.register(f"support-{uuid4().hex[:8]}")


@pytest_asyncio.fixture(loop_scope="session")
async def alice(shared_prosody: Prosody) -> Account:
    """An account of the test's own, for a person."""
    return await shared_prosody.register(f"alice-{uuid4().hex[:8]}")
