"""The embedder behind which there is a model, whichever pydantic-ai can reach.

Importing this module takes much memory: only processes that have such a model do.
"""

import asyncio
from collections.abc import Sequence
from math import hypot, isfinite

from pydantic_ai.embeddings import EmbeddingModel
from pydantic_ai.embeddings.result import EmbedInputType

from assistant.asking import told_as_trouble

_PATIENCE = 30.0
"""Seconds for one request."""
_MOST_VALUES = 16_000
"""Of a vector: as many as PostgreSQL keeps."""


class ModelEmbedder:
    """Raises ModelTrouble where the model is away, too slow, or makes no sense."""

    def __init__(self, model: EmbeddingModel, patience: float = _PATIENCE) -> None:
        self.name = model.model_name
        self._model = model
        self._patience = patience

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return await self._ask(texts, "document")

    async def embed_question(self, text: str) -> list[float]:
        (vector,) = await self._ask([text], "query")
        return vector

    async def _ask(self, texts: Sequence[str], kind: EmbedInputType) -> list[list[float]]:
        with told_as_trouble():
            async with asyncio.timeout(self._patience):
                result = await self._model.embed(texts, input_type=kind)
            return _checked(result.embeddings, len(texts))


def _checked(vectors: Sequence[Sequence[float]], texts: int) -> list[list[float]]:
    """Raises ValueError and TypeError."""
    if len(vectors) != texts:
        raise ValueError("another number of vectors than of texts")
    made = [_of_length_one([float(value) for value in vector]) for vector in vectors]
    if not all(0 < len(vector) == len(made[0]) <= _MOST_VALUES for vector in made):
        raise ValueError("vectors of sizes that cannot be compared or kept")
    return made


def _of_length_one(vector: list[float]) -> list[float]:
    """The same direction, in values that PostgreSQL's single precision has room for."""
    length = hypot(*vector)
    if not isfinite(length):
        raise ValueError("a vector without end")
    return [value / length for value in vector] if length else vector
