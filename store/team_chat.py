"""What colleagues write to each other: direct messages, what is unread, and frequent contacts.

All that a user sent or got is their *inbox*, a stream whose position is the message's id.

Invariant: **in each inbox, ids ascend in the order of the commits.** So whoever has seen everything
up to an id, and asks for what follows it, misses nothing.

Why it holds: an id is taken while the turns of both users are held, until the commit, and a message
is in the inboxes of these two alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.errors import IdempotencyKeyReused, UserNotFound
from store import agents, team_presence
from store.team_news import HasRead, InboxChanged, announce
from store.team_presence import Colleague


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be sent. `client_id` names it to the sender, `sid` is the sending socket."""

    sender_id: str
    receiver_id: str
    message: str
    message_type: str = "text"
    client_id: str | None = None
    sid: str | None = None


@dataclass(frozen=True, slots=True)
class DirectMessage:
    id: int
    sender_id: str
    sender_name: str
    receiver_id: str
    message: str
    message_type: str
    read_at: datetime | None
    created_at: datetime
    sender_sid: str | None


@dataclass(frozen=True, slots=True)
class Unread:
    """What a user has not read of one colleague's."""

    sender_id: str
    count: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Contact:
    colleague: Colleague
    last_contact: datetime


async def send(session: AsyncSession, draft: Draft) -> DirectMessage:
    """Write a message. The same `client_id` again: the first one, and nothing is written.

    Raises UserNotFound, and IdempotencyKeyReused when the first one said something else. What a
    user writes to themselves is read already.
    """
    users = {draft.sender_id, draft.receiver_id}
    await _take_turns(session, users)
    known = await _find(session, draft)
    if known is not None:
        return known
    await require(session, draft.receiver_id)
    row = await session.execute(
        _INSERT,
        {
            "sender": draft.sender_id,
            "receiver": draft.receiver_id,
            "message": draft.message,
            "type": draft.message_type,
            "client_id": draft.client_id,
            "sid": draft.sid,
        },
    )
    if len(users) > 1:
        await session.execute(
            _MEET_BOTH, {"sender": draft.sender_id, "receiver": draft.receiver_id}
        )
    await announce(session, *(InboxChanged(user_id) for user_id in sorted(users)))
    return DirectMessage(*row.one())


async def history(
    session: AsyncSession,
    user_id: str,
    other_id: str,
    *,
    before_id: int | None = None,
    after_id: int | None = None,
    limit: int,
) -> list[DirectMessage]:
    """What two users wrote to each other, in its order: the newest `limit` messages before
    `before_id`, or with `after_id` the first ones that follow it. Raises UserNotFound."""
    await require(session, other_id)
    asked = {
        "user": user_id,
        "other": other_id,
        "before": _LARGEST_ID if before_id is None else before_id,
        "after": 0 if after_id is None else after_id,
        "limit": limit,
    }
    if after_id is not None:
        return [DirectMessage(*row) for row in await session.execute(_FIRST, asked)]
    return [DirectMessage(*row) for row in await session.execute(_NEWEST, asked)][::-1]


async def inbox(
    session: AsyncSession, user_id: str, after_id: int, limit: int
) -> list[DirectMessage]:
    """The first messages after an id that a user sent or got."""
    asked = {"user": user_id, "after": after_id, "limit": limit}
    return [DirectMessage(*row) for row in await session.execute(_INBOX, asked)]


async def heads(session: AsyncSession, user_ids: Collection[str]) -> dict[str, int]:
    """The newest message's id in each of these inboxes; 0 for one that is empty."""
    rows = await session.execute(_HEADS, {"users": list(user_ids)})
    return {row.user_id: row.head for row in rows}


async def mark_read(
    session: AsyncSession, user_id: str, other_id: str, up_to: int | None = None
) -> int | None:
    """Note that a user has read what another wrote to them, up to an id or all of it; tell the
    other one. Returns the newest id that is read by that, None when all was. Raises UserNotFound.
    """
    await require(session, other_id)
    # Two that mark the same messages would lock their rows in any order.
    await _take_turns(session, {user_id})
    marks = {"user": user_id, "other": other_id, "up_to": _LARGEST_ID if up_to is None else up_to}
    newest: int | None = await session.scalar(_MARK, marks)
    if newest is not None:
        await announce(session, HasRead(other_id, user_id, newest))
    return newest


async def unread(session: AsyncSession, user_id: str) -> list[Unread]:
    """By colleague, the newest message first."""
    return [Unread(*row) for row in await session.execute(_UNREAD, {"user": user_id})]


async def frequent_contacts(session: AsyncSession, user_id: str, limit: int) -> list[Contact]:
    """The last ones first."""
    rows = (await session.execute(_CONTACTS, {"user": user_id, "limit": limit})).all()
    found = await team_presence.find(session, [row.contact_id for row in rows])
    return [Contact(found[row.contact_id], row.last_contact) for row in rows]


async def add_contact(session: AsyncSession, user_id: str, contact_id: str) -> Contact:
    """As if they had written to each other just now. Raises UserNotFound."""
    found = (await team_presence.find(session, [contact_id])).get(contact_id)
    if found is None:
        raise UserNotFound
    met = await session.execute(_MEET, {"user": user_id, "contact": contact_id})
    return Contact(found, met.scalar_one())


async def remove_contact(session: AsyncSession, user_id: str, contact_id: str) -> bool:
    """False when it was none. It is one again when they write to each other."""
    gone = await session.scalar(_FORGET, {"user": user_id, "contact": contact_id})
    return gone is not None


async def require(session: AsyncSession, user_id: str) -> None:
    """Raises UserNotFound."""
    if not await agents.exists(session, user_id):
        raise UserNotFound


async def _find(session: AsyncSession, draft: Draft) -> DirectMessage | None:
    if draft.client_id is None:
        return None
    named = {"sender": draft.sender_id, "client_id": draft.client_id}
    row = (await session.execute(_NAMED, named)).one_or_none()
    if row is None:
        return None
    known = DirectMessage(*row)
    said: Sequence[str] = (known.receiver_id, known.message, known.message_type)
    if said != (draft.receiver_id, draft.message, draft.message_type):
        raise IdempotencyKeyReused
    return known


async def _take_turns(session: AsyncSession, user_ids: Collection[str]) -> None:
    """Until the transaction ends, nobody else writes to these inboxes. In one order for all, so
    that two never wait for each other."""
    for user_id in sorted(user_ids):
        await session.execute(_TURN, {"user": user_id})


_LARGEST_ID = 2**63 - 1
_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended(:user, 4))")
_NAME = "coalesce(nullif(agents.name, ''), agents.id)"
_COLUMNS = f"""
    message.id, sender_id, {_NAME} AS sender_name, receiver_id, message, message_type, read_at,
    message.created_at, sender_sid
"""
_INSERT = text(
    f"""
    WITH message AS (
        INSERT INTO chat_messages (
            sender_id, receiver_id, message, message_type, read_at, created_at, client_id,
            sender_sid
        ) VALUES (
            :sender, :receiver, :message, :type,
            CASE WHEN :sender = :receiver THEN clock_timestamp() END, clock_timestamp(),
            :client_id, :sid
        )
        RETURNING *
    )
    SELECT {_COLUMNS} FROM message JOIN agents ON agents.id = sender_id
    """  # noqa: S608  constants
)
_NAMED = text(
    f"""
    SELECT {_COLUMNS} FROM chat_messages AS message JOIN agents ON agents.id = sender_id
    WHERE sender_id = :sender AND client_id = :client_id
    """  # noqa: S608  constants
)
# The database says which of two names is the lesser one: its order is not Python's.
_BETWEEN_TWO = f"""
    SELECT {_COLUMNS} FROM chat_messages AS message JOIN agents ON agents.id = sender_id
    WHERE least(sender_id, receiver_id) = least(CAST(:user AS text), CAST(:other AS text))
        AND greatest(sender_id, receiver_id) = greatest(CAST(:user AS text), CAST(:other AS text))
        AND message.id < :before AND message.id > :after
"""  # noqa: S608  constants
_FIRST = text(f"{_BETWEEN_TWO} ORDER BY message.id LIMIT :limit")
_NEWEST = text(f"{_BETWEEN_TWO} ORDER BY message.id DESC LIMIT :limit")
_INBOX = text(
    f"""
    SELECT {_COLUMNS} FROM (
        (SELECT * FROM chat_messages WHERE sender_id = :user AND id > :after
            ORDER BY id LIMIT :limit)
        UNION ALL
        (SELECT * FROM chat_messages
            WHERE receiver_id = :user AND sender_id <> :user AND id > :after
            ORDER BY id LIMIT :limit)
    ) AS message JOIN agents ON agents.id = sender_id
    ORDER BY message.id LIMIT :limit
    """  # noqa: S608  constants
)
_HEADS = text(
    """
    SELECT user_id, greatest(
        0,
        (SELECT max(id) FROM chat_messages WHERE sender_id = user_id),
        (SELECT max(id) FROM chat_messages WHERE receiver_id = user_id)
    ) AS head
    FROM unnest(CAST(:users AS text[])) AS user_id
    """
)
_MARK = text(
    """
    WITH marked AS (
        UPDATE chat_messages SET read_at = clock_timestamp()
        WHERE receiver_id = :user AND sender_id = :other AND read_at IS NULL AND id <= :up_to
        RETURNING id
    )
    SELECT max(id) FROM marked
    """
)
_UNREAD = text(
    """
    SELECT sender_id, count(*), max(id) FROM chat_messages
    WHERE receiver_id = :user AND read_at IS NULL
    GROUP BY sender_id ORDER BY max(id) DESC
    """
)
_CONTACTS = text(
    """
    SELECT contact_id, last_contact FROM frequent_contacts
    WHERE user_id = :user ORDER BY last_contact DESC, id DESC LIMIT :limit
    """
)
_AGAIN = """
    ON CONFLICT (user_id, contact_id) DO UPDATE SET last_contact = excluded.last_contact
"""
_MEET = text(
    f"""
    INSERT INTO frequent_contacts (user_id, contact_id, last_contact, created_at)
    VALUES (:user, :contact, clock_timestamp(), clock_timestamp())
    {_AGAIN} RETURNING last_contact
    """  # noqa: S608  constants
)
_MEET_BOTH = text(
    f"""
    INSERT INTO frequent_contacts (user_id, contact_id, last_contact, created_at)
    VALUES (:sender, :receiver, clock_timestamp(), clock_timestamp()),
        (:receiver, :sender, clock_timestamp(), clock_timestamp())
    {_AGAIN}
    """  # noqa: S608  constants
)
_FORGET = text(
    "DELETE FROM frequent_contacts WHERE user_id = :user AND contact_id = :contact RETURNING id"
)
