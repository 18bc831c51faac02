"""JIDs, in the one form by which we know a person.

Local parts are prepared with RFC 6122's nodeprep, as the servers of today do; PRECIS (RFC 7622)
differs in characters that no server lets anybody register. Domains are IDNA 2008's.
"""

import re
from dataclasses import dataclass
from encodings.idna import nameprep

import idna

from domain.errors import InvalidRequest
from domain.text import storable

_NOT_IN_LOCAL_PARTS = frozenset("\"&'/:<>@ ")
_PLAIN_DOMAIN = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_LONGEST_BARE = 1023
"""Bytes of a whole bare JID, where RFC 6122, 2.1, lets each of its two parts have as many: with a
resource, or with an id of 200 characters, it has to fit into one entry of PostgreSQL's indexes,
which ends at 2,704 bytes."""
_LONGEST_RESOURCE = 1023
"""Bytes, RFC 6122, 2.1."""


class InvalidJid(InvalidRequest):
    code = "invalid_jid"
    sentence = "This is no JID of a person. It has to look like user@example.com."


@dataclass(frozen=True, slots=True)
class Jid:
    """An address of a person: `bare` is who it is, `resource` which of their devices."""

    local: str
    domain: str
    resource: str

    @property
    def bare(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_jid(text: str) -> Jid:
    """Read a bare or full JID. Capitals, width and the spelling of the domain (`xn--` or not) make
    no difference. Raises InvalidJid, also for a server's address, which has no local part."""
    bare, _, resource = text.strip().partition("/")
    local, at, domain = bare.partition("@")
    if not at:
        raise InvalidJid
    try:
        jid = Jid(_local(local), domain_name(domain), checked_resource(resource))
    except ValueError:
        raise InvalidJid from None
    if len(jid.bare.encode()) > _LONGEST_BARE:
        raise InvalidJid
    return jid


def bare_jid(text: str) -> str:
    """Who is meant, by a bare or full JID. Raises InvalidJid."""
    return parse_jid(text).bare


def checked_resource(text: str) -> str:
    """Return the resource, which may be empty. Raises ValueError."""
    if len(storable(text).encode()) > _LONGEST_RESOURCE:
        raise ValueError(f"must be at most {_LONGEST_RESOURCE} bytes")
    return text


def domain_name(text: str) -> str:
    """A domain in Unicode, in small letters. Raises ValueError."""
    text = text.removesuffix(".")
    if _PLAIN_DOMAIN.fullmatch(text) and "xn--" not in text.lower():
        # Names on a network of one's own may have underscores, which IDNA refuses.
        return text.lower()
    return idna.decode(idna.encode(text, uts46=True))


def _local(text: str) -> str:
    # Nodeprep is nameprep without these and without ASCII's control characters.
    prepared = nameprep(text)
    if not prepared or _NOT_IN_LOCAL_PARTS & set(prepared) or not prepared.isprintable():
        raise UnicodeError
    return prepared
