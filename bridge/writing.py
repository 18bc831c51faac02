"""From our words to stanzas."""

import re
from uuid import uuid4
from xml.etree.ElementTree import Element, SubElement

from bridge import xmlns
from bridge.stanzas import Outgoing, Presence, Receipt, Reply, TypingNotice

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_xml(outgoing: Outgoing, namespace: str = xmlns.CLIENT) -> Element:
    """A whole stanza in the stream's own namespace."""
    match outgoing:
        case Reply():
            return _reply(outgoing, namespace)
        case Receipt(id=id_):
            return _notice(outgoing, namespace, xmlns.RECEIPTS, "received", id=id_)
        case TypingNotice(composing=composing):
            state = "composing" if composing else "paused"
            notice = _notice(outgoing, namespace, xmlns.CHAT_STATES, state)
            SubElement(notice, f"{{{xmlns.HINTS}}}no-store")
            return notice
        case Presence():
            return _presence(outgoing, namespace)


def _reply(reply: Reply, namespace: str) -> Element:
    message = _message(reply, namespace, reply.id)
    SubElement(message, f"{{{namespace}}}body").text = _clean(reply.body)
    if reply.is_file:
        out_of_band = SubElement(message, f"{{{xmlns.OUT_OF_BAND}}}x")
        SubElement(out_of_band, f"{{{xmlns.OUT_OF_BAND}}}url").text = _clean(reply.body)
    if reply.thread:
        SubElement(message, f"{{{namespace}}}thread").text = reply.thread
    SubElement(message, f"{{{xmlns.STANZA_IDS}}}origin-id", id=reply.id)
    SubElement(message, f"{{{xmlns.RECEIPTS}}}request")
    SubElement(message, f"{{{xmlns.MARKERS}}}markable")
    SubElement(message, f"{{{xmlns.CHAT_STATES}}}active")
    return message


def _notice(
    about: Receipt | TypingNotice, namespace: str, child: str, name: str, **told: str
) -> Element:
    message = _message(about, namespace, str(uuid4()))
    SubElement(message, f"{{{child}}}{name}", told)
    return message


def _message(of: Reply | Receipt | TypingNotice, namespace: str, stanza_id: str) -> Element:
    message = Element(f"{{{namespace}}}message", type="chat", id=stanza_id)
    return _addressed(message, of)


def _presence(presence: Presence, namespace: str) -> Element:
    stanza = _addressed(Element(f"{{{namespace}}}presence"), presence)
    if presence.type:
        stanza.set("type", presence.type)
    if presence.status:
        SubElement(stanza, f"{{{namespace}}}status").text = _clean(presence.status)
    return stanza


def _addressed(stanza: Element, outgoing: Outgoing) -> Element:
    if outgoing.to:
        stanza.set("to", outgoing.to)
    if outgoing.from_jid:
        stanza.set("from", outgoing.from_jid)
    return stanza


def _clean(text: str) -> str:
    """XML cannot hold all characters, and one that it cannot would end the stream each time."""
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
