"""A thousand accepts for a hundred conversations: one winner each, nobody above capacity."""

import asyncio
import random
from collections import Counter
from uuid import UUID

import httpx

from domain.names import AGENT_ATTRIBUTE, PROCESS, STATUS_ATTRIBUTE, conversation_workflow_id
from tests.e2e.chatting import bearer, log_of, staff_token, visit
from tests.e2e.logs import until_handled
from tests.e2e.stack import Stack

CONVERSATIONS = 100
AGENTS = 20
ACCEPTS = 1_000
CAPACITY = 3


async def test_thousand_accepts(chat_stack: Stack) -> None:
    chance = random.Random(1)
    tokens = {name: staff_token(chat_stack, name) for name in map("agent-{}".format, range(AGENTS))}
    async with chat_stack.client() as client:
        visitors = [await visit(client) for _ in range(CONVERSATIONS)]
        for name, token in tokens.items():
            answer = await client.post(
                "/api/agent/sessions", json={"agentId": name}, headers=bearer(token)
            )
            assert answer.json()["capacity"] == CAPACITY
        attempts = [
            (visitor.conversation_id, name)
            for visitor in visitors
            for name in chance.sample(sorted(tokens), ACCEPTS // CONVERSATIONS)
        ]
        chance.shuffle(attempts)

        async def accept(conversation_id: str, name: str) -> tuple[str, str, httpx.Response]:
            answer = await client.post(
                f"/api/agent/conversations/{conversation_id}/accept",
                json={"agentId": name},
                headers=bearer(tokens[name]),
            )
            return conversation_id, name, answer

        results = await asyncio.gather(*(accept(*attempt) for attempt in attempts))
    codes = Counter(answer.status_code for _, _, answer in results)
    assert set(codes) == {200, 409}, codes
    refusals = {answer.json()["code"] for _, _, answer in results if answer.status_code == 409}
    assert refusals <= {"conflict", "capacity"}
    winners = {
        conversation_id: name
        for conversation_id, name, answer in results
        if answer.status_code == 200
    }
    assert len(winners) == codes[200], "a conversation was given twice"
    held = Counter(winners.values())
    assert max(held.values()) == CAPACITY
    # Everybody wanted fifty, so nobody ends with room and a conversation left to want.
    assert codes[200] == AGENTS * CAPACITY
    await until_handled(chat_stack, within=10)
    wanted = [visitor.conversation_id for visitor in visitors]
    await _check_sums(chat_stack, wanted, winners, held)


async def _check_sums(
    stack: Stack, wanted: list[str], winners: dict[str, str], held: Counter[str]
) -> None:
    """Projection, log and workflow agree."""
    async with stack.database() as connection:
        rows = await (
            await connection.execute(
                "SELECT id, agent_id FROM conversations WHERE id = ANY(%s) AND status <> 'QUEUED'",
                [[UUID(each) for each in wanted]],
            )
        ).fetchall()
        assert {str(row["id"]): row["agent_id"] for row in rows} == winners
        for conversation_id, name in winners.items():
            assigned = [
                entry["event"]["after"]
                for entry in await log_of(connection, conversation_id)
                if entry["event"] and entry["event"]["type"] == "assigned"
            ]
            assert assigned == [name]
    temporal = await stack.temporal()
    for conversation_id, name in winners.items():
        handle = temporal.get_workflow_handle(conversation_workflow_id(UUID(conversation_id)))
        assert (await handle.query(PROCESS))["status"] == "ASSIGNED"
        shown = (await handle.describe()).search_attributes
        assert (shown[STATUS_ATTRIBUTE], shown[AGENT_ATTRIBUTE]) == (["ASSIGNED"], [name])
    assert sum(held.values()) == len(winners)
