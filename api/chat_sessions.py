"""Who has come to chat: somebody with a token, somebody with an account, or a new visitor."""

from fastapi.exceptions import RequestValidationError
from limits import RateLimitItemPerMinute
from sqlalchemy.ext.asyncio import AsyncSession

from api.call import Call
from api.chat_bodies import StartSession
from api.ownership import meet_caller
from api.services import Services
from domain.models import Channel
from domain.principals import Principal
from store import conversations, customers
from store.conversations import ConversationRow, NewConversation, Started
from store.customers import Introduction
from store.tables import Customer


async def start_session(
    session: AsyncSession, services: Services, call: Call, body: StartSession
) -> tuple[ConversationRow, Started]:
    """Resume the caller's open conversation, or begin one.

    Raises TooManyRequests where too many new visitors come from one address, and
    RequestValidationError for somebody who says by no means who they are.
    """
    customer = await _meet(session, services, call, body)
    # Where somebody vouches for a name, by a token or with the address that tickets go by, it is
    # not the page's to change.
    named = isinstance(call.identity, Principal) and call.identity.name
    name = None if named or customer.email else body.display_name
    await customers.correct(session, customer, name=name, phone=body.contact)
    new = NewConversation(customer.id, tuple(body.tags), body.metadata)
    started = await conversations.start(session, new, services.config.chat.queue_timeout)
    if body.email is not None:
        await conversations.set_contact_email(session, started.conversation_id, body.email)
    return await conversations.find(session, started.conversation_id), started


async def _meet(
    session: AsyncSession, services: Services, call: Call, body: StartSession
) -> Customer:
    caller = call.identity
    if isinstance(caller, Principal) and caller.is_customer:
        return await meet_caller(session, caller, Channel.WEB, body.display_name)
    if body.fingerprint is None:
        missing = {"loc": ("body", "fingerprint"), "msg": "Field required", "type": "missing"}
        raise RequestValidationError([missing])
    if services.config.trust_fingerprint:
        return await _trust(session, services, call, body, f"fingerprint:{body.fingerprint}")
    await _count_visitor(services, call)
    return await customers.meet(session, Introduction(Channel.WEB, name=body.display_name))


async def _trust(
    session: AsyncSession, services: Services, call: Call, body: StartSession, identity: str
) -> Customer:
    if await customers.find_by_identity(session, Channel.WEB, identity) is None:
        await _count_visitor(services, call)
    introduction = Introduction(Channel.WEB, name=body.display_name, identities=(identity,))
    return await customers.meet(session, introduction)


async def _count_visitor(services: Services, call: Call) -> None:
    limit = RateLimitItemPerMinute(services.config.rate_limit_visitors, 1, "visitors")
    (await services.limits.count(limit, f"address:{call.address}")).require()
