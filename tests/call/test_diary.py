"""A call's diary while the database is away."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ari_app.call.diary import Diary
from ari_app.call.registry import LiveCall, Registry
from ari_app.clock import FixedClock
from ari_app.store import call_log
from ari_app.store.call_log import Turn
from ari_app.store.database import Database
from ari_app.store.migrate import migrate
from ari_app.store.schema import CallState

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    migrate(f"sqlite:///{path}")
    return path


def _diary(database: Database) -> Diary:
    call = LiveCall("call-1", "+442079460123", "channel-1", NOW, 0.0)
    return Diary(call, Registry(1), database, FixedClock(NOW), "booking-1")


async def _turns(database: Database) -> tuple[Turn, ...]:
    found = await database.read(lambda conn: call_log.resume(conn, "call-1"))
    assert found is not None, "the call is not in the log"
    return found.turns


async def test_what_happened_while_the_database_was_away_is_written_when_it_is_back(path: Path) -> None:
    async with Database(f"sqlite:///{path}", timeout_s=0.3) as database:
        diary = _diary(database)
        async with diary.writing():
            away = sqlite3.connect(path, isolation_level=None)
            away.execute("BEGIN IMMEDIATE")
            diary.begin()
            diary.note("agent", "Hello.")
            await asyncio.sleep(0.7)  # longer than the database is waited for
            diary.note("caller", "hello")
            away.close()
            for _ in range(50):
                await asyncio.sleep(0.1)
                if not diary.is_behind:
                    break
            written = await _turns(database)
            diary.state(CallState.ANSWERED)
        assert [turn.pii_text for turn in written] == ["Hello.", "hello"]
        assert [turn.n for turn in written] == [1, 2]


async def test_a_call_that_ends_while_the_database_is_away_has_its_end_written(path: Path) -> None:
    async with Database(f"sqlite:///{path}", timeout_s=0.3) as database:
        diary = _diary(database)
        async with diary.writing():
            diary.begin()
            await asyncio.sleep(0.2)
            away = sqlite3.connect(path, isolation_level=None)
            away.execute("BEGIN IMMEDIATE")
            diary.outcome = "booked"
            diary.ended()
            asyncio.get_running_loop().call_later(1.0, away.close)
        assert await database.read(call_log.unfinished) == []


async def test_a_call_that_the_log_does_not_know_stops_nothing(path: Path) -> None:
    async with Database(f"sqlite:///{path}", timeout_s=0.3) as database:
        diary = _diary(database)
        async with diary.writing():
            diary.note("agent", "Hello.")  # never begun: refused by the database
            await asyncio.sleep(0.2)
            diary.begin()
            diary.note("agent", "Good morning.")
        assert [turn.pii_text for turn in await _turns(database)] == ["Good morning."]
