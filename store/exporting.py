"""All that is kept of a person, as JSON, a page at a time: nobody's tickets are too many.

What customers may see of it: public messages, and not the desk's notes, which are about its work.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import RowMapping, TextClause, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import customer_id_text, message_id_text, request_id_text, ticket_id_text
from domain.models import AuthorKind
from store import customers, deliveries, reading
from store.blobs import Blobs
from store.customer_requests import EXPORT_KEPT_FOR
from store.customer_tables import CustomerRequest
from store.database import Database
from store.reading import Entry

FORMAT = "holdfast-customer-1"
_View = Callable[[RowMapping], dict[str, Any]]
_THREADS = 100
_MESSAGES = 200


async def chunks(database: Database, customer_id: UUID) -> AsyncIterator[bytes]:
    """The whole file: one JSON object."""
    async with database.begin() as session:
        head = await _head(session, customer_id)
    yield to_json(head)[:-1]
    yield b',"tickets":['
    async for part in _threads(database, customer_id, _TICKETS, _ticket):
        yield part
    yield b'],"conversations":['
    async for part in _threads(database, customer_id, _CONVERSATIONS, _conversation):
        yield part
    yield b"]}\n"


def key_of(request_id: UUID) -> str:
    """Under which the file of an export is stored."""
    return request_id.hex


async def forget_old(database: Database, blobs: Blobs) -> None:
    """Delete the files of exports that were done long ago. Raises FilesUnavailable."""
    async with database.begin() as session:
        old = (await session.scalars(_OLD, {"age": EXPORT_KEPT_FOR})).all()
    for request_id in old:
        await blobs.delete(key_of(request_id))
        async with database.begin() as session:
            await session.execute(
                update(CustomerRequest).where(CustomerRequest.id == request_id).values(result=None)
            )


async def _head(session: AsyncSession, customer_id: UUID) -> dict[str, Any]:
    customer = await customers.find(session, customer_id)
    asked = {"id": customer_id}
    return {
        "format": FORMAT,
        "exported_at": datetime.now(UTC),
        "customer": {
            "customer_id": customer_id_text(customer.id),
            "name": customer.name,
            "primary_email": customer.email,
            "phone": customer.phone,
            "created_at": customer.created_at,
        },
        "identities": await _dicts(session, _IDENTITIES, asked),
        "merged": [
            row | {"customer_id": customer_id_text(row["customer_id"])}
            for row in await _dicts(session, _MERGED, asked)
        ],
        "requests": [
            row
            | {
                "request_id": request_id_text(row["request_id"]),
                "customer_id": customer_id_text(row["customer_id"]),
            }
            for row in await _dicts(session, _REQUESTS, asked)
        ],
        "contacts": await _dicts(session, _CONTACTS, asked),
        "presences": await _dicts(session, _PRESENCES, asked),
    }


async def _threads(
    database: Database, customer_id: UUID, statement: TextClause, view: _View
) -> AsyncIterator[bytes]:
    after: UUID | None = None
    while True:
        async with database.begin() as session:
            # What a merge has not moved yet is still in the other name.
            people = await customers.merged_with(session, customer_id)
            asked = {"people": people, "after": after, "limit": _THREADS}
            page = (await session.execute(statement, asked)).mappings().all()
        for row in page:
            if after is not None:
                yield b","
            after = row["id"]
            yield to_json(view(row))[:-1] + b',"messages":['
            async for part in _messages(database, row["id"]):
                yield part
            yield b"]}"
        if len(page) < _THREADS:
            return


async def _messages(database: Database, thread_id: UUID) -> AsyncIterator[bytes]:
    after_seq = 0
    while True:
        async with database.begin() as session:
            entries = await reading.entries(
                session,
                thread_id,
                after_seq=after_seq,
                limit=_MESSAGES,
                private=False,
                events=False,
            )
            sent = await deliveries.progress(session, thread_id, [each.seq for each in entries])
        if entries:
            shown = [_message(each, sent.get(each.seq)) for each in entries]
            yield (b"," if after_seq else b"") + to_json(shown)[1:-1]
            after_seq = entries[-1].seq
        if len(entries) < _MESSAGES:
            return


def _message(entry: Entry, sent: deliveries.Progress | None) -> dict[str, Any]:
    return {
        "message_id": message_id_text(entry.id),
        "seq": entry.seq,
        "timestamp": entry.created_at,
        "sender_type": AuthorKind(entry.author),
        "sender_name": entry.author_name,
        "content": entry.content,
        "metadata": entry.metadata,
        "attachments": [_attachment(each) for each in entry.attachments],
        "delivery": {k: v for k, v in asdict(sent).items() if k != "seq"} if sent else None,
    }


def _attachment(file: dict[str, Any]) -> dict[str, Any]:
    """With where it can be had from: the bytes are not in here."""
    if "id" not in file:
        return file
    return file | {"download": f"/api/attachments/{file['id']}"}


def _ticket(row: RowMapping) -> dict[str, Any]:
    follows = row["follow_up_of"]
    return {name: value for name, value in row.items() if name != "id"} | {
        "ticket_id": ticket_id_text(row["id"]),
        "follow_up_of": ticket_id_text(follows) if follows else None,
    }


def _conversation(row: RowMapping) -> dict[str, Any]:
    went_on = row["ticket_id"]
    return {name: value for name, value in row.items() if name != "id"} | {
        "conversation_id": row["id"],
        "ticket_id": ticket_id_text(went_on) if went_on else None,
    }


async def _dicts(
    session: AsyncSession, statement: TextClause, asked: dict[str, Any]
) -> Sequence[dict[str, Any]]:
    return [dict(row) for row in (await session.execute(statement, asked)).mappings()]


_TICKETS = text(
    """
    SELECT id, number, subject, status, priority, channel, channel_identity, origin_platform_id,
        tags, conversation_id, follow_up_of, created_at
    FROM tickets
    WHERE customer_id = ANY(:people) AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit
    """
)
_CONVERSATIONS = text(
    """
    SELECT id, status, tags, metadata, contact_email, close_reason, ticket_id, created_at, closed_at
    FROM conversations
    WHERE customer_id = ANY(:people) AND (CAST(:after AS uuid) IS NULL OR id > :after)
    ORDER BY id LIMIT :limit
    """
)
_IDENTITIES = text(
    "SELECT channel, identity FROM customer_identities WHERE customer_id = :id ORDER BY 1, 2"
)
_MERGED = text(
    """
    WITH RECURSIVE same AS (
        SELECT * FROM customers WHERE merged_into = :id
        UNION
        SELECT customers.* FROM customers JOIN same ON customers.merged_into = same.id
    )
    SELECT id AS customer_id, name, email AS primary_email, phone, created_at FROM same ORDER BY id
    """
)
_REQUESTS = text(
    """
    SELECT id AS request_id, kind, customer_id, state, created_at, finished_at
    FROM customer_requests WHERE customer_id = :id OR into_id = :id ORDER BY created_at, id
    """
)
_CONTACTS = text(
    """
    SELECT outlet, address, heard_at, delivered_until, read_until
    FROM contacts JOIN customer_identities ON identity = address
    WHERE customer_id = :id ORDER BY outlet, address
    """
)
_PRESENCES = text(
    """
    SELECT bare_jid, resource, status, show, until
    FROM xmpp_presences JOIN customer_identities ON identity = bare_jid AND channel = 'xmpp'
    WHERE customer_id = :id ORDER BY bare_jid, resource
    """
)
_OLD = text(
    """
        SELECT id FROM customer_requests
        WHERE kind = 'export' AND state = 'done' AND result IS NOT NULL
            AND finished_at < clock_timestamp() - :age
        ORDER BY finished_at LIMIT 100
        """
)
