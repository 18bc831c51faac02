"""Seed 000: what people say over XMPP comes in, and a polling client fetches the answers."""

from typing import Annotated

from fastapi import Path, Query, Response

from api.access import Caller, allow
from api.errors import describe
from api.idempotency import Once, json_answer
from api.paging import TOTAL_COUNT, describe_total
from api.routes import Routes
from api.services import ServicesDep
from api.tickets import Ref, nudge
from api.xmpp_access import facts_of, find_xmpp_ticket, noted, pace_of
from api.xmpp_bodies import Incoming
from api.xmpp_views import (
    ActiveTicket,
    PolledMessage,
    Received,
    active_ticket,
    polled_message,
    received,
)
from channels.jids import Jid, bare_jid, parse_jid
from domain.errors import IdempotencyKeyReused, TicketNotFound
from domain.models import AuthorKind
from domain.principals import Role, Scope
from store import reading, tickets, xmpp
from store.threads import Draft

BRINGERS = allow(Role.ADMIN, Scope.XMPP)
"""Those who may say what somebody else wrote."""
STAFF = allow(Role.AGENT, Role.ADMIN, Scope.XMPP)
PULLED = None
"""The outlet of tickets whose replies are fetched here."""

_NOT_TO_US = frozenset({"groupchat", "headline", "error"})
_IGNORED = Received(status="ignored", ticket_id=None, message_id=None, created=False)

router = Routes(prefix="/api/v1/webhooks/xmpp", tags=["XMPP: webhooks and polling"])


@router.post(
    "/incoming",
    response_model=Received,
    dependencies=[BRINGERS],
    responses=describe(IdempotencyKeyReused),
)
async def take_incoming(
    body: Incoming, caller: Caller, services: ServicesDep, once: Once
) -> Response:
    """Take a message into the active ticket of its sender, or open one.

    Active is the newest ticket of the bare JID whose replies are fetched here and which is not
    closed. After a closed one comes a new one that follows it.
    """
    if body.message_type in _NOT_TO_US:
        return json_answer(_IGNORED)
    jid = parse_jid(body.from_jid)
    await services.count_message(caller, on_behalf_of=pace_of(jid.bare))
    async with services.database.begin() as session:
        if answer := await once.answered(session):
            return answer
        draft = _draft(body, jid, once)
        heard = await xmpp.hear(session, jid.bare, PULLED, draft, services.config.policy)
        row = await tickets.find(session, heard.written.ticket_id)
        response = await once.answer(session, 200, received(row, heard.written.entry))
    nudge(services, heard.written, facts_of(row) if heard.opened else None)
    return response


@router.get(
    "/user/{jid:path}/active-ticket",
    response_model=ActiveTicket,
    dependencies=[STAFF],
    responses=describe(TicketNotFound),
)
async def get_active_ticket(
    jid: Annotated[str, Path(description="Bare or full, percent-encoded.")], services: ServicesDep
) -> Response:
    """The newest ticket of a JID that is not closed. Only tickets whose replies are fetched here
    count: the bridge's it brings itself."""
    whose = bare_jid(jid)
    async with services.database.begin() as session:
        ticket_id = await xmpp.active_ticket(session, whose, PULLED)
        if ticket_id is None:
            raise TicketNotFound
        row = await tickets.find(session, ticket_id)
    return json_answer(active_ticket(row))


@router.get(
    "/tickets/{ticket_id}/messages",
    dependencies=[STAFF],
    responses=describe(TicketNotFound) | describe_total("Of all public messages."),
)
async def list_polled_messages(
    ref: Ref,
    caller: Caller,
    services: ServicesDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    after_seq: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
) -> list[PolledMessage]:
    """The public messages in their order: the newest `limit`, or the first that follow
    `after_seq`. Whoever counts them to find new ones counts by `X-Total-Count`.

    Of a ticket that the bridge answers, people alone are shown them: by key it is 404, since
    whoever fetched its replies would bring them a second time.
    """
    async with services.database.begin() as session:
        row = await find_xmpp_ticket(session, ref, caller)
        if caller.role is Role.SERVICE and row.ticket.outlet is not PULLED:
            raise TicketNotFound
        found = await reading.entries(
            session, row.ticket.id, after_seq=after_seq, limit=limit, private=False, events=False
        )
        total = await reading.count_public(session, row.ticket.id)
    response.headers[TOTAL_COUNT] = str(total)
    return [polled_message(row, entry) for entry in found]


def _draft(body: Incoming, jid: Jid, once: Once) -> Draft:
    sent_at = body.timestamp.isoformat() if body.timestamp else None
    by_stanza = body.id is not None
    return Draft(
        author=AuthorKind.CUSTOMER,
        content=body.body,
        metadata=noted(jid, to_jid=body.to_jid, thread_id=body.thread_id, sent_at=sent_at),
        source=f"xmpp/{jid.bare}" if by_stanza else once.source,
        external_id=body.id if by_stanza else once.key,
    )
