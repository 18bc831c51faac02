"""What a workflow would say to a command, as far as the conversation's row tells.

Of twenty agents who reach for one conversation, nineteen are told here that they are too late:
their commands never get to Temporal. The workflow stays the judge of all that seems possible.
"""

from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from api.config import ApiConfig
from domain.conversation_life import Accept, ChangeConversation, GoOnWithAssistant
from domain.conversation_rules import obey
from domain.errors import AgentIsFull, UnknownAgent
from store import agents, allocator, conversations
from store.conversations import ConversationRow


async def foresee(
    session: AsyncSession, config: ApiConfig, row: ConversationRow, change: ChangeConversation
) -> bool:
    """Whether the command would change anything; raises what the workflow would raise."""
    state = conversations.state_of(row)
    changes = obey(state, change, datetime.now(UTC), config.chat).changes(state)
    if changes and isinstance(change.command, Accept):
        await _require_room(session, config, row, change.command)
    if changes and isinstance(change.command, GoOnWithAssistant):
        await conversations.require_assistant(session, config.assistance)
    return changes


async def _require_room(
    session: AsyncSession, config: ApiConfig, row: ConversationRow, command: Accept
) -> None:
    agent = await agents.find(session, command.agent_id)
    if agent is None:
        raise UnknownAgent
    if not command.any_team:
        await allocator.require_team(session, agent, row.conversation.tags)
    room = allocator.capacity_of(agent, config.agent_capacity)
    if await allocator.active(session, agent.id) >= room:
        raise AgentIsFull
