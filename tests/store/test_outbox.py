from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from ari_app.store import outbox
from ari_app.store.database import Database
from ari_app.store.schema import OutboxState

LEASE = timedelta(seconds=60)


def _hold(conn: Connection, key: str, now: datetime) -> bool:
    return outbox.hold(conn, key=key, number="+441632960001", text="See you on Tuesday.", now=now)


async def test_a_text_is_sent_only_after_its_release(database: Database, now: datetime) -> None:
    assert await database.run(lambda c: _hold(c, "a", now))
    assert await database.run(lambda c: outbox.claim(c, worker="w1", now=now, lease=LEASE)) is None
    assert await database.run(lambda c: outbox.release(c, key="a", now=now))
    claimed = await database.run(lambda c: outbox.claim(c, worker="w1", now=now, lease=LEASE))
    assert claimed is not None
    assert (claimed.key, claimed.attempts, claimed.claimed_by) == ("a", 1, "w1")


async def test_each_step_repeated_changes_nothing(database: Database, now: datetime) -> None:
    for _ in range(2):
        assert await database.run(lambda c: _hold(c, "a", now))
    for _ in range(2):
        assert await database.run(lambda c: outbox.release(c, key="a", now=now))
    assert not await database.run(lambda c: _hold(c, "a", now))
    assert not await database.run(lambda c: outbox.discard(c, key="a"))
    assert [m.state for m in await database.read(outbox.latest)] == [OutboxState.DUE]
    claimed = await database.run(lambda c: outbox.claim(c, worker="w", now=now, lease=LEASE))
    assert claimed is not None
    await database.run(lambda c: outbox.finish(c, claimed, state=OutboxState.SENT, now=now))
    assert await database.run(lambda c: outbox.release(c, key="a", now=now))
    assert (await database.read(outbox.counts))[OutboxState.SENT] == 1


async def test_a_discarded_text_is_gone(database: Database, now: datetime) -> None:
    await database.run(lambda c: _hold(c, "a", now))
    assert await database.run(lambda c: outbox.discard(c, key="a"))
    assert not await database.run(lambda c: outbox.release(c, key="a", now=now))


async def test_without_a_number_nothing_is_written(database: Database, now: datetime) -> None:
    assert not await database.run(lambda c: outbox.hold(c, key="a", number="", text="x", now=now))
    assert await database.read(outbox.latest) == []


async def test_a_text_shares_the_fate_of_its_transaction(database: Database, now: datetime) -> None:
    def book(conn: Connection) -> None:
        _hold(conn, "a", now)
        raise LookupError("the booking failed")

    with pytest.raises(LookupError):
        await database.run(book)
    assert await database.read(outbox.latest) == []


async def test_text_of_any_characters_is_kept(database: Database, now: datetime) -> None:
    odd = "nul \x00, half \ud83d, whole 😀, quotes ' \" \\"
    await database.run(lambda c: outbox.hold(c, key="a", number="+44", text=odd, now=now))
    (message,) = await database.read(outbox.latest)
    assert message.text == "nul \ufffd, half \ufffd, whole 😀, quotes ' \" \\"


async def test_a_lost_claim_is_noticed(database: Database, now: datetime) -> None:
    await database.run(lambda c: _hold(c, "a", now))
    await database.run(lambda c: outbox.release(c, key="a", now=now))
    first = await database.run(lambda c: outbox.claim(c, worker="w1", now=now, lease=LEASE))
    assert first is not None
    later = now + LEASE
    doubtful = await database.run(lambda c: outbox.settle_doubtful(c, now=later, resend=True, reason="w1 died"))
    assert [m.key for m in doubtful] == ["a"]
    second = await database.run(lambda c: outbox.claim(c, worker="w1", now=later, lease=LEASE))
    assert second is not None
    assert not await database.run(lambda c: outbox.finish(c, first, state=OutboxState.SENT, now=later))
    assert await database.run(lambda c: outbox.finish(c, second, state=OutboxState.SENT, now=later))


async def test_texts_held_too_long_are_found(database: Database, now: datetime) -> None:
    await database.run(lambda c: _hold(c, "old", now - timedelta(minutes=10)))
    await database.run(lambda c: _hold(c, "new", now))
    found = await database.read(lambda c: outbox.held_before(c, now - timedelta(minutes=5)))
    assert [m.key for m in found] == ["old"]
