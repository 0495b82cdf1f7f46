"""What is kept only for a while: calls with what was said, texts, done callbacks."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, select

from ari_app.store.schema import CallbackStatus, OutboxState, callbacks, calls, outbox, turns


@dataclass(frozen=True, slots=True)
class Purged:
    """How many rows went."""

    calls: int
    turns: int
    texts: int
    callbacks: int


def purge(conn: Connection, *, before: datetime) -> Purged:
    """Delete all that ended before `before`; open callbacks and texts still to be sent stay."""
    old_calls = func.coalesce(calls.c.ended, calls.c.started) < before
    old_ids = select(calls.c.call_id).where(old_calls)
    is_over = outbox.c.state.in_([OutboxState.SENT, OutboxState.FAILED])
    is_done = callbacks.c.status == CallbackStatus.DONE
    return Purged(
        turns=conn.execute(delete(turns).where(turns.c.call_id.in_(old_ids))).rowcount,
        calls=conn.execute(delete(calls).where(old_calls)).rowcount,
        texts=conn.execute(delete(outbox).where(and_(is_over, outbox.c.ended_at < before))).rowcount,
        callbacks=conn.execute(delete(callbacks).where(and_(is_done, callbacks.c.ended_at < before))).rowcount,
    )
