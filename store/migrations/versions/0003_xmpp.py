"""XMPP: replies that go out, the bridge's lease and place in the archive, and presence."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SCHEMA = """
ALTER TABLE tickets ADD COLUMN outlet text, ADD COLUMN awaits_reply boolean NOT NULL DEFAULT false;
UPDATE tickets SET awaits_reply = true
WHERE channel = 'xmpp' AND status <> 'closed' AND channel_identity IS NOT NULL AND 'customer' = (
    SELECT author FROM messages
    WHERE thread_id = tickets.id AND visibility = 'public' AND author <> 'system'
    ORDER BY seq DESC LIMIT 1
);
CREATE INDEX tickets_identity ON tickets (channel, channel_identity, created_at DESC, number DESC)
    WHERE channel_identity IS NOT NULL;
CREATE INDEX tickets_awaiting ON tickets (created_at DESC, number DESC) WHERE awaits_reply;

CREATE TABLE deliveries (
    thread_id uuid NOT NULL,
    seq integer NOT NULL,
    outlet text NOT NULL,
    address text NOT NULL,
    external_id text,
    state text NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    error text,
    first_tried_at timestamptz,
    changed_at timestamptz NOT NULL,
    nudge_due_at timestamptz NOT NULL,
    PRIMARY KEY (thread_id, seq),
    FOREIGN KEY (thread_id, seq) REFERENCES messages
);
CREATE UNIQUE INDEX deliveries_external_id ON deliveries (outlet, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (thread_id, seq) WHERE state = 'pending';
CREATE INDEX deliveries_behind ON deliveries (nudge_due_at) WHERE state = 'pending';

CREATE TABLE leases (
    name text PRIMARY KEY,
    holder uuid NOT NULL,
    until timestamptz NOT NULL
);

CREATE TABLE xmpp_accounts (
    bare_jid text PRIMARY KEY,
    archived_id text,
    archived_at timestamptz
);

CREATE TABLE xmpp_origins (
    bare_jid text NOT NULL,
    origin_id text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (bare_jid, origin_id)
);
CREATE INDEX xmpp_origins_age ON xmpp_origins (seen_at);

CREATE TABLE xmpp_presences (
    bare_jid text NOT NULL,
    resource text NOT NULL,
    status text NOT NULL,
    show text,
    until timestamptz NOT NULL,
    PRIMARY KEY (bare_jid, resource)
);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("what is on its way to customers would be lost; restore a backup instead")
