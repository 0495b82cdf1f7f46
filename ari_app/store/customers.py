"""Who a number belongs to.

A PIN is kept as it is: of four digits there are ten thousand, so a hash hides none of them. The database file is its
owner's alone (0600), and no list, log or JSON shows a PIN.
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from ari_app.store.database import insert_new
from ari_app.store.schema import customers


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer; `number` is E.164 and the key."""

    number: str
    name: str
    birth_year: int | None = None
    pin: str | None = None
    email: str = ""
    notes: str = ""


class Change(StrEnum):
    """What an upsert did."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


def find(conn: Connection, number: str) -> Customer | None:
    """The customer of an E.164 number; None: unknown, or the number was withheld."""
    row = conn.execute(select(customers).where(customers.c.number == number)).first() if number else None
    return None if row is None else _customer(row)


def upsert(conn: Connection, customer: Customer, *, now: datetime) -> Change:
    """Add a customer, or bring one up to date; fields left empty keep what is known."""
    if insert_new(conn, customers, **asdict(customer), updated=now):
        return Change.ADDED
    known = _customer(
        conn.execute(select(customers).where(customers.c.number == customer.number).with_for_update()).one()
    )
    given = {key: value for key, value in asdict(customer).items() if value not in (None, "")}
    if replace(known, **given) == known:
        return Change.UNCHANGED
    conn.execute(update(customers).where(customers.c.number == customer.number).values(**given, updated=now))
    return Change.UPDATED


def remove(conn: Connection, number: str) -> bool:
    """Forget a customer; False where there was none."""
    return conn.execute(delete(customers).where(customers.c.number == number)).rowcount > 0


def listed(conn: Connection, *, search: str = "", limit: int = 1000) -> list[Customer]:
    """Customers by name; `search`: a part of the name or the number, in any case."""
    wanted = f"%{search.lower().replace('%', '').replace('_', '')}%"
    query = (
        select(customers)
        .where(or_(func.lower(customers.c.name).like(wanted), customers.c.number.like(wanted)))
        .order_by(func.lower(customers.c.name), customers.c.number)
        .limit(limit)
    )
    return [_customer(row) for row in conn.execute(query)]


def _customer(row: Row[tuple[object, ...]]) -> Customer:
    fields = dict(row._mapping)
    del fields["updated"]
    return Customer(**fields)
