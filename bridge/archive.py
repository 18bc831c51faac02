"""The account's message archive (XEP-0313): what was said while nobody listened.

The queries are built here. slixmpp's own way through the archive ends at an error as if there were
no more messages.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from bridge import xmlns
from bridge.errors import ArchiveUnavailable, NoAnswer, RequestRefused, UnknownCursor
from bridge.reading import bare, instant, read_message
from bridge.stanzas import Incoming, Said
from bridge.stream import Stream

_PATIENCE = 30.0
"""Seconds for a page. A large archive may have to be read from disk."""


@dataclass(frozen=True, slots=True)
class Archived:
    """One message of the archive. `outgoing`: our account has sent it."""

    stanza_id: str
    at: datetime | None
    stanza: Incoming
    outgoing: bool


@dataclass(frozen=True, slots=True)
class ArchivePage:
    """Oldest first. `last` is the cursor for the next page; `complete` when there is none."""

    items: list[Archived]
    last: str | None
    complete: bool


async def page(
    stream: Stream,
    after: str | None,
    limit: int = 100,
    start: datetime | None = None,
    with_jid: str | None = None,
) -> ArchivePage:
    """What follows the message with the id `after`; None: from the beginning. At most `limit`
    messages, or fewer if the server says so; only since `start`, and only with `with_jid`.

    Raises UnknownCursor when the archive does not have `after`, ArchiveUnavailable, StreamLost.
    """
    return await _query(stream, _form(start, with_jid), {"max": str(limit), "after": after})


async def newest(stream: Stream, with_jid: str | None = None) -> Archived | None:
    """The latest message; None in an empty archive. Raises like `page`."""
    # An empty `before` asks for the last page (XEP-0059, 2.5).
    found = await _query(stream, _form(None, with_jid), {"max": "1", "before": ""})
    return found.items[-1] if found.items else None


async def was_sent(stream: Stream, to: str, ids: Collection[str], since: datetime) -> set[str]:
    """Those of `ids` under which our account has sent messages to a person since then.

    Raises like `page`.
    """
    wanted, found = set(ids), set[str]()
    after: str | None = None
    while True:
        read = await page(stream, after, start=since, with_jid=bare(to))
        found |= wanted & {id_ for each in read.items if each.outgoing for id_ in _ids(each.stanza)}
        after = read.last
        if read.complete or after is None or found == wanted:
            return found


def _ids(stanza: Incoming) -> set[str]:
    if not isinstance(stanza, Said):
        return set()
    return {each for each in (stanza.id, stanza.origin_id) if each is not None}


async def _query(stream: Stream, form: Element, places: dict[str, str | None]) -> ArchivePage:
    with stream.collecting() as (query_id, results):
        query = Element(f"{{{xmlns.ARCHIVE}}}query", queryid=query_id)
        query.append(form)
        result_set = SubElement(query, f"{{{xmlns.RESULT_SET}}}set")
        for name, value in places.items():
            if value is not None:
                SubElement(result_set, f"{{{xmlns.RESULT_SET}}}{name}").text = value
        answer = await _ask(stream, query)
    fin = answer.find(f"{{{xmlns.ARCHIVE}}}fin")
    if fin is None:
        raise ArchiveUnavailable
    items = [_archived(stream, each) for each in results]
    last = fin.findtext(f"{{{xmlns.RESULT_SET}}}set/{{{xmlns.RESULT_SET}}}last")
    return ArchivePage(items, last or None, fin.get("complete") in ("true", "1"))


async def _ask(stream: Stream, query: Element) -> Element:
    try:
        return await stream.ask("set", query, patience=_PATIENCE)
    except RequestRefused as error:
        if error.condition == "item-not-found":
            raise UnknownCursor from None
        raise ArchiveUnavailable(f"{ArchiveUnavailable.sentence} {error}") from None
    except NoAnswer:
        raise ArchiveUnavailable from None


def _archived(stream: Stream, result: Element) -> Archived:
    stanza_id = result.get("id", "")
    forwarded = result.find(f"{{{xmlns.FORWARD}}}forwarded")
    message = None if forwarded is None else forwarded.find(f"{{{xmlns.CLIENT}}}message")
    if forwarded is None or message is None or not stanza_id:
        raise ArchiveUnavailable("The XMPP server's archive answers in an unknown way.")
    delay = forwarded.find(f"{{{xmlns.DELAY}}}delay")
    at = None if delay is None else instant(delay.get("stamp"))
    stanza = read_message(message, stream.bare_jid, stanza_id, at)
    outgoing = bare(message.get("from", "")) == stream.bare_jid
    return Archived(stanza_id, at, stanza, outgoing)


def _form(start: datetime | None, with_jid: str | None) -> Element:
    """XEP-0313, 4.1."""
    form = Element(f"{{{xmlns.DATA_FORM}}}x", type="submit")
    wanted = {"FORM_TYPE": xmlns.ARCHIVE, "with": with_jid, "start": _stamp(start)}
    for name, value in wanted.items():
        if value is not None:
            field = SubElement(form, f"{{{xmlns.DATA_FORM}}}field", var=name)
            SubElement(field, f"{{{xmlns.DATA_FORM}}}value").text = value
    return form


def _stamp(at: datetime | None) -> str | None:
    """XEP-0082."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
