"""Holds: time that one booking step keeps for itself, across all workers, until it ends.

PostgreSQL refuses an overlap by an exclusion constraint; two that insert at once would each wait for the other there,
so they come one by one for each resource. On SQLite the look and the insert are one immediate transaction. A hold
lives exactly as long as its journal entry is open.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    Table,
    and_,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.exc import IntegrityError

from ari_app.errors import OpeningTaken
from ari_app.store.schema import Moment, RowId, Words, metadata

_LOCKS = 1_634_889
"""The first half of our advisory locks' numbers; the second is the resource's."""

holds = Table(
    "holds",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("key", Words, nullable=False),
    Column("resource", Words, nullable=False),
    Column("seat", Integer, nullable=False),
    Column("starts", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("held_at", Moment, nullable=False),
    Index(None, "key"),
    Index(None, "resource", "starts"),
)


@dataclass(frozen=True, slots=True)
class Hold:
    """Time to keep on one resource; epoch seconds, the end not included."""

    resource: str
    start: int
    end: int
    capacity: int = 1


def take(conn: Connection, wanted: Iterable[Hold], *, key: str, now: datetime) -> None:
    """Hold all of `wanted` for the step `key`, or raise OpeningTaken (the transaction is then to be undone)."""
    for hold in sorted(wanted, key=lambda item: item.resource):
        if conn.dialect.name == "postgresql":
            conn.execute(select(func.pg_advisory_xact_lock(_LOCKS, func.hashtext(hold.resource))))
        if not any(_take_seat(conn, hold, seat, key=key, now=now) for seat in _free_seats(conn, hold)):
            raise OpeningTaken(f"{hold.resource} is being booked by another call")


def let_go(conn: Connection, *, key: str) -> None:
    """Give up what the step `key` held."""
    conn.execute(delete(holds).where(holds.c.key == key))


def _free_seats(conn: Connection, hold: Hold) -> list[int]:
    taken = set(conn.scalars(select(holds.c.seat).where(_overlapping(hold.resource, hold.start, hold.end))))
    return [seat for seat in range(hold.capacity) if seat not in taken]


def _take_seat(conn: Connection, hold: Hold, seat: int, *, key: str, now: datetime) -> bool:
    values = {"resource": hold.resource, "seat": seat, "starts": hold.start, "ends": hold.end}
    try:
        with conn.begin_nested():
            conn.execute(insert(holds).values(key=key, held_at=now, **values))
    except IntegrityError:
        return False
    return True


def _overlapping(resource: str, start: int, end: int) -> ColumnElement[bool]:
    return and_(holds.c.resource == resource, holds.c.starts < end, holds.c.ends > start)
