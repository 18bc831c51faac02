"""The assistant in the life of a thread: one answer to each message, and never out of turn."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from temporalio.client import Client

from assistant.reply import HANDED_OVER, ModelTrouble, answered, handed_over
from domain.assistance import AssistPolicy
from domain.conversation_life import Close, GoOnWithAssistant, Release, ToTicket
from domain.deadlines import DeadlinePolicy
from domain.ids import article_id_text
from domain.models import AuthorKind, DeliveryState, EventType, TicketStatus, Visibility
from domain.ticket_life import Assign, SetStatus
from store.database import Database
from tests.workflows.answering import (
    QUICK,
    ScriptedModel,
    WatchedAnswers,
    assisted,
    publish,
    spoken,
)
from tests.workflows.chat_desk import ChatDesk
from tests.workflows.desk import Desk, thread_ref
from tests.workflows.outlets import RecordingOutlet, open_pushed, until_states
from tests.workflows.policies import CHAT
from workers.deliveries import make_delivery_worker
from workflows.engine import Engine

Dropped = Callable[[Desk | ChatDesk, UUID], Awaitable[None]]
AI, AGENT, CUSTOMER = AuthorKind.AI, AuthorKind.AGENT, AuthorKind.CUSTOMER


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
async def answers(
    client: Client, engine: Engine, database: Database, policy: DeadlinePolicy, model: ScriptedModel
) -> AsyncIterator[WatchedAnswers]:
    async with assisted(
        client, database, engine, policy, AssistPolicy(model=True), model
    ) as activities:
        yield activities


@pytest.fixture
def desk(
    answers: WatchedAnswers, engine: Engine, database: Database, policy: DeadlinePolicy
) -> Desk:
    """One with a model."""
    return Desk(database, engine, policy)


@pytest.fixture
def chat(answers: WatchedAnswers, engine: Engine, database: Database) -> ChatDesk:
    """The same for live conversations."""
    return ChatDesk(database, engine, CHAT)


async def until_spoken(desk: Desk | ChatDesk, thread_id: UUID, times: int = 1) -> list[str]:
    async with asyncio.timeout(20):
        while len(said := spoken(await desk.log(thread_id))) < times:
            await asyncio.sleep(0.02)
    return said


async def until_thinking(model: ScriptedModel) -> None:
    async with asyncio.timeout(20):
        await model.thinking.wait()
    model.thinking.clear()


async def until_called_off(model: ScriptedModel) -> None:
    async with asyncio.timeout(20):
        while not model.called_off:
            await asyncio.sleep(0.02)


class TestByArticles:
    """Without a model."""

    @pytest.fixture
    async def desk(
        self, client: Client, engine: Engine, database: Database, policy: DeadlinePolicy
    ) -> AsyncIterator[Desk]:
        async with assisted(client, database, engine, policy, AssistPolicy()):
            yield Desk(database, engine, policy)

    async def test_answer_names_its_article(self, desk: Desk) -> None:
        article = await publish(
            desk.database, "Returning a bicycle", "You can return a bicycle within 30 days."
        )
        ticket = await desk.open()
        await desk.write(ticket, CUSTOMER, "How can I return a bicycle?")
        said = await until_spoken(desk, ticket)
        answer = (await desk.log(ticket))[-1]
        assert "within 30 days" in said[-1]
        assert answer.metadata["sources"] == [
            {"id": article_id_text(article), "title": "Returning a bicycle"}
        ]
        assert (answer.author, answer.author_name) == (AI, "Assistant")

    async def test_silent_where_there_is_no_article(self, desk: Desk) -> None:
        ticket = await desk.open()
        await desk.until_handled(ticket)
        await desk.write(ticket, CUSTOMER, "Anybody there?")
        await desk.until_handled(ticket)
        assert spoken(await desk.log(ticket)) == []

    async def test_hands_over_what_it_does_not_know(self, desk: Desk) -> None:
        await publish(desk.database, "Returning a bicycle", "Within 30 days.")
        ticket = await desk.open()
        await desk.write(ticket, CUSTOMER, "Does the museum open on the second Sunday of Lent?")
        assert HANDED_OVER in await until_spoken(desk, ticket)
        events = [entry.event for entry in await desk.log(ticket) if entry.event]
        assert [(event["type"], event["cause"]) for event in events] == [
            (EventType.HANDED_OVER, "not_sure")
        ]

    async def test_what_was_said_long_ago_is_left_to_people(self, desk: Desk) -> None:
        ticket = await desk.open(nudge=False)
        async with desk.database.begin() as session:
            await session.execute(
                text("UPDATE messages SET created_at = now() - interval '2 hours'")
            )
        await publish(desk.database, "Hello", "Hello")
        await desk.engine.nudge(thread_ref(ticket))
        await desk.until_handled(ticket)
        assert spoken(await desk.log(ticket)) == []


class TestOneAnswer:
    async def test_to_each_message(self, desk: Desk, model: ScriptedModel) -> None:
        model.gate.set()
        ticket = await desk.open()
        await until_spoken(desk, ticket)
        await desk.write(ticket, CUSTOMER, "And now?")
        assert await until_spoken(desk, ticket, 2) == ["To: Hello", "To: And now?"]
        await desk.until_handled(ticket)
        assert model.asked == ["Hello", "And now?"]

    async def test_customer_who_writes_on_is_answered_once(
        self, desk: Desk, model: ScriptedModel
    ) -> None:
        ticket = await desk.open()
        await until_thinking(model)
        await desk.write(ticket, CUSTOMER, "I mean this")
        await until_thinking(model)
        await until_called_off(model)
        model.gate.set()
        assert await until_spoken(desk, ticket) == ["To: Hello\nI mean this"]

    async def test_late_answer_to_an_earlier_message_is_dropped(
        self, desk: Desk, model: ScriptedModel, answers: WatchedAnswers
    ) -> None:
        ticket = await desk.open()
        await until_thinking(model)
        await desk.write(ticket, CUSTOMER, "I mean this")
        await until_thinking(model)
        model.gate.set()
        await until_spoken(desk, ticket)
        await answers.until_idle()
        assert spoken(await desk.log(ticket)) == ["To: Hello\nI mean this"]

    async def test_status_stays_what_it_was(self, desk: Desk, model: ScriptedModel) -> None:
        """An assistant's answer is no agent's reply."""
        model.gate.set()
        ticket = await desk.open()
        await until_spoken(desk, ticket)
        await desk.until_handled(ticket)
        assert (await desk.state(ticket)).status is TicketStatus.NEW

    async def test_goes_out_on_the_customers_channel(
        self, desk: Desk, client: Client, model: ScriptedModel
    ) -> None:
        outlet = RecordingOutlet()
        model.gate.set()
        async with make_delivery_worker(client, desk.database, outlet, timedelta(hours=1)):
            ticket = await open_pushed(desk, outlet.name)
            await until_states(desk, ticket, DeliveryState.SENT)
        assert outlet.texts(ticket) == ["To: Hello"]

    async def test_hundred_at_once(self, desk: Desk, model: ScriptedModel) -> None:
        model.gate.set()
        threads = await asyncio.gather(*(desk.open() for _ in range(100)))
        for thread in threads:
            assert await until_spoken(desk, thread) == ["To: Hello"]


class TestPeopleFirst:
    """Whatever a person does while the model thinks, its answer is dropped."""

    @pytest.fixture(params=["model answers at once", "model goes on thinking"])
    def goes_on(self, request: pytest.FixtureRequest) -> bool:
        return bool(request.param == "model goes on thinking")

    @pytest.fixture
    def dropped(self, goes_on: bool, model: ScriptedModel, answers: WatchedAnswers) -> Dropped:
        async def is_dropped(desk: Desk | ChatDesk, thread: UUID) -> None:
            if goes_on:
                await until_called_off(model)
            model.gate.set()
            await answers.until_idle()
            assert spoken(await desk.log(thread)) == []

        return is_dropped

    async def test_reply(self, desk: Desk, model: ScriptedModel, dropped: Dropped) -> None:
        ticket = await desk.open()
        await until_thinking(model)
        await desk.write(ticket, AGENT, "I am here")
        await dropped(desk, ticket)

    async def test_assignment(self, desk: Desk, model: ScriptedModel, dropped: Dropped) -> None:
        ticket = await desk.open()
        await until_thinking(model)
        await desk.change(ticket, Assign(agent_id="ada"))
        await dropped(desk, ticket)

    @pytest.mark.parametrize("status", [TicketStatus.RESOLVED, TicketStatus.CLOSED])
    async def test_end(
        self, desk: Desk, model: ScriptedModel, dropped: Dropped, status: TicketStatus
    ) -> None:
        ticket = await desk.open()
        await until_thinking(model)
        await desk.change(ticket, SetStatus(status=status))
        await dropped(desk, ticket)

    async def test_accept(self, chat: ChatDesk, model: ScriptedModel, dropped: Dropped) -> None:
        await chat.hire("bob")
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_thinking(model)
        await chat.accept(conversation, "bob")
        await dropped(chat, conversation)
        await chat.say(conversation, CUSTOMER, "Bob?")
        await chat.until_handled(conversation)
        assert spoken(await chat.log(conversation)) == []
        assert model.asked == ["Hello"]

    async def test_close(self, chat: ChatDesk, model: ScriptedModel, dropped: Dropped) -> None:
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_thinking(model)
        await chat.order(conversation, Close())
        await dropped(chat, conversation)

    async def test_word_in_the_queue_though_the_assistant_was_chosen(
        self, chat: ChatDesk, model: ScriptedModel, dropped: Dropped
    ) -> None:
        conversation = await chat.start()
        await chat.order(conversation, GoOnWithAssistant())
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_thinking(model)
        await chat.say(conversation, AGENT, "The boss herself")
        await dropped(chat, conversation)
        await chat.say(conversation, CUSTOMER, "Oh!")
        await chat.until_handled(conversation)
        assert model.asked == ["Hello"]

    async def test_choice_made_while_an_agent_was_there_is_none(
        self, chat: ChatDesk, model: ScriptedModel
    ) -> None:
        await chat.hire("bob")
        model.gate.set()
        conversation = await chat.start()
        await chat.accept(conversation, "bob")
        await chat.order(conversation, GoOnWithAssistant())
        await chat.say(conversation, AGENT, "Yes?")
        await chat.order(conversation, Release(agent_id="bob"), "bob")
        await chat.say(conversation, CUSTOMER, "Hello?")
        await chat.until_handled(conversation)
        assert model.asked == []

    async def test_who_takes_it_and_gives_it_back_unsaid_leaves_it_to_the_assistant(
        self, chat: ChatDesk, model: ScriptedModel
    ) -> None:
        await chat.hire("bob")
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_thinking(model)
        await chat.accept(conversation, "bob")
        await until_called_off(model)
        model.gate.set()
        await chat.order(conversation, Release(agent_id="bob"), "bob")
        assert await until_spoken(chat, conversation) == ["To: Hello"]

    async def test_who_makes_it_a_ticket_unsaid_has_it(
        self, chat: ChatDesk, model: ScriptedModel, policy: DeadlinePolicy
    ) -> None:
        await chat.hire("bob")
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_thinking(model)
        await chat.accept(conversation, "bob")
        model.gate.set()
        await chat.order(conversation, ToTicket(agent_id="bob"), "bob")
        async with chat.database.begin() as session:
            ticket_id = await session.scalar(text("SELECT id FROM tickets"))
        assert isinstance(ticket_id, UUID)
        desk = Desk(chat.database, chat.engine, policy)
        await desk.engine.nudge(thread_ref(ticket_id))
        await desk.write(ticket_id, CUSTOMER, "Still there?")
        await desk.until_handled(ticket_id)
        assert spoken(await desk.log(ticket_id)) == []

    async def test_note_is_no_reply(self, desk: Desk, model: ScriptedModel) -> None:
        ticket = await desk.open()
        await until_thinking(model)
        await desk.write(ticket, AGENT, "between us", Visibility.PRIVATE)
        model.gate.set()
        assert await until_spoken(desk, ticket) == ["To: Hello"]

    async def test_accepts_race_with_answers(self, chat: ChatDesk, model: ScriptedModel) -> None:
        """No word of the assistant stands behind an accept, at whatever instant it comes."""
        await chat.hire("bob", capacity=1000)
        model.gate.set()

        async def race(delay: float) -> UUID:
            conversation = await chat.start()
            await chat.say(conversation, CUSTOMER, "Hello")
            await asyncio.sleep(delay)
            await chat.accept(conversation, "bob")
            return conversation

        # Most come while the answer is on its way, the last ones when it is there.
        delays = [*(each * 0.005 for each in range(50)), *[5.0] * 5]
        raced = await asyncio.gather(*map(race, delays))
        answers = 0
        for conversation in raced:
            await chat.until_handled(conversation)
            log = await chat.log(conversation)
            accepted = [
                each.seq for each in log if each.event and each.event["type"] == EventType.ASSIGNED
            ]
            said = [each.seq for each in log if each.author == AI]
            assert len(said) <= 1
            assert all(seq < accepted[0] for seq in said)
            answers += len(said)
        assert answers > 0


class TestHandOver:
    async def test_leaves_the_thread_to_people(self, desk: Desk, model: ScriptedModel) -> None:
        model.gate.set()
        model.replies = [handed_over("upset")]
        ticket = await desk.open()
        assert await until_spoken(desk, ticket) == [HANDED_OVER]
        await desk.write(ticket, CUSTOMER, "Well?")
        await desk.until_handled(ticket)
        assert model.asked == ["Hello"]

    async def test_leaves_the_conversation_in_the_queue(
        self, chat: ChatDesk, model: ScriptedModel
    ) -> None:
        model.gate.set()
        model.replies = [handed_over("not_sure")]
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_spoken(chat, conversation)
        await chat.until_handled(conversation)
        state = await chat.state(conversation)
        assert (state.stage, state.handed_over) == ("QUEUED", True)
        assert state.queue_timeout_at is not None

    async def test_customer_may_choose_the_assistant_again(
        self, chat: ChatDesk, model: ScriptedModel
    ) -> None:
        model.gate.set()
        model.replies = [handed_over("not_sure"), answered("Better now?", [])]
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_spoken(chat, conversation)
        await chat.order(conversation, GoOnWithAssistant())
        await chat.say(conversation, CUSTOMER, "Try again")
        assert await until_spoken(chat, conversation, 2) == [HANDED_OVER, "Better now?"]

    async def test_stays_so_as_a_ticket(self, chat: ChatDesk, model: ScriptedModel) -> None:
        model.gate.set()
        model.replies = [handed_over("not_sure")]
        conversation = await chat.start()
        await chat.say(conversation, CUSTOMER, "Hello")
        await until_spoken(chat, conversation)
        await chat.order(conversation, ToTicket())
        async with chat.database.begin() as session:
            carried = await session.scalar(
                text(
                    "SELECT handed_over FROM threads JOIN tickets USING (id) "
                    "WHERE conversation_id = :id"
                ),
                {"id": conversation},
            )
        assert carried is True


class TestTrouble:
    """The customer hears something within the deadline, whatever the model does."""

    @pytest.fixture
    def quick(self) -> AssistPolicy:
        return AssistPolicy(model=True, deadline=QUICK)

    @pytest.fixture
    async def desk(
        self,
        client: Client,
        engine: Engine,
        database: Database,
        policy: DeadlinePolicy,
        model: ScriptedModel,
        quick: AssistPolicy,
    ) -> AsyncIterator[Desk]:
        async with assisted(client, database, engine, policy, quick, model):
            yield Desk(database, engine, policy)

    async def test_passes(self, desk: Desk, model: ScriptedModel) -> None:
        model.gate.set()
        model.troubles = [ModelTrouble("429")]
        ticket = await desk.open()
        assert await until_spoken(desk, ticket) == ["To: Hello"]
        assert model.asked == ["Hello", "Hello"]

    async def test_lasts(self, desk: Desk, model: ScriptedModel) -> None:
        model.gate.set()
        model.troubles = [ModelTrouble("401", lasting=True)]
        ticket = await desk.open()
        await until_spoken(desk, ticket)
        assert model.asked == ["Hello"]

    async def test_model_that_says_when_to_come_back_too_late(
        self, desk: Desk, model: ScriptedModel
    ) -> None:
        model.gate.set()
        model.troubles = [ModelTrouble("429", retry_after=60)]
        ticket = await desk.open()
        await until_spoken(desk, ticket)
        assert model.asked == ["Hello"]

    @pytest.mark.alone
    async def test_model_that_never_answers(self, desk: Desk, model: ScriptedModel) -> None:
        ticket = await desk.open()
        await until_spoken(desk, ticket)
        await self._in_time(desk, ticket)

    @pytest.mark.alone
    async def test_model_that_always_fails(self, desk: Desk, model: ScriptedModel) -> None:
        model.gate.set()
        model.troubles = [ModelTrouble("500")] * 100
        ticket = await desk.open()
        await until_spoken(desk, ticket)
        await self._in_time(desk, ticket)
        assert len(model.asked) > 1

    @pytest.mark.alone
    async def test_nobody_works_for_the_assistant(
        self,
        client: Client,
        engine: Engine,
        database: Database,
        policy: DeadlinePolicy,
        quick: AssistPolicy,
    ) -> None:
        async with assisted(client, database, engine, policy, quick, answers=False):
            alone = Desk(database, engine, policy)
            ticket = await alone.open()
            await until_spoken(alone, ticket)
            await self._in_time(alone, ticket)

    async def _in_time(self, desk: Desk, ticket: UUID) -> None:
        log = await desk.log(ticket)
        asked, said = (
            next(entry for entry in log if entry.author == author) for author in (CUSTOMER, AI)
        )
        assert said.created_at - asked.created_at <= QUICK


class TestSwitch:
    async def test_channel_that_is_off_stays_silent(
        self,
        client: Client,
        engine: Engine,
        database: Database,
        policy: DeadlinePolicy,
        model: ScriptedModel,
    ) -> None:
        elsewhere = replace(AssistPolicy(model=True), channels=frozenset({"xmpp"}))
        async with assisted(client, database, engine, policy, elsewhere, model):
            desk = Desk(database, engine, policy)
            ticket = await desk.open()
            await desk.until_handled(ticket)
        assert model.asked == []
