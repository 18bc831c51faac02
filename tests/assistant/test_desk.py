"""Whatever becomes of a model, agents get their figures, and no others."""

import asyncio
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from assistant import desk
from assistant.desk import answer
from assistant.desk_answers import HELP
from assistant.reply import ModelTrouble
from domain.figures import DeskFacts, OpenTickets, Source

FACTS = DeskFacts(tickets=OpenTickets(0, ()))
TOLD = "You have no open tickets."
SECRET = "my diagnosis"


@dataclass
class Says:
    said: str
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def introduce(self, question: str, told: str) -> str:
        self.asked.append((question, told))
        return self.said


@dataclass
class Fails:
    error: Exception

    async def introduce(self, question: str, told: str) -> str:
        raise self.error


class Slow:
    async def introduce(self, question: str, told: str) -> str:
        await asyncio.sleep(60)
        return "late"


async def test_no_model_is_needed() -> None:
    assert await answer(None, "my tickets", FACTS) == TOLD


async def test_a_model_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_PATIENCE", 0.01)
    assert await answer(Slow(), "my tickets", FACTS) == TOLD


async def test_what_it_says_stands_above_the_facts() -> None:
    model = Says("Here is your\nwork. Enjoy!  🎉\n")
    assert await answer(model, "my tickets", FACTS) == f"Here is your work. Enjoy! 🎉\n\n{TOLD}"
    assert model.asked == [("my tickets", TOLD)]


async def test_an_article_stays_as_it_is() -> None:
    facts = DeskFacts(source=Source("art_1", "Refunds", "Within **30** days."))
    said = await answer(Says("This is what our article says."), "refunds?", facts)
    assert said == "This is what our article says.\n\nWithin **30** days.\n\n📖 Refunds"


async def test_without_facts_it_is_not_asked() -> None:
    model = Says("Everybody is happy.")
    assert await answer(model, "are they happy?", DeskFacts()) == HELP
    assert model.asked == []


@pytest.mark.parametrize("said", ["", " \n\t"])
async def test_it_may_say_nothing(said: str) -> None:
    with capture_logs() as logs:
        assert await answer(Says(said), "my tickets", FACTS) == TOLD
    assert logs == []


@pytest.mark.parametrize(
    "said",
    [
        "You have 3 open tickets.",
        "You have ٣ open tickets.",
        "You have ③ of them.",
        "It is ½ done.",
        "Chapter Ⅻ of your work.",
        "You have &#51; open tickets.",
        "One hundred percent were in time.",
        "A HUNDRED were late.",
        "Two agents did the work.",
        "Forty-two replies came from Ada.",
        "Twentyone replies came from Ada.",
        "Seventeen of them are late.",
        "Ada was the first, Bo the third.",
        "There are dozens of tickets.",
        "Half of them are late.",
        "Ada replied twice as often.",
        "Ada has _six_ of them.",
        "Ada has **six** of them.",
        "Ada has \N{FULLWIDTH LATIN SMALL LETTER S}ix of them.",
        "All were answered in time.",
        "Nothing is late, and nobody waits.",
        "Everything is up.",
        "Five per cent is late.",
        "A few per\N{NO-BREAK SPACE}cent is late.",
        "That makes 💯.",
    ],
)
async def test_whoever_says_a_figure_is_not_heard(said: str) -> None:
    with capture_logs() as logs:
        assert await answer(Says(said), "my tickets", FACTS) == TOLD
    assert [line["reason"] for line in logs] == ["figure"]


@pytest.mark.parametrize("said", ["Done. Well. Really.", "Well done! Is it? It is.", "word " * 100])
async def test_whoever_says_too_much_is_not_heard(said: str) -> None:
    with capture_logs() as logs:
        assert await answer(Says(said), "my tickets", FACTS) == TOLD
    assert [line["reason"] for line in logs] == ["too_long"]


@pytest.mark.parametrize("said", ["a\0b", "\ud800", "hun\u200bdred", "hun&zwnj;dred"])
async def test_what_cannot_be_shown_is_not_heard(said: str) -> None:
    with capture_logs() as logs:
        assert await answer(Says(said), "my tickets", FACTS) == TOLD
    assert [line["reason"] for line in logs] == ["unprintable"]


async def test_it_cannot_have_pictures_fetched() -> None:
    said = await answer(Says("![x](http://evil)\n# Look &lt;b&gt;"), "my tickets", FACTS)
    assert said == r"!\[x\](http://evil) # Look \<b\>" + f"\n\n{TOLD}"


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ValueError(SECRET), "ValueError"), (ModelTrouble("away"), "away")],
)
async def test_logs_say_what_failed_and_quote_nothing(error: Exception, reason: str) -> None:
    with capture_logs() as logs:
        assert await answer(Fails(error), SECRET, FACTS) == TOLD
    assert [(line["event"], line["reason"]) for line in logs] == [("desk_assistant_failed", reason)]
    assert SECRET not in str(logs)
