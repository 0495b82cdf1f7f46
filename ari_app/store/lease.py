"""Rows that one worker at a time has: taken until a moment, held while nobody else has taken them since, given back.

A table with `id`, `claimed_by`, `claimed_until` and `attempts`; taking counts an attempt, so that a lease that ran out
and was taken again, even by the same worker, is another one.
"""

from datetime import datetime
from typing import Protocol

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, and_, select, update


class Leased(Protocol):
    """A row as it was when it was taken."""

    @property
    def id(self) -> int: ...

    @property
    def claimed_by(self) -> str: ...

    @property
    def attempts(self) -> int: ...


def take_first(
    conn: Connection,
    table: Table,
    *conditions: ColumnElement[bool],
    order_by: tuple[Column[object], ...],
    worker: str,
    until: datetime,
) -> Row[tuple[object, ...]] | None:
    """The first row that meets all conditions, now this worker's; None: there is none that nobody else is taking."""
    row = conn.execute(
        select(table.c.id).where(*conditions).order_by(*order_by).limit(1).with_for_update(skip_locked=True)
    ).first()
    if row is None:
        return None
    taken = {"claimed_by": worker, "claimed_until": until, "attempts": table.c.attempts + 1}
    return conn.execute(update(table).where(table.c.id == row.id).values(**taken).returning(table)).one()


def is_held(table: Table, lease: Leased) -> ColumnElement[bool]:
    """Nobody has taken the row since."""
    return and_(table.c.id == lease.id, table.c.claimed_by == lease.claimed_by, table.c.attempts == lease.attempts)


def give_back(conn: Connection, table: Table, held: ColumnElement[bool], **values: object) -> bool:
    """End a lease and write `values`; False where the row isn't held any more. `claimed_until` may be among them."""
    freed: dict[str, object] = {"claimed_by": "", "claimed_until": None, **values}
    return conn.execute(update(table).where(held).values(**freed)).rowcount > 0
