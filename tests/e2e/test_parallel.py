"""Fifty who want the same thing at the same time."""

import asyncio
from itertools import cycle, islice
from uuid import uuid4

from tests.e2e.load import new_ticket, open_ticket
from tests.e2e.logs import check_whole, read, until_handled
from tests.e2e.stack import Stack

FIFTY = 50


async def test_fifty_identical_creates_make_one_ticket(stack: Stack) -> None:
    key = uuid4().hex
    subject = f"One of fifty {key}"
    async with stack.client() as client:
        answers = await asyncio.gather(
            *(
                client.post(
                    "/api/tickets/create",
                    json=new_ticket(subject=subject),
                    headers={"Idempotency-Key": key},
                )
                for _ in range(FIFTY)
            )
        )
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.text for answer in answers}) == 1
        found = await client.get("/api/tickets/", params={"q": key})
        assert found.json()["total_count"] == 1
    async with stack.database() as connection:
        stored = await connection.execute("SELECT FROM tickets WHERE subject = %s", [subject])
        assert stored.rowcount == 1


async def test_same_key_with_another_body_is_refused(stack: Stack) -> None:
    headers = {"Idempotency-Key": uuid4().hex}
    async with stack.client() as client:
        ticket = new_ticket()
        first = await client.post("/api/tickets/create", json=ticket, headers=headers)
        assert first.status_code == 201
        other = await client.post(
            "/api/tickets/create", json=ticket | {"subject": "Another"}, headers=headers
        )
        assert other.status_code == 409
        again = await client.post("/api/tickets/create", json=ticket, headers=headers)
        assert (again.status_code, again.text) == (201, first.text)


async def test_fifty_status_updates_are_judged_one_after_the_other(stack: Stack) -> None:
    """With a close among them: what comes after it is refused, and nothing for load."""
    wanted = [*islice(cycle(("open", "pending_customer", "resolved")), FIFTY - 1), "closed"]
    async with stack.client() as client:
        ticket_id = await open_ticket(client)

        async def put(status: str) -> tuple[str, int]:
            answer = await client.put(f"/api/tickets/{ticket_id}", json={"status": status})
            assert answer.status_code in (200, 409), answer.text
            return status, answer.status_code

        # The one that closes is sent halfway.
        order = wanted[: FIFTY // 2] + wanted[-1:] + wanted[FIFTY // 2 : -1]
        answers = await asyncio.gather(*map(put, order))
    assert ("closed", 200) in answers
    await until_handled(stack, within=10)
    async with stack.database() as connection:
        log = (await read(connection, [ticket_id]))[ticket_id]
    check_whole(log)
    assert log.status == "closed"
    carried_out = sum(code == 200 for _, code in answers)
    # Whoever asked for what was the case already was told yes, and nothing happened.
    assert 1 <= len(log.moves) <= carried_out
    assert set(log.moves[:-1]) <= {
        (before, after) for before in ("new", *wanted[:3]) for after in wanted[:3]
    }


async def test_fifty_assignments_each_leave_their_event(stack: Stack) -> None:
    """All different and all legal: so all are carried out, each once."""
    agents = [f"agent-{number}" for number in range(FIFTY)]
    async with stack.database() as connection:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO agents (id, name, created_at) VALUES (%s, '', now())"
                " ON CONFLICT DO NOTHING",
                [(agent,) for agent in agents],
            )
        async with stack.client() as client:
            ticket_id = await open_ticket(client)
            answers = await asyncio.gather(
                *(
                    client.put(f"/api/tickets/{ticket_id}/assign", params={"agent_id": agent})
                    for agent in agents
                )
            )
        assert {answer.status_code for answer in answers} == {200}
        await until_handled(stack, within=10)
        log = (await read(connection, [ticket_id]))[ticket_id]
    events = log.events("assigned")
    assert sorted(event["after"] for event in events) == sorted(agents)
    before = None
    for event in events:
        assert event.get("before") == before
        before = event["after"]
