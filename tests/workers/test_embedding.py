"""The loop that has articles read, over a real database and a made-up model."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from assistant.reply import ModelTrouble
from domain.knowledge import Writing
from store import articles, embeddings
from store.database import Database
from tests.assistant.meanings import MadeUpEmbedder
from tests.store.knowledge import write_article
from workers import embedding
from workers.embedding import embed_forever


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "_PAUSE", 0.05)
    monkeypatch.setattr(embedding, "_LONGEST_PAUSE", 0.4)


@asynccontextmanager
async def reading(database: Database, *embedders: MadeUpEmbedder) -> AsyncIterator[None]:
    """One loop for each of them."""
    loops = [asyncio.create_task(embed_forever(database, each)) for each in embedders]
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def missing(database: Database) -> set[str]:
    async with database.begin() as session:
        return {each.title for each in await embeddings.missing(session, "made-up", 1_000)}


async def until_missing(database: Database, *titles: str) -> None:
    async with asyncio.timeout(10):
        while await missing(database) != set(titles):
            await asyncio.sleep(0.02)


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0.02)


def read_by(*embedders: MadeUpEmbedder) -> list[str]:
    """The titles of what they were given."""
    batches = [batch for each in embedders for batch in each.batches]
    return sorted(text.partition("\n")[0] for batch in batches for text in batch)


async def test_articles_are_read_in_batches(database: Database) -> None:
    titles = [f"Article {number:02}" for number in range(40)]
    for title in titles:
        await write_article(database, title)
    embedder = MadeUpEmbedder()
    async with reading(database, embedder):
        await until_missing(database)
    assert read_by(embedder) == titles
    assert [len(batch) for batch in embedder.batches] == [16, 16, 8]


async def test_new_and_changed_articles_are_read_and_others_not_again(database: Database) -> None:
    await write_article(database, "Old")
    embedder = MadeUpEmbedder()
    async with reading(database, embedder):
        await until_missing(database)
        new = await write_article(database, "New")
        await until_missing(database)
        async with database.begin() as session:
            await articles.update(session, new.id, Writing("Newer", "Changed."))
        await until_missing(database)
    assert embedder.batches == [
        ["Old\n\nNothing more to say."],
        ["New\n\nNothing more to say."],
        ["Newer\n\nChanged."],
    ]


async def test_long_articles_are_cut_and_make_small_batches(database: Database) -> None:
    for number in range(6):
        await write_article(database, f"Long {number}", "x" * 20_000)
    embedder = MadeUpEmbedder()
    async with reading(database, embedder):
        await until_missing(database)
    assert [[len(text) for text in batch] for batch in embedder.batches] == [
        [8_000] * 4,
        [8_000] * 2,
    ]


async def test_trouble_is_waited_out_with_longer_and_longer_pauses(database: Database) -> None:
    for title in ("First", "Second"):
        await write_article(database, title)
    embedder = MadeUpEmbedder(troubles=[ModelTrouble("away") for _ in range(2)])
    clock = asyncio.get_running_loop()
    began = clock.time()
    with capture_logs() as logs:
        async with reading(database, embedder):
            await until(lambda: len(embedder.batches) >= 3)
            took = clock.time() - began
            assert took >= 0.1 + 0.2
    warnings = [line for line in logs if line["event"] == "embedding_failed"]
    assert [line["articles"] for line in warnings] == [2, 1]
    assert "First" not in str(logs)


async def test_the_model_says_when_to_come_again(database: Database) -> None:
    await write_article(database, "First")
    await write_article(database, "Second")
    embedder = MadeUpEmbedder(troubles=[ModelTrouble("busy", retry_after=0.35)])
    clock = asyncio.get_running_loop()
    began = clock.time()
    async with reading(database, embedder):
        await until_missing(database)
    assert clock.time() - began >= 0.35


async def test_an_article_that_the_model_does_not_take_stops_no_other(database: Database) -> None:
    for number in range(20):
        await write_article(database, "Cursed" if number == 3 else f"Article {number}")
    embedder = MadeUpEmbedder(unreadable="Cursed")
    alone = ["Cursed\n\nNothing more to say."]
    async with reading(database, embedder):
        await until(lambda: alone in embedder.batches)
        await write_article(database, "Later")
        await until_missing(database, "Cursed")
    tried = [batch for batch in embedder.batches if alone[0] in batch]
    assert tried.index(alone) == len(tried) - 1


async def test_of_two_loops_one_works(database: Database) -> None:
    titles = [f"Article {number:02}" for number in range(40)]
    for title in titles:
        await write_article(database, title)
    first, second = MadeUpEmbedder(), MadeUpEmbedder()
    async with reading(database, first, second):
        await until_missing(database)
    assert read_by(first, second) == titles


async def test_two_loops_that_do_the_same_do_no_harm(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_LEASE", timedelta(seconds=-1))
    for number in range(100):
        await write_article(database, f"Article {number}")
    async with reading(database, *(MadeUpEmbedder() for _ in range(3))):
        await until_missing(database)


async def test_another_goes_on_where_one_has_died(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_LEASE", timedelta(seconds=0.3))
    async with reading(database, MadeUpEmbedder()):
        pass
    await write_article(database, "Article")
    async with reading(database, MadeUpEmbedder()):
        await until_missing(database)


async def test_without_the_extension_it_says_so_once_and_ends(database: Database) -> None:
    async with database.begin() as session:
        await session.execute(text("DROP TABLE article_embeddings"))
    embedder = MadeUpEmbedder()
    with capture_logs() as logs:
        async with asyncio.timeout(5):
            await embed_forever(database, embedder)
    (line,) = logs
    assert line["log_level"] == "warning"
    assert "vector" in line["meaning"]
    assert embedder.batches == []


async def test_a_database_that_is_away_is_waited_for() -> None:
    nowhere = Database("postgresql://127.0.0.1:1/none")
    with capture_logs() as logs:
        loop = asyncio.create_task(embed_forever(nowhere, MadeUpEmbedder()))
        await until(lambda: len(logs) >= 2)
        assert not loop.done()
        loop.cancel()
    assert {line["event"] for line in logs} == {"embedding_waits"}
    await nowhere.close()
