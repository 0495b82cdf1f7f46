import asyncio
import socket
import sqlite3
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from ari_app.errors import BadInput, StoreUnavailable
from ari_app.store import customers
from ari_app.store.customers import Customer
from ari_app.store.database import Database
from ari_app.store.migrate import migrate
from ari_app.store.schema import customers as customers_table

JANE = Customer("+441632960001", "Jane")
BOB = Customer("+441632960002", "Bob")


async def test_an_error_undoes_all_of_its_transaction(database: Database, now: datetime) -> None:
    def work(conn: Connection) -> None:
        customers.upsert(conn, JANE, now=now)
        raise LookupError

    with pytest.raises(LookupError):
        await database.run(work)
    assert await database.read(customers.listed) == []


async def test_a_read_leaves_nothing_behind_and_sees_one_moment(database: Database, now: datetime) -> None:
    has_read, may_go_on = threading.Event(), threading.Event()

    def work(conn: Connection) -> tuple[int, int]:
        before = len(customers.listed(conn))
        has_read.set()
        assert may_go_on.wait(5)
        return before, len(customers.listed(conn))

    reading = asyncio.ensure_future(database.read(work))
    await asyncio.to_thread(has_read.wait, 5)
    await database.run(lambda c: customers.upsert(c, JANE, now=now))
    may_go_on.set()
    assert await reading == (0, 0)


async def test_out_of_time_means_nothing_was_written(database_url: str, now: datetime) -> None:
    may_end = threading.Event()

    def slow(conn: Connection) -> None:
        customers.upsert(conn, JANE, now=now)
        may_end.wait(5)

    async with Database(database_url, timeout_s=0.3) as database:
        with pytest.raises(StoreUnavailable, match="nothing was written"):
            await database.run(slow)
        may_end.set()
        assert await _settled(database) == []


async def test_a_cancelled_transaction_is_undone(database: Database, now: datetime) -> None:
    has_written, may_end = threading.Event(), threading.Event()

    def slow(conn: Connection) -> None:
        customers.upsert(conn, JANE, now=now)
        has_written.set()
        may_end.wait(5)

    job = asyncio.ensure_future(database.run(slow))
    await asyncio.to_thread(has_written.wait, 5)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    may_end.set()
    assert await _settled(database) == []


async def test_another_programs_lock_is_waited_for_so_long_and_no_longer(tmp_path: Path, now: datetime) -> None:
    path = tmp_path / "store.db"
    migrate(f"sqlite:///{path}")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with Database(f"sqlite:///{path}", timeout_s=0.3) as database:
        with pytest.raises(StoreUnavailable):
            await database.run(lambda c: customers.upsert(c, JANE, now=now))
        assert await database.read(customers.listed) == []
        other.close()
        await database.run(lambda c: customers.upsert(c, JANE, now=now))


async def test_writers_at_once_lose_nothing(database_url: str, now: datetime) -> None:
    def count_up(conn: Connection) -> None:
        row = select(customers_table.c.birth_year).where(customers_table.c.number == JANE.number).with_for_update()
        year = conn.execute(row).scalar_one() or 0
        conn.execute(update(customers_table).values(birth_year=year + 1))

    async with Database(database_url, timeout_s=10) as one, Database(database_url, timeout_s=10) as two:
        await one.run(lambda c: customers.upsert(c, JANE, now=now))
        await asyncio.gather(*(database.run(count_up) for database in (one, two) for _ in range(40)))
        found = await one.read(lambda c: customers.find(c, JANE.number))
    assert found is not None
    assert found.birth_year == 80


async def test_a_database_that_is_gone_is_said_to_be_unavailable() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with Database(f"postgresql://user:secret@127.0.0.1:{port}/none", timeout_s=2) as database:
        with pytest.raises(StoreUnavailable) as caught:
            await database.read(customers.listed)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://user@127.0.0.1:{silent.getsockname()[1]}/none"
        async with Database(url, timeout_s=0.2) as database:
            with pytest.raises(StoreUnavailable, match="no answer within"):
                await database.read(customers.listed)
            silent.close()


async def test_the_store_comes_back_with_its_server(postgres: Any, postgres_url: str, now: datetime) -> None:
    migrate(postgres_url)
    async with Database(postgres_url, timeout_s=5) as database:
        await database.run(lambda c: customers.upsert(c, JANE, now=now))
        await asyncio.to_thread(postgres.restart)
        assert await database.read(customers.listed) == [JANE]
        await asyncio.to_thread(postgres.control, "stop", "-m", "immediate")
        with pytest.raises(StoreUnavailable):
            await database.read(customers.listed)
        await asyncio.to_thread(postgres.control, "start", "-l", str(postgres.folder / "log"))
        assert await database.read(customers.listed) == [JANE]


async def test_a_frozen_workers_locks_end(postgres_url: str, now: datetime) -> None:
    migrate(postgres_url)
    may_end = threading.Event()

    def freeze(conn: Connection) -> None:
        customers.upsert(conn, JANE, now=now)
        may_end.wait(10)

    async with Database(postgres_url, timeout_s=0.3) as frozen, Database(postgres_url, timeout_s=5) as healthy:
        with pytest.raises(StoreUnavailable):
            await frozen.run(freeze)
        await healthy.run(lambda c: customers.upsert(c, JANE, now=now))
        may_end.set()
        assert await frozen.read(customers.listed) == [JANE]


async def test_a_deadlock_is_run_again(postgres_url: str, now: datetime) -> None:
    migrate(postgres_url)
    met = threading.Barrier(2)

    def rename_both(conn: Connection, first: Customer, second: Customer) -> None:
        conn.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
        for customer in (first, second):
            conn.execute(
                update(customers_table).where(customers_table.c.number == customer.number).values(name=first.name)
            )
            if customer is first and met.n_waiting < 2 and not met.broken:
                _meet(met)

    async with Database(postgres_url) as database:
        for customer in (JANE, BOB):
            await database.run(lambda c, customer=customer: customers.upsert(c, customer, now=now))  # type: ignore[misc]
        await asyncio.gather(
            database.run(lambda c: rename_both(c, JANE, BOB)), database.run(lambda c: rename_both(c, BOB, JANE))
        )
        assert len({customer.name for customer in await database.read(customers.listed)}) == 1


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "mysql://user:secret@host/name", "oracle+thing:///x", "sqlite://", "sqlite:///:memory:"],
)
def test_a_wrong_url_is_told_in_one_line(url: str) -> None:
    with pytest.raises(BadInput, match=r"store\.url") as caught:
        Database(url)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def _settled(database: Database) -> list[Customer]:
    """What is there once the writer's thread is free again."""
    for _ in range(50):
        try:
            await database.run(lambda c: None)
        except StoreUnavailable:
            continue
        return await database.read(customers.listed)
    raise AssertionError("the writer never came free")


def _meet(barrier: threading.Barrier) -> None:
    try:
        barrier.wait(2)
    except threading.BrokenBarrierError:
        return
    finally:
        barrier.abort()
