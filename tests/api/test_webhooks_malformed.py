"""Ten thousand malformed bodies for each webhook, half of them signed as the platform signs."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.types import Message

from api.config import ApiConfig
from domain.models import Channel
from domain.principals import Scope
from store.database import Database
from tests.api.people import with_key
from tests.api.platforms import (
    ACCOUNTS,
    AT,
    PAGE,
    PLATFORMS,
    Json,
    call,
    echoed,
    messenger,
    said,
    signed,
    whatsapp,
)
from tests.api.schemas import places, replaced
from tests.api.test_webhook_chatbot import SEED, TRANSCRIPT

EACH = 5_000
"""Signed, and as many unsigned."""
GROWTH = 60 * 2**20
"""Bytes; ten thousand bodies that were kept would be many times that."""
VALUES: tuple[object, ...] = (
    *(None, True, -1, 0, 1.5, 1e308, 2**31, 2**63, 10**30, 10**4000),
    *("", " ", "\0", "\u202e🦊\ufffe", "x" * 20_000, "7", "+", "1e999", "-0", "'; DROP TABLE x --"),
    *([], {}, [[]], [None], [{}] * 50, {"a": {"b": []}}, {"id": {"id": {"id": 1}}}),
    *("message", "message_create", "9" * 400, "0000-00-00T00:00:00Z", str(10**18)),
)
ODD_JSON = (
    b'"\\ud800"',
    b"1e999",
    b"NaN",
    b"[" * 300 + b"]" * 300,
    b'{"a": 1, "a": 2}',
    b"9" * 5_000,
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
)
MESSENGER: list[Json] = [
    said(Channel.FACEBOOK, "7", "m1", "Hi"),
    echoed(Channel.FACEBOOK, "7", "m2", "Hello", metadata="x", app_id=3),
    messenger({"message": {"mid": "m3", "quick_reply": {"payload": "p"}, "text": "t"}}, "7"),
    messenger(
        {"message": {"mid": "m4", "attachments": [{"type": "image", "payload": {"url": "u"}}]}}, "7"
    ),
    messenger({"postback": {"mid": "m5", "title": "Start", "payload": "p"}}, "7"),
    messenger({"delivery": {"mids": ["m6"], "watermark": AT * 1000}}, "7"),
    messenger({"read": {"watermark": AT * 1000}}, "7"),
    messenger({"reaction": {"mid": "m1", "action": "react", "emoji": "👍"}}, "7"),
    {"object": "page", "entry": [{"id": PAGE, "standby": [{"sender": {"id": "7"}}]}]},
]
WHATSAPP: list[Json] = [
    said(Channel.WHATSAPP, "15550100", "w1", "Hi"),
    whatsapp(
        {
            "contacts": [{"wa_id": "15550100", "user_id": "u1", "profile": {"name": "Jo"}}],
            "messages": [
                {
                    "id": "w2",
                    "from": "15550100",
                    "timestamp": str(AT),
                    "type": "document",
                    "document": {"id": "f1", "mime_type": "a/b", "filename": "f", "sha256": "00"},
                    "context": {"id": "w1"},
                    "referral": {"source_url": "https://example.com"},
                }
            ],
            "statuses": [
                {
                    "id": "w3",
                    "status": "failed",
                    "timestamp": str(AT),
                    "recipient_id": "15550100",
                    "errors": [{"code": 131047, "title": "t"}],
                    "biz_opaque_callback_data": "x",
                }
            ],
            "errors": [{"code": 1}],
        }
    ),
    whatsapp(
        {
            "messages": [
                {
                    "id": "w4",
                    "from": "15550100",
                    "type": "reaction",
                    "reaction": {"message_id": "w1", "emoji": "👍"},
                },
                {
                    "id": "w5",
                    "from": "15550100",
                    "type": "location",
                    "location": {"latitude": 1.5, "longitude": 2.5, "name": "n"},
                },
            ]
        }
    ),
]
TWITTER: list[Json] = [
    said(Channel.TWITTER, "55", "1", "Hi"),
    echoed(Channel.TWITTER, "55", "2", "Hello"),
    {
        "data": {
            "event_uuid": "e",
            "event_type": "dm.received",
            "filter": {"user_id": "3003"},
            "payload": said(Channel.TWITTER, "55", "3", "Hi")
            | {"users": {"55": {"name": "Jo", "screen_name": "jo"}}},
        }
    },
]
CHATBOT: list[Json] = [
    SEED | {"transcript": TRANSCRIPT, "metadata": {"a": [1]}, "customer_phone": "1"}
]
GOOD = {
    Channel.FACEBOOK: MESSENGER,
    Channel.WHATSAPP: WHATSAPP,
    Channel.TWITTER: TWITTER,
    Channel.CHATBOT: CHATBOT,
}


@pytest.fixture
def config(config: ApiConfig) -> ApiConfig:
    unlimited = {"rate_limit_webhook": 1_000_000, "rate_limit_caller": 1_000_000}
    return config.model_copy(update={"accounts": ACCOUNTS} | unlimited)


async def status_of(app: FastAPI, path: str, body: bytes, headers: dict[str, str]) -> int:
    """As a server calls the application: a client in between would take most of the time."""
    answered: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.append(message["status"])

    given = {"content-type": "application/json"} | headers
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
        "client": ("192.0.2.1", 1),
        "server": ("holdfast", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    await app(scope, receive, send)
    (status,) = answered
    return status


def malformed(good: list[Json], seed: int) -> Iterator[bytes]:
    """Bodies with something odd in one place, and bodies whose very bytes are damaged."""
    by_chance = random.Random(seed)
    whole = [(body, list(places(body))) for body in good]
    while True:
        body, where = by_chance.choice(whole)
        changed: Any = body
        if by_chance.random() < 0.8:
            for _ in range(by_chance.choice((1, 1, 2))):
                place = by_chance.choice(list(places(changed)) if changed is not body else where)
                changed = replaced(changed, place, by_chance.choice(VALUES))
            yield json.dumps(changed).encode()
            continue
        raw = bytearray(json.dumps(body).encode())
        match by_chance.randrange(4):
            case 0:
                del raw[by_chance.randrange(len(raw)) :]
            case 1:
                raw[by_chance.randrange(len(raw))] = by_chance.randrange(256)
            case 2:
                at = by_chance.randrange(len(raw))
                raw[at:at] = raw[: by_chance.randrange(100)]
            case _:
                raw = bytearray(raw.replace(b'"7"', by_chance.choice(ODD_JSON)))
        yield bytes(raw)


async def stored(database: Database) -> dict[str, int]:
    async with database.begin() as session:
        return {
            table: await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0
            for table in ("threads", "messages", "customers", "contacts", "attachments", "errands")
        }


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.timeout(600)
@pytest.mark.parametrize("channel", GOOD)
async def test_malformed_bodies(app: FastAPI, database: Database, channel: Channel) -> None:
    path = f"/api/webhooks/{channel}"
    key = await with_key(database, Scope.HANDOFF) if channel is Channel.CHATBOT else None
    nothing = await stored(database)
    bodies = malformed(GOOD[channel], seed=1)
    before = 0

    answers: Counter[int] = Counter()
    for n in range(EACH):
        body = next(bodies)
        # Signed, but not this.
        headers = {} if key or n % 2 else signed(channel, body + b"\n")
        answers[await status_of(app, path, body, headers)] += 1
    assert set(answers) == {401 if key else 403}
    assert await stored(database) == nothing

    answers.clear()
    for n in range(EACH):
        body = next(bodies)
        status = await status_of(app, path, body, key or signed(channel, body))
        assert status in (200, 409, 422), (status, body[:2_000])
        answers[status] += 1
        if n == EACH // 10:
            before = resident()
    assert answers[422] > EACH // 20
    assert answers[200] > EACH // 20
    assert (await stored(database))["messages"] > 0
    assert resident() - before < GROWTH


@pytest.mark.parametrize("channel", PLATFORMS)
async def test_what_they_are_made_of_is_right(
    client: httpx.AsyncClient, database: Database, channel: Channel
) -> None:
    for body in GOOD[channel]:
        assert (await call(client, channel, body)).status_code == 200
    assert (await stored(database))["messages"] > 1
