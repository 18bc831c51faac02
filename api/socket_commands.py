"""What all commands of clients have in common."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from api.chat_access import Acting, acting_agent
from api.streams import TICKETS, Audience, Inbox, Topic
from domain.errors import InsufficientPermissions, InvalidRequest
from domain.ids import ticket_id_text
from domain.models import ThreadKind
from domain.principals import Principal, Scope

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    sid: str
    principal: Principal


Command = Callable[[Caller, Sequence[object]], Awaitable[Answer]]
"""Takes the arguments of an event. Raises any HoldfastError, and `streams.Gone`."""


def audience_of(principal: Principal) -> Audience:
    """Raises InsufficientPermissions for back ends that have nothing to do with the desk."""
    if principal.is_customer:
        return Audience.CUSTOMER
    if principal.is_staff or principal.has(Scope.TICKETS):
        return Audience.STAFF
    raise InsufficientPermissions


def require_staff(principal: Principal) -> str:
    """The user of team chat, a person of the desk. Raises InsufficientPermissions for others."""
    if not principal.is_staff:
        raise InsufficientPermissions
    return principal.id


async def acting_in_chat(
    session: AsyncSession, principal: Principal, agent_id: str | None
) -> Acting | None:
    """The agent who acts, see `acting_agent`; None for customers, who act for themselves."""
    if not principal.is_customer:
        return await acting_agent(session, principal, agent_id)
    if agent_id is not None:
        raise InsufficientPermissions
    return None


def named(topic: Topic) -> Answer:
    """A topic as clients name it."""
    if topic == TICKETS:
        return {"scope": topic}
    if isinstance(topic, Inbox):
        return {"scope": "team"}
    if topic.kind is ThreadKind.TICKET:
        return {"ticketId": ticket_id_text(topic.id)}
    return {"conversationId": str(topic.id)}


def no_such_subscription() -> InvalidRequest:
    """The same for what does not exist and for what others have: nobody learns which it is."""
    return InvalidRequest("There is no such subscription. Subscribe first.")
