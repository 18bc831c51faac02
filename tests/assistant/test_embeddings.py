"""What becomes of all that an embedding model can answer."""

import asyncio
from collections.abc import AsyncIterator
from math import hypot

import pytest
from structlog.testing import capture_logs

from assistant import embeddings
from assistant.embedding_models import ModelEmbedder
from assistant.embeddings import QuestionMeanings
from assistant.reaching import NoSuchModel, reach_embedder
from assistant.reply import ModelTrouble
from tests.assistant.meanings import MadeUpEmbedder, meaning_of
from tests.assistant.model_server import (
    Behaviour,
    ModelServer,
    babbles,
    embeds,
    fails,
    model_server,
    never,
)

SECRET = "my diagnosis"


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@pytest.fixture
def embedder(server: ModelServer) -> ModelEmbedder:
    return ModelEmbedder(reach_embedder("openai:test", server.url, "a key"))


async def test_one_vector_for_each_text(server: ModelServer, embedder: ModelEmbedder) -> None:
    first, second = await embedder.embed(["How to return it", "Where it is"])
    assert first != second
    assert hypot(*first) == pytest.approx(1)
    assert first == await embedder.embed_question("How to return it")
    assert [request["model"] for request in server.requests] == ["test"] * 2
    assert embedder.name == "test"


@pytest.mark.parametrize("vector", [[3e200, 4e200], [3e-200, 4e-200], [3, 4]])
async def test_only_the_direction_counts(
    server: ModelServer, embedder: ModelEmbedder, vector: list[float]
) -> None:
    server.embedding = embeds(vector)
    assert await embedder.embed_question("?") == pytest.approx([0.6, 0.8])


async def test_a_vector_may_have_no_direction(server: ModelServer, embedder: ModelEmbedder) -> None:
    server.embedding = embeds([0, 0])
    assert await embedder.embed_question("?") == [0, 0]


@pytest.mark.parametrize(
    ("behaviour", "lasting"),
    [
        (fails(429), False),
        (fails(500), False),
        (fails(503), False),
        (fails(400), True),
        (fails(401), True),
        (fails(404), True),
        (babbles(""), False),
        (babbles("{'not': json"), False),
        (babbles("[]"), False),
        (babbles("null"), False),
        (babbles('{"data": "many"}'), False),
        (babbles('{"data": []}'), False),
        (embeds([1.0]), False),
        (embeds([1.0], [1.0], [1.0]), False),
        (embeds([1.0], [1.0, 2.0]), False),
        (embeds([], []), False),
        (embeds([1.0], [None]), False),
        (embeds([1.0], ["one"]), False),
        (embeds([1.0], [[1.0]]), False),
        (embeds([1.0], None), False),
        (embeds([1.0], 7), False),
        (embeds([1.0], {"values": [1.0]}), False),
        (embeds([1.0], [float("nan")]), False),
        (embeds([1.0], [float("inf")]), False),
        (embeds([1.0] * 16_001, [1.0] * 16_001), False),
    ],
)
async def test_nonsense_is_trouble(
    server: ModelServer, embedder: ModelEmbedder, behaviour: Behaviour, lasting: bool
) -> None:
    server.behaviours = [behaviour]
    with pytest.raises(ModelTrouble) as trouble:
        await embedder.embed([SECRET, "Where it is"])
    assert trouble.value.lasting is lasting
    assert SECRET not in str(trouble.value)
    assert len(server.requests) == 1


async def test_silence_is_trouble(server: ModelServer) -> None:
    server.embedding = never
    embedder = ModelEmbedder(reach_embedder("test", server.url, "a key"), patience=0.2)
    with pytest.raises(ModelTrouble):
        await embedder.embed(["Where it is"])


async def test_a_server_that_is_away_is_trouble() -> None:
    embedder = ModelEmbedder(reach_embedder("openai:test", "http://127.0.0.1:1/v1", "a key"))
    with pytest.raises(ModelTrouble):
        await embedder.embed_question("Where it is")


class TestQuestions:
    async def test_have_a_meaning(self) -> None:
        assert await QuestionMeanings(MadeUpEmbedder()).of(" refund ") == meaning_of("refund")

    async def test_are_not_waited_for(self, server: ModelServer, embedder: ModelEmbedder) -> None:
        server.embedding = never
        async with asyncio.timeout(2):
            assert await QuestionMeanings(embedder, patience=0.1).of("refund") is None

    async def test_empty_ones_mean_nothing(self) -> None:
        embedder = MadeUpEmbedder()
        assert await QuestionMeanings(embedder).of(" \n") is None
        assert embedder.batches == []

    async def test_long_ones_are_cut(self) -> None:
        embedder = MadeUpEmbedder()
        await QuestionMeanings(embedder).of("word " * 10_000)
        assert len(embedder.batches[0][0]) == 2_000

    async def test_a_model_in_trouble_is_left_alone_for_a_while(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embeddings, "_REST", 0.2)
        embedder = MadeUpEmbedder(troubles=[ModelTrouble("away")])
        meanings = QuestionMeanings(embedder)
        assert await meanings.of("refund") is None
        assert await meanings.of("refund") is None
        assert len(embedder.batches) == 1
        await asyncio.sleep(0.25)
        assert await meanings.of("refund") == meaning_of("refund")

    async def test_trouble_is_told_seldom_and_without_the_question(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embeddings, "_REST", 0.0)
        meanings = QuestionMeanings(MadeUpEmbedder(troubles=[ModelTrouble("away")] * 3))
        with capture_logs() as logs:
            for _ in range(3):
                assert await meanings.of(SECRET) is None
        (line,) = logs
        assert (line["log_level"], line["reason"]) == ("warning", "away")
        assert SECRET not in str(logs)


class TestReaching:
    @pytest.mark.parametrize(
        ("name", "base_url", "model_name"),
        [
            ("openai:text-embedding-3-small", None, "text-embedding-3-small"),
            ("openai:text-embedding-3-small", "http://127.0.0.1:1/v1", "text-embedding-3-small"),
            ("nomic-embed-text", "http://127.0.0.1:1/v1", "nomic-embed-text"),
            ("nomic-embed-text:v1.5", "http://127.0.0.1:1/v1", "nomic-embed-text:v1.5"),
            ("ollama:nomic-embed-text", "http://127.0.0.1:1/v1", "nomic-embed-text"),
        ],
    )
    def test_names(self, name: str, base_url: str | None, model_name: str) -> None:
        assert reach_embedder(name, base_url, "a key").model_name == model_name

    @pytest.mark.parametrize(
        "name",
        ["embed", "nobody:embed", "", "anthropic:embed", "sentence-transformers:embed"],
    )
    def test_unreachable_is_said(self, name: str) -> None:
        with pytest.raises(NoSuchModel, match="AI_EMBEDDING_MODEL"):
            reach_embedder(name, api_key="a key")
