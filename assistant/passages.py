"""The part of an article that answers a question, as a chat can show it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import log

from assistant.markdown import Block, Kind, blocks
from assistant.markdown import plain as plain
from domain.relevance import words_of

_LIMIT = 700
"""Characters: what a chat shows without scrolling."""
_MORE = "…"
_HEADING_COUNTS = 1.5
"""A section is about what stands over it."""
_SHORTEST = 3
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_STOP_WORDS = frozenset(
    words_of(
        "the and for you your are how what when where why who which can does did with that this "
        "these those there here from have much many long until often has had not was were will "
        "they them our its into about any "
        "ich mich mir der die das den dem und wie wo wann warum ein eine einen einem ist sind war "
        "nicht mit auf für von zum zur mein meine les des une est que qui pour dans avec sur mon "
        "los las una por para con cómo mis del"
    )
)


@dataclass(slots=True)
class _Section:
    """A heading and what stands below it; the first section may have none."""

    heading: str = ""
    body: list[Block] = field(default_factory=list)


def best_passage(body_markdown: str, question: str, *, title: str = "", limit: int = _LIMIT) -> str:
    """The section that has most of the question's words; of a long one, what is around the best
    paragraph. Where no word is found it is how the article begins. Words of the title say which
    article is meant, and not which of its sections.

    At most `limit` characters of plain text. Ends with an ellipsis where a paragraph or a list had
    to be cut, never within a word.
    """
    sections = _sections(blocks(body_markdown))
    if not sections:
        return ""
    texts = [_words(_all_text(section)) for section in sections]
    wanted = _Wanted(question, texts, _words(title))
    scores = [wanted.in_section(section) for section in sections]
    best = max(range(len(sections)), key=lambda place: scores[place])
    if best == 0 or not scores[best]:
        # What stands first introduces the rest, and is seldom an answer by itself.
        return _as_many_as_fit(sections, wanted, limit)
    return _part_of(sections[best], wanted, limit)


class _Wanted:
    """The question's words. Those that stand in few sections say more about which is meant, and
    those that stand in most of them say nothing."""

    def __init__(
        self, question: str, sections: Sequence[frozenset[str]], title: frozenset[str]
    ) -> None:
        known = _by_beginning(word for words in (*sections, title) for word in words)
        self._forms: list[tuple[frozenset[str], float]] = []
        for word in words_of(question):
            if len(word) < _SHORTEST or word in _STOP_WORDS:
                continue
            forms = frozenset(form for form in known[word[:_SHORTEST]] if _same(word, form))
            having = sum(1 for words in sections if words & forms)
            if having and having <= max(1, len(sections) / 2) and not title & forms:
                self._forms.append((forms, log(1 + len(sections) / having)))

    def in_text(self, text: str) -> float:
        words = _words(text)
        return sum(weight for forms, weight in self._forms if words & forms)

    def in_section(self, section: _Section) -> float:
        below = self.in_text("\n".join(block.text for block in section.body))
        return _HEADING_COUNTS * self.in_text(section.heading) + below


def _sections(found: Iterable[Block]) -> list[_Section]:
    sections = [_Section()]
    for block in found:
        if block.kind is Kind.HEADING:
            sections.append(_Section(block.text))
        else:
            sections[-1].body.append(block)
    return [section for section in sections if section.body]


def _all_text(section: _Section) -> str:
    return "\n".join((section.heading, *(block.text for block in section.body)))


def _as_many_as_fit(sections: Sequence[_Section], wanted: _Wanted, limit: int) -> str:
    """Whole sections from the beginning; at least a part of the first."""
    passage = _part_of(sections[0], wanted, limit)
    for section in sections[1:]:
        longer = f"{passage}\n\n{_all_text_apart(section)}"
        if passage.endswith(_MORE) or len(longer) > limit:
            break
        passage = longer
    return passage


def _all_text_apart(section: _Section) -> str:
    heading = [section.heading] if section.heading else []
    return "\n\n".join((*heading, *(block.text for block in section.body)))


def _part_of(section: _Section, wanted: _Wanted, limit: int) -> str:
    heading = f"{section.heading}\n\n" if 0 < len(section.heading) <= limit // 4 else ""
    room = limit - len(heading)
    texts = [block.text for block in section.body]
    scores = [wanted.in_text(text) for text in texts]
    best = max(range(len(texts)), key=lambda place: scores[place])
    if len(texts[best]) > room:
        return heading + _shortened(section.body[best], wanted, room)
    return heading + "\n\n".join(_around(texts, best, room))


def _around(texts: Sequence[str], best: int, room: int) -> Sequence[str]:
    """The best one and as many of its neighbours as fit; what precedes it explains it."""
    first = last = best
    room -= len(texts[best])
    while first > 0 and len(texts[first - 1]) + 2 <= room:
        first -= 1
        room -= len(texts[first]) + 2
    while last + 1 < len(texts) and len(texts[last + 1]) + 2 <= room:
        last += 1
        room -= len(texts[last]) + 2
    return texts[first : last + 1]


def _shortened(block: Block, wanted: _Wanted, limit: int) -> str:
    """A block that is too long: lists and tables from their first line, for steps have an order;
    a paragraph from its best sentence."""
    if block.kind is Kind.PARAGRAPH:
        sentences = _SENTENCE_END.split(block.text)
        scores = [wanted.in_text(sentence) for sentence in sentences]
        best = max(range(len(sentences)), key=lambda place: scores[place])
        return _cut(sentences[best:], " ", limit)
    return _cut(block.lines, "\n", limit)


def _cut(parts: Sequence[str], between: str, limit: int) -> str:
    """As many parts as fit, or some words of the first."""
    if len(between.join(parts)) <= limit:
        return between.join(parts)
    room = limit - len(between) - len(_MORE)
    kept: list[str] = []
    for part in parts:
        if len(between.join((*kept, part))) > room:
            break
        kept.append(part)
    if not kept:
        kept = [_first_words(parts[0], room)]
    return between.join((*kept, _MORE)) if any(kept) else _MORE


def _first_words(text: str, room: int) -> str:
    words = text[: room + 1].rsplit(None, 1)
    return words[0] if len(words) == 2 and room > 0 else ""


def _words(text: str) -> frozenset[str]:
    return frozenset(words_of(text))


def _by_beginning(words: Iterable[str]) -> defaultdict[str, set[str]]:
    known: defaultdict[str, set[str]] = defaultdict(set)
    for word in words:
        known[word[:_SHORTEST]].add(word)
    return known


def _same(one: str, other: str) -> bool:
    """Whether they are probably two forms of one word: long words may differ in their ends."""
    short, long = sorted((one, other), key=len)
    common = next((i for i, letter in enumerate(short) if letter != long[i]), len(short))
    ending = 1 if len(short) < 4 else 4
    return common >= len(short) - (len(short) >= 6) and len(long) - common <= ending
