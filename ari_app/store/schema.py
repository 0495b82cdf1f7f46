"""The tables, in SQLAlchemy Core; `migrations/` brings a database to them.

A migration only adds (a table, a nullable column, an index), so that the program one version before still works on the
new schema while workers are upgraded one by one. Revisions are numbered 0001, 0002, ...; the numbers are compared.
"""

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, Column, DateTime, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC; SQLite holds it as text without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text from anywhere; what a database refuses (NUL, lone surrogates) is kept as U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


RowId = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)


class CallState(StrEnum):
    """A call's way: PENDING -> ANSWERED -> DISCONNECTED, or over CONNECTED where a human took it."""

    PENDING = "PENDING"
    ANSWERED = "ANSWERED"
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"


class OutboxState(StrEnum):
    """A message's way: held until its booking is certain, due until the gateway took it, then sent or failed."""

    HELD = "held"
    DUE = "due"
    SENT = "sent"
    FAILED = "failed"


class CallbackStatus(StrEnum):
    OPEN = "open"
    DONE = "done"


customers = Table(
    "customers",
    metadata,
    Column("number", Words, primary_key=True),
    Column("name", Words, nullable=False),
    Column("birth_year", Integer),
    Column("pin", Words),
    Column("email", Words, nullable=False, server_default=""),
    Column("notes", Words, nullable=False, server_default=""),
    Column("updated", Moment, nullable=False),
)

calls = Table(
    "calls",
    metadata,
    Column("call_id", Words, primary_key=True),
    Column("worker", Words, nullable=False),
    Column("channel_id", Words, nullable=False),
    Column("number", Words, nullable=False, server_default=""),
    Column("started", Moment, nullable=False),
    Column("answered", Moment),
    Column("connected", Moment),
    Column("ended", Moment),
    Column("state", Words, nullable=False),
    Column("outcome", Words, nullable=False, server_default=""),
    Column("reason", Words, nullable=False, server_default=""),
    Index(None, "worker", "state"),
    Index(None, "started"),
)

turns = Table(
    "turns",
    metadata,
    Column("call_id", Words, ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("kind", Words, nullable=False),
    Column("text_id", Words, nullable=False, server_default=""),
    Column("pii_text", Words, nullable=False, server_default=""),
    Column("act", JSON(none_as_null=True)),
    Column("state", JSON(none_as_null=True)),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("key", Words, nullable=False, unique=True),
    Column("number", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("held_at", Moment, nullable=False),
    Column("due_at", Moment),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_by", Words, nullable=False, server_default=""),
    Column("claimed_until", Moment),
    Column("ended_at", Moment),
    Column("reason", Words, nullable=False, server_default=""),
    Index(None, "state", "due_at"),
)

callbacks = Table(
    "callbacks",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("uid", Words, nullable=False, unique=True),
    Column("call_id", Words, nullable=False, server_default=""),
    Column("number", Words, nullable=False),
    Column("name", Words, nullable=False, server_default=""),
    Column("about", Words, nullable=False, server_default=""),
    Column("preferred", Words, nullable=False, server_default=""),
    Column("due", Moment),
    Column("status", Words, nullable=False),
    Column("promised", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("claimed_by", Words, nullable=False, server_default=""),
    Column("claimed_until", Moment),
    Index(None, "status", "due"),
)
