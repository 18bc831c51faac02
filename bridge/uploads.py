"""Files on their way to people: brought to the server, which keeps them for whoever has the
address (XEP-0363)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from bridge.account import is_loopback, trusted
from bridge.connection import Connection
from bridge.errors import RequestRefused
from bridge.file_service import FileService, Slot, find
from channels.files import OpenedFile
from channels.outlet import NotNow, Undeliverable

_CONNECT = 5.0
_STEP = 20.0
"""Seconds between two signs of life."""
_ALL_TOGETHER = 300.0
_REASON = "files"
_NOT_TAKEN = "The XMPP server takes no files. Send a link instead."
_TOO_LARGE = "The XMPP server takes files of {}. Send a link instead."
_REFUSED = "The XMPP server refuses the file ({}). Send a link instead."
_UNSAFE = "The XMPP server names no safe address (https) for files. Send a link instead."
_FULL = "The XMPP server takes no more files just now ({})."
_AWAY = "The place where the XMPP server keeps files, {}, cannot be reached."
_NOT_WHOLE = "A file of the message could not be read."
_PASSING = frozenset({408, 410, 429})
"""HTTP's: too slow, the slot too old, too many."""


class Uploads:
    """`ca_file` (PEM) is trusted besides the system's authorities."""

    def __init__(self, ca_file: Path | None = None) -> None:
        self._ca_file = ca_file
        self._services: WeakKeyDictionary[Connection, FileService] = WeakKeyDictionary()

    async def upload(self, stream: Connection, file: OpenedFile) -> str:
        """Return the address where it can be fetched.

        Raises Undeliverable, NotNow, NoAnswer and StreamLost.
        """
        service = await self._service(stream)
        if not service.takes(file.size):
            raise Undeliverable(_REASON, _TOO_LARGE.format(service.limit))
        try:
            slot = await service.slot(stream, file)
        except RequestRefused as error:
            raise _refusal(error) from None
        if not (_is_safe(slot.put_url) and _is_safe(slot.get_url)):
            raise Undeliverable(_REASON, _UNSAFE)
        _check(await self._put(slot, file))
        return slot.get_url

    async def _service(self, stream: Connection) -> FileService:
        """Remembered as long as the stream lasts; where there is none, it may come."""
        service = self._services.get(stream) or await find(stream)
        if service is None:
            raise Undeliverable(_REASON, _NOT_TAKEN)
        self._services[stream] = service
        return service

    async def _put(self, slot: Slot, file: OpenedFile) -> int:
        """Returns HTTP's status. No redirect is followed."""
        # Imported when the first file goes out: idle bridges do not pay for it.
        import httpx

        headers = [
            *slot.headers,
            ("Content-Type", file.content_type),
            ("Content-Length", str(file.size)),
            ("User-Agent", "Holdfast"),
        ]
        steps, content = httpx.Timeout(_STEP, connect=_CONNECT), _whole(file)
        try:
            async with (
                asyncio.timeout(_ALL_TOGETHER),
                httpx.AsyncClient(verify=self._trust, timeout=steps, trust_env=False) as client,
                client.stream("PUT", slot.put_url, headers=headers, content=content) as answer,
            ):
                return answer.status_code
        except (httpx.RequestError, httpx.InvalidURL, OSError):
            raise NotNow(_AWAY.format(urlsplit(slot.put_url).hostname)) from None

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return trusted(self._ca_file)


async def _whole(file: OpenedFile) -> AsyncIterator[bytes]:
    """Raises NotNow when it is not as long as it said."""
    left = file.size
    async for chunk in file.chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise NotNow(_NOT_WHOLE)


def _is_safe(url: str) -> bool:
    """Encrypted, or not on any wire."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _refusal(error: RequestRefused) -> NotNow | Undeliverable:
    """XEP-0363, 4: a quota is `resource-constraint`, and passes."""
    if error.passes or error.condition == "resource-constraint":
        return NotNow(_FULL.format(error.condition))
    return Undeliverable(_REASON, _REFUSED.format(error.condition))


def _check(status: int) -> None:
    if status >= 500 or status in _PASSING:
        raise NotNow(_FULL.format(f"HTTP status {status}"))
    if not 200 <= status < 300:
        raise Undeliverable(_REASON, _REFUSED.format(f"HTTP status {status}"))
