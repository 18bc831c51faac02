"""What agents are offered, with a model and without."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from assistant import advice
from assistant.advice import BuiltInAdviser, advise
from assistant.advisers import ModelAdviser
from assistant.case import Case
from assistant.reaching import reach_model
from domain.case import Turn
from domain.models import AuthorKind, Priority
from tests.assistant.cases import NOW, RETURNS, Shelf, case, customer, found
from tests.assistant.model_server import ModelServer, babbles, calls, model_server, never


def ada(*said: str, shelf: Shelf | None = None) -> Case:
    return replace(case(*said, shelf=shelf), customer="Ada", subject="A bicycle")


class TestBuiltIn:
    async def test_reply_is_taken_from_an_article(self) -> None:
        given = await advise(None, lambda by: by.reply(ada("Return?", shelf=Shelf(found(RETURNS)))))
        assert "Hello Ada" in given.advice.text
        assert "within 30 days" in given.advice.text
        assert given.advice.sources == (RETURNS,)
        assert given.by == "built-in"

    async def test_reply_without_an_article_says_nothing_made_up(self) -> None:
        said = await BuiltInAdviser().reply(ada("What is the meaning of life?"))
        assert said.sources == ()
        assert "A bicycle" in said.text

    async def test_summary_counts_and_quotes(self) -> None:
        turns = (
            customer("My wheel is gone. " + "Really. " * 100),
            Turn(AuthorKind.AGENT, "Which one?", NOW),
            Turn(AuthorKind.AI, "Hello", NOW),
            customer("The front one"),
        )
        summary = await BuiltInAdviser().summary(replace(case(*turns), customer="Ada"))
        assert "Ada wrote on 2026-01-05 12:00 UTC: “My wheel is gone." in summary
        assert "4 messages: 2 by the customer, 1 by agents, 1 by the assistant." in summary
        assert "“The front one”" in summary
        assert len(summary) < 700

    async def test_subject_is_the_first_sentence(self) -> None:
        assert await BuiltInAdviser().subject(case("No wheel. Please help")) == "No wheel."

    @pytest.mark.parametrize(
        ("words", "priority"),
        [
            ("My account was hacked!", Priority.URGENT),
            ("I was charged twice", Priority.HIGH),
            ("It does not work, it is broken", Priority.HIGH),
            ("Just wondering whether you ship abroad", Priority.LOW),
            ("Which tyre fits?", Priority.MEDIUM),
        ],
    )
    async def test_triage_by_words(self, words: str, priority: Priority) -> None:
        assert (await BuiltInAdviser().triage(case(words))).priority is priority

    async def test_triage_takes_the_tags_of_articles(self) -> None:
        tagged = replace(RETURNS, tags=("returns", "refund"))
        shelf = Shelf(found(tagged), found(replace(RETURNS, tags=("far",)), 0.1))
        assert (await BuiltInAdviser().triage(case("Return?", shelf=shelf))).tags == (
            "returns",
            "refund",
        )


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@pytest.fixture
def model(server: ModelServer) -> ModelAdviser:
    return ModelAdviser(reach_model("openai:test", server.url, "a key"))


class TestModel:
    async def test_reply(self, server: ModelServer, model: ModelAdviser) -> None:
        server.default = calls("final_result", {"text": "Dear Ada", "articles": [1, 7]})
        shelf = Shelf(found(RETURNS))
        given = await advise(model, lambda by: by.reply(ada("Return?", shelf=shelf)))
        assert (given.advice.text, given.advice.sources) == ("Dear Ada", (RETURNS,))
        assert given.by == "test"

    async def test_triage(self, server: ModelServer, model: ModelAdviser) -> None:
        server.default = calls("final_result", {"tags": ["a", "b", "a"], "priority": "high"})
        given = await advise(model, lambda by: by.triage(ada("Return?")))
        assert (given.advice.tags, given.advice.priority) == (("a", "b"), Priority.HIGH)

    async def test_summary_and_subject(self, server: ModelServer, model: ModelAdviser) -> None:
        server.default = calls("final_result", {"text": "A wheel"})
        assert (await advise(model, lambda by: by.summary(ada("Wheel")))).advice == "A wheel"
        assert (await advise(model, lambda by: by.subject(ada("Wheel")))).advice == "A wheel"

    async def test_rubbish_ends_in_the_built_in_advice(
        self, server: ModelServer, model: ModelAdviser
    ) -> None:
        server.default = babbles("{")
        given = await advise(model, lambda by: by.subject(ada("No wheel. Please")))
        assert (given.advice, given.by) == ("No wheel.", "built-in")

    async def test_slow_model_is_not_waited_for(
        self, server: ModelServer, model: ModelAdviser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(advice, "PATIENCE", 0.2)
        server.default = never
        given = await advise(model, lambda by: by.subject(ada("No wheel. Please")))
        assert given.by == "built-in"
