"""Channels: pieces of replies, their pace, what the platforms tell early, when people wrote."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SCHEMA = """
CREATE TABLE delivery_pieces (
    thread_id uuid NOT NULL,
    seq integer NOT NULL,
    piece integer NOT NULL,
    outlet text NOT NULL,
    address text NOT NULL,
    external_id text,
    state text NOT NULL,
    tried_at timestamptz NOT NULL,
    PRIMARY KEY (thread_id, seq, piece),
    FOREIGN KEY (thread_id, seq) REFERENCES deliveries
);
INSERT INTO delivery_pieces
SELECT thread_id, seq, 0, outlet, address, external_id, state, coalesce(first_tried_at, changed_at)
FROM deliveries WHERE attempts > 0;
CREATE UNIQUE INDEX delivery_pieces_name ON delivery_pieces (outlet, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX delivery_pieces_pace ON delivery_pieces (outlet, tried_at);
CREATE INDEX delivery_pieces_pace_to ON delivery_pieces (outlet, address, tried_at);
ALTER TABLE deliveries DROP COLUMN external_id,
    ADD COLUMN pieces integer NOT NULL DEFAULT 1,
    ADD COLUMN pieces_sent integer NOT NULL DEFAULT 0;
UPDATE deliveries SET pieces_sent = 1 WHERE state <> 'pending';

CREATE TABLE outlets (
    name text PRIMARY KEY,
    paused_until timestamptz,
    reason text
);

CREATE TABLE contacts (
    outlet text NOT NULL,
    address text NOT NULL,
    heard_at timestamptz,
    delivered_until timestamptz,
    read_until timestamptz,
    PRIMARY KEY (outlet, address)
);

CREATE TABLE early_news (
    outlet text NOT NULL,
    external_id text NOT NULL,
    state text NOT NULL,
    error text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (outlet, external_id)
);
CREATE INDEX early_news_age ON early_news (at);

CREATE TABLE mailboxes (
    name text PRIMARY KEY,
    uid_validity bigint NOT NULL,
    uid bigint NOT NULL
);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("what is on its way to customers would be lost; restore a backup instead")
