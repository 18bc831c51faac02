"""What a workflow would say to a command, as far as the conversation's row tells.

Of twenty agents who reach for one conversation, nineteen are told here that they are too late:
their commands never get to Temporal. The workflow stays the judge of all that seems possible.
"""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from api.config import ApiConfig
from domain.allocation import may_serve
from domain.conversation_life import Accept, ChangeConversation
from domain.conversation_rules import obey
from domain.errors import AgentIsFull, UnknownAgent, WrongTeam
from store import agents, allocator, conversations
from store.conversations import ConversationRow


async def foresee(
    session: AsyncSession, config: ApiConfig, row: ConversationRow, change: ChangeConversation
) -> bool:
    """Whether the command would change anything; raises what the workflow would raise."""
    state = conversations.state_of(row)
    changes = obey(state, change, datetime.now(UTC), config.chat).changes(state)
    if changes and isinstance(change.command, Accept):
        await _require_room(session, config, row, change.command.agent_id)
    return changes


async def _require_room(
    session: AsyncSession, config: ApiConfig, row: ConversationRow, agent_id: str
) -> None:
    agent = await agents.find(session, agent_id)
    if agent is None:
        raise UnknownAgent
    if not may_serve(agent.tags, row.conversation.tags):
        raise WrongTeam
    room = allocator.capacity_of(agent, config.agent_capacity)
    if await allocator.active(session, agent_id) >= room:
        raise AgentIsFull
