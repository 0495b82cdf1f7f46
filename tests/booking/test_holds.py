"""Holds and the journal on both databases, as several workers use them at once."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from ari_app.booking.owner import is_dead, this_process
from ari_app.errors import OpeningTaken
from ari_app.store import booking_journal as journal
from ari_app.store import holds
from ari_app.store.booking_journal import StepKind, StepState
from ari_app.store.database import Database
from ari_app.store.holds import Hold
from ari_app.store.migrate import migrate

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def databases(empty_database_url: str) -> AsyncIterator[list[Database]]:
    """Three workers' connections to one database."""
    migrate(empty_database_url)
    opened = [Database(empty_database_url, timeout_s=10) for _ in range(3)]
    yield opened
    for database in opened:
        await database.close()


async def take(database: Database, key: str, *wanted: Hold) -> bool:
    try:
        await database.run(lambda conn: holds.take(conn, wanted, key=key, now=NOW))
    except OpeningTaken:
        return False
    return True


async def test_of_many_who_want_one_time_one_holds_it(databases: list[Database]) -> None:
    wanted = [Hold("anna", 100 + 10 * (n % 3), 200 + 10 * (n % 3)) for n in range(12)]
    results = await asyncio.gather(*(take(databases[n % 3], f"k{n}", hold) for n, hold in enumerate(wanted)))
    assert sum(results) == 1
    assert await take(databases[0], "after", Hold("anna", 300, 400), Hold("ben", 100, 200))


async def test_a_class_is_held_seat_by_seat(databases: list[Database]) -> None:
    tries = (take(databases[n % 3], f"k{n}", Hold("gym", 100, 200, capacity=4)) for n in range(9))
    assert sum(await asyncio.gather(*tries)) == 4


async def test_two_resources_are_held_together_or_not_at_all(databases: list[Database]) -> None:
    first, second, third = databases
    assert await take(first, "k1", Hold("room", 100, 200))
    assert not await take(second, "k2", Hold("anna", 100, 200), Hold("room", 150, 250))
    assert await take(third, "k3", Hold("anna", 100, 200))
    await first.run(lambda conn: holds.let_go(conn, key="k1"))
    assert await take(second, "k2", Hold("room", 150, 250))


async def test_neighbours_do_not_disturb_each_other(databases: list[Database]) -> None:
    assert await take(databases[0], "k1", Hold("anna", 100, 200))
    assert await take(databases[1], "k2", Hold("anna", 200, 300))
    assert await take(databases[2], "k3", Hold("anna", 0, 100))


async def begin(database: Database, key: str, owner: str = "a") -> journal.Step | None:
    return await database.run(
        lambda conn: journal.begin(
            conn, key=key, kind=StepKind.BOOK, owner=owner, payload={"n": 1}, now=NOW, lease=MINUTE
        )
    )


async def claimed(database: Database, owner: str, now: datetime, dead: str = "") -> list[str]:
    steps = await database.run(
        lambda conn: journal.claim(conn, owner=owner, is_dead=lambda name: name == dead, now=now, lease=MINUTE)
    )
    return [step.key for step in steps]


async def settle(database: Database, key: str, owner: str, state: StepState) -> bool:
    return await database.run(lambda conn: journal.settle(conn, key=key, owner=owner, state=state, now=NOW))


async def test_one_step_is_begun_once_and_again_only_after_it_was_undone(databases: list[Database]) -> None:
    results = await asyncio.gather(*(begin(databases[n % 3], "k") for n in range(6)))
    assert results.count(None) == 1
    assert await settle(databases[0], "k", "a", StepState.UNDONE)
    assert await begin(databases[1], "k") is None
    assert await settle(databases[0], "k", "a", StepState.DONE)
    known = await begin(databases[2], "k")
    assert known is not None
    assert known.state is StepState.DONE


async def test_a_dead_owners_step_is_claimed_by_one_worker_and_lost_to_its_owner(databases: list[Database]) -> None:
    await begin(databases[0], "k")
    assert await claimed(databases[1], "b", NOW + timedelta(seconds=10)) == []
    later = NOW + timedelta(seconds=10)
    results = await asyncio.gather(
        *(claimed(database, f"b{n}", later, dead="a") for n, database in enumerate(databases))
    )
    assert sorted(results) == [[], [], ["k"]]
    winner = f"b{results.index(['k'])}"
    assert not await settle(databases[0], "k", "a", StepState.DONE)
    assert await settle(databases[0], "k", winner, StepState.UNDONE)


async def test_a_lease_that_ran_out_is_claimed_whoever_owns_it(databases: list[Database]) -> None:
    await begin(databases[0], "k")
    assert await claimed(databases[1], "b", NOW + timedelta(seconds=61)) == ["k"]


async def test_ended_steps_are_forgotten(databases: list[Database]) -> None:
    await begin(databases[0], "open")
    await begin(databases[0], "done")
    await settle(databases[0], "done", "a", StepState.DONE)
    assert await databases[0].run(lambda conn: journal.forget(conn, before=NOW + MINUTE)) == 1
    assert [step.key for step in await databases[0].read(journal.every)] == ["open"]


async def test_the_tables_are_those_that_the_migration_makes(databases: list[Database]) -> None:
    revision = importlib.import_module("ari_app.store.migrations.versions.0002_booking")
    assert (revision.revision, revision.down_revision) == ("0002", "0001")
    for table in (holds.holds, journal.booking_journal):
        assert await databases[0].read(lambda conn, table=table: conn.execute(table.select()).all()) == []


def test_a_process_knows_whether_another_lives() -> None:
    mine = this_process()
    place, pid, started = mine.rsplit(":", 2)
    assert not is_dead(mine)
    assert is_dead(f"{place}:{pid}:{started}0")
    assert is_dead(f"{place}:4194305:{started}")
    assert not is_dead(f"elsewhere/1:{pid}:{started}0")
    assert not is_dead("nonsense")
