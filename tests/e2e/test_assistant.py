"""The assistant in a whole Holdfast: by its own articles, and by a model whose worker is killed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.assistant.model_server import ModelServer, after, model_server, says
from tests.e2e.load import open_ticket
from tests.e2e.stack import Stack, until

pytestmark = pytest.mark.alone

EXAMPLES = Path(__file__).parents[2] / "docs/examples/kb"
TICKETS = 20
DEADLINE = 20.0
"""Seconds, as the settings have it when nothing is said."""


@asynccontextmanager
async def stack_with(folder: Path, **settings: str) -> AsyncIterator[Stack]:
    stack = Stack(folder, **settings)
    try:
        await asyncio.to_thread(stack.up)
        yield stack
    finally:
        await asyncio.to_thread(stack.end)


async def ask(client: httpx.AsyncClient, question: str) -> str:
    """A new ticket's id."""
    return await open_ticket(client, initial_message=question)


async def answers(client: httpx.AsyncClient, ticket_id: str) -> list[dict[str, Any]]:
    log = (await client.get(f"/api/tickets/{ticket_id}/messages?after_seq=0")).json()
    return [entry for entry in log if entry["sender_type"] == "ai"]


async def test_article_answers_a_question(tmp_path: Path) -> None:
    async with stack_with(tmp_path) as stack, stack.client() as client:
        silent = await ask(client, "How many days do I have to return a bicycle?")
        imported = stack.house.run("kb", "import", str(EXAMPLES))
        assert imported.returncode == 0, imported.stderr
        again = stack.house.run("kb", "import", str(EXAMPLES))
        assert "0 new" in again.stdout
        ticket_id = await ask(client, "How many days do I have to return a bicycle?")

        async def answered() -> bool:
            return bool(await answers(client, ticket_id))

        await until(answered, 5, "the assistant has answered")
        [answer] = await answers(client, ticket_id)
        assert answer["metadata"]["sources"][0]["title"] == "Returns and refunds"
        assert await answers(client, silent) == []


async def test_kill9_of_the_worker_doubles_and_loses_no_answer(tmp_path: Path) -> None:
    async with model_server() as model:
        gate = asyncio.Event()
        model.default = after(gate, says("An answer."))
        settings = {"AI_MODEL": "openai:test", "AI_BASE_URL": model.url, "AI_API_KEY": "a key"}
        async with stack_with(tmp_path, **settings) as stack, stack.client() as client:
            tickets = await asyncio.gather(*(ask(client, f"No. {n}?") for n in range(TICKETS)))
            await until_asked(model, TICKETS)
            killed = {"worker": stack.servers["worker"]}
            stack.kill("worker")
            gate.set()
            await stack.until_back(killed)
            for ticket_id in tickets:

                async def answered(ticket_id: str = ticket_id) -> bool:
                    return bool(await answers(client, ticket_id))

                await until(answered, DEADLINE, "every customer has heard something")
            for ticket_id in tickets:
                assert len(await answers(client, ticket_id)) == 1
            async with stack.database() as connection:
                rows = await connection.execute(
                    """
                    SELECT extract(epoch FROM max(said.created_at - asked.created_at)) AS longest
                    FROM messages AS said JOIN messages AS asked USING (thread_id)
                    WHERE said.author = 'ai' AND asked.seq = 1
                    """
                )
                longest = (await rows.fetchone() or {})["longest"]
            assert longest <= DEADLINE


async def until_asked(model: ModelServer, times: int) -> None:
    async def asked() -> bool:
        return len(model.requests) >= times

    await until(asked, 15, "the model was asked")
