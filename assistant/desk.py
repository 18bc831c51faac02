"""The assistant of the agents: it words an answer from facts that others have found."""

import asyncio
from typing import Protocol

import structlog

from assistant import desk_answers
from domain.figures import DeskFacts
from domain.text import storable

log = structlog.get_logger(__name__)

_PATIENCE = 8.0
"""Seconds for an answer; a call is given up a little later."""


class DeskAssistant(Protocol):
    async def reply(self, question: str, facts: DeskFacts) -> str:
        """An answer in Markdown that says nothing but the facts. May raise anything."""


async def answer(assistant: DeskAssistant | None, question: str, facts: DeskFacts) -> str:
    """What the assistant says; the built-in answer where there is none, and where it fails, says
    nothing, or too late."""
    if assistant is None:
        return desk_answers.render(facts)
    try:
        async with asyncio.timeout(_PATIENCE):
            said = storable(await assistant.reply(question, facts))
    except Exception as error:  # noqa: BLE001  whatever it is, agents get their figures
        log.warning("desk_assistant_failed", error=repr(error))
        said = ""
    return said if said.strip() else desk_answers.render(facts)
