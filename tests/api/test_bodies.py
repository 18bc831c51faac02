"""What a request may hold: the strict parser, the limits, and addresses in clean UTF-8."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.bodies import MAX_BODY, parse_json
from domain.principals import Role
from store.database import Database
from tests.api.people import as_
from tests.api.probe import add_probe

CUSTOMER = as_(Role.CUSTOMER)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def database() -> Database:
    """None is needed here: customers are known by their token alone."""
    return Database("postgresql://127.0.0.1:1/nowhere")


@pytest.fixture(autouse=True)
def _probe(app: FastAPI) -> None:
    add_probe(app)


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    return await client.post("/probe/notes", content=body, headers={**CUSTOMER, **JSON, **headers})


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "EOF while parsing"),
        (b"{'text': 1}", "key must be a string"),
        (b'{"text": "a",}', "trailing comma"),
        (b'{"text": "a"} b', "trailing characters"),
        (b'{"count": NaN}', "expected value"),
        (b'{"ratio": 1e999}', "number out of range"),
        (b'{"metadata": {"a": [-1e999]}}', "number out of range"),
        (b'{"count": Infinity}', "expected value"),
        (b'{"count": ' + b"1" * 5_000 + b"}", "number out of range"),
        (b'{"text": "\xff"}', "invalid unicode"),
        (b'{"text": "\xed\xa0\x80"}', "invalid unicode"),
        (b'{"text": "\\ud800"}', "hex escape"),
        (b'{"\\udfff": "text"}', "surrogate"),
        (b"[" * 100_000, "recursion limit"),
        (b'{"a":' * 30_000, "recursion limit"),
        (b"   ", "EOF while parsing"),
        (b"\xef\xbb\xbf{}", "expected value"),
        (b"\0", "expected value"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)
async def test_bodies_that_are_no_json_are_422_and_say_where(
    client: httpx.AsyncClient, body: bytes, complaint: str
) -> None:
    answer = await post(client, body)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == ["body"]
    assert complaint in fault["msg"]
    assert "line 1" in fault["msg"] or complaint == "number out of range"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", ["body"]),
        (b"null", ["body"]),
        (b"[]", ["body"]),
        (b'"text"', ["body"]),
        (b"{}", ["body", "text"]),
        (b'{"text": null}', ["body", "text"]),
        (b'{"text": 1}', ["body", "text"]),
        (b'{"text": ""}', ["body", "text"]),
        (b'{"text": "a\\u0000b"}', ["body", "text"]),
        (b'{"text": "' + b"x" * 16_001 + b'"}', ["body", "text"]),
        (b'{"text": "a", "metadata": []}', ["body", "metadata"]),
        (b'{"text": "a", "metadata": {"a": ["\\u0000"]}}', ["body", "metadata"]),
        (b'{"text": "a", "metadata": {"\\u0000": 1}}', ["body", "metadata"]),
        (b'{"text": "a", "count": 1.5}', ["body", "count"]),
        (b'{"text": "a", "count": "x"}', ["body", "count"]),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else "",
)
async def test_json_that_does_not_fit_is_422_and_says_where(
    client: httpx.AsyncClient, body: bytes, place: list[str]
) -> None:
    answer = await post(client, body)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"] == place
    assert fault["msg"]
    assert set(fault) == {"loc", "msg", "type"}


async def test_what_was_sent_is_not_sent_back(client: httpx.AsyncClient) -> None:
    answer = await post(client, b'{"text": {"secret-key": "secret-value"}}')
    assert answer.status_code == 422
    assert "secret" not in answer.text


async def test_answers_about_a_bad_request_stay_small(client: httpx.AsyncClient) -> None:
    answer = await post(client, b'{"text": "a", "metadata": [' + b"1," * 9_000 + b"1]}")
    assert answer.status_code == 422
    assert len(answer.content) < 4_000


async def test_good_text_of_any_script_arrives_unchanged(client: httpx.AsyncClient) -> None:
    text = "Grüße 你好 🦊 \u202e ' \"; DROP TABLE tickets; -- <script>alert(1)</script>\n\t\x1b"
    answer = await client.post("/probe/notes", json={"text": text}, headers=CUSTOMER)
    assert answer.status_code == 200
    assert answer.json()["text"] == text


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "a/b"])
async def test_json_needs_its_content_type(client: httpx.AsyncClient, kind: str) -> None:
    answer = await post(client, b'{"text": "a"}', **{"Content-Type": kind})
    assert answer.status_code == (200 if "json" in kind else 422)


async def test_a_body_may_have_256_kilobytes(client: httpx.AsyncClient) -> None:
    body = b'{"text": "a"}'
    assert (await post(client, body.ljust(MAX_BODY))).status_code == 200
    answer = await post(client, body.ljust(MAX_BODY + 1))
    assert answer.status_code == 413
    assert answer.json() == {"detail": "The request is too large.", "code": "too_large"}


async def test_a_body_that_never_ends_is_cut_off(client: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 8_192
            yield b" " * 8_192

    answer = await client.post("/probe/notes", content=endless(), headers={**CUSTOMER, **JSON})
    assert answer.status_code == 413
    assert sent < 2 * MAX_BODY


async def test_a_body_declared_too_large_is_not_waited_for(client: httpx.AsyncClient) -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b" "

    headers = {**CUSTOMER, **JSON, "Content-Length": str(MAX_BODY + 1)}
    answer = await client.post("/probe/notes", content=counted(), headers=headers)
    assert answer.status_code == 413
    assert read == 0


async def test_nothing_is_read_from_somebody_without_a_token(client: httpx.AsyncClient) -> None:
    read = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read
        read += 1
        yield b"{"

    answer = await client.post("/probe/notes", content=counted(), headers=JSON)
    assert answer.status_code == 401
    assert read == 0


@pytest.mark.parametrize(
    "address",
    [
        "/probe/list/a%00b",
        "/probe/list/a?q=%00",
        "/probe/list/a?q=%ff",
        "/probe/list/a?%ed%a0%80=1",
        "/probe/list/%c3%28",
        "/probe/list/a?page=0",
        "/probe/list/a?page=-1",
        "/probe/list/a?page=x",
        "/probe/list/a?page=1.5",
        "/probe/list/a?page=NaN",
        f"/probe/list/a?page={10**30}",
        f"/probe/list/a?page={'9' * 5_000}",
        f"/probe/list/a?q={'x' * 201}",
    ],
    ids=lambda address: address[:40],
)
async def test_addresses_that_make_no_sense_are_422(
    client: httpx.AsyncClient, address: str
) -> None:
    answer = await client.get(address, headers=CUSTOMER)
    assert answer.status_code == 422
    (fault,) = answer.json()["detail"]
    assert fault["loc"][0] in ("path", "query")


async def test_addresses_may_be_in_any_script(client: httpx.AsyncClient) -> None:
    answer = await client.get("/probe/list/caf%C3%A9?q=%F0%9F%A6%8A+100%25", headers=CUSTOMER)
    assert answer.json() == {"place": "café", "page": 1, "q": "🦊 100%"}


def test_parsing_keeps_every_value() -> None:
    text = b'{"a": [1, -2.5, true, null, "\\ud83e\\udd8a"], "b": {"c": 123456789012345678901}}'
    assert parse_json(text) == {
        "a": [1, -2.5, True, None, "🦊"],
        "b": {"c": 123456789012345678901},
    }
