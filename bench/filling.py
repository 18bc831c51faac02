"""Years of tickets in seconds: rows as the API and the workflows would have left them."""

from psycopg import AsyncConnection

from store import ticket_lists
from store.database import Database

COMMON_WORD = "refund"
"""Stands in the subject of one ticket in ten."""
RARE_WORD = "porcelain"
"""Stands in the first message of the ten oldest tickets, however many there are."""
AGENT = "agent-1"
"""One of ten, who share the tickets."""
CUSTOMER = 1
"""The number of a customer with twenty tickets, as all have."""

_FOLDED_AT_ONCE = 100_000

_AGENTS = """
INSERT INTO agents (id, name, created_at)
SELECT 'agent-' || n, 'Agent ' || n, now() FROM generate_series(0, 9) n
ON CONFLICT DO NOTHING
"""
_CUSTOMERS = """
INSERT INTO customers (id, name, email, created_at)
SELECT md5('customer ' || n)::uuid, 'Customer ' || n, 'customer-' || n || '@example.com', now()
FROM generate_series(%(first)s::int / 20, %(last)s::int / 20) n
ON CONFLICT DO NOTHING
"""
# Nobody restores the workflow of a thread that is not open; lists do not ask for it.
_THREADS = """
INSERT INTO threads (
    id, kind, open, last_seq, handled_seq, nudge_due_at, last_message_at, last_agent_seq,
    updated_at, revision
)
SELECT md5('ticket ' || n)::uuid, 'ticket', false, 3, 3, at, at, 2, at, 0
FROM generate_series(%(first)s::int, %(last)s::int) n,
    LATERAL (SELECT now() - interval '400 days' + n * interval '5 minutes' AS at) time
"""
_TICKETS = """
INSERT INTO tickets (
    id, customer_id, channel, is_bot_handoff, subject, tags, status, priority,
    assigned_agent_id, deadlines, breached, version, created_at
)
SELECT
    md5('ticket ' || n)::uuid,
    md5('customer ' || n / 20)::uuid,
    (ARRAY['web', 'api', 'email', 'xmpp', 'whatsapp', 'facebook', 'twitter', 'web'])[1 + n %% 8],
    false,
    CASE WHEN n %% 10 = 3 THEN %(common)s || ' for order ' ELSE 'question about order ' END || n,
    CASE WHEN n %% 4 = 0 THEN ARRAY['billing'] ELSE ARRAY[]::text[] END,
    (ARRAY['new', 'open', 'pending_customer', 'resolved', 'closed'])[1 + least(n %% 20, 4)],
    (ARRAY['low', 'medium', 'medium', 'medium', 'high', 'high', 'urgent'])[1 + n %% 7],
    'agent-' || n / 20 %% 10,
    jsonb_build_object(
        'first_response', jsonb_build_object('due_at', at, 'met_at', at, 'breached_at', null),
        'resolution', jsonb_build_object('due_at', at, 'met_at', at, 'breached_at', null)
    ),
    n %% 50 = 7,
    2,
    at
FROM generate_series(%(first)s::int, %(last)s::int) n,
    LATERAL (SELECT now() - interval '400 days' + n * interval '5 minutes' AS at) time
ORDER BY n
"""
_MESSAGES = """
INSERT INTO messages (
    thread_id, seq, id, author, author_id, author_name, visibility, content, content_type,
    metadata, attachments, created_at
)
SELECT
    md5('ticket ' || n)::uuid,
    seq,
    gen_random_uuid(),
    CASE WHEN seq = 2 THEN 'agent' ELSE 'customer' END,
    CASE WHEN seq = 2 THEN 'agent-' || n / 20 %% 10 ELSE md5('customer ' || n / 20)::uuid::text END,
    CASE WHEN seq = 2 THEN 'Agent ' || n / 20 %% 10 ELSE 'Customer ' || n / 20 END,
    'public',
    substr(%(prose)s::text, 1 + (n * 17 + seq * 131) %% 600, 120)
        || CASE WHEN n <= 10 AND seq = 1 THEN ' ' || %(rare)s ELSE '' END,
    'text',
    '{}',
    '[]',
    now() - interval '400 days' + n * interval '5 minutes'
FROM generate_series(%(first)s::int, %(last)s::int) n, generate_series(1, 3) seq
"""
_PROSE = (
    "I have tried to pay with my card three times since yesterday evening and the page stays "
    "blank after I press the button. The bank says that nothing was blocked on their side. "
    "Could you look into it, please? My order is needed before the weekend because we are "
    "moving to another town. Thank you for writing to us. I am sorry that this does not work "
    "as it should. Our payment provider had trouble on two days of this week, and some "
    "sessions were left half finished. Please log out, clear the basket and begin again; the "
    "old reservation has been removed by me. If the page is still empty, send me a picture of"
    " it and the time when it happened, so that our engineers find the entry in their "
    "journal. That helped, the confirmation came within a minute and the parcel is on its "
    "way. You may close this, and greetings to everybody at the desk. "
)
"""Messages are cut out of it."""


async def fill(database_url: str, first: int, last: int) -> None:
    """Store tickets number `first` to `last` (from 1), three messages each, all handled.

    Ends with what housekeeping and autovacuum would have done by the next morning.
    """
    named = {"first": first, "last": last, "prose": _PROSE}
    words = {"common": COMMON_WORD, "rare": RARE_WORD}
    async with await AsyncConnection.connect(database_url) as connection:
        for statement in (_AGENTS, _CUSTOMERS, _THREADS, _TICKETS, _MESSAGES):
            await connection.execute(statement, named | words)
    await _fold_tallies(database_url, last)
    async with await AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("VACUUM ANALYZE")
        # Folded all along, the tallies would never have grown to so many pages.
        await connection.execute("VACUUM FULL ticket_tallies")


async def _fold_tallies(database_url: str, rows: int) -> None:
    database = Database(database_url, pool_size=1)
    try:
        for _ in range(rows // _FOLDED_AT_ONCE + 1):
            async with database.begin() as session:
                await ticket_lists.fold_tallies(session)
    finally:
        await database.close()
