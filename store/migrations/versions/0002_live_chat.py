"""Live chat: conversations, the queue, who is here, and what was read."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = """
ALTER TABLE customers ADD COLUMN phone text;

ALTER TABLE agents
    ADD COLUMN on_duty boolean NOT NULL DEFAULT false,
    ADD COLUMN gone_at timestamptz,
    ADD COLUMN capacity integer CHECK (capacity >= 0),
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}';

CREATE TABLE conversations (
    id uuid PRIMARY KEY REFERENCES threads,
    customer_id uuid NOT NULL REFERENCES customers,
    tags text[] NOT NULL,
    metadata jsonb NOT NULL,
    contact_email text,
    status text NOT NULL,
    agent_id text,
    queued_at timestamptz NOT NULL,
    state jsonb NOT NULL,
    version integer NOT NULL DEFAULT 0,
    last_cause text,
    customer_present boolean NOT NULL DEFAULT false,
    agent_absent boolean NOT NULL DEFAULT false,
    close_reason text,
    ticket_id uuid REFERENCES tickets,
    created_at timestamptz NOT NULL,
    closed_at timestamptz
);
CREATE UNIQUE INDEX conversations_one_open ON conversations (customer_id)
    WHERE status <> 'CLOSED';
CREATE INDEX conversations_queue ON conversations (queued_at, id) WHERE status = 'QUEUED';
CREATE INDEX conversations_active ON conversations (agent_id)
    WHERE status IN ('ASSIGNED', 'CONNECTED');
CREATE INDEX conversations_agent ON conversations (agent_id, created_at DESC, id);
CREATE INDEX conversations_customer ON conversations (customer_id, created_at DESC);
CREATE UNIQUE INDEX conversations_ticket ON conversations (ticket_id)
    WHERE ticket_id IS NOT NULL;

ALTER TABLE tickets ADD COLUMN conversation_id uuid UNIQUE REFERENCES conversations;

CREATE TABLE command_texts (
    cause text PRIMARY KEY,
    content text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX command_texts_age ON command_texts (created_at);

CREATE TABLE read_marks (
    thread_id uuid NOT NULL REFERENCES threads,
    side text NOT NULL,
    seq integer NOT NULL,
    PRIMARY KEY (thread_id, side)
);

CREATE TABLE api_processes (
    id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
);

CREATE TABLE presences (
    process_id uuid NOT NULL REFERENCES api_processes ON DELETE CASCADE,
    person text NOT NULL,
    gone_at timestamptz,
    PRIMARY KEY (process_id, person)
);
CREATE INDEX presences_person ON presences (person);
CREATE INDEX presences_gone ON presences (gone_at) WHERE gone_at IS NOT NULL;
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("what was said in live chats would be lost; restore a backup instead")
