"""The clocks of the live chat keep their time to the second, though every process was killed."""

import asyncio
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.chatting import SETTINGS, bearer, connected, log_of, staff_token, visit
from tests.e2e.logs import until_handled
from tests.e2e.stack import Connection, Stack, until

pytestmark = pytest.mark.alone

ON_TIME = timedelta(seconds=1)
CLOCKS = {"QUEUE_TIMEOUT": "14s", "AGENT_GRACE": "14s", "CHAT_IDLE_TIMEOUT": "20s"}
"""Longer than it takes to start everything again."""


@pytest.fixture(scope="module")
def hasty_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("clocks"), **SETTINGS, **CLOCKS)
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


def nothing(_event: str, _payload: object) -> None:
    """For those whose sockets need only be there."""


async def test_clocks_outlive_every_process(hasty_stack: Stack) -> None:
    token = staff_token(hasty_stack, "bob")
    async with hasty_stack.client() as client:
        waiting = await visit(client)
        left = await visit(client)
        idle = await visit(client)
        for visitor in (left, idle):
            place = f"/api/agent/conversations/{visitor.conversation_id}"
            accepted = await client.post(f"{place}/accept", json={}, headers=bearer(token))
            assert accepted.status_code == 200, accepted.text
        # The conversation that falls silent belongs to an agent who never had a socket.
        other = staff_token(hasty_stack, "eve")
        place = f"/api/agent/conversations/{idle.conversation_id}"
        moved = await client.post(
            "/api/agent/sessions", json={"agentId": "eve"}, headers=bearer(other)
        )
        assert moved.status_code == 200, moved.text
        moved = await client.post(
            f"{place}/transfer", json={"toAgentId": "eve"}, headers=bearer(token)
        )
        assert moved.status_code == 200, moved.text
        query = {"role": "agent", "conversationId": left.conversation_id}
        async with connected(hasty_stack.url, token, nothing, **query):
            pass
        gone_at = datetime.now(UTC)
        said = await client.post(
            f"{place}/messages", json={"content": "Anything else?"}, headers=bearer(other)
        )
        assert said.status_code == 201, said.text
    await until_handled(hasty_stack, within=5)
    assert hasty_stack.end(signal.SIGKILL) == -signal.SIGKILL
    await asyncio.to_thread(hasty_stack.up)
    async with hasty_stack.database() as connection:
        queued_at = (await log_of(connection, waiting.conversation_id))[0]["created_at"]
        spoken_at = datetime.fromisoformat(said.json()["createdAt"])
        await assert_fires(connection, waiting.conversation_id, "queue_timeout", queued_at + S14)
        await assert_fires(connection, left.conversation_id, "released", gone_at + S14)
        await assert_fires(connection, idle.conversation_id, "idle", spoken_at + S20)
        await assert_fires(connection, idle.conversation_id, "closed", spoken_at + S20)
    async with hasty_stack.client() as client:
        await _check_nothing_is_dropped(client, hasty_stack, waiting.conversation_id, token)


S14, S20 = timedelta(seconds=14), timedelta(seconds=20)


async def _check_nothing_is_dropped(
    client: httpx.AsyncClient, stack: Stack, conversation_id: str, token: str
) -> None:
    """Who waited too long was told, is still in the queue, and can be accepted."""
    async with stack.database() as connection:
        log = await log_of(connection, conversation_id)
    assert [entry["author"] for entry in log if not entry["event"]] == ["system"]
    accepted = await client.post(
        f"/api/agent/conversations/{conversation_id}/accept", json={}, headers=bearer(token)
    )
    assert accepted.status_code == 200, accepted.text


async def assert_fires(
    connection: Connection, conversation_id: str, kind: str, due: datetime
) -> None:
    """Once, within a second of its time."""
    found: list[dict[str, Any]] = []

    async def fired() -> bool:
        log = await log_of(connection, conversation_id)
        found[:] = [e for e in log if e["event"] and e["event"]["type"] == kind]
        return bool(found)

    await until(fired, 40, f"{kind} in the log of {conversation_id}")
    (once,) = found
    late = once["created_at"] - due
    # A socket that was seen to go by its api process went a moment before its client saw it.
    assert -ON_TIME / 4 < late < ON_TIME, f"{kind} was due {due}, fired {once['created_at']}"
