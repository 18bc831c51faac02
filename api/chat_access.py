"""Whose conversation it is, and which agent acts in it."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from api.ownership import own_customer
from domain.errors import (
    AgentNotNamed,
    ConversationNotFound,
    CustomerNotFound,
    InsufficientPermissions,
    UnknownAgent,
)
from domain.ids import parse_customer_id
from domain.principals import Principal, Role, Scope
from store import agents, conversations, customers
from store.conversations import ConversationRow


@dataclass(frozen=True, slots=True)
class Acting:
    """The agent for whom a call is made."""

    agent_id: str
    name: str
    everywhere: bool
    """Admins may write and close in conversations that are not theirs."""

    @property
    def only(self) -> str | None:
        """Whose conversation it has to be; None when it may be anybody's."""
        return None if self.everywhere else self.agent_id


async def visible(
    session: AsyncSession, caller: Principal, conversation_id: UUID, *, lock: bool = False
) -> ConversationRow:
    """A conversation, if the caller may see it: customers their own, the desk all.

    Raises ConversationNotFound; other people's conversations do not exist.
    """
    row = await conversations.find(session, conversation_id, lock=lock)
    if caller.is_customer:
        own_id = await _customer_id(session, caller)
        # While they are being merged, a conversation may still be in the old name.
        if own_id is None or own_id not in (row.customer.id, row.customer.merged_into):
            raise ConversationNotFound
    elif not (caller.is_staff or caller.has(Scope.TICKETS)):
        raise ConversationNotFound
    return row


async def acting_agent(
    session: AsyncSession,
    caller: Principal,
    agent_id: str | None = None,
    display_name: str | None = None,
    *,
    may_be_new: bool = False,
) -> Acting:
    """The agent who acts: the token says who, and back ends and admins may name another.

    `display_name` is for one whose token says none. One whom nobody knows exists from then on if
    `may_be_new`, or called by a `display_name`. Raises UnknownAgent for any other,
    InsufficientPermissions for an agent who names somebody else, and AgentNotNamed for a back end
    that names nobody.
    """
    if caller.role is Role.SERVICE:
        if agent_id is None:
            raise AgentNotNamed
    elif agent_id is None or agent_id == caller.id:
        agent_id = caller.id
        if caller.name:
            return Acting(caller.id, caller.name, caller.is_admin)
    elif not caller.acts_for_others:
        raise InsufficientPermissions
    known = await agents.find(session, agent_id)
    if known is None and display_name is None and not may_be_new:
        raise UnknownAgent
    if known is None or display_name not in (None, known.name):
        await agents.seen(session, agent_id, display_name or agent_id, "")
    name = display_name or (known.name if known else "")
    return Acting(agent_id, name or agent_id, caller.is_admin)


async def note_activity(session: AsyncSession, caller: Principal, agent_id: str) -> None:
    """An agent in whose name a back end calls is there; for people, their token says it.

    To be done last, because of the lock that it takes.
    """
    if caller.role is Role.SERVICE:
        await agents.acted(session, agent_id)


async def _customer_id(session: AsyncSession, caller: Principal) -> UUID | None:
    if caller.role is Role.VISITOR:
        # Their token was given to them for exactly this customer, erased or not.
        try:
            return (await customers.get(session, parse_customer_id(caller.id))).id
        except CustomerNotFound:
            return None
    own = await own_customer(session, caller)
    return own.id if own else None
