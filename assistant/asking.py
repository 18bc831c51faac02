"""What can go wrong with a language model, in one word: trouble."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from pydantic_ai import Agent
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
)
from pydantic_ai.models import Model

from assistant.reply import ModelTrouble

log = structlog.get_logger(__name__)

_LASTING = (
    ModelAuthenticationError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRequestRejectedError,
)
"""To ask again would change nothing."""


@contextmanager
def told_as_trouble() -> Iterator[None]:
    """Whatever fails within is told as ModelTrouble, without a word of what was said."""
    try:
        yield
    except ModelTrouble:
        raise
    except ModelAPIError as error:
        raise ModelTrouble(
            type(error).__name__, error.retry_after, lasting=isinstance(error, _LASTING)
        ) from None
    except AgentRunError as error:
        raise ModelTrouble(type(error).__name__) from None
    except Exception as error:  # noqa: BLE001  its name is ModelTrouble
        # Servers that only look like OpenAI's answer in ways for which no library has a name.
        log.warning("model_answer_unreadable", error=type(error).__name__)
        raise ModelTrouble(type(error).__name__) from None


async def probe(model: Model) -> None:
    """Ask the model for a word. Raises ModelTrouble."""
    with told_as_trouble():
        await Agent(model, output_type=str).run("Answer with the word yes.")
