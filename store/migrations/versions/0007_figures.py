"""What figures about the desk's work are read from, without reading the whole log."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Their conditions are those of `store.figures`, to the letter: with any other PostgreSQL would
# not use them. All that the queries ask for stands in the indexes.
SCHEMA = """
CREATE INDEX tickets_agent_open
    ON tickets (assigned_agent_id, created_at DESC, number DESC)
    WHERE status IN ('new', 'open', 'pending_customer');
CREATE INDEX messages_replies ON messages (created_at) INCLUDE (thread_id, seq, author_id)
    WHERE author = 'agent' AND visibility = 'public';
CREATE INDEX messages_first_reply ON messages (thread_id, seq) INCLUDE (created_at)
    WHERE author = 'agent' AND visibility = 'public';
CREATE INDEX messages_resolutions ON messages (created_at) INCLUDE (thread_id)
    WHERE event ->> 'type' = 'status_changed' AND event ->> 'after' IN ('resolved', 'closed')
    AND event ->> 'before' <> 'resolved';
CREATE INDEX messages_reopenings ON messages (created_at) INCLUDE (thread_id)
    WHERE event ->> 'type' = 'status_changed' AND event ->> 'before' = 'resolved'
    AND event ->> 'after' <> 'closed';
CREATE INDEX messages_breaches ON messages (created_at) INCLUDE (thread_id)
    WHERE event ->> 'type' = 'deadline_breached' AND event ->> 'deadline' = 'resolution';
CREATE INDEX messages_handovers ON messages (created_at) INCLUDE (thread_id, seq)
    WHERE event ->> 'type' = 'from_conversation';
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "DROP INDEX tickets_agent_open, messages_replies, messages_first_reply,"
        " messages_resolutions, messages_reopenings, messages_breaches, messages_handovers"
    )
