"""Folders of Markdown files as articles of the knowledge base.

A file may begin with lines of `key: value` between two lines of `---`: title, tags (with commas),
audience and language. Without a title it is the first `# heading`. Which article a file is, its
path says: importing a folder again changes what has changed.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import article_id_text
from domain.knowledge import Audience, Writing
from domain.text import storable
from holdfast.errors import BadArticle
from store import articles
from store.articles import ArticleFilter, Outcome

_KEYS = ("title", "tags", "audience", "language")
_LONGEST_TITLE, _LONGEST_BODY, _LONGEST_TAG, _LONGEST_SLUG = 200, 100_000, 50, 500
_MOST_TAGS = 20
"""As over HTTP."""
_PAGE = 100
_FENCE = "---"
_CODE = ("```", "~~~")
_SAID = {Outcome.NEW: "new", Outcome.CHANGED: "changed", Outcome.SAME: "as before"}


def read_folder(folder: Path) -> dict[str, Writing]:
    """Every `*.md` below the folder, by its path without the ending.

    Raises BadArticle, which names the file and the line.
    """
    paths = sorted(path for path in folder.rglob("*.md") if _is_shown(path.relative_to(folder)))
    if not paths:
        raise BadArticle(f"There is no file *.md below {folder}.")
    return {_slug(path, folder): read_article(path) for path in paths}


def read_article(path: Path) -> Writing:
    """Raises BadArticle, which names the file and the line."""
    return _File(path, _text(path).splitlines()).writing()


async def import_writings(session: AsyncSession, writings: Mapping[str, Writing]) -> str:
    """Take them in, and say what came of it: `7 new, 1 changed, 12 as before`."""
    outcomes = await articles.upsert(session, writings)
    return ", ".join(f"{outcomes[outcome]} {said}" for outcome, said in _SAID.items())


async def article_lines(session: AsyncSession) -> AsyncIterator[str]:
    """A line for each article, the newest first."""
    offset = 0
    while True:
        found, _ = await articles.page(session, ArticleFilter(), offset=offset, limit=_PAGE)
        for each in found:
            yield (
                f"{article_id_text(each.id)}  {each.updated_at:%Y-%m-%d}  {each.audience:<8}  "
                f"{each.language}  {each.title}"
            )
        if len(found) < _PAGE:
            return
        offset += _PAGE


@dataclass(frozen=True, slots=True)
class _Value:
    text: str
    line: int


class _File:
    """One file, for its faults to be told with their place."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        self._lines = lines

    def writing(self) -> Writing:
        values, begins = self._front_matter()
        title = values.get("title")
        if title is None:
            title = self._first_heading(begins)
            # It stands over the article anyway.
            rest = [*self._lines[begins : title.line - 1], *self._lines[title.line :]]
        else:
            rest = self._lines[begins:]
        return Writing(
            title=self._checked_title(title),
            body=self._checked_body("\n".join(rest).strip(), begins + 1),
            tags=self._tags(values.get("tags")),
            audience=self._audience(values.get("audience")),
            language=self._language(values.get("language")),
        )

    def _front_matter(self) -> tuple[dict[str, _Value], int]:
        """Its values, and how many lines it has."""
        if not self._lines or self._lines[0].rstrip() != _FENCE:
            return {}, 0
        values: dict[str, _Value] = {}
        for number, line in enumerate(self._lines[1:], start=2):
            if line.rstrip() == _FENCE:
                return values, number
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            key, colon, value = line.partition(":")
            name = key.strip().lower()
            if not colon or name not in _KEYS:
                raise self._bad(number, f"expected one of {', '.join(_KEYS)}, a colon and a value")
            if name in values:
                raise self._bad(number, f"{name} is said twice")
            values[name] = _Value(_unquoted(value), number)
        raise self._bad(1, f"the {_FENCE} is never closed by another")

    def _first_heading(self, begins: int) -> _Value:
        in_code = False
        for number, line in enumerate(self._lines[begins:], start=begins + 1):
            if line.lstrip().startswith(_CODE):
                in_code = not in_code
            if line.startswith("# ") and not in_code:
                return _Value(line[2:].strip().rstrip("#").rstrip(), number)
        raise self._bad(begins + 1, "there is no title. Begin with a line `# Title`")

    def _checked_title(self, title: _Value) -> str:
        if not 0 < len(title.text) <= _LONGEST_TITLE:
            raise self._bad(title.line, f"a title has 1 to {_LONGEST_TITLE} characters")
        return title.text

    def _checked_body(self, body: str, line: int) -> str:
        if not 0 < len(body) <= _LONGEST_BODY:
            raise self._bad(line, f"an article has 1 to {_LONGEST_BODY:,} characters")
        return body

    def _tags(self, value: _Value | None) -> tuple[str, ...]:
        if value is None:
            return ()
        named = [
            _unquoted(tag) for tag in value.text.removeprefix("[").removesuffix("]").split(",")
        ]
        tags = tuple(dict.fromkeys(tag for tag in named if tag))
        if len(tags) > _MOST_TAGS or any(len(tag) > _LONGEST_TAG for tag in tags):
            wanted = f"at most {_MOST_TAGS} tags of at most {_LONGEST_TAG} characters"
            raise self._bad(value.line, wanted)
        return tags

    def _audience(self, value: _Value | None) -> Audience:
        if value is None:
            return Audience.PUBLIC
        try:
            return Audience(value.text.lower())
        except ValueError:
            wanted = " or ".join(Audience)
            raise self._bad(value.line, f"the audience is {wanted}") from None

    def _language(self, value: _Value | None) -> str:
        if value is None:
            return "en"
        if not re.fullmatch(r"[a-z]{2}", value.text.lower()):
            raise self._bad(value.line, "a language has two letters, like en")
        return value.text.lower()

    def _bad(self, line: int, what: str) -> BadArticle:
        return _bad(self._path, line, what)


def _bad(path: Path, line: int, what: str) -> BadArticle:
    return BadArticle(f"{path}, line {line}: {what}. Nothing was imported.")


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadArticle(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return storable(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _bad(path, raw[: error.start].count(b"\n") + 1, "this is not UTF-8") from None
    except ValueError:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise _bad(path, line, "this is no text: it has a NUL") from None


def _slug(path: Path, folder: Path) -> str:
    slug = path.relative_to(folder).with_suffix("").as_posix()
    if len(slug) > _LONGEST_SLUG or not slug.isprintable():
        raise BadArticle(f"{path}: the name is too long or not readable. Nothing was imported.")
    return slug


def _is_shown(path: Path) -> bool:
    return not any(part.startswith(".") for part in path.parts)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
