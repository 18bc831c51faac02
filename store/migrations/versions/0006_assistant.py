"""The assistant: which threads it has handed over to people."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "ALTER TABLE threads ADD COLUMN handed_over boolean NOT NULL DEFAULT false"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("ALTER TABLE threads DROP COLUMN handed_over")
