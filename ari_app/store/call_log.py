"""The call log and its turn journal, from which a lost call is taken up again.

Each function runs inside a transaction (`Database.run` or `.read`). What callers said is purged with the call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, func, insert, literal, select, update

from ari_app.store.database import insert_new
from ari_app.store.schema import CallState, Moment, calls, turns

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call."""

    call_id: str
    worker: str
    channel_id: str
    number: str
    """E.164, or empty."""
    started: datetime
    answered: datetime | None
    connected: datetime | None
    ended: datetime | None
    state: CallState
    outcome: str
    reason: str


@dataclass(frozen=True, slots=True)
class Turn:
    """One entry of a call's journal, numbered from 1."""

    call_id: str
    n: int
    at: datetime
    kind: str
    """Whose turn or what happened: "caller", "agent", "action", "result", ..."""
    text_id: str
    pii_text: str
    act: Json | None
    state: Json | None
    """The dialogue's state after this turn, where one was taken down."""


@dataclass(frozen=True, slots=True)
class Resumable:
    """A call as its journal left it."""

    call: CallRecord
    turns: tuple[Turn, ...]
    state: Json | None
    """The newest state taken down; None: none was yet."""


def begin(conn: Connection, *, call_id: str, worker: str, channel_id: str, number: str, now: datetime) -> bool:
    """Write down a claimed call as PENDING; False where this call id is known already."""
    return insert_new(
        conn,
        calls,
        call_id=call_id,
        worker=worker,
        channel_id=channel_id,
        number=number,
        started=now,
        state=CallState.PENDING,
    )


def set_state(conn: Connection, *, call_id: str, state: CallState, now: datetime) -> bool:
    """Move a call on; False where it is unknown or over. The first time of each state is kept."""
    values: dict[str, object] = {"state": state}
    match state:
        case CallState.ANSWERED:
            values["answered"] = func.coalesce(calls.c.answered, literal(now, Moment()))
        case CallState.CONNECTED:
            values["connected"] = func.coalesce(calls.c.connected, literal(now, Moment()))
        case CallState.DISCONNECTED:
            values["ended"] = now
    changed = conn.execute(
        update(calls).where(calls.c.call_id == call_id, calls.c.state != CallState.DISCONNECTED).values(values)
    )
    return changed.rowcount > 0


def append_turn(
    conn: Connection,
    *,
    call_id: str,
    at: datetime,
    kind: str,
    text_id: str = "",
    pii_text: str = "",
    act: Json | None = None,
    state: Json | None = None,
) -> int:
    """Add to a call's journal and return the turn's number; IntegrityError where the call is unknown."""
    last = conn.execute(select(func.max(turns.c.n)).where(turns.c.call_id == call_id)).scalar_one()
    number = int(last or 0) + 1
    conn.execute(
        insert(turns).values(
            call_id=call_id, n=number, at=at, kind=kind, text_id=text_id, pii_text=pii_text, act=act, state=state
        )
    )
    return number


def finish(conn: Connection, *, call_id: str, outcome: str, reason: str = "", now: datetime) -> bool:
    """Write down how a call ended; False where that was done before (the first word holds) or it is unknown."""
    changed = conn.execute(
        update(calls)
        .where(calls.c.call_id == call_id, calls.c.state != CallState.DISCONNECTED)
        .values(state=CallState.DISCONNECTED, ended=now, outcome=outcome, reason=reason)
    )
    return changed.rowcount > 0


def unfinished(conn: Connection, worker: str | None = None) -> list[CallRecord]:
    """Calls without an end, oldest first: of one worker, or (None) of all."""
    query = select(calls).where(calls.c.state != CallState.DISCONNECTED).order_by(calls.c.started, calls.c.call_id)
    if worker is not None:
        query = query.where(calls.c.worker == worker)
    return [_call(row) for row in conn.execute(query)]


def adopt(conn: Connection, *, call_id: str, worker: str, previous: str) -> bool:
    """Take over an unfinished call of the worker `previous`; False where another was faster or it is over."""
    changed = conn.execute(
        update(calls)
        .where(calls.c.call_id == call_id, calls.c.worker == previous, calls.c.state != CallState.DISCONNECTED)
        .values(worker=worker)
    )
    return changed.rowcount > 0


def resume(conn: Connection, call_id: str) -> Resumable | None:
    """What is needed to take a call up again where it was; None: unknown call."""
    row = conn.execute(select(calls).where(calls.c.call_id == call_id)).first()
    if row is None:
        return None
    journal = turns_of(conn, call_id)
    newest = next((turn.state for turn in reversed(journal) if turn.state is not None), None)
    return Resumable(_call(row), tuple(journal), newest)


def turns_of(conn: Connection, call_id: str) -> list[Turn]:
    """A call's journal, in order."""
    rows = conn.execute(select(turns).where(turns.c.call_id == call_id).order_by(turns.c.n))
    return [Turn(**row._mapping) for row in rows]


def latest(conn: Connection, *, limit: int = 100) -> list[CallRecord]:
    """The newest calls, newest first."""
    return [_call(row) for row in conn.execute(select(calls).order_by(calls.c.started.desc()).limit(limit))]


def _call(row: Row[tuple[object, ...]]) -> CallRecord:
    fields = dict(row._mapping)
    fields["state"] = CallState(fields["state"])
    return CallRecord(**fields)
