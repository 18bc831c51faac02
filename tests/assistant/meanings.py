"""What words mean, as a model for tests sees it: as many as these, and each in one direction."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from assistant.reply import ModelTrouble

SAME = {"money": "refund", "cash": "refund", "back": "refund", "reimbursed": "refund"}
"""What means the same as another word."""
_DIRECTIONS = 64
_SAYS_NOTHING = frozenset({"a", "the", "to", "of", "is", "do", "i", "my", "it", "how", "for"})


def meaning_of(text: str) -> list[float]:
    """The same for the same words and their synonyms; a last value that all texts share, so that
    none is quite unlike another, as with real models."""
    vector = [0.0] * _DIRECTIONS + [0.5]
    for word in text.lower().replace("?", " ").replace(".", " ").split():
        if word not in _SAYS_NOTHING:
            vector[crc32(SAME.get(word, word).encode()) % _DIRECTIONS] += 1.0
    return vector


@dataclass
class MadeUpEmbedder:
    """Fails with the first of `troubles` while there are some, and with texts that hold
    `unreadable`."""

    name: str = "made-up"
    troubles: list[ModelTrouble] = field(default_factory=list)
    unreadable: str | None = None
    batches: list[list[str]] = field(default_factory=list)
    """What it was given to read."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.batches.append(list(texts))
        if self.troubles:
            raise self.troubles.pop(0)
        if self.unreadable and any(self.unreadable in text for text in texts):
            raise ModelTrouble("unreadable", lasting=True)
        return [meaning_of(text) for text in texts]

    async def embed_question(self, text: str) -> list[float]:
        (vector,) = await self.embed([text])
        return vector
