"""What we know of XMPP: how far an account's archive was read, who is there, and whose ticket is
meant.

A JID's open tickets are told apart by their outlet: what came in through a bridge is answered
through it, what came in over the API is fetched there. Neither sees the other's, so no reply goes
both ways.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deadlines import DeadlinePolicy
from domain.models import AuthorKind, Channel
from store import contacts
from store.contacts import Heard, Sender
from store.tables import Message, XmppAccount, XmppOrigin, XmppPresence
from store.threads import Draft

MOST_CLIENTS = 20
"""Of one JID, whose presence is kept: anybody can make up as many as they like."""

_LONGEST_ORIGIN_ID = 200
_MOST_CORRECTABLE = 500
"""Messages of a ticket, of all that is in it."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far an archive was read: the id of the last stanza, and its time. None at the start."""

    stanza_id: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class PresenceOfJid:
    bare_jid: str
    resource: str
    status: str
    show: str | None


async def place(session: AsyncSession, account: str) -> Place | None:
    """None for an account that was never read."""
    row = await session.get(XmppAccount, account)
    return Place(row.archived_id, row.archived_at) if row else None


async def set_place(session: AsyncSession, account: str, reached: Place) -> None:
    row = insert(XmppAccount).values(
        bare_jid=account, archived_id=reached.stanza_id, archived_at=reached.at
    )
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[XmppAccount.bare_jid],
            set_={
                "archived_id": row.excluded.archived_id,
                "archived_at": row.excluded.archived_at,
            },
        )
    )


async def is_new(session: AsyncSession, bare_jid: str, origin_id: str, within: timedelta) -> bool:
    """Remember what a client calls its stanza. False when that one came `within` this time."""
    row = insert(XmppOrigin).values(
        bare_jid=bare_jid, origin_id=_short(origin_id), seen_at=func.clock_timestamp()
    )
    noted = row.on_conflict_do_update(
        index_elements=[XmppOrigin.bare_jid, XmppOrigin.origin_id],
        set_={"seen_at": row.excluded.seen_at},
        where=XmppOrigin.seen_at < row.excluded.seen_at - within,
    )
    return await session.scalar(noted.returning(XmppOrigin.origin_id)) is not None


async def forget_origins(session: AsyncSession, older_than: timedelta) -> None:
    await session.execute(_FORGET_ORIGINS, {"age": older_than})


async def active_ticket(session: AsyncSession, bare_jid: str, outlet: str | None) -> UUID | None:
    """The newest ticket of a JID that is not closed, of those that are answered by `outlet`."""
    return await contacts.active_ticket(session, Channel.XMPP, outlet, (bare_jid,))


async def hear(
    session: AsyncSession, bare_jid: str, outlet: str | None, draft: Draft, policy: DeadlinePolicy
) -> Heard:
    """Write what a JID says into its active ticket, or open one; `draft` is by a customer.

    See `contacts.hear`. Raises IdempotencyKeyReused.
    """
    sender = Sender(bare_jid, identities=(bare_jid,))
    return await contacts.hear(session, Channel.XMPP, outlet, sender, draft, policy)


async def said_as(
    session: AsyncSession, bare_jid: str, outlet: str | None, xmpp_id: str
) -> UUID | None:
    """The message that a JID's client called `xmpp_id`, in its active ticket, where it is one of
    the newest: no index knows these ids, and clients can make up as many as they like."""
    ticket_id = await active_ticket(session, bare_jid, outlet)
    of_ticket = Message.thread_id == ticket_id
    last = select(func.max(Message.seq)).where(of_ticket).scalar_subquery()
    return await session.scalar(
        select(Message.id)
        .where(
            of_ticket,
            Message.seq > last - _MOST_CORRECTABLE,
            Message.author == AuthorKind.CUSTOMER,
            Message.meta["xmpp_id"].astext == xmpp_id,
        )
        .order_by(Message.seq.desc())
        .limit(1)
    )


async def set_presences(
    session: AsyncSession, presences: Sequence[PresenceOfJid], lasts: timedelta
) -> None:
    """Note what clients say of themselves; it counts for so long, if it is not said again.

    Of each JID the latest `MOST_CLIENTS` are kept.
    """
    if not presences:
        return
    row = insert(XmppPresence).values(
        [asdict(each) | {"until": func.clock_timestamp() + lasts} for each in presences]
    )
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[XmppPresence.bare_jid, XmppPresence.resource],
            set_={
                "status": row.excluded.status,
                "show": row.excluded.show,
                "until": row.excluded.until,
            },
        )
    )
    whose = sorted({each.bare_jid for each in presences})
    await session.execute(_FORGET_MORE_CLIENTS, {"jids": whose, "most": MOST_CLIENTS})


async def set_gone(session: AsyncSession, bare_jid: str, lasts: timedelta) -> None:
    """Note that none of a JID's clients is there, whichever of them are known."""
    await session.execute(_SET_GONE, {"jid": bare_jid, "lasts": lasts})


async def presences(session: AsyncSession, bare_jid: str) -> list[PresenceOfJid]:
    """What a JID's clients say of themselves, by resource."""
    query = (
        select(XmppPresence)
        .where(XmppPresence.bare_jid == bare_jid, XmppPresence.until > func.clock_timestamp())
        .order_by(XmppPresence.resource)
    )
    return [
        PresenceOfJid(row.bare_jid, row.resource, row.status, row.show)
        for row in await session.scalars(query)
    ]


async def forget_presences(session: AsyncSession) -> None:
    """Clear away those that count no more."""
    await session.execute(_FORGET_PRESENCES)


def _short(origin_id: str) -> str:
    """Clients call their stanzas what they like, and an index holds no entry of any length."""
    if len(origin_id) <= _LONGEST_ORIGIN_ID:
        return origin_id
    return f"sha256:{hashlib.sha256(origin_id.encode()).hexdigest()}"


_FORGET_ORIGINS = text("DELETE FROM xmpp_origins WHERE seen_at < clock_timestamp() - :age")
# Those that somebody else is just writing are left alone: nobody waits here for anybody.
_FORGET_MORE_CLIENTS = text(
    """
    WITH older AS (
        SELECT bare_jid, resource FROM (
            SELECT bare_jid, resource, row_number() OVER (
                PARTITION BY bare_jid ORDER BY until DESC, resource
            ) AS place
            FROM xmpp_presences WHERE bare_jid = ANY(:jids)
        ) ranked WHERE place > :most
    ), free AS (
        SELECT bare_jid, resource FROM xmpp_presences JOIN older USING (bare_jid, resource)
        FOR UPDATE OF xmpp_presences SKIP LOCKED
    )
    DELETE FROM xmpp_presences USING free
    WHERE xmpp_presences.bare_jid = free.bare_jid AND xmpp_presences.resource = free.resource
    """
)
_SET_GONE = text(
    """
    UPDATE xmpp_presences
    SET status = 'unavailable', show = NULL, until = clock_timestamp() + :lasts
    WHERE bare_jid = :jid
    """
)
_FORGET_PRESENCES = text("DELETE FROM xmpp_presences WHERE until < clock_timestamp()")
