"""How well an article answers a question, by its words: pure arithmetic, no I/O.

Every word of the question has a weight: rare words, which say what it is about, weigh more than
common ones. An article's *coverage* is the share of that weight which it mentions at all; its
*score* looks at where it does so too: in the title, the tags, or the body.
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import TypeVar

MOST_LEXEMES = 32
"""Of a question, in one language; each costs a look into an index."""
_MOST_WORDS = 400
"""Enough to find so many lexemes between words that say nothing."""
_LONGEST_WORD = 60

_WORD = re.compile(r"[^\W_]+")
_CHATTER = frozenset(
    _WORD.findall(
        "hello hi hey dear please pls plz thanks thank thx cheers sorry regards yes ok okay "
        "want wanna would could should shall might may must need let lets know tell like im ive "
        "cant dont doesnt didnt isnt wont hasnt havent whats hows get got getting gotten "
        "hallo guten bitte danke gerne vielen liebe grüße möchte moechte kannst könnt könnte "
        "bonjour bonsoir salut merci svp voudrais veux hola buenos gracias quiero puedo puede "
        "ciao buongiorno grazie prego vorrei olá obrigado obrigada hej dank graag"
    )
)
"""Politeness and modal words that PostgreSQL's lists of stop words leave in. In an article they
would be rare words, and a polite question would be about politeness."""

_TITLE, _TAG = 4.0, 2.0
"""How many mentions in the body one in the title, or among the tags, is worth."""
_ENOUGH = 1.2
"""With so many mentions an article has half of what a word can give: more and more give less."""
_TYPICAL_LENGTH = 150
"""Different lexemes of an article; in a longer one, a word is mentioned more by chance."""
_PASSING = 0.5
"""What the coverage is worth of an article that is about something else."""
_FUSION = 60
"""The customary constant of reciprocal rank fusion: how little the first places differ."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Mentions:
    """Where an article has a lexeme, how often, and among how many different ones."""

    title: int
    tags: int
    body: int
    lexemes: int


def words_of(question: str) -> list[str]:
    """The words that a question may be about, each once, in their order."""
    found: dict[str, None] = {}
    for match in _WORD.finditer(question):
        word = match.group().lower()
        if word not in _CHATTER and len(word) <= _LONGEST_WORD:
            found[word] = None
        if len(found) == _MOST_WORDS:
            break
    return list(found)


def weight(articles: int, mentioning: int) -> float:
    """What a word says, when so many of the articles mention it (BM25's inverse frequency).

    One that no article mentions says as much as one that a single article does: it may be what
    the question is about, but also a slip or a turn of speech.
    """
    mentioning = max(1, mentioning)
    return log(1 + (articles - mentioning + 0.5) / (mentioning + 0.5))


def strength(mentions: Mentions) -> float:
    """From 0 to 1: how much an article is about a word that it mentions (BM25's saturation)."""
    dilution = 0.5 + 0.5 * max(1.0, mentions.lexemes / _TYPICAL_LENGTH)
    told = _TITLE * bool(mentions.title) + _TAG * bool(mentions.tags) + mentions.body / dilution
    return told / (told + _ENOUGH)


def rate(mentioned: Iterable[tuple[float, Mentions]]) -> tuple[float, float]:
    """(score, coverage) of an article, by what it mentions: the share that a word has in what the
    question is about, and where the article has it.

    An article whose title and tags name nothing of the question speaks of it in passing.
    """
    found = list(mentioned)
    score = sum(share * strength(mentions) for share, mentions in found)
    coverage = min(1.0, sum(share for share, _ in found))
    in_passing = not any(mentions.title or mentions.tags for _, mentions in found)
    return score, coverage * (_PASSING if in_passing else 1)


def fuse(rankings: Iterable[Sequence[Name]]) -> dict[Name, float]:
    """One ranking out of several, by reciprocal rank fusion: the best first, with their scores."""
    scores: dict[Name, float] = {}
    for ranking in rankings:
        for place, name in enumerate(ranking, start=1):
            scores[name] = scores.get(name, 0.0) + 1 / (_FUSION + place)
    return dict(sorted(scores.items(), key=lambda entry: -entry[1]))


def edits_forgiven(word: str) -> int:
    """How many letters of a word may be wrong; those of short ones make another word."""
    return 0 if len(word) < 5 or not word.isalpha() else 1 if len(word) < 9 else 2


def closest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, if one is near enough; of several the first."""
    most = edits_forgiven(word)
    near = [(edits, other) for other in known if (edits := _edits(word, other, most)) <= most]
    return min(near, default=(0, None))[1]


def _edits(one: str, other: str, most: int) -> int:
    """Letters to insert, drop, replace or swap with their neighbour; more than `most` is `most`
    + 1."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, against in enumerate(other, start=1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != against))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == against:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
        before, last = last, row
    return min(last[-1], most + 1)
