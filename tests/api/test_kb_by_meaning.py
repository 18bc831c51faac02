"""Search and suggestions over HTTP, where a model knows what questions mean."""

from typing import cast

import pytest
from fastapi import FastAPI

from api.app import create_app
from api.config import ApiConfig
from api.services import Helpers
from assistant.embeddings import QuestionMeanings
from assistant.reply import ModelTrouble
from domain.ids import ticket_id_text
from domain.knowledge import Audience
from domain.principals import Role, Scope
from store import embeddings
from store.database import Database
from tests.api.conftest import PretendedEngine, client_of
from tests.api.people import as_, with_key
from tests.assistant.meanings import MadeUpEmbedder, meaning_of
from tests.store.knowledge import write_article
from tests.store.writing import open_ticket, write
from workflows.engine import Engine

QUESTION = "Can I get my cash?"
SUBJECTS = ("brakes", "saddles", "lamps", "pedals", "wheels", "chains", "bells", "locks", "tyres")
ADA, EVE = as_(Role.AGENT, "ada", name="Ada"), as_(Role.CUSTOMER, "eve")


@pytest.fixture
def embedder() -> MadeUpEmbedder:
    return MadeUpEmbedder()


@pytest.fixture
async def app(database: Database, config: ApiConfig, embedder: MadeUpEmbedder) -> FastAPI:
    await read(database, "Refund", "A refund takes three days.")
    await read(database, "Cash desk", "A refund is booked by two.", Audience.INTERNAL)
    for subject in SUBJECTS:
        await read(database, f"About {subject}", f"All {subject} are sold.")
    helpers = Helpers(meanings=QuestionMeanings(embedder))
    return create_app(config, database, cast("Engine", PretendedEngine()), helpers)


async def read(
    database: Database, title: str, body: str, audience: Audience = Audience.PUBLIC
) -> None:
    article = await write_article(database, title, body, audience=audience)
    async with database.begin() as session:
        await embeddings.put(session, article, "made-up", meaning_of(f"{title}\n\n{body}"))


async def search(app: FastAPI, headers: dict[str, str], question: str = QUESTION) -> set[str]:
    async with client_of(app) as client:
        answer = await client.get("/api/kb/search", headers=headers, params={"q": question})
    assert answer.status_code == 200, answer.text
    return {result["title"] for result in answer.json()["results"]}


async def test_search_finds_what_is_meant(app: FastAPI) -> None:
    assert await search(app, EVE) == {"Refund"}
    assert await search(app, ADA) == {"Refund", "Cash desk"}


async def test_suggested_reply_is_taken_from_what_is_meant(
    app: FastAPI, database: Database
) -> None:
    opened = await open_ticket(database)
    await write(database, opened)
    ticket_id = ticket_id_text(opened)
    asked = {"content": "my money back?", "sender_type": "customer"}
    key = await with_key(database, Scope.TICKETS)
    async with client_of(app) as client:
        sent = await client.post(f"/api/tickets/{ticket_id}/message", json=asked, headers=key)
        assert sent.status_code == 200, sent.text
        url = f"/api/tickets/{ticket_id}/suggestions/reply"
        answer = await client.post(url, headers=ADA)
    assert answer.status_code == 200, answer.text
    assert [each["title"] for each in answer.json()["sources"]] == ["Refund"]


async def test_search_goes_on_by_words_when_the_model_is_in_trouble(
    app: FastAPI, embedder: MadeUpEmbedder
) -> None:
    embedder.troubles = [ModelTrouble("away")]
    assert await search(app, EVE, "refund") == {"Refund"}


@pytest.mark.parametrize("question", ["🦊", "'\"\\ & | ! <-> :*", "x" * 2_000, "the"])
async def test_any_question_is_good(app: FastAPI, question: str) -> None:
    await search(app, EVE, question)
