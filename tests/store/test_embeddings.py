"""Articles found by meaning: made-up vectors stand for a model's."""

from uuid import uuid4

import pytest
from psycopg import AsyncConnection, sql

from domain.knowledge import CUSTOMERS, EVERY_AUDIENCE, Article, Audience, Writing
from holdfast.embedded.postgres import EmbeddedPostgres
from store import articles, embeddings, migrate
from store.database import Database
from tests.conftest import fresh_name
from tests.store.knowledge import write_article

MODEL = "made-up"
EAST, NORTH, NORTH_EAST, NOWHERE = (1.0, 0.0), (0.0, 1.0), (0.6, 0.8), (0.0, 0.0)


async def put(database: Database, article: Article, vector: tuple[float, ...]) -> None:
    async with database.begin() as session:
        await embeddings.put(session, article, MODEL, vector)


async def nearest(
    database: Database,
    vector: tuple[float, ...],
    audiences: frozenset[Audience] = EVERY_AUDIENCE,
    limit: int = 10,
) -> list[tuple[str, object]]:
    async with database.begin() as session:
        found = await embeddings.nearest(session, MODEL, vector, audiences, limit)
    return [(article.title, pytest.approx(nearness)) for article, nearness in found]


async def missing(database: Database, model: str = MODEL, limit: int = 10) -> set[str]:
    async with database.begin() as session:
        return {article.title for article in await embeddings.missing(session, model, limit)}


async def test_the_embedded_database_can_keep_vectors(database: Database) -> None:
    async with database.begin() as session:
        assert await embeddings.available(session)


async def test_the_nearest_come_first(database: Database) -> None:
    for title, vector in (("North", NORTH), ("East", EAST), ("Between", NORTH_EAST)):
        await put(database, await write_article(database, title), vector)
    assert await nearest(database, EAST) == [("East", 1), ("Between", 0.6), ("North", 0)]
    assert await nearest(database, (0.0, -2.0), limit=1) == [("East", 0)]


async def test_internal_articles_are_for_those_who_may(database: Database) -> None:
    secret = await write_article(database, "Secret", audience=Audience.INTERNAL)
    await put(database, secret, EAST)
    await put(database, await write_article(database, "Public"), NORTH)
    assert await nearest(database, EAST, CUSTOMERS) == [("Public", 0)]


async def test_vectors_of_another_size_or_without_direction_are_passed_over(
    database: Database,
) -> None:
    await put(database, await write_article(database, "Other size"), (1.0, 0.0, 0.0))
    await put(database, await write_article(database, "Nowhere"), NOWHERE)
    await put(database, await write_article(database, "East"), EAST)
    assert await nearest(database, EAST) == [("East", 1)]
    assert await nearest(database, NOWHERE) == []


async def test_what_a_model_has_not_seen_is_missing(database: Database) -> None:
    first, second = [await write_article(database, title) for title in ("First", "Second")]
    assert await missing(database) == {"First", "Second"}
    assert len(await missing(database, limit=1)) == 1
    await put(database, first, EAST)
    assert await missing(database) == {"Second"}
    assert await missing(database, "another model") == {"First", "Second"}
    await put(database, second, NORTH)
    async with database.begin() as session:
        changed = await articles.update(session, first.id, Writing("First", "changed"))
    assert await missing(database) == {"First"}
    await put(database, changed, NORTH)
    assert await missing(database) == set()
    assert await nearest(database, NORTH, limit=1) in ([("First", 1)], [("Second", 1)])


async def test_an_older_version_does_not_replace_a_newer_one(database: Database) -> None:
    old = await write_article(database, "Article")
    async with database.begin() as session:
        new = await articles.update(session, old.id, Writing("Article", "changed"))
    await put(database, new, EAST)
    await put(database, old, NORTH)
    assert await nearest(database, EAST) == [("Article", 1)]
    assert await missing(database) == set()


async def test_a_deleted_article_takes_its_vector_along(database: Database) -> None:
    gone = await write_article(database, "Gone")
    await put(database, gone, EAST)
    async with database.begin() as session:
        await articles.delete(session, gone.id)
    await put(database, gone, EAST)
    assert await nearest(database, EAST) == []


async def test_search_fuses_words_and_meaning(database: Database) -> None:
    parcel = await write_article(database, "Parcels", "Where is my parcel?")
    money = await write_article(database, "Money back", "We send it in three days.")
    both = await write_article(database, "Lost parcels", "You get money.")
    secret = await write_article(database, "Secret", audience=Audience.INTERNAL)
    async with database.begin() as session:
        found = await articles.search(
            session,
            "parcel",
            audiences=CUSTOMERS,
            near=[(secret, 1.0), (both, 0.9), (money, 0.8)],
        )
    assert [each.article for each in found] == [both, parcel, money]
    coverage = {each.article.title: each.coverage for each in found}
    assert coverage == {"Parcels": 1, "Lost parcels": 1, "Money back": 0}


async def test_search_by_meaning_alone_finds_what_no_word_does(database: Database) -> None:
    money = await write_article(database, "Refunds")
    async with database.begin() as session:
        for question in ("cash", "the", ""):
            (only,) = await articles.search(
                session, question, audiences=CUSTOMERS, near=[(money, 0.9)]
            )
            assert (only.article, only.coverage) == (money, 0)


async def test_without_rights_to_the_extension_there_are_articles_alone(
    postgres: EmbeddedPostgres,
) -> None:
    name, role = fresh_name(), f"role_{uuid4().hex}"
    async with await AsyncConnection.connect(postgres.dsn, autocommit=True) as connection:
        for statement in ("CREATE ROLE {role} LOGIN", "CREATE DATABASE {name} OWNER {role}"):
            await connection.execute(
                sql.SQL(statement).format(name=sql.Identifier(name), role=sql.Identifier(role))
            )
    dsn = postgres.dsn_of(name).replace("postgresql://postgres", f"postgresql://{role}")
    migrate.upgrade(dsn)
    database = Database(dsn)
    async with database.begin() as session:
        assert not await embeddings.available(session)
        await articles.create(session, Writing("Returns", "Free."))
        assert await articles.search(session, "return", audiences=CUSTOMERS)
    await database.close()
