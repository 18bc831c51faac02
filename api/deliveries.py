"""What goes out to customers: the channels, and replies that have not arrived."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, Field

from api.access import allow
from api.errors import describe
from api.routes import Routes
from api.services import ServicesDep
from api.tickets import Ref
from api.views import DeliveryView, delivery_view
from domain.errors import ChannelNotFound, MessageNotFound, TicketNotFound
from domain.ids import parse_message_id
from domain.models import Channel, ThreadKind, ThreadRef
from domain.principals import Role, Scope
from store import deliveries, outbox, pacing, reading, tickets

STAFF = allow(Role.AGENT, Role.ADMIN, Scope.TICKETS)
ADMINS = allow(Role.ADMIN, Scope.ADMIN)

router = Routes(prefix="/api/channels", tags=["Channels"])
retry_router = Routes(prefix="/api/tickets", tags=["Tickets"])


class ChannelView(BaseModel):
    """An account by which replies go out."""

    name: str = Field(examples=["whatsapp-106540352242922"])
    channel: Channel
    waiting: int = Field(description="Replies that have not gone out yet.")
    paused_until: datetime | None = Field(
        description="Nothing goes out until then, because the platform refuses us; then one reply "
        "tries again."
    )
    reason: str | None


@router.get("", dependencies=[STAFF])
async def list_channels(services: ServicesDep) -> list[ChannelView]:
    """The accounts that are set up, and how they do."""
    async with services.database.begin() as session:
        waiting = await deliveries.waiting(session)
        paused = {each.outlet: each for each in await pacing.pauses(session)}
    found = []
    for channel in Channel:
        if name := services.config.outlet_of(channel):
            pause = paused.get(name)
            found.append(
                ChannelView(
                    name=name,
                    channel=channel,
                    waiting=waiting.get(name, 0),
                    paused_until=pause.until if pause else None,
                    reason=pause.reason if pause else None,
                )
            )
    return found


@router.post(
    "/{name}/resume", status_code=204, dependencies=[ADMINS], responses=describe(ChannelNotFound)
)
async def resume_channel(
    name: Annotated[str, Path(max_length=200)], services: ServicesDep
) -> Response:
    """Let replies go out again at once, after the token or the account was seen to."""
    if name not in {services.config.outlet_of(channel) for channel in Channel}:
        raise ChannelNotFound
    async with services.database.begin() as session:
        await pacing.resume(session, name)
    return Response(status_code=204)


@retry_router.post(
    "/{ticket_id}/messages/{message_id}/retry",
    dependencies=[STAFF],
    responses=describe(TicketNotFound, MessageNotFound),
)
async def retry_delivery(
    ref: Ref,
    message_id: Annotated[str, Path(description="`msg_…`")],
    services: ServicesDep,
) -> DeliveryView:
    """Send a reply again that is `failed` or `unknown`. Of one whose fate is unknown the customer
    may get a second copy: that is for a person to decide.

    Any other reply is left as it is.
    """
    async with services.database.begin() as session:
        row = await tickets.find(session, ref)
        seq = await reading.seq_of(session, row.ticket.id, parse_message_id(message_id))
        if seq is None:
            raise MessageNotFound
        again = await outbox.again(session, row.ticket.id, seq)
        progress = (await deliveries.progress(session, row.ticket.id, [seq])).get(seq)
    if progress is None:
        raise MessageNotFound
    if again:
        thread = ThreadRef(kind=ThreadKind.TICKET, id=row.ticket.id)
        services.engine.nudge_soon(thread, at_once=True)
    return delivery_view(progress)
