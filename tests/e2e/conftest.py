"""One stack for all who leave it well, or whole again."""

from collections.abc import Iterator

import pytest

from tests.e2e.chatting import SETTINGS
from tests.e2e.stack import Stack

SECRETS = {
    "META_APP_SECRET": "app_secret",
    "META_VERIFY_TOKEN": "TOKEN",
    "X_CONSUMER_SECRET": "consumer_secret",
}
"""Of platforms: messages are taken from them, and none goes out."""


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("stack"), **SECRETS)
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
