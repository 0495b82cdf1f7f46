from datetime import datetime, timedelta

from sqlalchemy import Connection

from ari_app.store import call_log, callbacks, outbox
from ari_app.store.database import Database
from ari_app.store.retention import Purged, purge
from ari_app.store.schema import OutboxState


def _everything(conn: Connection, name: str, at: datetime) -> None:
    call_log.begin(conn, call_id=name, worker="w", channel_id=name, number="", now=at)
    call_log.append_turn(conn, call_id=name, at=at, kind="caller", pii_text="my name is Jane")
    call_log.finish(conn, call_id=name, outcome="booked", now=at)
    outbox.hold(conn, key=f"{name}-sent", number="+44", text="x", now=at)
    outbox.release(conn, key=f"{name}-sent", now=at)
    claimed = outbox.claim(conn, worker="w", now=at, lease=timedelta(minutes=1))
    assert claimed is not None
    outbox.finish(conn, claimed, state=OutboxState.SENT, now=at)
    outbox.hold(conn, key=f"{name}-held", number="+44", text="x", now=at)
    for uid in (f"{name}-done", f"{name}-open"):
        callbacks.promise(conn, uid=uid, number="+44", now=at, due=at)
    callbacks.done(conn, callbacks.listed(conn)[0].id, now=at)


async def test_what_was_said_is_kept_for_a_while_only(database: Database, now: datetime) -> None:
    await database.run(lambda c: _everything(c, "old", now - timedelta(days=31)))
    await database.run(lambda c: _everything(c, "new", now))
    assert await database.run(lambda c: purge(c, before=now - timedelta(days=30))) == Purged(1, 1, 1, 1)
    assert [call.call_id for call in await database.read(call_log.latest)] == ["new"]
    assert await database.read(lambda c: call_log.turns_of(c, "old")) == []
    assert len(await database.read(callbacks.listed)) == 2
    assert {m.key for m in await database.read(outbox.latest)} == {"new-sent", "new-held", "old-held"}


async def test_a_call_that_never_ended_is_purged_by_its_start(database: Database, now: datetime) -> None:
    old = now - timedelta(days=40)
    await database.run(lambda c: call_log.begin(c, call_id="1", worker="w", channel_id="c", number="", now=old))
    assert (await database.run(lambda c: purge(c, before=now))).calls == 1
