"""The assistant of the agents: facts that others have found, as they are, and perhaps a word above
them."""

import asyncio
import html
import re
import unicodedata
from typing import Protocol

import structlog

from assistant import desk_answers
from assistant.reply import ModelTrouble
from domain.figures import DeskFacts

log = structlog.get_logger(__name__)

_PATIENCE = 8.0
"""Seconds for an introduction; a call is given up a little later."""
_LONGEST = 300
_MOST_SENTENCES = 2


class DeskAssistant(Protocol):
    async def introduce(self, question: str, told: str) -> str:
        """At most two sentences in English to stand above what is told, without any figure; may be
        empty. May raise anything."""


async def answer(assistant: DeskAssistant | None, question: str, facts: DeskFacts) -> str:
    """The facts in Markdown, below what the assistant says of them. Where there are none it is not
    asked; where it fails, says a figure, or too late, they stand alone."""
    told = desk_answers.render(facts)
    if assistant is None or facts == DeskFacts():
        return told
    try:
        async with asyncio.timeout(_PATIENCE):
            said = _checked(await assistant.introduce(question, told))
    except Exception as error:  # noqa: BLE001  whatever it is, agents get their figures
        # Never the error itself, which may quote the question.
        reason = error.reason if isinstance(error, ModelTrouble) else type(error).__name__
        log.warning("desk_assistant_failed", reason=reason)
        return told
    return f"{desk_answers.plain(said)}\n\n{told}" if said else told


def _checked(said: str) -> str:
    """On one line. Raises ModelTrouble."""
    line = html.unescape(" ".join(said.split()))
    sentences = [each for each in _SENTENCE_END.split(line) if _WORD.search(each)]
    if len(line) > _LONGEST or len(sentences) > _MOST_SENTENCES:
        raise ModelTrouble("too_long")
    if not line.isprintable():
        raise ModelTrouble("unprintable")
    if _says_figure(line):
        raise ModelTrouble("figure")
    return line


def _says_figure(line: str) -> bool:
    """Right or wrong: nobody can tell here to what it belongs."""
    words = unicodedata.normalize("NFKC", line).casefold().replace("_", " ")
    return any(sign.isnumeric() for sign in line) or _FIGURE.search(words) is not None


_WORD = re.compile(r"\w")
_SENTENCE_END = re.compile(r"[.!?…。]+(?=\s|$)")
_FIGURE = re.compile(
    r"""[%‰💯🔟] | \b(?:
        zero | nil | nought | ones? | once | (?:two|three|four|five|six|seven|eight|nine)\w*
        | twice | thrice | tens? | tenth\w* | eleven\w* | twel\w+ | twent\w+ | third\w*
        | thirt\w+ | fort(?:y|ie)\w* | fift\w+ | (?:hundred|thousand|[mbtr]+illion)\w* | dozens?
        | first | second | half | halve\w* | quarters? | doubl\w+ | tripl\w+ | both | couple | pair
        | per\ ?cent\w*
        # A hundred percent and none in other words.
        | all | always | every\w* | most | majority | several | few | minority
        | no | none | nobody | nothing | never
    )\b""",
    re.VERBOSE,
)
