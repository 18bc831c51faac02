"""Questions in other words than the articles', and what is left when nobody knows their meaning."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from assistant.builtin import BuiltInAssistant
from assistant.case import Case
from assistant.embeddings import QuestionMeanings
from assistant.reply import ModelTrouble
from assistant.sureness import SURE
from domain.assistance import Reaction
from domain.knowledge import CUSTOMERS, Audience, Found
from store import embeddings, meaning
from store.case_files import PublicLibrary
from store.database import Database
from store.meaning import Meanings
from tests.assistant.cases import Ledger, customer
from tests.assistant.meanings import MadeUpEmbedder, meaning_of
from tests.store.knowledge import write_article

SUBJECTS = ("brakes", "saddles", "lamps", "pedals", "wheels", "chains", "bells", "locks", "tyres")
QUESTION = "my money back?"


@dataclass
class Vector:
    """Every question means this."""

    vector: Sequence[float] | None
    name: str = "made-up"

    async def of(self, question: str) -> Sequence[float] | None:
        return self.vector


@pytest.fixture
async def shelf(database: Database) -> Database:
    """A knowledge base that a model has read; none of its articles uses the question's words."""
    for subject in SUBJECTS:
        await write_read(database, f"About {subject}", f"All {subject} are sold.")
    await write_read(database, "Refund", "A refund takes three days.")
    return database


async def write_read(
    database: Database, title: str, body: str, audience: Audience = Audience.PUBLIC
) -> None:
    article = await write_article(database, title, body, audience=audience)
    async with database.begin() as session:
        await embeddings.put(session, article, "made-up", meaning_of(f"{title}\n\n{body}"))


async def search(
    database: Database, meanings: Meanings | None, question: str = QUESTION
) -> list[Found]:
    return await meaning.search(database, meanings, question, audiences=CUSTOMERS)


def understood() -> QuestionMeanings:
    return QuestionMeanings(MadeUpEmbedder())


async def test_a_question_in_other_words_finds_the_article(shelf: Database) -> None:
    assert await search(shelf, None) == []
    (only,) = await search(shelf, understood())
    assert only.article.title == "Refund"
    assert only.coverage >= SURE


async def test_the_assistant_answers_by_meaning(shelf: Database) -> None:
    case = Case((customer(QUESTION),), PublicLibrary(shelf, understood()), Ledger())
    reply = await BuiltInAssistant().reply(case)
    assert reply.reaction is Reaction.ANSWERED
    assert "three days" in reply.text


async def test_what_is_about_nothing_here_is_near_nothing(shelf: Database) -> None:
    assert await search(shelf, understood(), "elephants") == []


async def test_who_is_somewhat_near_is_found_but_not_sure(shelf: Database) -> None:
    found = await search(shelf, understood(), "cash for elephants, giraffes or zebras")
    assert [each.article.title for each in found] == ["Refund"]
    assert 0 < found[0].coverage < SURE


async def test_words_count_as_before(shelf: Database) -> None:
    by_words = await search(shelf, None, "Are lamps sold?")
    found = await search(shelf, understood(), "Are lamps sold?")
    assert found[0].article == by_words[0].article
    assert found[0].coverage == pytest.approx(by_words[0].coverage)


async def test_of_a_handful_of_articles_none_is_sure(database: Database) -> None:
    for subject in SUBJECTS[:5]:
        await write_read(database, f"About {subject}", "Sold.")
    await write_read(database, "Refund", "A refund takes three days.")
    found = await search(database, understood())
    assert found[0].article.title == "Refund"
    assert {each.coverage for each in found} == {0.0}


async def test_internal_articles_are_not_found_for_customers(shelf: Database) -> None:
    await write_read(shelf, "Refund, internally", "Refund.", Audience.INTERNAL)
    found = await search(shelf, understood())
    assert [each.article.title for each in found] == ["Refund"]


async def test_other_languages_are_passed_over_where_one_is_wanted(shelf: Database) -> None:
    found = await meaning.search(shelf, understood(), QUESTION, audiences=CUSTOMERS, language="de")
    assert found == []


async def test_trouble_leaves_the_words(shelf: Database) -> None:
    meanings = QuestionMeanings(MadeUpEmbedder(troubles=[ModelTrouble("away")]))
    with capture_logs() as logs:
        found = await search(shelf, meanings, "refund")
    assert [each.article.title for each in found] == ["Refund"]
    assert "refund" not in str(logs)


@pytest.mark.parametrize("vector", [None, [0.0] * 65, [1.0], [1e300], [float("nan")]])
async def test_useless_vectors_leave_the_words(
    shelf: Database, vector: Sequence[float] | None
) -> None:
    found = await search(shelf, Vector(vector), "refund")
    assert [each.article.title for each in found] == ["Refund"]


async def test_without_the_extension_nobody_is_asked(shelf: Database) -> None:
    async with shelf.begin() as session:
        await session.execute(text("DROP TABLE article_embeddings"))
    embedder = MadeUpEmbedder()
    found = await search(shelf, QuestionMeanings(embedder), "refund")
    assert [each.article.title for each in found] == ["Refund"]
    assert embedder.batches == []
