"""One stack for all who leave it well, or whole again."""

from collections.abc import Iterator

import pytest

from tests.e2e.chatting import SETTINGS
from tests.e2e.stack import Stack


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"))
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


@pytest.fixture
async def stack(shared_stack: Stack) -> Stack:
    """A running stack, ready for whatever comes."""
    await shared_stack.until_ready()
    return shared_stack


@pytest.fixture(scope="session")
def shared_chat_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("chat"), **SETTINGS)
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


@pytest.fixture
async def chat_stack(shared_chat_stack: Stack) -> Stack:
    """One on which a thousand visitors may come from this machine."""
    await shared_chat_stack.until_ready()
    return shared_chat_stack
