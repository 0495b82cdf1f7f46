"""Customers, calls with their turns, the outbox, promised callbacks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_moment = sa.DateTime(timezone=True)
_row_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("birth_year", sa.Integer),
        sa.Column("pin", sa.Text),
        sa.Column("email", sa.Text, nullable=False, server_default=""),
        sa.Column("notes", sa.Text, nullable=False, server_default=""),
        sa.Column("updated", _moment, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_customers"),
    )
    op.create_table(
        "calls",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("channel_id", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False, server_default=""),
        sa.Column("started", _moment, nullable=False),
        sa.Column("answered", _moment),
        sa.Column("connected", _moment),
        sa.Column("ended", _moment),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False, server_default=""),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
    )
    op.create_index("ix_calls_worker_state", "calls", ["worker", "state"])
    op.create_index("ix_calls_started", "calls", ["started"])
    op.create_table(
        "turns",
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("n", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", _moment, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text_id", sa.Text, nullable=False, server_default=""),
        sa.Column("pii_text", sa.Text, nullable=False, server_default=""),
        sa.Column("act", sa.JSON),
        sa.Column("state", sa.JSON),
        sa.PrimaryKeyConstraint("call_id", "n", name="pk_turns"),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name="fk_turns_call_id", ondelete="CASCADE"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("held_at", _moment, nullable=False),
        sa.Column("due_at", _moment),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claimed_by", sa.Text, nullable=False, server_default=""),
        sa.Column("claimed_until", _moment),
        sa.Column("ended_at", _moment),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_table(
        "callbacks",
        sa.Column("id", _row_id, autoincrement=True, nullable=False),
        sa.Column("uid", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False, server_default=""),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False, server_default=""),
        sa.Column("about", sa.Text, nullable=False, server_default=""),
        sa.Column("preferred", sa.Text, nullable=False, server_default=""),
        sa.Column("due", _moment),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("promised", _moment, nullable=False),
        sa.Column("ended_at", _moment),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("claimed_by", sa.Text, nullable=False, server_default=""),
        sa.Column("claimed_until", _moment),
        sa.PrimaryKeyConstraint("id", name="pk_callbacks"),
        sa.UniqueConstraint("uid", name="uq_callbacks_uid"),
    )
    op.create_index("ix_callbacks_status_due", "callbacks", ["status", "due"])


def downgrade() -> None:
    for table in ("callbacks", "outbox", "turns", "calls", "customers"):
        op.drop_table(table)
