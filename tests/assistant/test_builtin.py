"""The assistant that answers by search alone."""

import pytest

from assistant.builtin import BuiltInAssistant
from assistant.case import Case
from assistant.reply import Reply
from assistant.sureness import SURE
from domain.assistance import Reaction
from tests.assistant.cases import RETURNS, SHIPPING, Shelf, assistant, case, customer, found


async def reply(of: Case) -> Reply:
    return await BuiltInAssistant().reply(of)


async def test_answers_in_the_articles_words() -> None:
    said = await reply(case("Can I return it?", shelf=Shelf(found(RETURNS), found(SHIPPING))))
    assert said.reaction is Reaction.ANSWERED
    assert "within 30 days" in said.text
    assert "Returning things" in said.text
    assert said.sources == (RETURNS,)


async def test_hands_over_when_it_is_not_sure() -> None:
    unsure = Shelf(found(RETURNS, SURE - 0.01))
    said = await reply(case("Do your bicycles come in a tall size?", shelf=unsure))
    assert (said.reaction, said.reason) == (Reaction.HANDED_OVER, "not_sure")


async def test_asks_once_what_is_meant() -> None:
    assert (await reply(case("the thing"))).reaction is Reaction.ASKED
    turns = (customer("the thing"), assistant("Which?"), customer("that thing"))
    assert (await reply(case(*turns))).reaction is Reaction.HANDED_OVER
    turns = (customer("Return?"), assistant("30 days", RETURNS), customer("the thing"))
    assert (await reply(case(*turns))).reaction is Reaction.ASKED


async def test_greets() -> None:
    said = await reply(case("Hi there!", shelf=Shelf(found(RETURNS))))
    assert "Hello" in said.text
    assert (said.reaction, said.sources) == (Reaction.ANSWERED, ())


async def test_takes_thanks_for_an_end() -> None:
    turns = (customer("Return?"), assistant("30 days", RETURNS), customer("Thanks a lot!"))
    said = await reply(case(*turns, shelf=Shelf(found(RETURNS))))
    assert "welcome" in said.text
    assert (said.reaction, said.sources) == (Reaction.ANSWERED, ())


async def test_does_not_say_the_same_twice() -> None:
    turns = (customer("Return?"), assistant("30 days", RETURNS), customer("But how do I return?"))
    said = await reply(case(*turns, shelf=Shelf(found(RETURNS))))
    assert (said.reaction, said.reason) == (Reaction.HANDED_OVER, "answered_before")


@pytest.mark.parametrize(
    "wish",
    [
        "I want to talk to a human",
        "agent",
        "Human please!",
        "can I have a real person",
        "Please connect me with customer service staff",
        "I don't want a bot",
        "no more chatbot, thanks",
        "Ich möchte mit einem Menschen sprechen",
        "Je veux parler à un conseiller",
        "Quiero hablar con una persona",
        "How do I return it? Actually just put me through to an agent.",
        "How do I return a jacket?\nhuman please",
        "word " * 1_000 + "Let me talk to a human.",
    ],
)
async def test_who_wants_a_person_gets_one(wish: str) -> None:
    said = await reply(case(wish, shelf=Shelf(found(RETURNS))))
    assert (said.reaction, said.reason) == (Reaction.HANDED_OVER, "asked_for_person")


async def test_who_wants_a_person_after_all_gets_one() -> None:
    said = await reply(case("How do I return it?", "human please", shelf=Shelf(found(RETURNS))))
    assert (said.reaction, said.reason) == (Reaction.HANDED_OVER, "asked_for_person")


@pytest.mark.parametrize(
    "question",
    [
        "How many people fit on a cargo bike?",
        "What is the travel agency discount?",
        "My order has not arrived",
        "Does the robot mower come with a charger?",
    ],
)
async def test_who_asks_something_is_not_taken_for_that(question: str) -> None:
    said = await reply(case(question, shelf=Shelf(found(RETURNS))))
    assert said.reaction is Reaction.ANSWERED


async def test_question_is_all_that_was_said_since() -> None:
    looking = Shelf(found(RETURNS))
    turns = (customer("Old"), assistant("Yes?"), customer("I bought it"), customer("last week"))
    await reply(case(*turns, shelf=looking))
    assert looking.questions == ["I bought it\nlast week"]
