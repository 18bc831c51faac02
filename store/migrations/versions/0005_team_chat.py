"""Team chat: what colleagues write to each other, and what they ask the assistant."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = """
ALTER TABLE agents ADD COLUMN department text, ADD COLUMN presence_status text;
CREATE INDEX agents_active ON agents (greatest(last_seen_at, gone_at) DESC NULLS LAST, id);
CREATE INDEX agents_name ON agents (lower(name));

CREATE TABLE chat_messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender_id text NOT NULL REFERENCES agents,
    receiver_id text NOT NULL REFERENCES agents,
    message text NOT NULL,
    message_type text NOT NULL DEFAULT 'text',
    read_at timestamptz,
    created_at timestamptz NOT NULL,
    client_id text,
    sender_sid text
);
CREATE UNIQUE INDEX chat_messages_client_id ON chat_messages (sender_id, client_id)
    WHERE client_id IS NOT NULL;
CREATE INDEX chat_messages_pair
    ON chat_messages (least(sender_id, receiver_id), greatest(sender_id, receiver_id), id);
CREATE INDEX chat_messages_sent ON chat_messages (sender_id, id);
CREATE INDEX chat_messages_received ON chat_messages (receiver_id, id);
CREATE INDEX chat_messages_unread ON chat_messages (receiver_id, sender_id, id)
    WHERE read_at IS NULL;

CREATE TABLE frequent_contacts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL REFERENCES agents,
    contact_id text NOT NULL REFERENCES agents,
    last_contact timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (user_id, contact_id)
);
CREATE INDEX frequent_contacts_recent ON frequent_contacts (user_id, last_contact DESC);

CREATE TABLE ai_interactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL REFERENCES agents,
    message text NOT NULL,
    page text,
    created_at timestamptz NOT NULL
);
CREATE INDEX ai_interactions_user ON ai_interactions (user_id, id);

CREATE TABLE ai_responses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL REFERENCES agents,
    user_message text NOT NULL,
    ai_response text NOT NULL,
    page text,
    created_at timestamptz NOT NULL
);
CREATE INDEX ai_responses_user ON ai_responses (user_id, id);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("what colleagues wrote would be lost; restore a backup instead")
