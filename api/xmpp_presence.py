"""Seed 001: who of those who write over XMPP is there."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Response

from api.access import Caller, allow
from api.idempotency import json_answer
from api.routes import Routes
from api.services import ServicesDep
from api.xmpp_access import require_clients_of
from api.xmpp_bodies import JidText, UpdatePresence
from api.xmpp_views import PresenceOfPerson, ResourcePresence, UpdatedPresence, presence_of
from channels.jids import bare_jid, parse_jid
from domain.presence import Presence, PresenceStatus, most_available
from domain.principals import Role, Scope
from store import xmpp
from store.xmpp import PresenceOfJid

EVERYBODY = allow(Role.CUSTOMER, Role.AGENT, Role.ADMIN, Scope.XMPP)
STAFF = allow(Role.AGENT, Role.ADMIN, Scope.XMPP)

_LASTS = timedelta(minutes=5)
"""A presence counts for so long when it is not said again."""
_NOBODY = Presence(status=PresenceStatus.UNAVAILABLE, show=None)

router = Routes(prefix="/api/v1/xmpp/presence", tags=["XMPP: tickets"])


@router.post("", response_model=UpdatedPresence, dependencies=[EVERYBODY])
async def update_presence(body: UpdatePresence, caller: Caller, services: ServicesDep) -> Response:
    """Say how available a client is. Say it again within 5 minutes, or it counts no more.

    Of a JID's clients those count that have said it last, up to 20. Customers speak for the JIDs
    by which they are known, and for their token's `email` while nobody else is known by it.
    """
    jid = parse_jid(body.jid)
    available = body.status is PresenceStatus.AVAILABLE
    said = PresenceOfJid(
        bare_jid=jid.bare,
        resource=body.resource or jid.resource,
        status=body.status,
        show=body.show if available else None,
    )
    async with services.database.begin() as session:
        await require_clients_of(session, caller, jid)
        await xmpp.set_presences(session, [said], _LASTS)
    return json_answer(UpdatedPresence(success=True, jid=jid.bare, status=body.status))


@router.get("", response_model=PresenceOfPerson, dependencies=[STAFF])
async def get_presence(
    jid: Annotated[JidText, Query(description="Bare or full.")], services: ServicesDep
) -> Response:
    """How available somebody is, on all their clients: of one with several, the most available."""
    whose = bare_jid(jid)
    async with services.database.begin() as session:
        found = await xmpp.presences(session, whose)
    best = most_available(map(presence_of, found)) or _NOBODY
    return json_answer(
        PresenceOfPerson(
            jid=whose,
            status=best.status,
            show=best.show,
            resources=[_of_client(each) for each in found],
        )
    )


def _of_client(said: PresenceOfJid) -> ResourcePresence:
    presence = presence_of(said)
    return ResourcePresence(resource=said.resource, status=presence.status, show=presence.show)
