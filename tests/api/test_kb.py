"""The knowledge base over HTTP: who reads, who writes, and what comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from domain.principals import Role, Scope
from store.database import Database
from tests.api.people import as_, with_key

Json = dict[str, Any]
Write = Callable[..., Awaitable[Json]]

ADA = as_(Role.AGENT, "ada", name="Ada")
ADMIN = as_(Role.ADMIN)
EVE = as_(Role.CUSTOMER, "eve")
VISITOR = as_(Role.VISITOR)
PLACE = "/api/kb/articles"
RETURNS = {
    "title": "Returns",
    "body": "Within **30 days**.\n\n## Refunds\n\nThe money comes back in three days.",
    "tags": ["return", "refund"],
}


@pytest.fixture
def write(client: httpx.AsyncClient) -> Write:
    async def write(**changes: object) -> Json:
        answer = await client.post(PLACE, headers=ADA, json=RETURNS | changes)
        assert answer.status_code == 201, answer.text
        article: Json = answer.json()
        return article

    return write


async def titles(
    client: httpx.AsyncClient, headers: dict[str, str], **query: str | int
) -> list[str]:
    answer = await client.get(PLACE, headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["total_count"] == len(page["articles"])
    return [article["title"] for article in page["articles"]]


async def search(
    client: httpx.AsyncClient, headers: dict[str, str], q: str, **query: str | int
) -> list[Json]:
    answer = await client.get("/api/kb/search", headers=headers, params={"q": q, **query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["query"] == q
    results: list[Json] = answer.json()["results"]
    return results


async def test_what_is_written_can_be_read(client: httpx.AsyncClient, write: Write) -> None:
    written = await write()
    read = await client.get(f"{PLACE}/{written['id']}", headers=ADA)
    assert read.json() == written
    assert written["id"].startswith("art_")
    assert written["created_at"] == written["updated_at"]
    assert {name: written[name] for name in (*RETURNS, "audience", "language", "version")} == {
        **RETURNS,
        "audience": "public",
        "language": "en",
        "version": 1,
    }
    assert written["updated_by"] == "ada"


async def test_the_same_key_writes_one_article(client: httpx.AsyncClient) -> None:
    headers = {**ADA, "Idempotency-Key": "one"}
    first, again = [await client.post(PLACE, headers=headers, json=RETURNS) for _ in range(2)]
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert await titles(client, ADA) == ["Returns"]
    other = await client.post(PLACE, headers=headers, json=RETURNS | {"title": "Other"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""},
        {"title": " \n"},
        {"title": "x" * 201},
        {"title": None},
        {"body": ""},
        {"body": "\t"},
        {"body": "x" * 100_001},
        {"body": "a\0b"},
        {"audience": "everybody"},
        {"language": "english"},
        {"language": "EN"},
        {"tags": ["x"] * 21},
        {"tags": [""]},
        {"tags": "x"},
    ],
)
async def test_what_does_not_fit_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any]
) -> None:
    answer = await client.post(PLACE, headers=ADA, json=RETURNS | changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_the_longest_article_fits(client: httpx.AsyncClient, write: Write) -> None:
    words = " ".join(f"word{number}" for number in range(20_000))[:100_000]
    article = await write(title="x" * 200, body=words)
    assert article["body"] == words
    assert [each["id"] for each in await search(client, ADA, "word77")] == [article["id"]]


class TestChange:
    async def test_put_writes_anew_and_keeps_what_was(
        self, client: httpx.AsyncClient, write: Write
    ) -> None:
        first = await write(audience="internal", language="de")
        body = {"title": "Returns", "body": "14 days", "version": 1}
        answer = await client.put(f"{PLACE}/{first['id']}", headers=ADMIN, json=body)
        assert answer.status_code == 200, answer.text
        second = answer.json()
        assert (second["version"], second["tags"], second["audience"]) == (2, [], "public")
        kept = await client.get(f"{PLACE}/{first['id']}/versions", headers=ADA)
        assert kept.json() == {"versions": [second, first]}
        newest = await client.get(
            f"{PLACE}/{first['id']}/versions", headers=ADA, params={"limit": 1}
        )
        assert newest.json() == {"versions": [second]}

    async def test_patch_changes_what_is_said(
        self, client: httpx.AsyncClient, write: Write
    ) -> None:
        first = await write()
        address = f"{PLACE}/{first['id']}"
        answer = await client.patch(address, headers=ADA, json={"tags": ["x"], "body": None})
        changed = answer.json()
        assert changed == first | {
            "tags": ["x"],
            "version": 2,
            "updated_at": changed["updated_at"],
        }
        nothing = await client.patch(address, headers=ADA, json={"version": 2})
        assert (nothing.status_code, nothing.json()["code"]) == (400, "nothing_to_update")

    async def test_an_older_version_is_409(self, client: httpx.AsyncClient, write: Write) -> None:
        address = f"{PLACE}/{(await write())['id']}"
        await client.patch(address, headers=ADA, json={"title": "Changed"})
        for method, body in (("PUT", RETURNS), ("PATCH", {"title": "Mine"})):
            late = await client.request(method, address, headers=ADA, json=body | {"version": 1})
            assert (late.status_code, late.json()["code"]) == (409, "article_changed")

    async def test_two_who_change_different_parts_both_do(
        self, client: httpx.AsyncClient, write: Write
    ) -> None:
        address = f"{PLACE}/{(await write())['id']}"
        await asyncio.gather(
            *(
                client.patch(address, headers=ADA, json=change)
                for change in ({"title": "New title"}, {"tags": ["new"]}, {"language": "de"})
            )
        )
        article = (await client.get(address, headers=ADA)).json()
        assert (article["title"], article["tags"], article["language"], article["version"]) == (
            "New title",
            ["new"],
            "de",
            4,
        )

    async def test_what_is_deleted_is_404(self, client: httpx.AsyncClient, write: Write) -> None:
        address = f"{PLACE}/{(await write())['id']}"
        gone = await client.delete(address, headers=ADA)
        assert (gone.status_code, gone.content) == (204, b"")
        for method, body in (("GET", None), ("DELETE", None), ("PUT", RETURNS), ("PATCH", RETURNS)):
            answer = await client.request(method, address, headers=ADA, json=body)
            assert (answer.status_code, answer.json()["detail"]) == (404, "Article not found")

    @pytest.mark.parametrize("article_id", ["art_1", "0" * 32, f"tkt_{'0' * 32}", "%20"])
    async def test_what_is_no_id_is_404(self, client: httpx.AsyncClient, article_id: str) -> None:
        assert (await client.get(f"{PLACE}/{article_id}", headers=ADA)).status_code == 404


class TestReaders:
    @pytest.mark.parametrize("customer", [EVE, VISITOR])
    async def test_internal_articles_are_not_there_for_customers(
        self, client: httpx.AsyncClient, write: Write, customer: dict[str, str]
    ) -> None:
        public = await write()
        secret = await write(title="Refund limits", audience="internal")
        assert await titles(client, customer) == ["Returns"]
        assert await titles(client, customer, audience="internal") == []
        assert await titles(client, customer, q="limits") == []
        assert [each["title"] for each in await search(client, customer, "refund")] == ["Returns"]
        assert await search(client, customer, "refund limits", audience="internal") == []
        hidden = await client.get(f"{PLACE}/{secret['id']}", headers=customer)
        unknown = await client.get(f"{PLACE}/art_{'0' * 32}", headers=customer)
        assert (hidden.status_code, hidden.json()) == (404, unknown.json())
        shown = await client.get(f"{PLACE}/{public['id']}", headers=customer)
        assert shown.json() == public | {"updated_by": None}

    async def test_customers_cannot_probe_for_what_is_internal(
        self, client: httpx.AsyncClient, write: Write
    ) -> None:
        await write()
        before = await search(client, EVE, "returns and chargebacks")
        await write(title="Chargebacks", audience="internal")
        assert await search(client, EVE, "returns and chargebacks") == before

    async def test_staff_see_all(self, client: httpx.AsyncClient, write: Write) -> None:
        await write()
        await write(title="Refund limits", audience="internal")
        for headers in (ADA, ADMIN):
            assert await titles(client, headers) == ["Refund limits", "Returns"]
            assert await titles(client, headers, audience="internal") == ["Refund limits"]
            found = await search(client, headers, "refund limits")
            assert [each["title"] for each in found] == ["Refund limits", "Returns"]

    async def test_keys_read_with_tickets_and_write_with_admin(
        self, client: httpx.AsyncClient, database: Database, write: Write
    ) -> None:
        await write()
        reader = await with_key(database, Scope.TICKETS)
        writer = await with_key(database, Scope.ADMIN)
        assert await titles(client, reader) == ["Returns"]
        assert (await client.post(PLACE, headers=reader, json=RETURNS)).status_code == 403
        assert (await client.post(PLACE, headers=writer, json=RETURNS)).status_code == 201
        for headers in (EVE, VISITOR):
            assert (await client.post(PLACE, headers=headers, json=RETURNS)).status_code == 403


class TestList:
    async def test_pages_and_filters(self, client: httpx.AsyncClient, write: Write) -> None:
        for number in range(3):
            await write(title=f"Article {number}", tags=[f"t{number}"])
        await write(title="Rückgabe", language="de", tags=[])
        page = (await client.get(PLACE, headers=ADA, params={"page": 2, "page_size": 3})).json()
        assert (page["total_count"], page["page"], page["page_size"]) == (4, 2, 3)
        assert [article["title"] for article in page["articles"]] == ["Article 0"]
        assert await titles(client, ADA, tag="t1") == ["Article 1"]
        assert await titles(client, ADA, language="de") == ["Rückgabe"]
        assert await titles(client, ADA, q="artic money", tag="t2") == ["Article 2"]
        assert len(await titles(client, ADA, q=" ")) == 4


class TestSearch:
    async def test_shows_the_part_that_answers(
        self, client: httpx.AsyncClient, write: Write
    ) -> None:
        article = await write()
        (result,) = await search(client, EVE, "When do I get my money?")
        assert result.pop("score") > 0
        assert 0 < result.pop("coverage") <= 1
        assert result == {
            "id": article["id"],
            "title": "Returns",
            "excerpt": "Refunds\n\nThe money comes back in three days.",
            "audience": "public",
            "language": "en",
            "tags": ["return", "refund"],
        }

    async def test_limit_and_language(self, client: httpx.AsyncClient, write: Write) -> None:
        for language in ("en", "de", "fr"):
            await write(language=language)
        assert len(await search(client, EVE, "refunds", limit=2)) == 2
        (only,) = await search(client, EVE, "refund", language="de")
        assert only["language"] == "de"

    async def test_any_question_is_good(self, client: httpx.AsyncClient, write: Write) -> None:
        await write()
        for question in ("the of to", "'\"\\ & | ! <-> :*", "%s {x}", "🦊", "x" * 2_000, "(" * 99):
            assert await search(client, EVE, question) == []

    @pytest.mark.parametrize(
        "query", ["", "q=", "q=%20", "q=a&limit=0", "q=a&limit=21", f"q={'x' * 2_001}"]
    )
    async def test_no_question_is_422(self, client: httpx.AsyncClient, query: str) -> None:
        answer = await client.get(f"/api/kb/search?{query}", headers=EVE)
        assert answer.status_code == 422
