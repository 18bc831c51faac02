"""The change feed over PostgreSQL's LISTEN and NOTIFY, which need nothing but the database."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection, Notify, sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from domain.models import ThreadKind, ThreadRef
from domain.names import KEYS_CHANNEL, TEAM_CHANNEL, THREADS_CHANNEL, WHISPERS_CHANNEL
from store import team_news
from store.database import Database
from store.feed import Watch, Whisper, WhisperKind
from store.team_news import InboxChanged, TeamNews

log = structlog.get_logger(__name__)

APPLICATION_NAME = "holdfast feed"
_CHANNELS = (THREADS_CHANNEL, KEYS_CHANNEL, WHISPERS_CHANNEL, TEAM_CHANNEL)

_HEARTBEAT = 5.0
"""Seconds. So often we make sure that we still hear, and so long that may take."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
"""Seconds between attempts to connect: doubled each time, and spread so that not all api
processes come back at the same instant."""

_CONNECTION: dict[str, str | int] = {
    "application_name": APPLICATION_NAME,
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A peer that vanished without a word is noticed by the kernel too (seconds; milliseconds)."""


class Deaf(ConnectionError):
    """The connection works, but notifications do not arrive."""


class PostgresFeed:
    """One connection that listens. It is not one of the pool's, which come and go."""

    def __init__(self, database: Database, heartbeat: float = _HEARTBEAT) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._watches: set[Watch] = set()
        self._failures = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_listening(), name="feed")
        try:
            yield
        finally:
            task.cancel()
            # Not `await task` in a `suppress`, which would swallow that we are cancelled too.
            await asyncio.gather(task, return_exceptions=True)

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        watch = Watch()
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)

    async def tell(self, whisper: Whisper | TeamNews) -> None:
        async with self._database.begin() as session:
            if isinstance(whisper, Whisper):
                await session.execute(_TELL, {"payload": _whisper_text(whisper)})
            else:
                await team_news.announce(session, whisper)

    async def _keep_listening(self) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    await self._listen(connection)
            except (psycopg.Error, OSError) as error:
                log.warning("feed_lost", reason=str(error), failures=self._failures)
            except Exception:
                log.exception("feed_failed")
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10))
            self._failures += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311

    async def _connect(self) -> AsyncConnection:
        conninfo = make_conninfo(self._database.dsn, **_CONNECTION)
        return await AsyncConnection.connect(conninfo, autocommit=True)

    async def _listen(self, connection: AsyncConnection) -> None:
        """Pass on what is announced, until the connection is lost: this raises in the end."""
        beat = f"holdfast_beat_{connection.info.backend_pid}"
        async with asyncio.timeout(self._heartbeat):
            for channel in (*_CHANNELS, beat):
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        self._failures = 0
        log.info("feed_listening")
        # What was committed before this moment was not announced to us.
        for watch in self._watches:
            watch.reset()
        while True:
            # Our own notification must come back to us. That proves more than an answer does:
            # a pooler in between, say, answers for a connection that listens no more.
            async with asyncio.timeout(self._heartbeat):
                await connection.execute("SELECT pg_notify(%s, '')", [beat])
            heard = False
            async for notify in connection.notifies(timeout=self._heartbeat):
                heard |= notify.channel == beat
                self._pass_on(notify)
            if not heard:
                raise Deaf("our own notification did not come back")

    def _pass_on(self, notify: Notify) -> None:
        try:
            match notify.channel:
                case channel if channel == THREADS_CHANNEL:
                    thread_id = UUID(notify.payload)
                    for watch in self._watches:
                        watch.thread_changed(thread_id)
                case channel if channel == WHISPERS_CHANNEL:
                    whisper = _whisper_from(notify.payload)
                    for watch in self._watches:
                        watch.whispered(whisper)
                case channel if channel == TEAM_CHANNEL:
                    self._pass_on_news(team_news.news_in(notify.payload))
                case channel if channel == KEYS_CHANNEL:
                    for watch in self._watches:
                        watch.keys_changed()
        except ValueError:
            log.warning("feed_payload_unreadable", channel=notify.channel)

    def _pass_on_news(self, news: TeamNews) -> None:
        for watch in self._watches:
            if isinstance(news, InboxChanged):
                watch.inbox_changed(news.user_id)
            else:
                watch.whispered(news)


def _whisper_text(whisper: Whisper) -> str:
    who = "customer" if whisper.by_customer else "staff"
    thread = whisper.thread
    return f"{thread.kind} {thread.id} {whisper.kind} {who} {whisper.value} {whisper.sid}"


def _whisper_from(payload: str) -> Whisper:
    kind, thread_id, what, who, value, sid = payload.split(" ")
    return Whisper(
        ThreadRef(kind=ThreadKind(kind), id=UUID(thread_id)),
        WhisperKind(what),
        by_customer=who == "customer",
        value=int(value),
        sid=sid,
    )


_TELL = text("SELECT pg_notify(:channel, :payload)").bindparams(channel=WHISPERS_CHANNEL)
