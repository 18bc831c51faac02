"""Seed 003: live chat for agents: their shift, the queue, and what they do in conversations."""

from typing import Annotated, Literal

from fastapi import Query, Response
from pydantic import BeforeValidator
from sqlalchemy.ext.asyncio import AsyncSession

from api.access import Caller, allow
from api.chat_access import Acting, acting_agent, note_activity
from api.chat_actions import nudge
from api.chat_bodies import BeginShift
from api.chat_views import (
    ChatModel,
    ConversationView,
    QueueEntryView,
    QueuePage,
    conversation_view,
    queue_entry_view,
)
from api.routes import Routes
from api.services import Services, ServicesDep
from domain.errors import AgentNotNamed, InsufficientPermissions
from domain.models import ConversationStatus
from domain.principals import Principal, Role, Scope
from domain.text import IdText
from store import agents, allocator, attendance, chat_queue, conversations

DESK = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
QUEUE_SHOWN = 50
"""So many who wait stand in an agent's session; the queue's own pages give all."""
_ACTIVE = frozenset(allocator.ACTIVE)

router = Routes(prefix="/api/agent", tags=["Live chat: agents"], malformed=400)


class QueueGlance(ChatModel):
    total: int
    entries: list[QueueEntryView]


class AgentSession(ChatModel):
    agent_id: str
    display_name: str
    status: Literal["online", "offline"]
    capacity: int
    active: int
    conversations: list[ConversationView]
    queue: QueueGlance


def _separated(given: object) -> object:
    """`?status=A,B` says the same as `?status=A&status=B`."""
    if not isinstance(given, list):
        return given
    return [part.strip() for each in given for part in str(each).split(",")]


Statuses = Annotated[
    list[ConversationStatus],
    BeforeValidator(_separated),
    Query(description="Separated by commas, or given several times."),
]
Page = Annotated[int, Query(ge=0, le=1_000_000, description="The first page is 0.")]
PageSize = Annotated[int, Query(ge=1, le=100)]
DEFAULT_SIZE = 20


@router.post("/sessions", dependencies=[DESK])
async def begin_shift(
    caller: Caller, services: ServicesDep, body: BeginShift | None = None
) -> AgentSession:
    """Come online, or sign off, and see what there is to do.

    An agent whom a back end or an admin names exists from then on. Who signs off gives all
    conversations back to the queue, where they keep their places.
    """
    body = body or BeginShift()
    is_online = body.status == "online"
    async with services.database.begin() as session:
        acting = await acting_agent(
            session, caller, body.agent_id, body.display_name, may_be_new=True
        )
        await agents.set_duty(session, acting.agent_id, on_duty=is_online)
    if not is_online:
        # Apart, because agents are locked after conversations, never before.
        async with services.database.begin() as session:
            left = await attendance.sign_off(session, acting.agent_id)
        for thread in left:
            nudge(services, thread.id)
    async with services.database.begin() as session:
        return await _session(session, services, acting, body.status)


@router.get("/queue", dependencies=[DESK])
async def list_queue(
    services: ServicesDep, page: Page = 0, size: PageSize = DEFAULT_SIZE
) -> QueuePage:
    """Who waits, the longest-waiting first."""
    async with services.database.begin() as session:
        entries = await chat_queue.page(session, offset=page * size, limit=size)
        total = await chat_queue.count(session)
    return QueuePage(
        content=[queue_entry_view(entry) for entry in entries],
        page=page,
        size=size,
        total_elements=total,
        total_pages=-(-total // size),
    )


@router.get(
    "/conversations",
    dependencies=[DESK],
    responses={
        200: {
            "headers": {
                "X-Total-Count": {
                    "description": "How many there are on all pages.",
                    "schema": {"type": "integer"},
                }
            }
        }
    },
)
async def list_conversations(
    caller: Caller,
    services: ServicesDep,
    response: Response,
    status: Statuses = list(_ACTIVE),  # noqa: B006  FastAPI copies it
    agent_id: Annotated[
        IdText | None, Query(alias="agentId", description="For back ends and admins: whose.")
    ] = None,
    page: Page = 0,
    size: PageSize = DEFAULT_SIZE,
) -> list[ConversationView]:
    """One's own conversations, the newest first."""
    whose, statuses = _whose(caller, agent_id), set(status)
    async with services.database.begin() as session:
        found = await conversations.of_agent(
            session, whose, statuses, offset=page * size, limit=size
        )
        total = await conversations.count_of_agent(session, whose, statuses)
        await note_activity(session, caller, whose)
    response.headers["X-Total-Count"] = str(total)
    return [conversation_view(row) for row in found]


def _whose(caller: Principal, agent_id: str | None) -> str:
    if agent_id is None:
        if caller.role is Role.SERVICE:
            raise AgentNotNamed
        return caller.id
    if agent_id != caller.id and not caller.acts_for_others:
        raise InsufficientPermissions
    return agent_id


async def _session(
    session: AsyncSession, services: Services, acting: Acting, status: Literal["online", "offline"]
) -> AgentSession:
    agent = await agents.find(session, acting.agent_id)
    capacity = services.config.agent_capacity
    # Their workflows have still to carry out that what an agent has left is in the queue.
    left = acting.agent_id if status == "offline" else None
    own: set[ConversationStatus] = set() if left else set(_ACTIVE)
    waiting = await chat_queue.page(session, limit=QUEUE_SHOWN, left_by=left)
    return AgentSession(
        agent_id=acting.agent_id,
        display_name=(agent.name if agent else "") or acting.name,
        status=status,
        capacity=allocator.capacity_of(agent, capacity) if agent else capacity,
        active=0 if left else await allocator.active(session, acting.agent_id),
        conversations=[
            conversation_view(row)
            for row in await conversations.of_agent(session, acting.agent_id, own)
        ],
        queue=QueueGlance(
            total=await chat_queue.count(session, left_by=left),
            entries=[queue_entry_view(entry) for entry in waiting],
        ),
    )
