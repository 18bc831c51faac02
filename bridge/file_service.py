"""Where a server takes files, which people then fetch from an address (XEP-0363)."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from slixmpp.jid import InvalidJID

from bridge import xmlns
from bridge.connection import Connection
from bridge.errors import NoAnswer, RequestRefused
from channels.files import OpenedFile

_MOST_ITEMS = 50
_PATIENCE = 5.0
"""Seconds for a service to say what it is."""
_MEGABYTE = 1024 * 1024
_HEADERS = ("authorization", "cookie", "expires")
"""Those that a server may want, XEP-0363, 5; all others are left out."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Leave to bring one file. The addresses are as the server wrote them, empty where it named
    none."""

    put_url: str
    get_url: str
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FileService:
    """`largest` in bytes; None where the service does not say."""

    jid: str
    largest: int | None

    @property
    def limit(self) -> str:
        """For people."""
        if self.largest is None:
            return "any size"
        if self.largest >= _MEGABYTE:
            return f"at most {self.largest // _MEGABYTE} MB"
        return f"at most {self.largest // 1024} KB"

    def takes(self, size: int) -> bool:
        return self.largest is None or size <= self.largest

    async def slot(self, stream: Connection, file: OpenedFile) -> Slot:
        """Raises RequestRefused, NoAnswer and StreamLost."""
        about = {"filename": file.name, "size": str(file.size), "content-type": file.content_type}
        request = Element(f"{{{xmlns.UPLOAD}}}request", about)
        answer = await stream.ask("get", request, self.jid)
        put = answer.find(f"{{{xmlns.UPLOAD}}}slot/{{{xmlns.UPLOAD}}}put")
        get = answer.find(f"{{{xmlns.UPLOAD}}}slot/{{{xmlns.UPLOAD}}}get")
        return Slot(_url(put), _url(get), tuple(_headers(put)))


async def find(stream: Connection) -> FileService | None:
    """The server itself, or one of its services (XEP-0030); None where none takes files just now.

    Raises NoAnswer and StreamLost.
    """
    looks = [_look_at(stream, jid) for jid in (stream.server, *await _items(stream))]
    return next((each for each in await asyncio.gather(*looks) if each is not None), None)


async def _items(stream: Connection) -> list[str]:
    try:
        query = Element(f"{{{xmlns.DISCO_ITEMS}}}query")
        answer = await stream.ask("get", query, stream.server)
    except RequestRefused:
        return []
    items = answer.iter(f"{{{xmlns.DISCO_ITEMS}}}item")
    jids = [each.get("jid", "") for each in items if not each.get("node")]
    return [each for each in jids if each][:_MOST_ITEMS]


async def _look_at(stream: Connection, jid: str) -> FileService | None:
    try:
        info = Element(f"{{{xmlns.DISCO_INFO}}}query")
        answer = await stream.ask("get", info, jid, _PATIENCE)
    except (RequestRefused, NoAnswer, InvalidJID):
        # Servers name services that nobody runs, too.
        return None
    features = answer.iter(f"{{{xmlns.DISCO_INFO}}}feature")
    if not any(each.get("var") == xmlns.UPLOAD for each in features):
        return None
    return FileService(jid, _largest(answer))


def _largest(info: Element) -> int | None:
    """As its form says (XEP-0128)."""
    for form in info.iter(f"{{{xmlns.DATA_FORM}}}x"):
        values = {
            field.get("var"): (field.findtext(f"{{{xmlns.DATA_FORM}}}value") or "").strip()
            for field in form.iter(f"{{{xmlns.DATA_FORM}}}field")
        }
        said = values.get("max-file-size", "")
        if values.get("FORM_TYPE") == xmlns.UPLOAD and len(said) < 20 and said.isdecimal():
            return int(said)
    return None


def _url(named: Element | None) -> str:
    return "" if named is None else named.get("url", "")


def _headers(put: Element | None) -> Iterator[tuple[str, str]]:
    for header in () if put is None else put.iter(f"{{{xmlns.UPLOAD}}}header"):
        name = header.get("name", "").strip()
        if name.lower() in _HEADERS:
            # Newlines would begin other headers.
            yield name, "".join(each for each in header.text or "" if " " <= each <= "~")
