"""Small chores of the database that nobody waits for."""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import exc

from store import (
    command_texts,
    delivery_news,
    heartbeats,
    idempotency,
    ticket_lists,
    webhook_events,
    webhooks,
    xmpp,
)
from store.database import Database

log = structlog.get_logger(__name__)

_PAUSE = 30.0
_SENT_AGAIN = timedelta(days=7)
"""So long after a stanza a client that lost its connection may send it again."""

_SENDING_LASTS = timedelta(days=1)
"""Longer than any call whose answer tells the name of what was sent."""


async def keep_house(database: Database) -> None:
    """Until cancelled: fold the tallies, and forget answers that nobody will ask for again."""
    while True:
        for chore in (
            _fold_tallies,
            _forget_answers,
            _forget_texts,
            _forget_people,
            _forget_news,
            _forget_webhooks,
        ):
            try:
                await chore(database)
            except exc.SQLAlchemyError as error:
                log.warning("housekeeping_waits", reason=type(error).__name__)
        await asyncio.sleep(_PAUSE)


async def _fold_tallies(database: Database) -> None:
    async with database.begin() as session:
        await ticket_lists.fold_tallies(session)


async def _forget_answers(database: Database) -> None:
    more = True
    while more:
        async with database.begin() as session:
            more = await idempotency.forget_old(session)


async def _forget_texts(database: Database) -> None:
    async with database.begin() as session:
        await command_texts.forget_old(session)


async def _forget_people(database: Database) -> None:
    """Who was at their XMPP client, and what those called their stanzas."""
    async with database.begin() as session:
        await xmpp.forget_presences(session)
        await xmpp.forget_origins(session, _SENT_AGAIN)


async def _forget_news(database: Database) -> None:
    """Of messages that others have sent by the same account, or that were erased since."""
    async with database.begin() as session:
        await delivery_news.forget_early(session, _SENDING_LASTS)


async def _forget_webhooks(database: Database) -> None:
    """What subscribers were told a week ago, and those who were deleted."""
    more = True
    while more:
        async with database.begin() as session:
            more = await webhook_events.forget_old(session)
    async with database.begin() as session:
        await webhooks.forget_deleted(session)


async def show_life(database: Database) -> None:
    """Until cancelled: let `/api/ready` see that this worker is alive."""
    while True:
        try:
            async with database.begin() as session:
                await heartbeats.beat(session, heartbeats.WORKER)
        except exc.SQLAlchemyError as error:
            log.debug("heartbeat_missed", reason=type(error).__name__)
        await asyncio.sleep(heartbeats.EVERY.total_seconds())
