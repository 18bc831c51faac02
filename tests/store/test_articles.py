"""Articles: kept in all their versions, listed, and found by questions."""

import asyncio
from collections import Counter
from uuid import uuid4

import pytest

from domain.errors import ArticleChanged, ArticleNotFound
from domain.knowledge import CUSTOMERS, EVERY_AUDIENCE, Article, Audience, Found, Writing
from store import articles
from store.articles import ArticleFilter, Outcome
from store.database import Database
from tests.store.knowledge import write_article


async def found(
    database: Database,
    question: str,
    *,
    audiences: frozenset[Audience] = EVERY_AUDIENCE,
    language: str | None = None,
    limit: int = 5,
) -> list[Found]:
    async with database.begin() as session:
        return await articles.search(
            session, question, audiences=audiences, language=language, limit=limit
        )


async def titles(database: Database, question: str) -> list[str]:
    return [each.article.title for each in await found(database, question)]


async def listed(database: Database, wanted: ArticleFilter) -> list[str]:
    async with database.begin() as session:
        shown, total = await articles.page(session, wanted, limit=100)
    assert total == len(shown)
    return [article.title for article in shown]


class TestWriting:
    async def test_what_is_written_can_be_read(self, database: Database) -> None:
        writing = Writing("Returns", "Send it *back*.", ("return", "refund"), language="en")
        async with database.begin() as session:
            written = await articles.create(session, writing, by="ada")
        async with database.begin() as session:
            read = await articles.get(session, written.id)
        assert read == written
        assert (read.writing, read.version, read.updated_by) == (writing, 1, "ada")

    async def test_a_change_makes_a_version_and_keeps_the_old_one(self, database: Database) -> None:
        first = await write_article(database, "Returns", "30 days", "return")
        async with database.begin() as session:
            writing = Writing("Returns", "14 days", ("return",))
            second = await articles.update(session, first.id, writing, by="bob", version=1)
        async with database.begin() as session:
            kept = await articles.versions(session, first.id)
        assert (second.version, second.created_at) == (2, first.created_at)
        assert kept == [second, first]

    async def test_no_change_makes_no_version(self, database: Database) -> None:
        first = await write_article(database, "Returns", "30 days", "return")
        async with database.begin() as session:
            again = await articles.update(session, first.id, first.writing, by="bob")
        assert again == first

    async def test_of_two_who_change_one_version_the_second_is_told(
        self, database: Database
    ) -> None:
        first = await write_article(database, "Returns")

        async def change(body: str) -> Article:
            async with database.begin() as session:
                writing = Writing("Returns", body)
                return await articles.update(session, first.id, writing, version=1)

        results = await asyncio.gather(change("one"), change("other"), return_exceptions=True)
        assert Counter(type(result) for result in results) == {Article: 1, ArticleChanged: 1}

    async def test_what_is_deleted_is_gone(self, database: Database) -> None:
        gone = await write_article(database, "Returns")
        async with database.begin() as session:
            await articles.update(session, gone.id, Writing("Returns", "anew"))
            await articles.delete(session, gone.id)
        async with database.begin() as session:
            for look in (articles.get, articles.versions, articles.delete):
                with pytest.raises(ArticleNotFound):
                    await look(session, gone.id)
        assert await titles(database, "returns") == []

    async def test_others_articles_are_not_there(self, database: Database) -> None:
        secret = await write_article(database, "Fraud", audience=Audience.INTERNAL)
        async with database.begin() as session:
            with pytest.raises(ArticleNotFound):
                await articles.get(session, secret.id, audiences=CUSTOMERS)
            with pytest.raises(ArticleNotFound):
                await articles.get(session, uuid4())

    async def test_new_words_are_found_and_old_ones_are_not(self, database: Database) -> None:
        changed = await write_article(database, "Returns", "Bring a receipt", "refund")
        async with database.begin() as session:
            await articles.update(session, changed.id, Writing("Invoice", "Ask us", ("tax",)))
        for old in ("returns", "receipt", "refund"):
            assert await titles(database, old) == []
        for new in ("invoice", "asking", "taxes"):
            assert await titles(database, new) == ["Invoice"]


class TestUpsert:
    async def test_tells_new_from_changed_from_same(self, database: Database) -> None:
        first = {"a": Writing("A", "one"), "b/c": Writing("C", "two")}
        second = {"a": Writing("A", "one"), "b/c": Writing("C", "three"), "d": Writing("D", "four")}
        async with database.begin() as session:
            assert await articles.upsert(session, first) == {Outcome.NEW: 2}
        async with database.begin() as session:
            assert await articles.upsert(session, second) == {
                Outcome.SAME: 1,
                Outcome.CHANGED: 1,
                Outcome.NEW: 1,
            }
            kept = await articles.by_slug(session, "b/c")
            assert kept is not None
            assert (kept.body, kept.version) == ("three", 2)
            assert await articles.by_slug(session, "e") is None

    async def test_two_at_once_make_each_article_once(self, database: Database) -> None:
        async def upsert(*slugs: str) -> Counter[Outcome]:
            async with database.begin() as session:
                return await articles.upsert(
                    session, {slug: Writing(slug, f"About {slug}") for slug in slugs}
                )

        outcomes = await asyncio.gather(upsert("a", "b"), upsert("b", "a"))
        assert sum(outcomes, Counter()) == {Outcome.NEW: 2, Outcome.SAME: 2}


class TestList:
    async def test_newest_first_in_pages(self, database: Database) -> None:
        for number in range(5):
            await write_article(database, f"Article {number}")
        async with database.begin() as session:
            shown, total = await articles.page(session, ArticleFilter(), offset=1, limit=2)
        assert [article.title for article in shown] == ["Article 3", "Article 2"]
        assert total == 5

    async def test_filters_combine(self, database: Database) -> None:
        await write_article(database, "Returns", "Send it back", "refund")
        await write_article(database, "Rückgabe", "Zurück damit", "refund", language="de")
        await write_article(database, "Refund limits", "100", "refund", audience=Audience.INTERNAL)
        assert await listed(database, ArticleFilter(language="de")) == ["Rückgabe"]
        assert await listed(database, ArticleFilter(audiences=CUSTOMERS, language="en")) == [
            "Returns"
        ]
        assert len(await listed(database, ArticleFilter(tag="refund"))) == 3
        assert await listed(database, ArticleFilter(tag="return")) == []
        assert await listed(database, ArticleFilter(tag="refund", q="sending")) == ["Returns"]

    @pytest.mark.parametrize("q", ["deliveries", "DELIV", "delivery weekend", "-nothing week"])
    async def test_q_finds_all_words_in_any_form(self, database: Database, q: str) -> None:
        await write_article(database, "Delivery", "Not at weekends.")
        await write_article(database, "Lieferung", "Nicht am Wochenende.", language="de")
        await write_article(database, "Delivered", "By whom?")
        assert "Delivery" in await listed(database, ArticleFilter(q=q))
        assert await listed(database, ArticleFilter(q="delivery wednesday")) == []

    async def test_q_in_an_empty_knowledge_base(self, database: Database) -> None:
        assert await listed(database, ArticleFilter(q="anything")) == []


class TestSearch:
    async def test_a_title_comes_before_tags_and_tags_before_the_body(
        self, database: Database
    ) -> None:
        await write_article(database, "Third", "About a warranty, among others.")
        await write_article(database, "Second", "Something else.", "warranty")
        await write_article(database, "Warranty", "Something else.")
        assert await titles(database, "Warranties?") == ["Warranty", "Second", "Third"]

    async def test_rare_words_decide(self, database: Database) -> None:
        for number in range(20):
            await write_article(database, f"Order {number}", "How to order, when to order.")
        await write_article(database, "Helmets", "Our helmets fit all.")
        best = await found(database, "Can I order a helmet?")
        assert best[0].article.title == "Helmets"
        assert best[0].coverage > 0.8
        assert best[1].coverage < 0.2

    async def test_words_that_no_article_knows_lower_the_coverage(self, database: Database) -> None:
        for topic in ("Delivery", "Returns", "Payment"):
            await write_article(database, topic, f"All about {topic}.")
        (sure,) = await found(database, "How does delivery work for me?", limit=1)
        (unsure,) = await found(database, "Delivery of elephants to Jupiter", limit=1)
        assert sure.article.title == unsure.article.title == "Delivery"
        assert unsure.coverage < 0.4 < sure.coverage

    async def test_what_is_only_mentioned_covers_half(self, database: Database) -> None:
        await write_article(database, "Delivery", "We deliver parcels.", "courier")
        await write_article(database, "Payment", "Before we deliver parcels by courier.")
        whole, passing = await found(database, "do couriers bring parcels")
        assert whole.coverage == pytest.approx(2 * passing.coverage)

    @pytest.mark.parametrize("question", ["gift cards", "GIFT CARD!", "do you have a card as gift"])
    async def test_tags_are_found_in_any_form(self, database: Database, question: str) -> None:
        await write_article(database, "Vouchers", "Buy them here.", "gift cards")
        (only,) = await found(database, question)
        assert only.coverage == pytest.approx(1)

    async def test_every_article_is_searched_in_its_own_language(self, database: Database) -> None:
        await write_article(database, "Lieferzeiten", "Wir liefern Pakete.", language="de")
        await write_article(database, "Livraison", "Nous livrons des colis.", language="fr")
        await write_article(database, "Dostawa", "Dostarczamy paczki.", language="pl")
        await write_article(database, "Delivery", "We deliver parcels.")
        assert await titles(database, "Wann wird mein Paket geliefert?") == ["Lieferzeiten"]
        assert await titles(database, "livrez-vous les colis ?") == ["Livraison"]
        assert await titles(database, "paczki") == ["Dostawa"]
        assert await titles(database, "parcel delivered") == ["Delivery"]

    async def test_a_language_narrows(self, database: Database) -> None:
        await write_article(database, "Hotline", "0800", language="de")
        await write_article(database, "Hotline", "0900", language="en")
        (only,) = await found(database, "hotline", language="de")
        assert only.article.body == "0800"
        assert await found(database, "hotline", language="xx") == []

    async def test_internal_articles_are_for_those_who_may(self, database: Database) -> None:
        await write_article(database, "Refund limits", audience=Audience.INTERNAL)
        assert await found(database, "refund limit", audiences=CUSTOMERS) == []
        assert len(await found(database, "refund limit")) == 1

    @pytest.mark.parametrize(
        "question", ["When does my retrun arive?", "wehn dose my reutrn arrivee", "RETRUN"]
    )
    async def test_misspelt_words_are_understood(self, database: Database, question: str) -> None:
        await write_article(database, "Returns", "They arrive in a week.")
        await write_article(database, "Payment", "By card.")
        assert (await titles(database, question))[0] == "Returns"

    async def test_a_misspelt_word_does_not_find_what_may_not_be_read(
        self, database: Database
    ) -> None:
        await write_article(database, "Refunds", audience=Audience.INTERNAL)
        await write_article(database, "Payment")
        assert await found(database, "refnuds", audiences=CUSTOMERS) == []

    @pytest.mark.parametrize(
        "question",
        [
            "",
            " ",
            "what is it to you?",
            "please, could you tell me",
            "?!",
            "' OR 1=1 --",
            "a & ! | :* <-> (b",
            "\\",
            "''\\'",
            "<b>\u202e🦊\ufffe</b> %s %(x)s :x {y}",
            "_" * 16_000,
            "x" * 16_000,
            "word " * 3_200,
            " ".join(f"w{number}" for number in range(2_700)),
            "é" * 2_500 + "'" * 13_000,
        ],
    )
    async def test_any_question_is_good(self, database: Database, question: str) -> None:
        await write_article(database, "Returns", "Send it back.")
        assert await found(database, question) == []

    async def test_no_question_fails_in_any_language(self, database: Database) -> None:
        for language in articles.SEARCH_CONFIGS:
            await write_article(database, "Tea", "Ceylon'\\ :* & <->", language=language)
        assert len(await found(database, "tea 'ceylon\\", limit=100)) == len(
            articles.SEARCH_CONFIGS
        )

    async def test_limit(self, database: Database) -> None:
        for number in range(4):
            await write_article(database, f"Tea {number}")
        assert len(await found(database, "tea", limit=3)) == 3
