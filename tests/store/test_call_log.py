from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ari_app.store import call_log
from ari_app.store.database import Database
from ari_app.store.schema import CallState


def _begin(conn: Connection, call_id: str, now: datetime, worker: str = "booking-1") -> bool:
    return call_log.begin(
        conn, call_id=call_id, worker=worker, channel_id=f"chan-{call_id}", number="+441632960001", now=now
    )


async def _state(database: Database, call_id: str, state: CallState, now: datetime) -> bool:
    return await database.run(lambda c: call_log.set_state(c, call_id=call_id, state=state, now=now))


async def test_a_calls_way_is_written_down_with_its_times(database: Database, now: datetime) -> None:
    assert await database.run(lambda c: _begin(c, "1", now))
    assert not await database.run(lambda c: _begin(c, "1", now))
    local = now.astimezone(ZoneInfo("America/New_York"))
    assert await _state(database, "1", CallState.ANSWERED, local + timedelta(seconds=1))
    assert await _state(database, "1", CallState.CONNECTED, local + timedelta(seconds=60))
    assert await _state(database, "1", CallState.ANSWERED, now + timedelta(seconds=90))
    assert await _state(database, "1", CallState.CONNECTED, now + timedelta(seconds=120))
    ended = now + timedelta(seconds=180)
    assert await database.run(lambda c: call_log.finish(c, call_id="1", outcome="human", reason="asked", now=ended))
    (call,) = await database.read(call_log.latest)
    assert (call.answered, call.connected) == (now + timedelta(seconds=1), now + timedelta(seconds=60))
    assert (call.state, call.outcome, call.reason, call.ended) == (CallState.DISCONNECTED, "human", "asked", ended)


async def test_a_call_ends_once(database: Database, now: datetime) -> None:
    await database.run(lambda c: _begin(c, "1", now))
    assert await database.run(lambda c: call_log.finish(c, call_id="1", outcome="booked", now=now))
    assert not await database.run(lambda c: call_log.finish(c, call_id="1", outcome="lost", now=now))
    assert not await _state(database, "1", CallState.ANSWERED, now)
    assert (await database.read(call_log.latest))[0].outcome == "booked"


async def test_a_lost_call_is_taken_up_where_it_was(database: Database, now: datetime) -> None:
    await database.run(lambda c: _begin(c, "1", now))
    turns = [
        {"kind": "agent", "text_id": "greeting", "pii_text": "Hello Jane"},
        {"kind": "caller", "pii_text": "tuesday", "act": {"text": "tuesday"}, "state": {"task": "book"}},
        {"kind": "agent", "text_id": "ask_time", "pii_text": "nul \x00 half \ud83d"},
    ]
    for n, turn in enumerate(turns, 1):
        assert (
            await database.run(
                lambda c, turn=turn: call_log.append_turn(c, call_id="1", at=now, **turn)  # type: ignore[misc]
            )
            == n
        )
    found = await database.read(lambda c: call_log.resume(c, "1"))
    assert found is not None
    assert found.state == {"task": "book"}
    assert [turn.kind for turn in found.turns] == ["agent", "caller", "agent"]
    assert found.turns[1].act == {"text": "tuesday"}
    assert found.turns[2].pii_text == "nul \ufffd half \ufffd"
    assert await database.read(lambda c: call_log.resume(c, "2")) is None


async def test_a_turn_of_no_call_is_refused(database: Database, now: datetime) -> None:
    with pytest.raises(IntegrityError):
        await database.run(lambda c: call_log.append_turn(c, call_id="none", at=now, kind="agent"))


async def test_a_dead_workers_calls_are_found_and_adopted_once(database: Database, now: datetime) -> None:
    await database.run(lambda c: _begin(c, "1", now))
    await database.run(lambda c: _begin(c, "2", now, "booking-2"))
    await database.run(lambda c: _begin(c, "3", now))
    await database.run(lambda c: call_log.finish(c, call_id="3", outcome="booked", now=now))
    assert [c.call_id for c in await database.read(lambda c: call_log.unfinished(c, "booking-1"))] == ["1"]
    assert [c.call_id for c in await database.read(call_log.unfinished)] == ["1", "2"]
    assert await database.run(lambda c: call_log.adopt(c, call_id="1", worker="booking-2", previous="booking-1"))
    assert not await database.run(lambda c: call_log.adopt(c, call_id="1", worker="booking-3", previous="booking-1"))
