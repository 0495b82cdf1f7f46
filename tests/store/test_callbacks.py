import asyncio
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ari_app.store import callbacks
from ari_app.store.database import Database
from ari_app.store.schema import CallbackStatus

LEASE = timedelta(minutes=5)


def _promise(conn: Connection, uid: str, now: datetime, due: datetime | None = None) -> bool:
    return callbacks.promise(conn, uid=uid, number="+441632960001", about="a cleaning", now=now, due=due)


async def test_a_promise_is_kept_until_it_is_done(database: Database, now: datetime) -> None:
    due = now + timedelta(hours=2)
    assert await database.run(lambda c: _promise(c, "u1", now, due))
    assert not await database.run(lambda c: _promise(c, "u1", now, due))
    (promise,) = await database.read(callbacks.listed)
    assert not promise.is_overdue(due)
    assert promise.is_overdue(due + timedelta(seconds=1))
    assert await database.run(lambda c: callbacks.done(c, promise.id, now=now))
    assert not await database.run(lambda c: callbacks.done(c, promise.id, now=now))
    assert await database.read(callbacks.listed) == []
    (kept,) = await database.read(lambda c: callbacks.listed(c, is_done_included=True))
    assert kept.status is CallbackStatus.DONE
    assert not kept.is_overdue(due + timedelta(days=1))


async def test_a_promise_is_rung_by_one_worker_at_a_time(database: Database, now: datetime) -> None:
    await database.run(lambda c: _promise(c, "u1", now, now))
    await database.run(lambda c: _promise(c, "u2", now, now - timedelta(hours=1)))
    claimed = await asyncio.gather(
        *(
            database.run(lambda c, n=n: callbacks.claim(c, worker=f"w{n}", now=now, lease=LEASE))  # type: ignore[misc]
            for n in range(4)
        )
    )
    assert sorted(c.uid for c in claimed if c is not None) == ["u1", "u2"]


async def test_a_claim_runs_out_and_tries_are_counted(database: Database, now: datetime) -> None:
    await database.run(lambda c: _promise(c, "u1", now, now))
    at = now
    for n in range(3):
        claimed = await database.run(lambda c, at=at: callbacks.claim(c, worker="w", now=at, lease=LEASE))  # type: ignore[misc]
        assert claimed is not None
        assert claimed.attempts == n + 1
        assert await database.run(lambda c, at=at: callbacks.claim(c, worker="w2", now=at, lease=LEASE)) is None  # type: ignore[misc]
        at += LEASE
    assert await database.run(lambda c: callbacks.claim(c, worker="w", now=at, lease=LEASE)) is None


async def test_nobody_reached_means_another_try_later(database: Database, now: datetime) -> None:
    await database.run(lambda c: _promise(c, "u1", now, now))
    claimed = await database.run(lambda c: callbacks.claim(c, worker="w", now=now, lease=LEASE))
    assert claimed is not None
    later = now + timedelta(minutes=30)
    assert await database.run(lambda c: callbacks.put_back(c, claimed, next_at=later))
    assert await database.run(lambda c: callbacks.claim(c, worker="w", now=now, lease=LEASE)) is None
    assert await database.run(lambda c: callbacks.claim(c, worker="w", now=later, lease=LEASE)) is not None


async def test_a_claim_that_ran_out_gives_nothing_back_even_where_the_same_worker_has_it_again(
    database: Database, now: datetime
) -> None:
    await database.run(lambda c: _promise(c, "u1", now, now))
    first = await database.run(lambda c: callbacks.claim(c, worker="w", now=now, lease=LEASE))
    again = await database.run(lambda c: callbacks.claim(c, worker="w", now=now + LEASE, lease=LEASE))
    assert first is not None
    assert again is not None
    assert not await database.run(lambda c: callbacks.put_back(c, first, next_at=now + LEASE))
    assert await database.run(lambda c: callbacks.put_back(c, again, next_at=now + LEASE))
