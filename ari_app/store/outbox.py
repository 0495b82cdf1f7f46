"""Messages to send, one row each: held -> due -> sent | failed.

`hold`, `release` and `discard` are called inside the booking's own transactions, so that a text exists exactly when
its booking does. All are idempotent by `key`: one key is one message, however often a step is repeated.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, or_, select, update

from ari_app.store.database import insert_new
from ari_app.store.lease import give_back, is_held, take_first
from ari_app.store.schema import OutboxState, outbox


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One row of the outbox."""

    id: int
    key: str
    number: str
    text: str
    state: OutboxState
    held_at: datetime
    due_at: datetime | None
    attempts: int
    claimed_by: str
    claimed_until: datetime | None
    ended_at: datetime | None
    reason: str


def hold(conn: Connection, *, key: str, number: str, text: str, now: datetime) -> bool:
    """Write the message down without sending it; True where it is held now.

    Nothing is written without a number or a text. A key that was released before stays as it is (False).
    """
    if not number or not text:
        return False
    insert_new(conn, outbox, key=key, number=number, text=text, state=OutboxState.HELD, held_at=now)
    held = conn.execute(
        update(outbox)
        .where(outbox.c.key == key, outbox.c.state == OutboxState.HELD)
        .values(number=number, text=text, held_at=now)
    )
    return held.rowcount > 0


def release(conn: Connection, *, key: str, now: datetime) -> bool:
    """Let a held message be sent from `now` on; True where the key is known. Repeated: no change."""
    conn.execute(
        update(outbox)
        .where(outbox.c.key == key, outbox.c.state == OutboxState.HELD)
        .values(state=OutboxState.DUE, due_at=now)
    )
    return conn.execute(select(outbox.c.id).where(outbox.c.key == key)).first() is not None


def discard(conn: Connection, *, key: str) -> bool:
    """Drop a held message, its booking having come to nothing; True where one was dropped. Never a released one."""
    dropped = conn.execute(delete(outbox).where(outbox.c.key == key, outbox.c.state == OutboxState.HELD))
    return dropped.rowcount > 0


def held_before(conn: Connection, moment: datetime) -> list[OutboxMessage]:
    """Messages still held since before `moment`, oldest first: their bookings want looking at."""
    rows = conn.execute(
        select(outbox)
        .where(outbox.c.state == OutboxState.HELD, outbox.c.held_at < moment)
        .order_by(outbox.c.held_at, outbox.c.id)
    )
    return [_message(row) for row in rows]


def claim(conn: Connection, *, worker: str, now: datetime, lease: timedelta) -> OutboxMessage | None:
    """Take the message that is due longest for this worker alone, until `now + lease`; None: nothing is due."""
    row = take_first(
        conn,
        outbox,
        outbox.c.state == OutboxState.DUE,
        outbox.c.due_at <= now,
        outbox.c.claimed_by == "",
        order_by=(outbox.c.due_at, outbox.c.id),
        worker=worker,
        until=now + lease,
    )
    return None if row is None else _message(row)


def finish(conn: Connection, message: OutboxMessage, *, state: OutboxState, now: datetime, reason: str = "") -> bool:
    """Write down that a claimed message was sent or failed for good; False where the claim was lost meanwhile."""
    return give_back(conn, outbox, _still_claimed(message), state=state, ended_at=now, reason=reason)


def put_back(conn: Connection, message: OutboxMessage, *, due_at: datetime, reason: str) -> bool:
    """Give a claimed message back, to be tried again at `due_at`; False where the claim was lost meanwhile."""
    return give_back(conn, outbox, _still_claimed(message), due_at=due_at, reason=reason)


def settle_doubtful(
    conn: Connection, *, now: datetime, worker: str = "", resend: bool, most_attempts: int = 6, reason: str
) -> list[OutboxMessage]:
    """Decide the messages whose worker died between claiming and writing down the end.

    Those are the ones whose claim ran out, and all of `worker`'s (given at that worker's own start). `resend`: due
    again, up to `most_attempts`; else failed with `reason`. Returns them as they were.
    """
    doubtful = select(outbox).where(
        outbox.c.state == OutboxState.DUE,
        outbox.c.claimed_by != "",
        or_(outbox.c.claimed_until <= now, outbox.c.claimed_by == worker),
    )
    found = [_message(row) for row in conn.execute(doubtful.with_for_update(skip_locked=True))]
    for message in found:
        if resend and message.attempts < most_attempts:
            put_back(conn, message, due_at=now, reason=reason)
        else:
            finish(conn, message, state=OutboxState.FAILED, now=now, reason=reason)
    return found


def fail_unsent(conn: Connection, *, now: datetime, reason: str) -> int:
    """Give up every message that is held or due; returns how many those were."""
    given_up = conn.execute(
        update(outbox)
        .where(outbox.c.state.in_([OutboxState.HELD, OutboxState.DUE]))
        .values(state=OutboxState.FAILED, ended_at=now, reason=reason, claimed_by="", claimed_until=None)
    )
    return given_up.rowcount


def latest(conn: Connection, *, limit: int = 100) -> list[OutboxMessage]:
    """The newest messages, newest first, for the desk."""
    return [_message(row) for row in conn.execute(select(outbox).order_by(outbox.c.id.desc()).limit(limit))]


def counts(conn: Connection) -> dict[OutboxState, int]:
    """How many messages are in each state."""
    rows = conn.execute(select(outbox.c.state, func.count()).group_by(outbox.c.state))
    known = {OutboxState(state): count for state, count in rows}
    return {state: known.get(state, 0) for state in OutboxState}


def _still_claimed(message: OutboxMessage) -> ColumnElement[bool]:
    return and_(is_held(outbox, message), outbox.c.state == OutboxState.DUE)


def _message(row: Row[tuple[object, ...]]) -> OutboxMessage:
    fields = dict(row._mapping)
    fields["state"] = OutboxState(fields["state"])
    return OutboxMessage(**fields)
