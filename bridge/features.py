"""What an account's server offers, and what follows from what it does not."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from bridge import xmlns
from bridge.errors import RequestRefused

if TYPE_CHECKING:
    from bridge.stream import Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """`archive` and `stanza_ids` are what the own bare JID offers, as XEP-0313 and XEP-0359
    want; carbons, blocking and ping what the server does."""

    archive: bool
    stanza_ids: bool
    acknowledgements: bool
    kept_resource: bool
    carbons: bool
    blocking: bool
    ping: bool

    @property
    def degraded(self) -> bool:
        return bool(self.sentences())

    def sentences(self) -> list[str]:
        """What does not hold, and what to do; nothing when all is well."""
        return [
            sentence
            for fine, sentence in (
                (self.archive, _NO_ARCHIVE),
                (self.stanza_ids, _NO_STANZA_IDS),
                (self.acknowledgements, _NO_ACKNOWLEDGEMENTS),
                (self.kept_resource, _OTHER_RESOURCE),
            )
            if not fine
        ]


_NO_ARCHIVE = (
    "degraded: the XMPP account has no message archive (XEP-0313). What is on its way when the "
    "connection breaks is lost, and a reply may come twice. Switch the archive on."
)
_NO_STANZA_IDS = (
    "degraded: the XMPP account has no stable stanza ids (XEP-0359), so messages come in by the "
    "archive alone, later. Let the server give them."
)
_NO_ACKNOWLEDGEMENTS = (
    "degraded: the XMPP server has no stream management (XEP-0198). Each reply costs a ping more. "
    "Switch it on."
)
_OTHER_RESOURCE = (
    "degraded: the XMPP server gives us another resource than XMPP_RESOURCE, so two bridges could "
    "send the same reply at once. Let it take the client's."
)


async def look(stream: "Stream") -> Features:
    """Ask the own account and the server (XEP-0030). Raises NoAnswer and StreamLost."""
    own = await _offered(stream, stream.bare_jid)
    server = await _offered(stream, stream.bare_jid.rpartition("@")[2])
    return Features(
        archive=xmlns.ARCHIVE in own,
        stanza_ids=xmlns.STANZA_IDS in own,
        acknowledgements=stream.has_acknowledgements,
        kept_resource=stream.kept_resource,
        carbons=xmlns.CARBONS in server,
        blocking=xmlns.BLOCKING in server,
        ping=xmlns.PING in server,
    )


_NOTHING_THERE = frozenset({"service-unavailable", "feature-not-implemented", "item-not-found"})
"""What servers answer that know nothing of it; any other error passes."""


async def _offered(stream: "Stream", jid: str) -> set[str]:
    try:
        answer = await stream.ask("get", Element(f"{{{xmlns.DISCO_INFO}}}query"), jid)
    except RequestRefused as error:
        if error.condition not in _NOTHING_THERE:
            # Without an archive we would miss what we did not know to be missing.
            raise
        return set()
    return {each.get("var", "") for each in answer.iter(f"{{{xmlns.DISCO_INFO}}}feature")}
