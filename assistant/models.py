"""The assistant that a language model speaks for, whichever pydantic-ai can reach.

Importing this module takes some 40 MB of memory: only processes that have a model do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field
from pydantic_ai import Agent, ModelRetry, RunContext, ToolOutput, UsageLimits
from pydantic_ai.models import Model

from assistant.asking import told_as_trouble
from assistant.case import Case
from assistant.honesty import claims_deed
from assistant.prompts import INSTRUCTIONS, article_lines, prompt
from assistant.reply import ModelTrouble, Reply, answered, asked, handed_over
from assistant.sureness import SURE
from assistant.wishes import wants_person
from domain.knowledge import Article, Found
from domain.text import storable

_MOST_REQUESTS = 6
"""To the model, for one answer: tools take some."""
_LONGEST = 4_000
_MOST_SOURCES = 3

Said = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class Answer(BaseModel):
    """Answer the customer. `articles`: the numbers of those that were used, the best first."""

    text: Said
    articles: list[int] = Field(default_factory=list, max_length=20)


class AskBack(BaseModel):
    """Ask the customer one question, because it is not clear what is meant."""

    question: Said


class HandOver(BaseModel):
    """Leave the customer to a person."""

    reason: Literal["not_in_articles", "asked_for_person", "upset", "needs_doing", "not_sure"]


Spoken = Answer | AskBack | HandOver | str


@dataclass
class _Desk:
    """What the model's tools work on. `found` are the articles that it was shown, by number."""

    case: Case
    found: list[Found] = field(default_factory=list)

    def article(self, number: int) -> Article | None:
        return self.found[number - 1].article if 0 < number <= len(self.found) else None


class ModelAssistant:
    """Raises ModelTrouble where the model is away, too slow, or makes no sense."""

    def __init__(self, model: Model) -> None:
        self.name = model.model_name
        self._agent: Agent[_Desk, Spoken] = Agent(
            model,
            deps_type=_Desk,
            instructions=INSTRUCTIONS,
            output_type=[
                ToolOutput(Answer, name="answer"),
                ToolOutput(AskBack, name="ask_back"),
                ToolOutput(HandOver, name="hand_over"),
                str,
            ],
            retries=1,
        )
        self._agent.tool(search_knowledge_base)
        self._agent.tool(customers_tickets)
        self._agent.output_validator(_check)

    async def reply(self, case: Case) -> Reply:
        if wants_person(case.asked):
            return handed_over("asked_for_person")
        desk = _Desk(case, list(await case.library.search(case.question)))
        with told_as_trouble():
            run = await self._agent.run(
                prompt(case, desk.found),
                deps=desk,
                usage_limits=UsageLimits(request_limit=_MOST_REQUESTS),
            )
        return _reply(run.output, desk)


async def search_knowledge_base(
    context: RunContext[_Desk], query: Annotated[str, Field(max_length=500)]
) -> list[dict[str, object]]:
    """Search the knowledge base for articles about something else than what is there already."""
    desk = context.deps
    shown = {each.article.id for each in desk.found}
    more = [each for each in await desk.case.library.search(query) if each.article.id not in shown]
    first = len(desk.found) + 1
    desk.found.extend(more)
    return article_lines(more, first)


async def customers_tickets(context: RunContext[_Desk]) -> list[dict[str, Any]]:
    """The newest tickets of the customer who is asking: number, subject, status, since when."""
    return [
        {
            "number": line.number,
            "subject": line.subject,
            "status": line.status.value,
            "since": line.created_at.date().isoformat(),
        }
        for line in await context.deps.case.records.tickets()
    ]


def _check(spoken: Spoken) -> Spoken:
    """What cannot be kept or must not be said is sent back to the model."""
    text = _text_of(spoken)
    try:
        storable(text)
    except ValueError as error:
        raise ModelRetry(f"The text {error}.") from None
    if claims_deed(text):
        raise ModelRetry(
            "You cannot do anything for the customer, so do not say that you did or will. Say what "
            "the articles say, or hand over."
        )
    return spoken


def _text_of(spoken: Spoken) -> str:
    match spoken:
        case Answer(text=text) | AskBack(question=text):
            return text
        case HandOver():
            return ""
        case _:
            return spoken


def _reply(spoken: Spoken, desk: _Desk) -> Reply:
    match spoken:
        case HandOver(reason=reason):
            return handed_over(reason)
        case AskBack(question=question):
            return asked(question) if not desk.case.asked_back else handed_over("not_sure")
        case Answer(text=text, articles=numbers):
            named = [desk.article(number) for number in dict.fromkeys(numbers)]
            return answered(text, [each for each in named if each is not None][:_MOST_SOURCES])
        case _:
            return _plain_reply(spoken, desk.found)


def _plain_reply(text: str, found: Sequence[Found]) -> Reply:
    """A model without tools says no more than its text: what it was shown first, if that is about
    the question, is taken for its source."""
    said = text.strip()[:_LONGEST]
    if not said:
        raise ModelTrouble("empty")
    return answered(said, [each.article for each in found[:1] if each.coverage >= SURE])
