"""From a model's server to the customer: whatever it answers, one thing is said, and in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from assistant.models import ModelAssistant
from assistant.reaching import reach_model
from assistant.reply import HANDED_OVER
from domain.assistance import AssistPolicy
from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind
from store.database import Database
from tests.assistant.model_server import (
    Behaviour,
    ModelServer,
    babbles,
    calls,
    fails,
    later,
    model_server,
    never,
    says,
)
from tests.workflows.answering import QUICK, assisted, publish, spoken
from tests.workflows.desk import PATIENCE, Desk
from workflows.engine import Engine

pytestmark = pytest.mark.alone

QUESTION = "How can I return a bicycle?"
ARTICLE = "Within 30 days."


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with model_server() as running:
        yield running


@pytest.fixture
async def desk(
    client: Client, engine: Engine, database: Database, policy: DeadlinePolicy, server: ModelServer
) -> AsyncIterator[Desk]:
    model = ModelAssistant(reach_model("openai:test", server.url, "a key"))
    quick = AssistPolicy(model=True, deadline=QUICK)
    async with assisted(client, database, engine, policy, quick, model):
        yield Desk(database, engine, policy)


WELL = calls("answer", {"text": "Of course.", "articles": [1]})


@pytest.mark.parametrize(
    ("behaviours", "default", "said"),
    [
        pytest.param([], WELL, "Of course.", id="well"),
        pytest.param([], says("Of course."), "Of course.", id="without tools"),
        pytest.param([], later(2, WELL), "Of course.", id="slowly"),
        pytest.param(
            [calls("search_knowledge_base", {"query": "bicycle"}), calls("customers_tickets", {})],
            WELL,
            "Of course.",
            id="with tool calls",
        ),
        pytest.param([fails(429), fails(500)], WELL, "Of course.", id="after failing twice"),
        pytest.param([babbles("{")], WELL, "Of course.", id="after broken JSON"),
        pytest.param([calls("answer", "{")], WELL, "Of course.", id="after a broken call"),
        pytest.param(
            [says("I have refunded you.")], WELL, "Of course.", id="after claiming a deed"
        ),
        pytest.param(
            [], calls("hand_over", {"reason": "upset"}), HANDED_OVER, id="by handing over"
        ),
        pytest.param([], fails(429, Retry_After="60"), ARTICLE, id="429 for long"),
        pytest.param([], fails(429), ARTICLE, id="429"),
        pytest.param([], fails(500), ARTICLE, id="500"),
        pytest.param([], fails(401), ARTICLE, id="401"),
        pytest.param([], babbles("{"), ARTICLE, id="broken JSON"),
        pytest.param([], babbles('{"choices": []}'), ARTICLE, id="nothing in it"),
        pytest.param([], calls("answer", "{"), ARTICLE, id="broken calls"),
        pytest.param([], says("I have refunded you."), ARTICLE, id="lies"),
        pytest.param([], never, ARTICLE, id="not at all"),
    ],
)
async def test_customer_hears_one_thing_in_time(
    desk: Desk, server: ModelServer, behaviours: list[Behaviour], default: Behaviour, said: str
) -> None:
    await publish(desk.database, "Returning a bicycle", ARTICLE)
    server.behaviours, server.default = behaviours, default
    ticket_id = await desk.open(words=QUESTION)
    async with asyncio.timeout(PATIENCE):
        while not spoken(await desk.log(ticket_id)):
            await asyncio.sleep(0.02)
    await desk.until_handled(ticket_id)
    log = await desk.log(ticket_id)
    [answer] = [entry for entry in log if entry.author == AuthorKind.AI]
    assert said in answer.content
    assert answer.created_at - log[0].created_at <= QUICK
