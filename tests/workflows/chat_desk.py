"""What tests do with live conversations, without HTTP."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID, uuid4

from domain.conversation_life import (
    Accept,
    ChangeConversation,
    ConversationCommand,
    ConversationPolicy,
    ConversationState,
)
from domain.models import AuthorKind, Channel, ThreadKind, ThreadRef, Visibility
from store import agents, conversations, reading, threads
from store.conversations import NewConversation
from store.customers import Introduction, meet
from store.database import Database
from store.reading import Entry
from store.threads import Draft
from workflows.engine import Engine, NewConversationFacts

PATIENCE = 20.0


@dataclass
class ChatDesk:
    database: Database
    engine: Engine
    policy: ConversationPolicy

    async def start(self, *, nudge: bool = True, tags: tuple[str, ...] = ()) -> UUID:
        async with self.database.begin() as session:
            customer = await meet(session, Introduction(Channel.WEB, name="Ada"))
            new = NewConversation(customer.id, tags)
            started = await conversations.start(session, new, self.policy.queue_timeout)
        if nudge:
            await self.engine.nudge(chat_ref(started.conversation_id), NewConversationFacts())
        return started.conversation_id

    async def hire(
        self, *agent_ids: str, capacity: int | None = None, tags: tuple[str, ...] = ()
    ) -> None:
        """Agents who are on duty, and were seen just now."""
        async with self.database.begin() as session:
            for agent_id in agent_ids:
                await agents.add(session, agent_id, agent_id.title())
                await agents.equip(session, agent_id, capacity=capacity, tags=list(tags))
                await agents.set_duty(session, agent_id, on_duty=True)

    async def say(
        self,
        conversation_id: UUID,
        author: AuthorKind,
        text: str = "text",
        visibility: Visibility = Visibility.PUBLIC,
    ) -> None:
        async with self.database.begin() as session:
            row = await conversations.find(session, conversation_id, lock=True)
            appended = await conversations.write(
                session, row, Draft(author, text, visibility=visibility)
            )
        if appended.nudge:
            await self.engine.nudge(chat_ref(conversation_id))

    async def order(
        self, conversation_id: UUID, command: ConversationCommand, by: str | None = "ada"
    ) -> None:
        order = ChangeConversation(by=by, command=command)
        await self.engine.change_conversation(conversation_id, order, uuid4().hex)

    async def accept(self, conversation_id: UUID, agent_id: str) -> None:
        await self.order(conversation_id, Accept(agent_id=agent_id), agent_id)

    async def state(self, conversation_id: UUID) -> ConversationState:
        async with self.database.begin() as session:
            return (await conversations.load(session, conversation_id))[0]

    async def log(self, conversation_id: UUID) -> list[Entry]:
        async with self.database.begin() as session:
            return await reading.entries(
                session, conversation_id, after_seq=0, limit=100_000, private=True
            )

    async def events(self, conversation_id: UUID) -> list[str]:
        """The types of the system events, in their order."""
        return [entry.event["type"] for entry in await self.log(conversation_id) if entry.event]

    async def until_handled(self, conversation_id: UUID) -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.database.begin() as session:
                    if (await threads.lock(session, conversation_id)).asleep:
                        return
                await asyncio.sleep(0.01)

    async def until(
        self, conversation_id: UUID, fact: Callable[[ConversationState], bool]
    ) -> ConversationState:
        """Wait until something is true of the conversation."""
        async with asyncio.timeout(PATIENCE):
            while not fact(state := await self.state(conversation_id)):
                await asyncio.sleep(0.01)
        return state


def chat_ref(conversation_id: UUID) -> ThreadRef:
    return ThreadRef(kind=ThreadKind.CONVERSATION, id=conversation_id)
