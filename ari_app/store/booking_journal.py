"""The journal of booking steps: what is about to be done is written down before it is done.

open -> done | undone, or -> undoing where it isn't sure yet that nothing is left. An open entry belongs to its owner
until its lease ends or the owner is dead; then any worker may claim it, and finishes or undoes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import JSON, Column, Connection, Index, Row, Table, and_, delete, or_, select, update

from ari_app.store.database import insert_new
from ari_app.store.schema import Moment, Words, metadata

Payload = dict[str, object]
"""JSON."""


class StepKind(StrEnum):
    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"


class StepState(StrEnum):
    OPEN = "open"
    UNDOING = "undoing"
    DONE = "done"
    UNDONE = "undone"


booking_journal = Table(
    "booking_journal",
    metadata,
    Column("key", Words, primary_key=True),
    Column("kind", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("owner", Words, nullable=False),
    Column("leased_until", Moment, nullable=False),
    Column("payload", JSON(none_as_null=True), nullable=False),
    Column("began", Moment, nullable=False),
    Column("changed", Moment, nullable=False),
    Index(None, "state"),
)


_IS_UNFINISHED = booking_journal.c.state.in_([StepState.OPEN, StepState.UNDOING])


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the journal."""

    key: str
    kind: StepKind
    state: StepState
    owner: str
    leased_until: datetime
    payload: Payload
    began: datetime
    changed: datetime


def begin(
    conn: Connection, *, key: str, kind: StepKind, owner: str, payload: Payload, now: datetime, lease: timedelta
) -> Step | None:
    """Open the step `key` for `owner`; None: opened. Else the entry that is there already, untouched.

    A step that was undone may be tried again under its key.
    """
    values = {"owner": owner, "leased_until": now + lease, "payload": payload, "began": now, "changed": now}
    if insert_new(conn, booking_journal, key=key, kind=kind, state=StepState.OPEN, **values):
        return None
    again = conn.execute(
        update(booking_journal)
        .where(booking_journal.c.key == key, booking_journal.c.state == StepState.UNDONE)
        .values(kind=kind, state=StepState.OPEN, **values)
    )
    return None if again.rowcount else find(conn, key)


def find(conn: Connection, key: str) -> Step | None:
    """The entry of this key."""
    row = conn.execute(select(booking_journal).where(booking_journal.c.key == key)).first()
    return None if row is None else _step(row)


def note(conn: Connection, *, key: str, owner: str, payload: Payload, now: datetime) -> bool:
    """Write down what the step is about to do next; False where it is no longer its owner's."""
    return _change(conn, key, owner, payload=payload, changed=now)


def settle(
    conn: Connection,
    *,
    key: str,
    owner: str,
    state: StepState,
    now: datetime,
    payload: Payload | None = None,
    leased_until: datetime | None = None,
) -> bool:
    """End a step (or leave it to be undone); False where it is no longer its owner's, and nothing changes."""
    values: dict[str, object] = {"state": state, "changed": now}
    if payload is not None:
        values["payload"] = payload
    if leased_until is not None:
        values["leased_until"] = leased_until
    return _change(conn, key, owner, **values)


def claim(
    conn: Connection,
    *,
    owner: str,
    is_dead: Callable[[str], bool],
    now: datetime,
    lease: timedelta,
    running: frozenset[str] = frozenset(),
) -> list[Step]:
    """Take over unfinished steps whose lease ended, or that are open and whose owner is dead.

    Never those that are `running` in this process. Returns them as they were.
    """
    rows = conn.execute(select(booking_journal).where(_IS_UNFINISHED).with_for_update(skip_locked=True)).all()
    taken: list[Step] = []
    for step in map(_step, rows):
        is_left = step.state is StepState.OPEN and is_dead(step.owner)
        if step.key not in running and (step.leased_until <= now or is_left):
            changed = conn.execute(
                update(booking_journal)
                .where(booking_journal.c.key == step.key, booking_journal.c.owner == step.owner)
                .values(owner=owner, leased_until=now + lease)
            )
            taken += [step] * changed.rowcount
    return taken


def unfinished(conn: Connection) -> list[Step]:
    """Every step that is neither done nor undone."""
    return [_step(row) for row in conn.execute(select(booking_journal).where(_IS_UNFINISHED))]


def unconfirmed(conn: Connection, *, since: datetime) -> list[Step]:
    """Every step that isn't done: unfinished ones, and those undone `since`, whose events a copy may still hold."""
    is_undone = and_(booking_journal.c.state == StepState.UNDONE, booking_journal.c.changed >= since)
    return [_step(row) for row in conn.execute(select(booking_journal).where(or_(_IS_UNFINISHED, is_undone)))]


def every(conn: Connection) -> list[Step]:
    """The whole journal, oldest first."""
    return [_step(row) for row in conn.execute(select(booking_journal).order_by(booking_journal.c.began))]


def forget(conn: Connection, *, before: datetime) -> int:
    """Drop steps that ended before this moment; how many they were."""
    ended = booking_journal.c.state.in_([StepState.DONE, StepState.UNDONE])
    return conn.execute(delete(booking_journal).where(ended, booking_journal.c.changed < before)).rowcount


def _change(conn: Connection, key: str, owner: str, **values: object) -> bool:
    changed = conn.execute(
        update(booking_journal)
        .where(
            booking_journal.c.key == key,
            booking_journal.c.owner == owner,
            _IS_UNFINISHED,
        )
        .values(**values)
    )
    return changed.rowcount > 0


def _step(row: Row[tuple[object, ...]]) -> Step:
    fields = dict(row._mapping)
    fields["kind"], fields["state"] = StepKind(fields["kind"]), StepState(fields["state"])
    return Step(**fields)
