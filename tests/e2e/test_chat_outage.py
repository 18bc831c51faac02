"""Temporal is away: both sides go on talking, and what needs a judge is refused for now."""

import asyncio
from typing import Any

import pytest

from tests.e2e.chatting import bearer, connected, log_of, staff_token, visit
from tests.e2e.logs import until_handled
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.alone

_AT_ONCE = 1
"""Seconds, where the engine's patience is ten."""


async def test_talk_goes_on_and_lifecycle_waits(chat_stack: Stack) -> None:
    token = staff_token(chat_stack, "bob")
    async with chat_stack.client() as client:
        visitor = await visit(client)
        other = await visit(client)
        place = f"/api/agent/conversations/{visitor.conversation_id}"
        accepted = await client.post(f"{place}/accept", json={}, headers=bearer(token))
        assert accepted.status_code == 200, accepted.text
        events: list[tuple[str, Any]] = []
        query = {"role": "customer", "conversationId": visitor.conversation_id}
        async with connected(
            chat_stack.url, visitor.token, lambda *event: events.append(event), **query
        ) as socket:
            with chat_stack.without("temporal"):
                refusals = asyncio.gather(
                    client.post(
                        f"/api/agent/conversations/{other.conversation_id}/accept",
                        json={},
                        headers=bearer(token),
                    ),
                    client.post(f"{place}/close", json={}, headers=bearer(token)),
                    client.post(f"{visitor.place}/close", headers=bearer(visitor.token)),
                )
                named = {"conversationId": visitor.conversation_id}
                await socket.emit("conversation:close", named)
                ack = await socket.call(
                    "chat:send", {**named, "content": "customer/0"}, timeout=_AT_ONCE
                )
                assert ack["content"] == "customer/0"
                for number in range(20):
                    sent = await client.post(
                        f"{place}/messages",
                        json={"content": f"agent/{number}"},
                        headers=bearer(token),
                    )
                    assert sent.status_code == 201, sent.text
                for answer in await refusals:
                    assert answer.status_code == 503, answer.text
                    assert int(answer.headers["Retry-After"]) > 0

                async def close_refused() -> bool:
                    return refused(events) == ["unavailable"]

                await until(close_refused, 15, "the refusal of the close on the socket")
                # Whoever comes now is let in, and waits.
                late = await visit(client)
            await until_handled(chat_stack, within=20)

            async def all_came() -> bool:
                said = [p["message"]["content"] for e, p in events if e == "chat:message"]
                return len(said) == 21

            await until(all_came, 5, "every message on the customer's socket")
        accepted = await client.post(
            f"/api/agent/conversations/{late.conversation_id}/accept",
            json={},
            headers=bearer(token),
        )
        assert accepted.status_code == 200, accepted.text
    async with chat_stack.database() as connection:
        log = await log_of(connection, visitor.conversation_id)
    assert [entry["seq"] for entry in log] == list(range(1, len(log) + 1))


async def test_no_message_waits_for_a_close_that_is_stuck(chat_stack: Stack) -> None:
    """Temporal takes the call and does not answer, until the engine's patience is at its end."""
    async with chat_stack.client() as client:
        visitor = await visit(client)
    named = {"conversationId": visitor.conversation_id}
    events: list[tuple[str, Any]] = []
    async with connected(
        chat_stack.url, visitor.token, lambda *event: events.append(event), **named
    ) as socket:
        with chat_stack.frozen("temporal"):
            await socket.emit("conversation:close", named)
            for number in range(3):
                ack = await socket.call(
                    "chat:send", {**named, "content": f"{number}"}, timeout=_AT_ONCE
                )
                assert ack["content"] == f"{number}"
            assert not refused(events)

            async def close_refused() -> bool:
                return refused(events) == ["unavailable"]

            await until(close_refused, 20, "the refusal of the close on the socket")
    await until_handled(chat_stack, within=20)
    async with chat_stack.database() as connection:
        log = await log_of(connection, visitor.conversation_id)
    said = [entry["content"] for entry in log if entry["author"] == "customer"]
    assert said == ["0", "1", "2"]


def refused(events: list[tuple[str, Any]]) -> list[str]:
    """The codes of what a socket was refused."""
    return [payload["code"] for event, payload in events if event == "system:error"]
