"""Holds and the journal of booking steps."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_moment = sa.DateTime(timezone=True)
_row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("seat", sa.Integer, nullable=False),
        sa.Column("starts", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.BigInteger, nullable=False),
        sa.Column("held_at", _moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_key", "holds", ["key"])
    op.create_index("ix_holds_resource_starts", "holds", ["resource", "starts"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        op.execute(
            "ALTER TABLE holds ADD CONSTRAINT ex_holds_overlap EXCLUDE USING gist"
            " (resource WITH =, seat WITH =, int8range(starts, ends) WITH &&)"
        )
    op.create_table(
        "booking_journal",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("leased_until", _moment, nullable=False),
        sa.Column("payload", sa.JSON, nullable=False),
        sa.Column("began", _moment, nullable=False),
        sa.Column("changed", _moment, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_booking_journal"),
    )
    op.create_index("ix_booking_journal_state", "booking_journal", ["state"])


def downgrade() -> None:
    op.drop_table("booking_journal")
    op.drop_table("holds")
