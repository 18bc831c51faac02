"""What platforms tell, taken into the log: each event in a transaction of its own, so that an odd
one costs no other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncSession

from api.services import Services
from api.tickets import nudge
from channels.heard import Arrived, ArrivedUntil, Echo, Heard, Reacted, Said
from domain.deliveries import parse_piece_id
from domain.errors import HoldfastError
from domain.events import Event
from domain.files import Origin
from domain.models import AuthorKind, Channel, EventType, Priority
from store import attachments, contacts, deliveries, delivery_news, reading, threads, tickets
from store.contacts import Sender
from store.threads import Draft
from workflows.engine import NewTicketFacts

log = structlog.get_logger(__name__)

_OUTSIDE = {
    Channel.FACEBOOK: "Page inbox",
    Channel.TWITTER: "X",
}
"""What stands for the colleague who has answered there: platforms do not tell who it was."""


async def take(services: Services, channel: Channel, events: Sequence[Heard]) -> None:
    """Take in what a platform tells. What is known already is passed over, and what cannot be
    taken is left out. Fails as the database does: then the platform sends all of it again."""
    desk = _Desk(services, channel, services.config.outlet_of(channel))
    for event in await desk.unknown([each for each in events if desk.is_meant(each)]):
        try:
            await desk.take(event)
        except (HoldfastError, exc.DataError) as error:
            # What the database cannot hold would be sent again for ever, and hold up the others.
            kind, reason = type(event).__name__, type(error).__name__
            log.warning("event_not_taken", channel=channel, kind=kind, reason=reason)


@dataclass(frozen=True, slots=True)
class _Desk:
    """Our account on a platform. Without an `outlet` nothing goes out there."""

    services: Services
    channel: Channel
    outlet: str | None

    @property
    def account(self) -> str | None:
        return self.outlet.removeprefix(f"{self.channel}-") if self.outlet else None

    def is_meant(self, event: Heard) -> bool:
        """False for what was said to another account."""
        if None in (event.account, self.account) or event.account == self.account:
            return True
        log.info("other_account_ignored", channel=self.channel, account=event.account)
        return False

    async def unknown(self, events: Sequence[Heard]) -> list[Heard]:
        """Without what is in the log: platforms send it again and again."""
        names: defaultdict[str, set[str]] = defaultdict(set)
        for event in events:
            if isinstance(event, Said | Echo | Reacted):
                names[self._source(event)].add(event.external_id)
        known: set[tuple[str, str]] = set()
        async with self.services.database.begin() as session:
            for source, of_source in names.items():
                known |= {
                    (source, each) for each in await threads.known(session, source, of_source)
                }
        return [
            event
            for event in events
            if not isinstance(event, Said | Echo | Reacted)
            or (self._source(event), event.external_id) not in known
        ]

    async def take(self, event: Heard) -> None:
        match event:
            case Said():
                await self._take_said(event)
            case Echo():
                await self._take_echo(event)
            case Reacted():
                await self._take_reaction(event)
            case Arrived() | ArrivedUntil():
                await self._take_news(event)

    async def _take_said(self, said: Said) -> None:
        async with self.services.database.begin() as session:
            if not await threads.is_new(session, self._source(said), said.external_id):
                return
            draft = Draft(
                author=AuthorKind.CUSTOMER,
                content=said.text,
                metadata=said.metadata | _sent_at(said),
                attachments=await self._await_files(session, said),
                source=self._source(said),
                external_id=said.external_id,
            )
            sender = Sender(said.sender.address, said.sender.identities, said.sender.name)
            heard = await contacts.hear(
                session, self.channel, self.outlet, sender, draft, self.services.config.policy
            )
            if self.outlet is not None and said.at is not None:
                # Whichever of their names a ticket has as its address.
                for address in sorted({sender.address, *sender.identities}):
                    await contacts.heard(session, self.outlet, address, said.at)
            facts = await _facts(session, heard)
        nudge(self.services, heard.written, facts)

    async def _take_echo(self, echo: Echo) -> None:
        """What we have sent has arrived; what a colleague has written elsewhere stands in the log
        as theirs, and goes out no second time."""
        async with self.services.database.begin() as session:
            if await self._is_ours(session, echo):
                return
            active = await contacts.active_ticket(session, self.channel, self.outlet, (echo.to,))
            if active is None or not await threads.is_new(
                session, self._source(echo), echo.external_id
            ):
                return
            draft = Draft(
                author=AuthorKind.AGENT,
                author_name=_OUTSIDE[self.channel],
                content=echo.text,
                metadata={"outside": True} | _sent_at(echo),
                attachments=await self._await_files(session, echo),
                source=self._source(echo),
                external_id=echo.external_id,
            )
            row = await tickets.find(session, active, lock=True)
            policy = self.services.config.policy
            written = await tickets.write(session, row, draft, policy, outside=True)
        nudge(self.services, written)

    async def _is_ours(self, session: AsyncSession, echo: Echo) -> bool:
        # Other programs, too, send things along.
        sent_by_us = echo.our_id is not None and parse_piece_id(echo.our_id) is not None
        if self.outlet is None:
            return sent_by_us
        claimed = await delivery_news.claim_echo(
            session, self.outlet, echo.to, echo.our_id, echo.external_id, echo.text, echo.at
        )
        return claimed or sent_by_us

    async def _take_reaction(self, reaction: Reacted) -> None:
        async with self.services.database.begin() as session:
            if not await threads.is_new(session, self._source(reaction), reaction.external_id):
                return
            place = await self._message(session, reaction)
            if place is None:
                return
            thread_id, seq = place
            cause = None if reaction.emoji else "taken_back"
            event = Event(type=EventType.REACTED, of_seq=seq, cause=cause)
            draft = replace(
                threads.event_draft(event, emoji=reaction.emoji),
                source=self._source(reaction),
                external_id=reaction.external_id,
            )
            await threads.append(session, await threads.lock(session, thread_id), draft)

    async def _message(self, session: AsyncSession, reaction: Reacted) -> tuple[UUID, int] | None:
        """To which it is a reaction: one of ours that went out, or one that came in."""
        address = reaction.sender.address
        ours = (
            await deliveries.find(session, self.outlet, address, reaction.to)
            if self.outlet is not None
            else None
        )
        if ours is not None:
            return ours[:2]
        return await reading.place(session, self._source(reaction), reaction.to)

    async def _take_news(self, news: Arrived | ArrivedUntil) -> None:
        if self.outlet is None:
            return
        async with self.services.database.begin() as session:
            if isinstance(news, Arrived):
                await delivery_news.news(
                    session, self.outlet, news.external_id, news.our_id, news.state, news.error
                )
            else:
                await delivery_news.news_until(
                    session, self.outlet, news.address, news.state, news.until
                )

    async def _await_files(self, session: AsyncSession, event: Said | Echo) -> list[dict[str, Any]]:
        """Have the files fetched that came with a message; they stand in it at once."""
        origins = {
            each: Origin(channel=self.channel, reference=each.reference, sha256=each.sha256)
            for each in event.files
        }
        return [
            await attachments.await_file(session, each.name, each.content_type, origin)
            for each, origin in origins.items()
        ]

    def _source(self, event: Said | Echo | Reacted) -> str:
        return f"{self.channel}/{event.account or self.account or '-'}"


async def _facts(session: AsyncSession, heard: contacts.Heard) -> NewTicketFacts | None:
    """For the workflow of a ticket that was just opened."""
    if not heard.opened:
        return None
    ticket = (await tickets.find(session, heard.written.ticket_id)).ticket
    return NewTicketFacts(ticket.number, Channel(ticket.channel), Priority(ticket.priority))


def _sent_at(event: Said | Echo) -> dict[str, Any]:
    return {"sent_at": event.at.isoformat()} if event.at else {}
