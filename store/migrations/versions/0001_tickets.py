"""Threads, messages, tickets, and those who take part in them."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = """
CREATE TABLE threads (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    open boolean NOT NULL DEFAULT true,
    last_seq integer NOT NULL DEFAULT 0,
    handled_seq integer NOT NULL DEFAULT 0,
    nudge_due_at timestamptz NOT NULL,
    last_message_at timestamptz NOT NULL,
    last_agent_seq integer,
    updated_at timestamptz NOT NULL,
    revision bigint NOT NULL,
    CHECK (handled_seq <= last_seq)
);
CREATE INDEX threads_behind ON threads (nudge_due_at) WHERE handled_seq < last_seq;
CREATE INDEX threads_open ON threads (id) WHERE open;
CREATE INDEX threads_revision ON threads (revision);

CREATE TABLE messages (
    thread_id uuid NOT NULL REFERENCES threads,
    seq integer NOT NULL CHECK (seq > 0),
    id uuid NOT NULL UNIQUE,
    author text NOT NULL,
    author_id text,
    author_name text,
    visibility text NOT NULL,
    content text NOT NULL,
    content_type text NOT NULL,
    event jsonb,
    metadata jsonb NOT NULL,
    attachments jsonb NOT NULL,
    source text,
    external_id text,
    created_at timestamptz NOT NULL,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', content)) STORED,
    PRIMARY KEY (thread_id, seq)
);
CREATE UNIQUE INDEX messages_external_id ON messages (source, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX messages_search ON messages USING gin (search);

CREATE TABLE customers (
    id uuid PRIMARY KEY,
    name text,
    email text,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX customers_email ON customers (lower(email));

CREATE TABLE customer_identities (
    channel text NOT NULL,
    identity text NOT NULL,
    customer_id uuid NOT NULL REFERENCES customers,
    PRIMARY KEY (channel, identity)
);
CREATE INDEX customer_identities_customer ON customer_identities (customer_id);

CREATE TABLE agents (
    id text PRIMARY KEY,
    name text NOT NULL,
    email text,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz
);

CREATE TABLE tickets (
    id uuid PRIMARY KEY REFERENCES threads,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    customer_id uuid NOT NULL REFERENCES customers,
    channel text NOT NULL,
    channel_identity text,
    origin_platform_id text,
    is_bot_handoff boolean NOT NULL,
    subject text NOT NULL,
    tags text[] NOT NULL,
    status text NOT NULL,
    priority text NOT NULL,
    assigned_agent_id text,
    snoozed_until timestamptz,
    auto_close_at timestamptz,
    deadlines jsonb NOT NULL,
    breached boolean NOT NULL DEFAULT false,
    version integer NOT NULL DEFAULT 0,
    last_cause text,
    follow_up_of uuid REFERENCES tickets,
    created_at timestamptz NOT NULL,
    search tsvector GENERATED ALWAYS AS (to_tsvector('simple', subject)) STORED
);
CREATE INDEX tickets_newest ON tickets (created_at DESC, number DESC);
CREATE INDEX tickets_status ON tickets (status, created_at DESC, number DESC);
CREATE INDEX tickets_priority ON tickets (priority, created_at DESC, number DESC);
CREATE INDEX tickets_channel ON tickets (channel, created_at DESC, number DESC);
CREATE INDEX tickets_agent ON tickets (assigned_agent_id, created_at DESC, number DESC);
CREATE INDEX tickets_customer ON tickets (customer_id, created_at DESC, number DESC);
CREATE INDEX tickets_attention ON tickets (breached DESC, created_at DESC, number DESC);
CREATE INDEX tickets_snoozed ON tickets (created_at DESC, number DESC)
    WHERE snoozed_until IS NOT NULL;
CREATE INDEX tickets_follow_up ON tickets (follow_up_of) WHERE follow_up_of IS NOT NULL;
CREATE INDEX tickets_tags ON tickets USING gin (tags);
CREATE INDEX tickets_search ON tickets USING gin (search);

CREATE TABLE ticket_tallies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    status text NOT NULL,
    priority text NOT NULL,
    channel text NOT NULL,
    assigned_agent_id text,
    change integer NOT NULL
);

CREATE FUNCTION tally_ticket() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO ticket_tallies (status, priority, channel, assigned_agent_id, change)
        VALUES (OLD.status, OLD.priority, OLD.channel, OLD.assigned_agent_id, -1);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO ticket_tallies (status, priority, channel, assigned_agent_id, change)
        VALUES (NEW.status, NEW.priority, NEW.channel, NEW.assigned_agent_id, 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tally_ticket_rows AFTER INSERT OR DELETE ON tickets
    FOR EACH ROW EXECUTE FUNCTION tally_ticket();
CREATE TRIGGER tally_ticket_changes AFTER UPDATE ON tickets
    FOR EACH ROW WHEN (
        (OLD.status, OLD.priority, OLD.channel, OLD.assigned_agent_id)
        IS DISTINCT FROM (NEW.status, NEW.priority, NEW.channel, NEW.assigned_agent_id)
    ) EXECUTE FUNCTION tally_ticket();

CREATE TABLE service_keys (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    key_hash bytea NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    body text,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE engine_state (
    id integer PRIMARY KEY CHECK (id = 1),
    namespace_id text NOT NULL
);

CREATE TABLE heartbeats (
    part text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    # The driver would take the % and : of functions for parameters.
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("the first version cannot be undone; drop the database instead")
