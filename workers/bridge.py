"""The bridge process: one XMPP account, which one of as many processes as there are works for."""

import asyncio
import logging

import structlog

from activities.files import StoredFiles
from bridge.archive_reader import ArchiveReader
from bridge.bridge import Bridge
from bridge.errors import StreamConflict
from bridge.inbound import Inbound
from bridge.lease import Lease
from bridge.listener import Listener
from bridge.news import News
from bridge.outbound import XmppOutlet
from bridge.typing_notices import TypingNotices
from holdfast.settings import Settings
from holdfast.xmpp import Xmpp
from store.database import Database
from store.postgres_feed import PostgresFeed
from workers import logs
from workers.attachments import open_blobs
from workers.databases import open_database
from workers.deliveries import make_delivery_worker
from workers.garbage import leave_the_start_alone
from workers.signals import ended
from workers.temporal import reach_temporal, work_until
from workflows.connection import connect
from workflows.engine import Engine

log = structlog.get_logger(__name__)

_AFTER_CONFLICT = 10.0
"""Seconds. Whoever has logged in as us has the account for so long, before we look again."""
_PARTING = 1.0
"""The interpreter can crash when it exits in the instant after a worker has stopped."""


async def run(settings: Settings, xmpp: Xmpp) -> None:
    """Stand by and work, until the process is told to end."""
    logs.configure(settings.log_level, settings.log_format)
    # It logs whole stanzas: what people write, and how we log in.
    logging.getLogger("slixmpp").setLevel(logging.CRITICAL)
    leave_the_start_alone()
    database = open_database(settings)
    serving = asyncio.create_task(_serve(settings, xmpp, database))
    telling = asyncio.create_task(ended())
    try:
        await asyncio.wait([serving, telling], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (serving, telling):
            task.cancel()
        await asyncio.gather(serving, telling, return_exceptions=True)
        await database.close()
        await asyncio.sleep(_PARTING)
    if not serving.cancelled() and (failure := serving.exception()):
        raise failure


async def _serve(settings: Settings, xmpp: Xmpp, database: Database) -> None:
    """Hold the account whenever it is free, and work for it."""
    engine = Engine(await connect())
    lease = Lease(database, xmpp.policy.account)
    async with engine.nudging():
        while True:
            async with lease.held() as lost:
                failure = await _work_until(lost, _Shift(settings, xmpp, database, engine))
            if _is_conflict(failure):
                log.error("account_is_used_elsewhere", account=xmpp.policy.account)
                await asyncio.sleep(_AFTER_CONFLICT)
            elif failure is not None:
                raise failure


async def _work_until(lost: asyncio.Event, shift: "_Shift") -> BaseException | None:
    """Return when the lease is lost, or with that for which the shift has ended."""
    working = asyncio.create_task(shift.run())
    losing = asyncio.create_task(lost.wait())
    try:
        await asyncio.wait([working, losing], return_when=asyncio.FIRST_COMPLETED)
    finally:
        failure = working.exception() if working.done() else None
        for task in (working, losing):
            task.cancel()
        await asyncio.gather(working, losing, return_exceptions=True)
    return failure


class _Shift:
    """All that goes on while the lease is held."""

    def __init__(self, settings: Settings, xmpp: Xmpp, database: Database, engine: Engine) -> None:
        self._settings = settings
        self._database = database
        feed = PostgresFeed(database)
        files = StoredFiles(database, open_blobs(settings))
        self._outlet = XmppOutlet(xmpp.outlet, files, xmpp.account.ca_file)
        self._news = News(database, feed, xmpp.outlet, xmpp.policy)
        inbound = Inbound(database, engine, xmpp.outlet, xmpp.policy, settings.deadline_policy())
        listener = Listener(inbound, self._news)
        reader = ArchiveReader(database, xmpp.policy.account, listener)
        self._bridge = Bridge(xmpp.open_stream, listener, reader, self._outlet)
        self._typing = TypingNotices(database, feed, self._outlet)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bridge.run())
            tasks.create_task(self._deliver())
            tasks.create_task(self._news.keep_presences())
            tasks.create_task(self._typing.run())

    async def _deliver(self) -> None:
        client = await reach_temporal()
        patience = self._settings.delivery_patience
        await work_until(
            asyncio.Event(),
            Engine(client),
            lambda: make_delivery_worker(client, self._database, self._outlet, patience),
        )


def _is_conflict(outcome: object) -> bool:
    return isinstance(outcome, BaseExceptionGroup) and outcome.subgroup(StreamConflict) is not None
