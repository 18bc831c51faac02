"""What texts mean, as vectors of a model's making: texts that mean the like are near each other."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from assistant.reply import ModelTrouble

log = structlog.get_logger(__name__)

_SOON = 1.5
"""Seconds that a question may wait for its meaning; then it is answered without."""
_REST = 5.0
"""Seconds without a question to a model that has just failed: who asks next need not wait too."""
_SILENCE = 60.0
"""Seconds between two warnings."""
_LONGEST_QUESTION = 2_000
"""Characters. What a question is about stands at its beginning."""


class Embedder(Protocol):
    """All vectors have the same number of finite values. Both raise ModelTrouble, and within a
    minute."""

    @property
    def name(self) -> str:
        """Kept with each vector: those of two models have nothing in common."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """One vector for each article, in their order."""

    async def embed_question(self, text: str) -> list[float]:
        """A vector near to those of the articles that answer the question."""


class QuestionMeanings:
    """The meanings of questions, for whoever cannot wait and knows what to do without."""

    def __init__(self, embedder: Embedder, patience: float = _SOON) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._patience = patience
        self._resting_until = 0.0
        self._silent_until = 0.0

    async def of(self, question: str) -> list[float] | None:
        """None where the model does not say at once; never an error."""
        asked = question.strip()[:_LONGEST_QUESTION]
        if not asked or _now() < self._resting_until:
            return None
        try:
            async with asyncio.timeout(self._patience):
                return await self._embedder.embed_question(asked)
        except TimeoutError:
            self._rest("timeout")
        except ModelTrouble as trouble:
            self._rest(trouble.reason)
        return None

    def _rest(self, reason: str) -> None:
        now = _now()
        self._resting_until = now + _REST
        if now >= self._silent_until:
            self._silent_until = now + _SILENCE
            log.warning("questions_searched_by_words_alone", reason=reason)


def _now() -> float:
    return asyncio.get_running_loop().time()
