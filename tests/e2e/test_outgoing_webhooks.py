"""A subscriber of a whole Holdfast, whose worker is killed while it calls."""

from collections.abc import Iterator

import httpx
import pytest

from tests.activities.subscriber import subscriber
from tests.e2e.stack import Stack, until

TICKETS = 30


@pytest.fixture
def calling_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("webhooks"), WEBHOOK_ALLOWED_HOSTS="127.0.0.1")
    try:
        stack.up()
        yield stack
    finally:
        stack.end()


async def create(client: httpx.AsyncClient) -> str:
    body = {"subject": "Help", "initial_message": "Hello"}
    answer = await client.post("/api/tickets/create", json=body)
    return str(answer.json()["ticket_id"])


async def test_every_ticket_is_told_though_the_worker_is_killed(calling_stack: Stack) -> None:
    stack = calling_stack
    await stack.until_ready()
    async with subscriber() as receiver, stack.client() as client:
        answer = await client.post(
            "/api/subscriptions", json={"url": receiver.url, "events": ["ticket.created"]}
        )
        assert answer.status_code == 201, answer.text
        receiver.secret = answer.json()["secret"]
        place = f"/api/subscriptions/{answer.json()['id']}/events"
        made = {await create(client) for _ in range(TICKETS // 2)}
        await receiver.until_called(1)
        killed = {"worker": stack.servers["worker"]}
        stack.kill("worker")
        made |= {await create(client) for _ in range(TICKETS // 2)}
        await stack.until_back(killed)

        async def all_delivered() -> bool:
            page = (await client.get(place, params={"state": "delivered"})).json()
            return bool(page["total_count"] == TICKETS)

        await until(all_delivered, 60, "every event is delivered")
        told = {each["data"]["ticket"]["ticket_id"] for each in receiver.received}
        assert told == made
        assert len(set(receiver.ids)) == TICKETS
