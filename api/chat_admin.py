"""Live chat for admins: samples for the queue, and how much each agent takes."""

import random
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import allow
from api.chat_actions import nudge
from api.chat_bodies import EquipAgent, SeedQueue
from api.chat_samples import play, samples
from api.chat_views import ChatModel
from api.errors import describe
from api.idempotency import Once
from api.routes import Routes
from api.services import Services, ServicesDep
from domain.errors import IdempotencyKeyReused, NotFound
from domain.principals import Role, Scope
from domain.text import IdText
from store import agents, allocator
from workflows.engine import NewConversationFacts

router = Routes(
    prefix="/api/admin",
    tags=["Live chat: administration"],
    malformed=400,
    dependencies=[allow(Role.ADMIN, Scope.ADMIN)],
)
AgentId = Annotated[IdText, Path()]


class Seeded(ChatModel):
    conversations: int
    conversation_ids: list[UUID]


class AgentView(ChatModel):
    agent_id: str
    display_name: str
    capacity: int
    tags: list[str]
    active: int
    on_duty: bool
    last_seen_at: datetime | None


async def _demo(services: ServicesDep) -> None:
    if not services.config.demo:
        raise NotFound


@router.post(
    "/seed",
    response_model=Seeded,
    dependencies=[Depends(_demo)],
    responses=describe(NotFound, IdempotencyKeyReused),
)
async def seed(body: SeedQueue, services: ServicesDep, once: Once) -> Response:
    """Fill the queue with samples. There only where `HOLDFAST_DEMO=true`."""
    chance = random.Random()  # noqa: S311  samples need no secrets
    policy = services.config.chat
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        found = samples(body.conversations, chance)
        seeded = [await play(session, sample, policy) for sample in found]
        view = Seeded(conversations=len(seeded), conversation_ids=seeded)
        response = await once.answer(session, 200, view)
    for conversation_id in seeded:
        nudge(services, conversation_id, NewConversationFacts())
    return response


@router.get("/agents/{agent_id}", responses=describe(NotFound))
async def get_agent(agent_id: AgentId, services: ServicesDep) -> AgentView:
    async with services.database.begin() as session:
        return await _view(session, services, agent_id)


@router.put("/agents/{agent_id}", responses=describe(NotFound))
async def equip_agent(agent_id: AgentId, body: EquipAgent, services: ServicesDep) -> AgentView:
    """Say how much an agent takes. One whom nobody knows yet exists from then on."""
    async with services.database.begin() as session:
        await agents.add(session, agent_id, body.display_name or agent_id)
        await agents.equip(
            session, agent_id, name=body.display_name, capacity=body.capacity, tags=body.tags
        )
        return await _view(session, services, agent_id)


async def _view(session: AsyncSession, services: Services, agent_id: str) -> AgentView:
    agent = await agents.find(session, agent_id)
    if agent is None:
        raise NotFound("Agent not found")
    return AgentView(
        agent_id=agent.id,
        display_name=agent.name or agent.id,
        capacity=allocator.capacity_of(agent, services.config.agent_capacity),
        tags=agent.tags,
        active=await allocator.active(session, agent_id),
        on_duty=agent.on_duty,
        last_seen_at=agent.last_seen_at,
    )
