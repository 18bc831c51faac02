"""The assistant that needs no model: it answers from the knowledge base by search alone.

It says what an article says, in the article's words, and only when it is sure that the article is
about the question; everything else it leaves to people.
"""

from dataclasses import dataclass

from assistant.case import Case
from assistant.passages import best_passage
from assistant.reply import Reply, answered, asked, handed_over
from assistant.sureness import SURE
from assistant.wishes import is_greeting, is_thanks, wants_person
from domain.ids import article_id_text
from domain.knowledge import Article

_FEW_WORDS = 3
"""A question of so few words may be about anything."""
_GREETING = "Hello! What can we help you with?"
_WELCOME = "You are welcome. Write here whenever there is anything else."
_MORE = (
    "I want to find the right answer. Could you tell me in a sentence or two what you would like "
    "to do, and what happens?"
)


class BuiltInAssistant:
    name = "built-in"

    async def reply(self, case: Case) -> Reply:
        question = case.question
        if wants_person(case.asked):
            return handed_over("asked_for_person")
        if is_greeting(question):
            return answered(_GREETING, [])
        if is_thanks(question) and case.told:
            return answered(_WELCOME, [])
        passage = await find_passage(case)
        if passage is None:
            return _unsure(case)
        article = passage.article
        if article_id_text(article.id) in case.told:
            # The same article again would not help who has read it.
            return handed_over("answered_before")
        return answered(f"{passage.text}\n\n(From our article “{article.title}”.)", [article])


@dataclass(frozen=True, slots=True)
class Passage:
    article: Article
    text: str


async def find_passage(case: Case) -> Passage | None:
    """What an article says to the question; None where nothing surely does."""
    for wording in case.wordings:
        found = await case.library.search(wording)
        if found and found[0].coverage >= SURE:
            article = found[0].article
            return Passage(article, best_passage(article.body, wording, title=article.title))
    return None


def _unsure(case: Case) -> Reply:
    is_vague = len(case.question.split()) <= _FEW_WORDS
    if is_vague and not case.asked_back:
        return asked(_MORE)
    return handed_over("not_sure")
