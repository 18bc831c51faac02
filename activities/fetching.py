"""Fetching files that came with a message out of the platform, before it forgets them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin
from uuid import UUID

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.beating import beating
from channels.accounts import Accounts
from channels.media_hosts import MediaHosts
from channels.meta_media import whatsapp_media_url
from channels.outlet import NotNow, Paused, Undeliverable
from channels.safe_http import Refused, SafeClient, StreamedResponse, Unreachable
from domain.errands import ErrandKind
from domain.errors import FilesUnavailable, HoldfastError, PayloadTooLarge
from domain.files import AttachmentState, Look, Origin
from domain.models import Channel
from store import attachments, errands
from store.blobs import Blobs
from store.database import Database
from store.errand_tables import StoredAttachment
from store.files import look_at

_PATIENCE = timedelta(days=7)
"""Platforms keep files for longer, WhatsApp for 30 days."""
_STEP = 20.0
"""Seconds between two signs of life."""
_ALL_TOGETHER = 300.0
_GONE = frozenset({404, 410})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class _Lost(HoldfastError):
    """The file will never come. The sentence is for agents and customers."""


_FOREIGN = "The file does not lie with the platform, and is not fetched from elsewhere."
_NO_MORE = "The file is no longer there."
_TOO_LARGE = "The file is larger than 25 MB."
_EMPTY = "The file is empty."
_ANOTHER = "The file that lies there is not the one that was sent."
_TOO_LATE = "The file could not be fetched for a week."


class FetchAttachment:
    """`client` is for files; where a channel's API is a stand-in, it has to be allowed there, see
    `channels.media_hosts.stand_ins`. `graph_client` is for asking the Graph API alone."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        accounts: Accounts,
        client: SafeClient,
        graph_client: httpx.AsyncClient,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._accounts = accounts
        self._client = client
        self._graph = graph_client

    @activity.defn(name=ErrandKind.FETCH)
    async def fetch(self, attachment_id: UUID) -> None:
        """Until the file is there, or will never be. Safe to run twice."""
        async with self._database.begin() as session:
            file = await attachments.get(session, attachment_id)
        if file is None or file.state != AttachmentState.AWAITED:
            await self._end(attachment_id)
            return
        try:
            async with beating(), asyncio.timeout(_ALL_TOGETHER):
                look = await self._store(file, Origin.model_validate(file.origin))
        except _Lost as error:
            await self._refuse(file, str(error))
        except Refused:
            await self._refuse(file, _FOREIGN)
        except Undeliverable:
            await self._refuse(file, _NO_MORE)
        except (NotNow, Paused, Unreachable, FilesUnavailable, TimeoutError) as error:
            if datetime.now(UTC) - file.created_at < _PATIENCE:
                raise _again(error) from None
            await self._refuse(file, _TOO_LATE)
        else:
            await self._keep(file, look)

    async def _end(self, attachment_id: UUID) -> None:
        async with self._database.begin() as session:
            unwanted = await attachments.unwanted(session, attachment_id)
        if unwanted is not None:
            # Whoever fetched it may have died with the bytes stored: see `attachments.forget`.
            await self._blobs.delete(unwanted.key)
        async with self._database.begin() as session:
            await errands.end(session, ErrandKind.FETCH, attachment_id)

    async def _store(self, file: StoredAttachment, origin: Origin) -> Look:
        """Raises _Lost, and what the channels raise."""
        hosts = MediaHosts.of(origin.channel, self._accounts)
        look = Look()
        async with self._open(await self._address(origin), hosts) as response:
            try:
                await self._blobs.put(file.key, look_at(response.chunks, look))
            except PayloadTooLarge:
                raise _Lost(_TOO_LARGE) from None
        fault = _fault(look, origin)
        if fault is not None:
            await self._blobs.delete(file.key)
            raise _Lost(fault)
        return look

    async def _address(self, origin: Origin) -> str:
        if origin.channel is not Channel.WHATSAPP:
            return origin.reference
        if self._accounts.whatsapp is None:
            raise Paused("No WhatsApp account is set up.")
        return await whatsapp_media_url(self._graph, self._accounts.whatsapp, origin.reference)

    @asynccontextmanager
    async def _open(self, url: str, hosts: MediaHosts) -> AsyncIterator[StreamedResponse]:
        async with self._asked(url, hosts) as response:
            if response.status_code not in _REDIRECTS:
                yield _found(response)
                return
            target = urljoin(url, response.headers.get("location", ""))
        async with self._asked(target, hosts) as response:
            yield _found(response)

    @asynccontextmanager
    async def _asked(self, url: str, hosts: MediaHosts) -> AsyncIterator[StreamedResponse]:
        if not hosts.know(url):
            raise _Lost(_FOREIGN)
        headers = hosts.headers(url)
        async with self._client.stream("GET", url, headers=headers, timeout=_STEP) as response:
            yield response

    async def _keep(self, file: StoredAttachment, look: Look) -> None:
        async with self._database.begin() as session:
            await attachments.fetched(
                session,
                file.id,
                content_type=look.content_type(file.name),
                size=look.size,
                sha256=look.sha256,
            )
            await errands.end(session, ErrandKind.FETCH, file.id)
            wanted = await attachments.get(session, file.id) is not None
        if not wanted:
            # It was erased meanwhile.
            await self._blobs.delete(file.key)

    async def _refuse(self, file: StoredAttachment, sentence: str) -> None:
        async with self._database.begin() as session:
            await attachments.refuse(session, file.id, sentence)
            await errands.end(session, ErrandKind.FETCH, file.id)


def _found(response: StreamedResponse) -> StreamedResponse:
    """Raises _Lost and NotNow."""
    if response.status_code in _GONE:
        raise _Lost(_NO_MORE)
    if response.status_code != httpx.codes.OK:
        raise NotNow(f"The platform answers with status {response.status_code}.")
    return response


def _fault(look: Look, origin: Origin) -> str | None:
    if not look.size:
        return _EMPTY
    if origin.sha256 is not None and origin.sha256.lower() != look.sha256.hex():
        return _ANOTHER
    return None


def _again(error: Exception) -> ApplicationError:
    retry_after = error.retry_after if isinstance(error, NotNow) else None
    return ApplicationError(
        str(error) or "It took too long.",
        type=type(error).__name__,
        next_retry_delay=retry_after,
        category=ApplicationErrorCategory.BENIGN,
    )
