"""Customers: merging, undoing it, exporting and erasing."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SCHEMA = """
ALTER TABLE customers
    ADD COLUMN merged_into uuid REFERENCES customers,
    ADD COLUMN erased_at timestamptz;
CREATE INDEX customers_merged ON customers (merged_into) WHERE merged_into IS NOT NULL;
-- What lists and searches show is who can still be somebody.
CREATE INDEX customers_newest ON customers (created_at DESC, id DESC)
    WHERE merged_into IS NULL AND erased_at IS NULL;
CREATE INDEX customers_by_name ON customers (lower(name) text_pattern_ops)
    WHERE merged_into IS NULL AND erased_at IS NULL;
CREATE INDEX customers_by_email ON customers (lower(email) text_pattern_ops)
    WHERE merged_into IS NULL AND erased_at IS NULL;
CREATE INDEX customers_by_phone ON customers (phone)
    WHERE merged_into IS NULL AND erased_at IS NULL;

-- Two who were both talking may be merged. That nobody else has two open conversations is seen to
-- by the lock under which they are begun.
DROP INDEX conversations_one_open;
CREATE INDEX conversations_open ON conversations (customer_id) WHERE status <> 'CLOSED';

ALTER TABLE command_texts ADD COLUMN thread_id uuid;
CREATE INDEX command_texts_thread ON command_texts (thread_id);

CREATE TABLE customer_requests (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    customer_id uuid NOT NULL REFERENCES customers,
    into_id uuid REFERENCES customers,
    of_id uuid REFERENCES customer_requests,
    state text NOT NULL DEFAULT 'pending',
    error text,
    result jsonb,
    requested_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
CREATE INDEX customer_requests_of ON customer_requests (customer_id, created_at DESC, id DESC);
CREATE INDEX customer_requests_into ON customer_requests (into_id, created_at DESC, id DESC)
    WHERE into_id IS NOT NULL;
CREATE INDEX customer_requests_undoing ON customer_requests (of_id) WHERE of_id IS NOT NULL;
CREATE INDEX customer_requests_exports ON customer_requests (finished_at)
    WHERE kind = 'export' AND state = 'done' AND result IS NOT NULL;

CREATE TABLE customer_moves (
    request_id uuid NOT NULL REFERENCES customer_requests,
    what text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (request_id, what, name)
);
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SCHEMA)


def downgrade() -> None:
    raise RuntimeError("which customers were merged would be lost; restore a backup instead")
