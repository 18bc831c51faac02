"""Ask all questions, and count."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from assistant.sureness import SURE
from bench.knowledge.questions import Question
from domain.knowledge import CUSTOMERS, Found
from holdfast.articles import import_writings, read_folder
from holdfast.embedded.postgres import EmbeddedPostgres
from store import articles, migrate
from store.database import Database

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "kb"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what was found for it, the best first."""

    question: Question
    found: tuple[Found, ...]
    slugs: tuple[str, ...]

    def hit(self, within: int) -> bool:
        return bool(self.question.answers.intersection(self.slugs[:within]))

    def sure(self, threshold: float) -> bool:
        """Whether the built-in assistant answers."""
        return bool(self.found) and self.found[0].coverage >= threshold


@dataclass(frozen=True, slots=True)
class Tally:
    """What the built-in assistant does with the questions at one threshold."""

    threshold: float
    right: int
    wrong: int
    handed_over: int
    made_up: int
    """Questions without an answer that it answers nevertheless."""
    left: int

    @classmethod
    def of(cls, asked: Sequence[Asked], threshold: float = SURE) -> "Tally":
        answerable = [each for each in asked if each.question.answers]
        without = [each for each in asked if not each.question.answers]
        sure = [each for each in answerable if each.sure(threshold)]
        right = sum(each.hit(1) for each in sure)
        made_up = sum(each.sure(threshold) for each in without)
        return cls(
            threshold=threshold,
            right=right,
            wrong=len(sure) - right,
            handed_over=len(answerable) - len(sure),
            made_up=made_up,
            left=len(without) - made_up,
        )


async def ask_all(questions: Sequence[Question], folder: Path = EXAMPLES) -> list[Asked]:
    """In a database of their own, with the folder's articles."""
    with TemporaryDirectory(prefix="holdfast-knowledge-") as place:
        async with EmbeddedPostgres(Path(place) / "postgres", durable=False) as server:
            migrate.upgrade(server.dsn)
            database = Database(server.dsn, pool_size=1)
            try:
                return await _ask_all(database, questions, folder)
            finally:
                await database.close()


async def _ask_all(database: Database, questions: Sequence[Question], folder: Path) -> list[Asked]:
    writings = read_folder(folder)
    slugs = {writing.title: slug for slug, writing in writings.items()}
    async with database.begin() as session:
        await import_writings(session, writings)
        asked = []
        for question in questions:
            found = await articles.search(session, question.text, audiences=CUSTOMERS)
            named = tuple(slugs[each.article.title] for each in found)
            asked.append(Asked(question, tuple(found), named))
    return asked
