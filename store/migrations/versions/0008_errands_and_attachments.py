"""Errands: work outside of any thread. Attachments: files that people send."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SCHEMA = """
CREATE TABLE errands (
    kind text NOT NULL,
    id uuid NOT NULL,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, id)
);
CREATE INDEX errands_due ON errands (due_at);

CREATE TABLE attachments (
    id uuid PRIMARY KEY,
    key text NOT NULL UNIQUE,
    name text NOT NULL,
    content_type text NOT NULL,
    size bigint,
    sha256 bytea,
    state text NOT NULL,
    error text,
    origin jsonb,
    uploaded_by text,
    used boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- Those at which housekeeping looks; an upload leaves it as soon as it stands in a message.
CREATE INDEX attachments_unused ON attachments (created_at) WHERE NOT used;

CREATE TABLE attachment_uses (
    attachment_id uuid NOT NULL REFERENCES attachments ON DELETE CASCADE,
    thread_id uuid NOT NULL REFERENCES threads,
    seq integer NOT NULL,
    visibility text NOT NULL,
    PRIMARY KEY (attachment_id, thread_id, seq)
);
CREATE INDEX attachment_uses_thread ON attachment_uses (thread_id);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("what people have sent would be lost; restore a backup instead")
