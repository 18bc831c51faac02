"""Whatever becomes of a model, agents get their figures."""

import asyncio

import pytest

from assistant import desk
from assistant.desk import answer
from domain.figures import DeskFacts, OpenTickets

FACTS = DeskFacts(tickets=OpenTickets(0, ()))


class Slow:
    async def reply(self, question: str, facts: DeskFacts) -> str:
        await asyncio.sleep(60)
        return "late"


async def test_no_model_is_needed() -> None:
    said = await answer(None, "my tickets", FACTS)
    assert said == "You have no open tickets."


async def test_a_model_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "_PATIENCE", 0.01)
    assert await answer(Slow(), "my tickets", FACTS) == "You have no open tickets."
