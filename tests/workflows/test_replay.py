"""Workflows that began under an earlier version go on under this one.

The histories were recorded by `record_histories.py`. A change that makes one of them fail needs
`workflow.patched`, or a new version of the workflow: somewhere a ticket is open that began so.
"""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from domain import names
from domain.conversation_life import ConversationInput
from domain.errands import Errand
from domain.ticket_life import TicketInput
from workflows.conversation import ConversationWorkflow
from workflows.errand import ErrandWorkflow
from workflows.ticket import TicketWorkflow

FOLDER = Path(__file__).parents[1] / "histories"
TICKETS = sorted(FOLDER.glob("ticket_*.json"))
ERRANDS = sorted(FOLDER.glob("errand_*.json"))
CONVERSATIONS = sorted(FOLDER.glob("conversation_*.json"))


def recorded(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, file.read_text())


def replayer(*workflows: type) -> Replayer:
    return Replayer(workflows=workflows, data_converter=pydantic_data_converter)


def test_there_are_histories() -> None:
    assert len(TICKETS) >= 3
    assert len(CONVERSATIONS) >= 3
    assert ERRANDS


@pytest.mark.parametrize("file", TICKETS + CONVERSATIONS + ERRANDS, ids=lambda file: file.stem)
async def test_recorded_history_replays(file: Path) -> None:
    await replayer(TicketWorkflow, ConversationWorkflow, ErrandWorkflow).replay_workflow(
        recorded(file)
    )


@workflow.defn(name=names.TICKET_WORKFLOW)
class ReorderedTicket:
    """Sleeps before it looks, where the ticket workflow looks before it sleeps."""

    @workflow.run
    async def run(self, start: TicketInput) -> None:
        await workflow.sleep(1)


@workflow.defn(name=names.CONVERSATION_WORKFLOW)
class ReorderedConversation:
    """The same for conversations."""

    @workflow.run
    async def run(self, start: ConversationInput) -> None:
        await workflow.sleep(1)


@workflow.defn(name=names.ERRAND_WORKFLOW)
class ReorderedErrand:
    """The same for errands."""

    @workflow.run
    async def run(self, errand: Errand) -> None:
        await workflow.sleep(1)


REORDERED = (ReorderedTicket, ReorderedConversation, ReorderedErrand)


@pytest.mark.parametrize("file", TICKETS + CONVERSATIONS + ERRANDS, ids=lambda file: file.stem)
async def test_changed_order_of_commands_is_noticed(file: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replayer(*REORDERED).replay_workflow(recorded(file))
