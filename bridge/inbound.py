"""What people say, from the account's stream and archive into the log.

The archive is the truth and live stanzas the fast path: both come here, in the archive's order,
and a stanza that was seen before is found by the id that the server gave it (XEP-0359). So it does
not matter which of them brings it first, nor how often.
"""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from bridge.policy import PART, Policy, Refusal
from bridge.stanzas import Said
from channels.jids import bare_jid
from domain.deadlines import DeadlinePolicy
from domain.ids import message_id_text
from domain.models import AuthorKind, Channel, Priority, ThreadKind, ThreadRef
from store import threads, tickets, xmpp
from store.contacts import Heard
from store.database import Database
from store.threads import Draft
from workflows.engine import Engine, NewTicketFacts

_FILE = "Sent a file."
"""What stands in the log for a file without a word."""
_SENT_AGAIN = timedelta(days=1)
"""After that the same words under the same name are new: clients that count from 1 say "hello" as
the first thing of each day."""
_REFUSED_AGAIN = timedelta(days=7)


class Inbound:
    """Takes what is said to one account."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        outlet: str,
        policy: Policy,
        deadlines: DeadlinePolicy,
    ) -> None:
        self._database = database
        self._engine = engine
        self._outlet = outlet
        self._policy = policy
        self._deadlines = deadlines
        # Apart from what clients of the API call theirs.
        self._source = f"bridge/{policy.account}"

    async def take(self, said: Said) -> bool | Refusal:
        """Write a message into the log. False when it stands there already."""
        refusal = self._policy.refusal(said)
        if refusal is not None:
            return refusal
        jid = bare_jid(said.from_jid)
        async with self._database.begin() as session:
            heard = await self._write(session, jid, said)
            number = await self._number_of(session, heard) if heard and heard.opened else None
        if heard is None or not heard.written.entry.created:
            return False
        facts = None
        if number is not None:
            facts = NewTicketFacts(number, Channel.XMPP, Priority.MEDIUM)
        if heard.written.entry.nudge:
            self._engine.nudge_soon(_thread(heard.written.ticket_id), facts)
        return True

    async def missing(self, stanza_ids: Collection[str]) -> set[str]:
        """Those of the archive's ids that are not in the log."""
        async with self._database.begin() as session:
            known = await threads.known(session, self._source, stanza_ids)
        return set(stanza_ids) - known

    async def first_refusal(self, said: Said, refusal: Refusal) -> bool:
        """Whether nobody has answered this refusal yet: that encrypted messages cannot be read is
        said to a person once, that one is too long once for each."""
        of_what = refusal if refusal is Refusal.ENCRYPTED else f"{refusal}/{said.stanza_id}"
        async with self._database.begin() as session:
            return await xmpp.is_new(
                session, bare_jid(said.from_jid), f"holdfast:{of_what}", _REFUSED_AGAIN
            )

    async def _write(self, session: AsyncSession, jid: str, said: Said) -> Heard | None:
        """None for what is in the log, and for what a client sends again under its own id, as it
        does when it lost its connection and does not know what was taken."""
        if said.stanza_id and await threads.known(session, self._source, [said.stanza_id]):
            return None
        if said.origin_id and not await xmpp.is_new(session, jid, _name_of(said), _SENT_AGAIN):
            return None
        metadata = await self._metadata(session, jid, said)
        first: Heard | None = None
        for draft in self._drafts(said):
            draft = replace(draft, metadata=metadata)
            heard = await xmpp.hear(session, jid, self._outlet, draft, self._deadlines)
            first = first or heard
        return first

    def _drafts(self, said: Said) -> Iterator[Draft]:
        """As many messages as its length needs."""
        body = said.body or _FILE
        files: list[dict[str, Any]] = [
            {"url": each.url, "name": each.description or each.url.rsplit("/", 1)[-1]}
            for each in said.files
        ]
        for part, start in enumerate(range(0, len(body), PART)):
            yield Draft(
                author=AuthorKind.CUSTOMER,
                content=body[start : start + PART],
                attachments=[] if part else files,
                source=self._source,
                external_id=_part_of(said.stanza_id, part),
            )

    async def _metadata(self, session: AsyncSession, jid: str, said: Said) -> dict[str, Any]:
        """What agents and later corrections may want to know of a stanza."""
        told: dict[str, Any] = {"xmpp_id": said.id} if said.id else {}
        if said.corrects is not None:
            corrected = await xmpp.said_as(session, jid, self._outlet, said.corrects)
            told["corrects"] = message_id_text(corrected) if corrected else said.corrects
        return told

    async def _number_of(self, session: AsyncSession, heard: Heard) -> int:
        return (await tickets.find(session, heard.written.ticket_id)).ticket.number


def _thread(ticket_id: UUID) -> ThreadRef:
    return ThreadRef(kind=ThreadKind.TICKET, id=ticket_id)


def _name_of(said: Said) -> str:
    """What a client calls its stanza, along with what it says: clients that count from 1 anew
    use a name for several."""
    parts = (said.origin_id, said.corrects, said.body, *(each.url for each in said.files))
    return hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()


def _part_of(stanza_id: str | None, part: int) -> str | None:
    return f"{stanza_id}/{part}" if stanza_id and part else stanza_id
