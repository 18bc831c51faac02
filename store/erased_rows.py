"""What erasing does to each table; when, and in which order: `store.erasing`.

Chat messages among colleagues are their own, and stay. Articles are the desk's. What waits in
`webhook_events` holds no text: it is read from the log when it is sent.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Event
from domain.models import ThreadKind
from store.database import Database
from store.threads import ERASED_SOURCE

ERASED = "[erased]"
_KEPT_OF_EVENTS = [*Event.model_fields, "agentName"]
_BATCH = 500
"""Rows a transaction, of tables in which they are looked for one by one."""


async def forget_addresses(session: AsyncSession, people: Sequence[UUID]) -> None:
    """What is known of the person's addresses, besides in their threads."""
    for statement in _OF_ADDRESSES:
        await session.execute(statement, {"people": list(people)})


async def forget_requests(session: AsyncSession, people: Sequence[UUID], *, but: UUID) -> None:
    """What earlier requests have noted; exports that are not done will never be."""
    for statement in _OF_REQUESTS:
        await session.execute(statement, {"people": list(people), "but": but})


async def erase_log(session: AsyncSession, thread_id: UUID) -> None:
    """The words of everybody in a locked thread: replies quote those whom they answer."""
    values = {"id": thread_id, "erased": ERASED, "source": ERASED_SOURCE, "kept": _KEPT_OF_EVENTS}
    for statement in _OF_LOG:
        await session.execute(statement, values)


async def erase_head(session: AsyncSession, kind: ThreadKind, thread_id: UUID) -> None:
    statement = _TICKET if kind is ThreadKind.TICKET else _CONVERSATION
    await session.execute(statement, {"id": thread_id, "erased": ERASED})


async def forget_mentions(database: Database, people: Sequence[UUID], names: Sequence[str]) -> None:
    """Look through what quotes threads or people without belonging to them, a batch at a time."""
    patterns = [rf"\m{_quoted(name)}\M" if name.isalnum() else _quoted(name) for name in names]
    for table in ("ai_interactions", "ai_responses"):
        after: int | None = 0
        while after is not None:
            async with database.begin() as session:
                asked = {
                    "people": list(people),
                    "patterns": patterns,
                    "erased": ERASED,
                    "after": after,
                    "limit": _BATCH,
                }
                after = await session.scalar(_MENTIONS[table], asked)
    caller, key = "", ""
    while True:
        async with database.begin() as session:
            asked = {"people": list(people), "caller": caller, "key": key, "limit": _BATCH}
            last = (await session.execute(_ANSWERS, asked)).one_or_none()
        if last is None:
            return
        caller, key = last.caller, last.key


def _quoted(name: str) -> str:
    """As a regular expression of PostgreSQL's that finds just this, whatever the case."""
    return "".join(each if each.isalnum() else f"\\{each}" for each in name)


_OF_ADDRESSES = [
    text(
        """
        DELETE FROM xmpp_origins USING customer_identities AS known
        WHERE bare_jid = identity AND channel = 'xmpp' AND customer_id = ANY(:people)
        """
    ),
    text(
        """
        DELETE FROM xmpp_presences USING customer_identities AS known
        WHERE bare_jid = identity AND channel = 'xmpp' AND customer_id = ANY(:people)
        """
    ),
    text(
        """
        DELETE FROM contacts WHERE address IN (
            SELECT identity FROM customer_identities WHERE customer_id = ANY(:people)
        )
        """
    ),
]
_OF_REQUESTS = [
    text(
        """
        DELETE FROM customer_moves USING customer_requests AS request
        WHERE request.id = request_id AND request.id <> :but
            AND (customer_id = ANY(:people) OR into_id = ANY(:people))
        """
    ),
    text(
        """
        UPDATE customer_requests
        SET result = NULL, finished_at = coalesce(finished_at, clock_timestamp()),
            error = CASE state WHEN 'pending' THEN 'The customer was erased.' END,
            state = CASE state WHEN 'pending' THEN 'failed' ELSE state END
        WHERE id <> :but AND (customer_id = ANY(:people) OR into_id = ANY(:people))
        """
    ),
]
_OF_LOG = [
    # The key under which a message was sent names it in the log.
    text(
        """
        DELETE FROM idempotency_keys USING messages
        WHERE thread_id = :id AND key = external_id AND caller = CASE
            WHEN starts_with(source, 'api/') THEN substr(source, 5)
            WHEN starts_with(source, 'chat/') THEN substr(source, 43)
        END
        """
    ),
    text(
        """
        DELETE FROM early_news USING delivery_pieces AS piece
        WHERE thread_id = :id AND early_news.outlet = piece.outlet
            AND early_news.external_id = piece.external_id
        """
    ),
    text(
        """
        DELETE FROM contacts USING deliveries
        WHERE thread_id = :id AND contacts.outlet = deliveries.outlet
            AND contacts.address = deliveries.address
        """
    ),
    # Before their pieces, as all lock them.
    text(
        """
        UPDATE deliveries SET address = :erased, error = NULL,
            state = CASE state WHEN 'pending' THEN 'failed' ELSE state END
        WHERE thread_id = :id
        """
    ),
    text(
        """
        UPDATE delivery_pieces SET address = :erased, external_id = NULL WHERE thread_id = :id
        """
    ),
    text("DELETE FROM command_texts WHERE thread_id = :id"),
    # What stands in `source` and `external_id` is that of `threads.trace_of`: a platform that
    # repeats a message is recognised, and no address is left.
    text(
        """
        UPDATE messages SET
            content = CASE WHEN event IS NULL THEN :erased ELSE content END,
            author_name = CASE author WHEN 'customer' THEN NULL ELSE author_name END,
            event = (
                SELECT jsonb_object_agg(told.key, told.value) FROM jsonb_each(event) AS told
                WHERE told.key = ANY(:kept)
            ),
            metadata = '{}',
            attachments = '[]',
            source = CASE WHEN external_id IS NOT NULL THEN :source END,
            external_id = CASE WHEN source = :source THEN external_id
                ELSE encode(sha256(convert_to(source || E'\\n' || external_id, 'UTF8')), 'hex') END
        WHERE thread_id = :id
        """
    ),
]
_TICKET = text(
    """
    UPDATE tickets SET subject = :erased, tags = '{}', channel_identity = NULL,
        origin_platform_id = NULL, awaits_reply = false
    WHERE id = :id
    """
)
_CONVERSATION = text(
    """
    UPDATE conversations SET tags = '{}', metadata = '{}', contact_email = NULL,
        close_reason = NULL
    WHERE id = :id
    """
)


def _erase_mentions(table: str, *said: str) -> str:
    """In a table of texts by agents: those that name one of the people or one of their tickets."""
    whole = " || ' ' || ".join(said)
    blanks = ", ".join(f"{column} = :erased" for column in said)
    return f"""
    WITH part AS MATERIALIZED (
        SELECT id, {whole} AS said FROM {table} WHERE id > :after ORDER BY id LIMIT :limit
    ), named AS (
        SELECT id FROM part WHERE said ~* ANY(CAST(:patterns AS text[]))
        UNION
        SELECT part.id FROM part, LATERAL regexp_matches(said, '#([0-9]{{1,18}})', 'g') AS found
            JOIN tickets ON number = CAST(found[1] AS bigint) AND customer_id = ANY(:people)
        UNION
        SELECT part.id FROM part, LATERAL regexp_matches(said, '{_ID}', 'g') AS found
        WHERE {_THEIRS}
    ), erased AS (
        UPDATE {table} SET {blanks}, page = NULL FROM named WHERE {table}.id = named.id
    )
    SELECT max(id) FROM part
    """  # noqa: S608  nothing of it comes from outside


_ID = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_THEIRS = """(
    CAST(found[1] AS uuid) = ANY(:people)
    OR EXISTS (
        SELECT FROM tickets WHERE id = CAST(found[1] AS uuid) AND customer_id = ANY(:people)
    )
    OR EXISTS (
        SELECT FROM conversations WHERE id = CAST(found[1] AS uuid) AND customer_id = ANY(:people)
    )
)"""
_MENTIONS = {
    "ai_interactions": text(_erase_mentions("ai_interactions", "message")),
    "ai_responses": text(_erase_mentions("ai_responses", "user_message", "ai_response")),
}
_ANSWERS = text(
    f"""
    WITH part AS MATERIALIZED (
        SELECT caller, key, body FROM idempotency_keys WHERE (caller, key) > (:caller, :key)
        ORDER BY caller, key LIMIT :limit
    ), named AS (
        SELECT DISTINCT caller, key
        FROM part, LATERAL regexp_matches(body, '{_ID}', 'g') AS found WHERE {_THEIRS}
        UNION
        -- What was answered to an upload names nobody, but for the file's name.
        SELECT caller, key
        FROM part, LATERAL regexp_matches(body, 'att_([0-9a-f]{{32}})', 'g') AS found
        WHERE NOT EXISTS (
            SELECT FROM attachments WHERE id = CAST(found[1] AS uuid) AND state <> 'unwanted'
        )
    ), gone AS (
        DELETE FROM idempotency_keys AS answer USING named
        WHERE answer.caller = named.caller AND answer.key = named.key
    )
    SELECT caller, key FROM part ORDER BY caller DESC, key DESC LIMIT 1
    """  # noqa: S608  the same
)
