"""Subscriptions to outgoing webhooks over HTTP."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.config import ApiConfig
from domain.ids import parse_webhook_event_id
from domain.principals import Role, Scope
from store import webhook_events
from store.database import Database
from store.webhook_events import Outcome
from tests.api.people import as_, with_key

Json = dict[str, Any]

ADMIN = as_(Role.ADMIN)
PLACE = "/api/subscriptions"
HOOK = {"url": "https://hooks.example.com/desk", "events": ["ticket.created", "message.*"]}


@pytest.fixture
def config(config: ApiConfig) -> ApiConfig:
    allowed = frozenset({"localhost:9000", "10.0.0.7"})
    return config.model_copy(update={"webhook_allowed_hosts": allowed})


async def create(client: httpx.AsyncClient, **changes: object) -> Json:
    answer = await client.post(PLACE, headers=ADMIN, json=HOOK | changes)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def fetch(client: httpx.AsyncClient, path: str) -> Json:
    answer = await client.get(f"{PLACE}{path}", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def finish(database: Database, event_id: str, outcome: Outcome) -> None:
    """As the worker does it."""
    found = parse_webhook_event_id(event_id)
    async with database.begin() as session:
        now = datetime.now(UTC)
        await webhook_events.begin_call(session, found, now)
        await webhook_events.record(session, found, outcome, now)


class TestCreating:
    async def test_secret_is_shown_once(self, client: httpx.AsyncClient) -> None:
        made = await create(client, description="The shop")
        assert made["id"].startswith("whk_")
        assert made["secret"].startswith("whsec_")
        assert made["active"]
        found = await fetch(client, f"/{made['id']}")
        assert found == {name: value for name, value in made.items() if name != "secret"}
        assert (await fetch(client, ""))["subscriptions"] == [found]

    async def test_same_key_makes_one(self, client: httpx.AsyncClient) -> None:
        headers = {**ADMIN, "Idempotency-Key": "one"}
        first, again = [await client.post(PLACE, headers=headers, json=HOOK) for _ in range(2)]
        assert first.json() == again.json()
        assert len((await fetch(client, ""))["subscriptions"]) == 1

    @pytest.mark.parametrize(
        "url",
        [
            "http://hooks.example.com/",
            "https://127.0.0.1/",
            "https://10.0.0.8/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest",
            "https://user:password@example.com/",
            "https://@example.com/",
            "https://example.com:0/",
            "http://localhost:9001/",
            "https://",
            "ftp://example.com/",
            "example.com",
            "",
        ],
    )
    async def test_what_is_never_called_is_422(self, client: httpx.AsyncClient, url: str) -> None:
        answer = await client.post(PLACE, headers=ADMIN, json=HOOK | {"url": url})
        assert answer.status_code == 422
        made = await create(client)
        place = f"{PLACE}/{made['id']}"
        assert (await client.patch(place, headers=ADMIN, json={"url": url})).status_code == 422

    @pytest.mark.parametrize(
        "url",
        [
            "http://localhost:9000/a",
            "http://LOCALHOST:9000/",
            "http://10.0.0.7/",
            "https://a.b:99/",
        ],
    )
    async def test_allowed_hosts_may_be_private_and_plain(
        self, client: httpx.AsyncClient, url: str
    ) -> None:
        assert (await create(client, url=url))["url"] == url

    @pytest.mark.parametrize(
        "events",
        [
            [],
            [""],
            ["tickets.created"],
            ["ticket.nonsense"],
            ["ticket"],
            ["*.created"],
            ["**"],
            ["message.created\n"],
            ["*"] * 51,
            "*",
            None,
        ],
    )
    async def test_unknown_kinds_are_422(self, client: httpx.AsyncClient, events: object) -> None:
        answer = await client.post(PLACE, headers=ADMIN, json=HOOK | {"events": events})
        assert answer.status_code == 422

    async def test_kinds_are_kept_once_each(self, client: httpx.AsyncClient) -> None:
        events = ["conversation.*", "ticket.status_changed", "*", "*"]
        assert (await create(client, events=events))["events"] == events[:3]


class TestWho:
    async def test_admins_and_admin_keys_alone(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        place = f"{PLACE}/{(await create(client))['id']}"
        assert (await client.get(place)).status_code == 401
        for who in (
            as_(Role.AGENT),
            as_(Role.CUSTOMER),
            as_(Role.VISITOR),
            await with_key(database, Scope.TICKETS, Scope.XMPP, Scope.HANDOFF),
        ):
            assert (await client.get(place, headers=who)).status_code == 403
        key = await with_key(database, Scope.ADMIN)
        assert (await client.get(place, headers=key)).status_code == 200


class TestChanging:
    async def test_what_is_said_changes_and_nothing_else(self, client: httpx.AsyncClient) -> None:
        made = await create(client)
        place = f"{PLACE}/{made.pop('id')}"
        del made["secret"]
        answer = await client.patch(place, headers=ADMIN, json={"events": ["*"], "active": False})
        changed = answer.json()
        del changed["id"]
        assert changed == made | {"events": ["*"], "active": False}

    async def test_nothing_to_change_is_400(self, client: httpx.AsyncClient) -> None:
        place = f"{PLACE}/{(await create(client))['id']}"
        assert (await client.patch(place, headers=ADMIN, json={})).status_code == 400

    async def test_deleted_is_404(self, client: httpx.AsyncClient) -> None:
        place = f"{PLACE}/{(await create(client))['id']}"
        assert (await client.delete(place, headers=ADMIN)).status_code == 204
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/test"),
            ("POST", "/rotate-secret"),
            ("GET", "/events"),
        ):
            body = {"description": "a"} if method == "PATCH" else None
            answer = await client.request(method, place + path, headers=ADMIN, json=body)
            assert answer.status_code == 404, (method, path)

    async def test_rotation_shows_the_new_secret_once(self, client: httpx.AsyncClient) -> None:
        made = await create(client)
        headers = {**ADMIN, "Idempotency-Key": "rotate"}
        place = f"{PLACE}/{made['id']}/rotate-secret"
        first, again = [await client.post(place, headers=headers) for _ in range(2)]
        assert first.status_code == 200
        assert first.json() == again.json()
        assert first.json()["secret"] not in (made["secret"], None)
        assert first.json()["old_secret_until"] is not None


class TestEvents:
    async def test_ping_is_listed_with_its_attempts(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        place = f"/{(await create(client))['id']}"
        answer = await client.post(f"{PLACE}{place}/test", headers=ADMIN)
        assert answer.status_code == 202
        sent = answer.json()
        assert (sent["type"], sent["state"], sent["attempts"]) == ("ping", "pending", [])
        assert (await fetch(client, f"{place}/events?state=pending"))["events"] == [sent]
        await finish(database, sent["id"], Outcome(200, 34))
        page = await fetch(client, f"{place}/events?state=delivered&page=1&page_size=5")
        assert (page["total_count"], page["page"], page["page_size"]) == (1, 1, 5)
        [event] = page["events"]
        [attempt] = event["attempts"]
        del attempt["at"]
        assert attempt == {"number": 1, "status": 200, "error": None, "milliseconds": 34}
        assert (await fetch(client, f"{place}/events?state=failed"))["total_count"] == 0

    async def test_ticket_is_told(self, client: httpx.AsyncClient) -> None:
        place = f"/{(await create(client))['id']}"
        body = {"subject": "Help", "initial_message": "Hello"}
        await client.post("/api/tickets/create", headers=ADMIN, json=body)
        events = (await fetch(client, f"{place}/events"))["events"]
        assert {event["type"] for event in events} == {"ticket.created", "message.created"}

    async def test_redelivery(self, client: httpx.AsyncClient, database: Database) -> None:
        place = f"{PLACE}/{(await create(client))['id']}"
        sent = (await client.post(f"{place}/test", headers=ADMIN)).json()
        again = f"{place}/events/{sent['id']}/redeliver"
        answer = await client.post(again, headers=ADMIN)
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_event_pending")
        await finish(database, sent["id"], Outcome(200, 1))
        answer = await client.post(again, headers=ADMIN)
        assert (answer.status_code, answer.json()["state"]) == (202, "pending")
        unknown = f"{place}/events/evt_{UUID(int=0).hex}/redeliver"
        assert (await client.post(unknown, headers=ADMIN)).status_code == 404

    async def test_disabled_is_shown_and_can_be_undone(
        self, client: httpx.AsyncClient, database: Database
    ) -> None:
        place = f"/{(await create(client))['id']}"
        sent = (await client.post(f"{PLACE}{place}/test", headers=ADMIN)).json()
        await finish(database, sent["id"], Outcome(410, 1, "The address answered 410.", fatal=True))
        found = await fetch(client, place)
        assert (found["active"], found["disabled_reason"]) == (False, "The address answered 410.")
        answer = await client.post(f"{PLACE}{place}/test", headers=ADMIN)
        assert (answer.status_code, answer.json()["code"]) == (409, "webhook_disabled")
        await client.patch(f"{PLACE}{place}", headers=ADMIN, json={"active": True})
        found = await fetch(client, place)
        assert (found["active"], found["disabled_reason"], found["failing_since"]) == (
            True,
            None,
            None,
        )
