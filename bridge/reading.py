"""From stanzas, as they come by the wire, to our words.

Read from the XML itself: slixmpp's interfaces add an empty element where an absent one is read,
raise on JIDs that are none, and know only what its plugins have registered for the whole process.
What is read here was written by anybody, so nothing here raises.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from xml.etree.ElementTree import Element

from bridge import xmlns
from bridge.stanzas import (
    Bounced,
    Displayed,
    File,
    Ignored,
    Incoming,
    Received,
    Said,
    Seen,
    Typing,
)

_LONGEST_ID = 1_000
_MOST_FILES = 20
_LONGEST_URL = 2_000
_LONGEST_NAME = 200
_NO_CHAT = frozenset({"groupchat", "headline"})
_SHOWS = frozenset({"away", "chat", "dnd", "xa"})
"""RFC 6121, 4.7.2.1."""
_STATES = ("active", "composing", "paused", "inactive", "gone")
_CONDITIONS = frozenset(
    {
        *("bad-request", "conflict", "feature-not-implemented", "forbidden", "gone"),
        *("internal-server-error", "item-not-found", "jid-malformed", "not-acceptable"),
        *("not-allowed", "not-authorized", "policy-violation", "recipient-unavailable", "redirect"),
        *("registration-required", "remote-server-not-found", "remote-server-timeout"),
        *("resource-constraint", "service-unavailable", "subscription-required"),
        *("undefined-condition", "unexpected-request"),
    }
)
"""RFC 6120, 8.3.3."""
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_ENCRYPTED = (
    (xmlns.OMEMO_OLD, "encrypted"),
    (xmlns.OMEMO, "encrypted"),
    (xmlns.OPENPGP, "openpgp"),
    (xmlns.OPENPGP_OLD, "x"),
    (xmlns.ENCRYPTION, "encryption"),
)


def read(stanza: Element, own: str) -> Incoming:
    """What a `<message/>` or `<presence/>` that came live means to `own`, a bare JID of ours."""
    sender = stanza.get("from", "")
    if "@" not in bare(sender):
        return Ignored("from no person")
    if bare(sender) == own:
        return Ignored("from our own account")
    if _name(stanza) == "presence":
        return _read_presence(stanza, sender)
    return read_message(stanza, own)


def read_message(
    message: Element, own: str, stanza_id: str | None = None, at: datetime | None = None
) -> Incoming:
    """What a message means, whoever has sent it: the archive has our own ones too, and it knows
    their `stanza_id` and `at`."""
    sender, kind = message.get("from", ""), message.get("type", "normal")
    if kind == "error":
        return _read_error(message, sender)
    if kind in _NO_CHAT:
        return Ignored(f"of type {kind}")
    if any(_has(message, xmlns.CARBONS, name) for name in ("received", "sent")):
        return Ignored("a copy of what another client got or sent")
    said = _read_said(message, own, stanza_id or _stanza_id(message, own), at or _at(message, own))
    if said.body.strip() or said.files or _has_payload(message):
        return said
    return _read_notice(message, sender)


def bare(jid: str) -> str:
    """Without the resource."""
    return jid.partition("/")[0]


def error_of(stanza: Element) -> tuple[str, str | None]:
    """Condition and text of a stanza of type error (RFC 6120, 8.3). No other conditions than the
    defined ones: they are shown, and compared."""
    error = stanza.find(f"{_namespace(stanza)}error")
    condition, text = "undefined-condition", None
    for child in error if error is not None else ():
        namespace, _, name = child.tag.rpartition("}")
        if namespace == f"{{{xmlns.STANZA_ERRORS}":
            if name == "text":
                text = child.text
            elif name in _CONDITIONS:
                condition = name
    return condition, text


def error_passes(stanza: Element) -> bool:
    """Whether a stanza of type error says to wait and try again (RFC 6120, 8.3.2)."""
    error = stanza.find(f"{_namespace(stanza)}error")
    return error is not None and error.get("type") == "wait"


def instant(text: str | None) -> datetime | None:
    """XEP-0082. None for what is no instant."""
    try:
        read_as = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return read_as if read_as.tzinfo else None


def _read_said(message: Element, own: str, stanza_id: str | None, at: datetime | None) -> Said:
    body = _text(message, "body") or ""
    id_ = _bounded(message.get("id"))
    return Said(
        from_jid=message.get("from", ""),
        to_jid=message.get("to") or own,
        type=message.get("type", "normal"),
        body=body,
        id=id_,
        origin_id=_id_in(message, xmlns.STANZA_IDS, "origin-id"),
        stanza_id=stanza_id,
        subject=_text(message, "subject"),
        thread=_text(message, "thread"),
        corrects=_id_in(message, xmlns.CORRECTION, "replace"),
        files=tuple(_files(message)),
        # There is no way to answer for a message without an id.
        wants_receipt=id_ is not None and _has(message, xmlns.RECEIPTS, "request"),
        at=at,
        encrypted=body.startswith("?OTR") or any(_has(message, *each) for each in _ENCRYPTED),
    )


def _read_notice(message: Element, sender: str) -> Incoming:
    read_id = _id_in(message, xmlns.MARKERS, "displayed")
    if read_id:
        return Displayed(sender, read_id)
    received_id = _id_in(message, xmlns.RECEIPTS, "received")
    if received_id:
        return Received(sender, received_id)
    for state in _STATES:
        if _has(message, xmlns.CHAT_STATES, state):
            return Typing(sender, composing=state == "composing")
    return Ignored("nothing is said")


def _read_error(message: Element, sender: str) -> Incoming:
    id_ = _bounded(message.get("id"))
    return Bounced(sender, id_, *error_of(message)) if id_ else Ignored("an error of nothing")


def _read_presence(presence: Element, sender: str) -> Incoming:
    kind = presence.get("type")
    if kind not in (None, "unavailable"):
        return Ignored(f"presence of type {kind}")
    available = kind is None
    show = _text(presence, "show") if available else None
    return Seen(sender, available, show if show in _SHOWS else None)


def _stanza_id(message: Element, own: str) -> str | None:
    """The last one by our own account: servers leave standing what a sender put before it."""
    ids = message.iterfind(f"{{{xmlns.STANZA_IDS}}}stanza-id")
    own_ids = [each.get("id") for each in ids if each.get("by") == own]
    return own_ids[-1] or None if own_ids else None


def _at(message: Element, own: str) -> datetime | None:
    """Only our own server is believed: anybody can write a delay."""
    trusted = (own, own.rpartition("@")[2])
    for delay in message.iterfind(f"{{{xmlns.DELAY}}}delay"):
        if delay.get("from") in trusted:
            return instant(delay.get("stamp"))
    return None


def _files(message: Element) -> Iterator[File]:
    """Web addresses alone, as in the API: whoever shows them makes links of them."""
    found = islice(message.iterfind(f"{{{xmlns.OUT_OF_BAND}}}x"), _MOST_FILES)
    for each in found:
        url = (each.findtext(f"{{{xmlns.OUT_OF_BAND}}}url") or "").strip()
        if url.lower().startswith(("https://", "http://")) and len(url) <= _LONGEST_URL:
            described = each.findtext(f"{{{xmlns.OUT_OF_BAND}}}desc") or None
            yield File(url, described and described[:_LONGEST_NAME])


def _has_payload(message: Element) -> bool:
    """Whether something encrypted is said. OMEMO also sends keys alone, which are no message."""
    for namespace in (xmlns.OMEMO_OLD, xmlns.OMEMO):
        if message.find(f"{{{namespace}}}encrypted/{{{namespace}}}payload") is not None:
            return True
    return _has(message, xmlns.OPENPGP, "openpgp") or _has(message, xmlns.OPENPGP_OLD, "x")


def _text(stanza: Element, name: str) -> str | None:
    """Of several in different languages the one without a language, or else the first."""
    found = stanza.findall(f"{_namespace(stanza)}{name}")
    plain = [each for each in found if each.get(_LANG) is None]
    return next((each.text for each in plain + found), None)


def _has(stanza: Element, namespace: str, name: str) -> bool:
    return stanza.find(f"{{{namespace}}}{name}") is not None


def _id_in(stanza: Element, namespace: str, name: str) -> str | None:
    found = stanza.find(f"{{{namespace}}}{name}")
    return None if found is None else _bounded(found.get("id"))


def _bounded(id_: str | None) -> str | None:
    """Clients make ids up. What is longer than any of them needs is as good as none: it would
    have to be sent back, stored and looked up."""
    return id_ if id_ and len(id_) <= _LONGEST_ID else None


def _namespace(stanza: Element) -> str:
    """`{jabber:client}`; components have one of their own."""
    return stanza.tag.partition("}")[0] + "}"


def _name(stanza: Element) -> str:
    return stanza.tag.rpartition("}")[2]
