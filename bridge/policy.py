"""Whom and what the bridge hears; see docs/xmpp.md."""

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from bridge.stanzas import Said
from channels.jids import InvalidJid, parse_jid


class Refusal(StrEnum):
    """Why a message is not taken."""

    OWN = "own"
    """From our own account: another client of it, or a message to oneself."""
    NOBODY = "nobody"
    """From a server or something else that is no person."""
    DOMAIN = "domain"
    ENCRYPTED = "encrypted"
    TOO_LONG = "too_long"


MAX_PARTS = 16
"""A message is cut into parts of 16,000 characters: a longer one belongs into a file."""
PART = 16_000


@dataclass(frozen=True, slots=True)
class Policy:
    """Domains in Unicode and small letters; no allowed ones: all are."""

    account: str
    allowed_domains: Set[str] = frozenset()
    blocked_domains: Set[str] = frozenset()

    def refusal(self, said: Said) -> Refusal | None:
        """None when it is taken. The same stanza always gets the same answer."""
        try:
            jid = parse_jid(said.from_jid)
        except InvalidJid:
            return Refusal.NOBODY
        if jid.bare == self.account:
            return Refusal.OWN
        if self.allowed_domains and jid.domain not in self.allowed_domains:
            return Refusal.DOMAIN
        if jid.domain in self.blocked_domains:
            return Refusal.DOMAIN
        if said.encrypted:
            return Refusal.ENCRYPTED
        if len(said.body) > MAX_PARTS * PART:
            return Refusal.TOO_LONG
        return None

    def hears(self, jid: str) -> bool:
        """Whether anything of this JID concerns us: presence, typing, receipts."""
        try:
            domain = parse_jid(jid).domain
        except InvalidJid:
            return False
        allowed = not self.allowed_domains or domain in self.allowed_domains
        return allowed and domain not in self.blocked_domains
