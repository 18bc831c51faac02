"""Hostile values in every field of every endpoint, as the OpenAPI document lists them."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from api.config import ApiConfig
from domain.principals import Role
from store import agents
from store.database import Database
from tests.api.matrix import UNUSED_ID, operations
from tests.api.people import as_, visitor
from tests.api.platforms import SET_UP
from tests.api.schemas import SAMPLE_TEXT, places, replaced, sample

SQL = "'; DROP TABLE tickets; SELECT pg_sleep(9) --"
SCRIPT = "<script>alert(document.cookie)</script>"
TEXTS = (
    SQL,
    SCRIPT,
    "%' OR 1=1 /*",
    "\\",
    "a & ! | :* <-> (b",
    "../../etc/passwd",
    "{{7*7}}${7*7}",
    "",
    " ",
    "\0",
    "x" * 20_000,
    "\u202e🦊\ufffe",
    "\ud800",
    "null",
    "NaN",
    "-1",
    "1e999",
    "9" * 400,
    UNUSED_ID,
    f"tkt_{UNUSED_ID}",
    f"cust_{UNUSED_ID}",
    "0000-00-00T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
)
VALUES: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    1e308,
    2**31,
    2**63,
    10**30,
    [],
    {},
    [[]],
    {"a": {"b": []}},
)


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


VISITOR_ID = uuid4()
CUSTOMERS_DOOR = "/api/customer/conversations/"


@pytest.fixture
def config(config: ApiConfig) -> ApiConfig:
    """Without limits, so that requests get past the 429; with platforms, to get past the 503."""
    unlimited = {"rate_limit_visitors": 1_000_000, "rate_limit_messages": 1_000_000}
    return config.model_copy(update=unlimited | SET_UP)


@pytest.fixture
async def ids(client: httpx.AsyncClient, database: Database) -> dict[str, str]:
    """A ticket, a customer and an agent that exist, so that requests get past the 404.

    And two conversations: what one side tries must not end the other's.
    """
    async with database.begin() as session:
        await agents.add(session, SAMPLE_TEXT, "Jane")
    ticket = await client.post(
        "/api/tickets/create",
        headers=as_(Role.ADMIN),
        json={
            "source": {"channel": "xmpp"},
            "subject": "Help",
            "initial_message": "Hello",
            "customer": {"name": "Jane", "channel_identity": SAMPLE_TEXT},
        },
    )
    assert ticket.status_code == 201
    article = await client.post(
        "/api/kb/articles", headers=as_(Role.ADMIN), json={"title": "Returns", "body": "Free."}
    )
    assert article.status_code == 201
    subscription = await client.post(
        "/api/subscriptions",
        headers=as_(Role.ADMIN),
        json={"url": "https://hooks.example/", "events": ["note.created"]},
    )
    assert subscription.status_code == 201
    subscription_id = subscription.json()["id"]
    event = await client.post(f"/api/subscriptions/{subscription_id}/test", headers=as_(Role.ADMIN))
    assert event.status_code == 202
    file = await client.post(
        "/api/attachments", headers=as_(Role.ADMIN), files={"file": ("a.txt", b"Hello")}
    )
    assert file.status_code == 201
    body = ticket.json()
    export = await client.post(
        f"/api/customers/{body['customer']['internal_id']}/export", headers=as_(Role.ADMIN)
    )
    assert export.status_code == 202
    visitors, desks = [
        (await client.post("/api/customer/sessions", headers=headers, json={})).json()
        for headers in (visitor(VISITOR_ID), visitor(uuid4()))
    ]
    return {
        "ticket_id": body["ticket_id"],
        "customer_id": body["customer"]["internal_id"],
        "request_id": export.json()["request_id"],
        "channel": "xmpp",
        "identity": SAMPLE_TEXT,
        "article_id": article.json()["id"],
        "subscription_id": subscription_id,
        "event_id": event.json()["id"],
        "attachment_id": file.json()["id"],
        "message_id": f"msg_{UUID(int=0).hex}",
        "name": SAMPLE_TEXT,
        "agent_id": SAMPLE_TEXT,
        "user_id": SAMPLE_TEXT,
        "contact_id": SAMPLE_TEXT,
        "jid": SAMPLE_TEXT,
        "conversation_id": desks["conversationId"],
        "own_conversation_id": visitors["conversationId"],
    }


class Attack:
    """Sends requests and keeps those that were not answered as they should be."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._content = {"Content-Type": "application/json"}
        self.tried = 0
        self.wrong: list[str] = []

    async def send(self, method: str, url: str, body: bytes | None) -> None:
        self.tried += 1
        who = visitor(VISITOR_ID) if url.startswith(CUSTOMERS_DOOR) else as_(Role.ADMIN)
        headers = who | self._content
        answer = await self._client.request(method, url, headers=headers, content=body)
        said_why = answer.status_code < 400 or _sentence(answer.json())
        if answer.status_code >= 500 or not said_why:
            self.wrong.append(f"{method} {url[:200]} {body!r:.300}: {answer.status_code}")


def _sentence(told: dict[str, str]) -> str:
    """What is wrong, in either family's words."""
    return told["error"] if "error" in told else told["detail"]


@pytest.fixture
def attack(client: httpx.AsyncClient) -> Attack:
    return Attack(client)


def ids_in(path: str, ids: dict[str, str]) -> dict[str, str]:
    own = {"conversation_id": ids["own_conversation_id"]}
    return ids | (own if path.startswith(CUSTOMERS_DOOR) else {})


def addresses(path: str, operation: dict[str, Any], ids: dict[str, str]) -> Iterator[str]:
    """The address with a hostile text in one parameter at a time."""
    ids = ids_in(path, ids)
    good = path.format_map(ids)
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        for text in TEXTS:
            hostile = quote(text.encode(errors="surrogatepass"), safe="")
            if parameter["in"] == "path":
                yield path.format_map({**ids, name: hostile})
            elif parameter["in"] == "query":
                yield f"{good}?{quote(name)}={hostile}"
        if parameter["in"] == "query":
            yield f"{good}?{name}={'9' * 5_000}"
            yield f"{good}?{name}=a&{name}=b&{name}[]=c&{name}[$ne]=d"


async def test_addresses(app: FastAPI, attack: Attack, ids: dict[str, str]) -> None:
    for method, path, operation in operations(app):
        for address in addresses(path, operation, ids):
            await attack.send(method, address, b"{}" if "requestBody" in operation else None)
    assert attack.wrong == []
    assert attack.tried > 300


async def test_bodies(app: FastAPI, attack: Attack, ids: dict[str, str]) -> None:
    document = app.openapi()
    for method, path, operation in operations(app):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            # Files: tests/api/test_attachments.py.
            continue
        schema = content["application/json"]["schema"]
        good = sample(document, schema)
        for place in places(good):
            for value in (*TEXTS, *VALUES, deep(190)):
                body = json.dumps(replaced(good, place, value)).encode()
                await attack.send(method, path.format_map(ids_in(path, ids)), body)
    assert attack.wrong == []
    assert attack.tried > 1_000


async def test_text_is_only_text(client: httpx.AsyncClient) -> None:
    for text in (SQL, SCRIPT, "\\", "%' OR 1=1 /*", "\u202e🦊\ufffe"):
        given = {"subject": text, "initial_message": text}
        answer = await client.post("/api/tickets/create", headers=as_(Role.ADMIN), json=given)
        assert answer.status_code == 201
        ticket = answer.json()
        assert ticket["subject"] == ticket["timeline"][0]["content"] == text
        assert answer.headers["Content-Type"] == "application/json"


async def test_idempotency_keys(client: httpx.AsyncClient) -> None:
    for key in ("", " ", "x" * 300, "é", "a b", "\x7f", SQL, SCRIPT):
        for body in (b"", b"{", b"\xff", b'{"subject": "a"}'):
            for kind in ("application/json", "text/plain"):
                given = {**as_(Role.ADMIN), "Content-Type": kind, "Idempotency-Key": key}
                headers = httpx.Headers(given, encoding="latin-1")
                answer = await client.post("/api/tickets/create", headers=headers, content=body)
                assert answer.status_code == 422, (key, body, kind)
