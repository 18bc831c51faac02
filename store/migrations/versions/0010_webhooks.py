"""Outgoing webhooks: who wants to be told of what, and what they were told."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SCHEMA = """
CREATE TABLE webhook_subscriptions (
    id uuid PRIMARY KEY,
    url text NOT NULL,
    events text[] NOT NULL,
    description text NOT NULL,
    secret text NOT NULL,
    old_secret text,
    old_secret_until timestamptz,
    active boolean NOT NULL DEFAULT true,
    disabled_reason text,
    failing_since timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Its events are gone soon after.
    deleted_at timestamptz
);

CREATE TABLE webhook_events (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    subscription_id uuid NOT NULL REFERENCES webhook_subscriptions,
    kind text NOT NULL,
    thread_id uuid,
    seq integer,
    state text NOT NULL DEFAULT 'pending',
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    calling_until timestamptz,
    next_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
CREATE INDEX webhook_events_of ON webhook_events (subscription_id, created_at DESC, id);
CREATE INDEX webhook_events_pending ON webhook_events (subscription_id) WHERE state = 'pending';
CREATE INDEX webhook_events_calling ON webhook_events (subscription_id)
    WHERE calling_until IS NOT NULL;
CREATE INDEX webhook_events_finished ON webhook_events (finished_at)
    WHERE finished_at IS NOT NULL;

CREATE TABLE webhook_attempts (
    event_id uuid NOT NULL REFERENCES webhook_events ON DELETE CASCADE,
    number integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status integer,
    error text,
    milliseconds integer NOT NULL,
    PRIMARY KEY (event_id, number)
);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(
        "DROP TABLE webhook_attempts, webhook_events, webhook_subscriptions"
    )
