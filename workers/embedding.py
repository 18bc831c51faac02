"""The loop that has a model read the articles, so that they are found by meaning too."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import accumulate
from uuid import uuid4

import structlog
from sqlalchemy import exc

from assistant.embeddings import Embedder
from assistant.reply import ModelTrouble
from domain.knowledge import Article
from store import embeddings, leases
from store.database import Database
from workers.passed_over import PassedOver

log = structlog.get_logger(__name__)

_PAUSE = 3.0
"""Seconds between two looks for articles that the model has not read."""
_LONGEST_PAUSE = 300.0
"""Seconds, while the model cannot be reached."""
_LOOK_SHARE = 0.05
"""Of the time at most is spent on looking, however many articles there are."""
_LEASE = timedelta(seconds=60)
"""Longer than a batch takes."""
_BATCH = 16
_LONGEST_BATCH = 32_000
_LONGEST_ARTICLE = 8_000
"""Characters. Models read no further than some 8,000 tokens; and what an article is about stands
at its beginning."""
_PASSED_OVER = 600.0
"""Seconds for which an article is left alone that the model does not take."""
_MOST_PASSED_OVER = 200


async def embed_forever(database: Database, embedder: Embedder) -> None:
    """Until cancelled, or until it turns out that this database cannot keep vectors. Of several
    that run side by side one works; should two, they do the same twice and do no harm."""
    reading = _Reading(database, embedder)
    possible = True
    while possible:
        pause = _PAUSE
        try:
            possible = await _can_keep(database)
            pause = await reading.go_on() if possible else 0.0
        except exc.SQLAlchemyError as error:
            log.warning("embedding_waits", reason=type(error).__name__)
        await asyncio.sleep(pause)
    log.warning(
        "ARTICLES_ARE_FOUND_BY_WORDS_ALONE",
        setting="AI_EMBEDDING_MODEL",
        meaning="the database has no extension `vector` (pgvector), or had none when its tables "
        "were made",
    )


async def _can_keep(database: Database) -> bool:
    async with database.reading() as session:
        return await embeddings.available(session)


class _Reading:
    """After trouble, articles are read one by one, so that one that the model does not take stops
    no other."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder
        self._id = uuid4()
        self._at_once = _BATCH
        self._trouble = 0
        """Batches that have failed, one after the other."""
        self._passed_over = PassedOver(_PASSED_OVER, _MOST_PASSED_OVER)

    async def go_on(self) -> float:
        """Have one batch read, and say how many seconds to wait before the next."""
        began = _now()
        batch = await self._next()
        if not batch:
            return max(_PAUSE, (_now() - began) / _LOOK_SHARE)
        try:
            vectors = await self._embedder.embed([_text(article) for article in batch])
        except ModelTrouble as trouble:
            return self._fails(batch, trouble)
        await self._keep(batch, vectors)
        self._at_once = min(self._at_once * 2, _BATCH)
        self._trouble = 0
        return 0.0

    async def _next(self) -> list[Article]:
        """What the model has not read; nothing while another process has it read."""
        passed_over = set(self._passed_over.at(_now()))
        wanted = self._at_once + len(passed_over)
        async with self._database.begin() as session:
            if not await leases.hold(session, _lease(self._embedder), self._id, _LEASE):
                return []
            missing = await embeddings.missing(session, self._embedder.name, wanted)
        return _bounded([each for each in missing if each.id not in passed_over][: self._at_once])

    def _fails(self, batch: Sequence[Article], trouble: ModelTrouble) -> float:
        if len(batch) == 1:
            self._passed_over.add(batch[0].id, _now())
        self._at_once = 1
        self._trouble += 1
        pause = max(trouble.retry_after or 0.0, _PAUSE * 2.0 ** min(self._trouble, 10))
        log.warning("embedding_failed", reason=trouble.reason, articles=len(batch))
        return min(pause, _LONGEST_PAUSE)

    async def _keep(self, batch: Sequence[Article], vectors: Sequence[Sequence[float]]) -> None:
        async with self._database.begin() as session:
            # In one order, so that two who do the same do not wait for each other in a circle.
            for article, vector in sorted(
                zip(batch, vectors, strict=True), key=lambda pair: pair[0].id
            ):
                await embeddings.put(session, article, self._embedder.name, vector)
        log.info("articles_embedded", articles=len(batch))


def _bounded(articles: Sequence[Article]) -> list[Article]:
    """The first of them: one, and as many more as make no overlong request."""
    lengths = accumulate(len(_text(article)) for article in articles)
    within = [length <= _LONGEST_BATCH for length in lengths]
    return list(articles[: max(1, sum(within))])


def _text(article: Article) -> str:
    return f"{article.title}\n\n{article.body}"[:_LONGEST_ARTICLE]


def _lease(embedder: Embedder) -> str:
    return f"embedding-{embedder.name}"


def _now() -> float:
    return asyncio.get_running_loop().time()
