"""Promised callbacks, one row beside each VTODO (same `uid`), so that a promise outlives a calendar that is down."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, case, or_, select, true, update

from ari_app.store.database import insert_new
from ari_app.store.lease import give_back, is_held, take_first
from ari_app.store.schema import CallbackStatus, callbacks


@dataclass(frozen=True, slots=True)
class Callback:
    """One promise to call back."""

    id: int
    uid: str
    """UID of the VTODO."""
    call_id: str
    number: str
    name: str
    about: str
    preferred: str
    """When the customer would like it, in their words; empty: any time."""
    due: datetime | None
    """Promised by then."""
    status: CallbackStatus
    promised: datetime
    ended_at: datetime | None
    attempts: int
    claimed_by: str
    claimed_until: datetime | None

    def is_overdue(self, now: datetime) -> bool:
        return self.status is CallbackStatus.OPEN and self.due is not None and self.due < now


def promise(
    conn: Connection,
    *,
    uid: str,
    number: str,
    now: datetime,
    due: datetime | None,
    name: str = "",
    about: str = "",
    preferred: str = "",
    call_id: str = "",
) -> bool:
    """Write a promise down; False where this uid is known already."""
    return insert_new(
        conn,
        callbacks,
        uid=uid,
        call_id=call_id,
        number=number,
        name=name,
        about=about,
        preferred=preferred,
        due=due,
        status=CallbackStatus.OPEN,
        promised=now,
    )


def done(conn: Connection, callback_id: int, *, now: datetime) -> bool:
    """The customer was called back; False where it is unknown or was done before."""
    changed = conn.execute(
        update(callbacks)
        .where(callbacks.c.id == callback_id, callbacks.c.status == CallbackStatus.OPEN)
        .values(status=CallbackStatus.DONE, ended_at=now, claimed_by="", claimed_until=None)
    )
    return changed.rowcount > 0


def done_by_uid(conn: Connection, uid: str, *, now: datetime) -> bool:
    """As `done`, found by its VTODO: somebody ticked it off in the calendar."""
    found = conn.execute(select(callbacks.c.id).where(callbacks.c.uid == uid)).scalar_one_or_none()
    return found is not None and done(conn, int(found), now=now)


def find(conn: Connection, callback_id: int) -> Callback | None:
    """One promise by its id."""
    row = conn.execute(select(callbacks).where(callbacks.c.id == callback_id)).first()
    return None if row is None else _callback(row)


def listed(conn: Connection, *, is_done_included: bool = False, limit: int = 1000) -> list[Callback]:
    """Open promises, soonest due first; done ones after them where wanted."""
    is_open = case((callbacks.c.status == CallbackStatus.OPEN, 0), else_=1)
    query = select(callbacks).order_by(is_open, callbacks.c.due, callbacks.c.id).limit(limit)
    if not is_done_included:
        query = query.where(callbacks.c.status == CallbackStatus.OPEN)
    return [_callback(row) for row in conn.execute(query)]


def claim(
    conn: Connection,
    *,
    worker: str,
    now: datetime,
    lease: timedelta,
    attempts: int = 3,
    is_any_time: bool = False,
) -> Callback | None:
    """Take the promise that is due first for this worker alone, to ring it; None: nothing to ring.

    `is_any_time`: only one whose customer named no time that would suit.

    A claim ends with `done`, `put_back`, or by itself after `lease`; after `attempts` the desk must see to it.
    """
    row = take_first(
        conn,
        callbacks,
        callbacks.c.status == CallbackStatus.OPEN,
        callbacks.c.attempts < attempts,
        or_(callbacks.c.claimed_until.is_(None), callbacks.c.claimed_until <= now),
        callbacks.c.preferred == "" if is_any_time else true(),
        order_by=(callbacks.c.due, callbacks.c.id),
        worker=worker,
        until=now + lease,
    )
    return None if row is None else _callback(row)


def put_back(conn: Connection, callback: Callback, *, next_at: datetime) -> bool:
    """Nobody was reached: free for another try at `next_at`."""
    return give_back(conn, callbacks, is_held(callbacks, callback), claimed_until=next_at)


def _callback(row: Row[tuple[object, ...]]) -> Callback:
    fields = dict(row._mapping)
    fields["status"] = CallbackStatus(fields["status"])
    return Callback(**fields)
