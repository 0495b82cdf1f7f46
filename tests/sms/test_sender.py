import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from ari_app.clock import FixedClock
from ari_app.sms.http_gateway import HttpGateway
from ari_app.sms.sender import Sender
from ari_app.store import outbox
from ari_app.store.database import Database
from ari_app.store.outbox import OutboxMessage
from ari_app.store.schema import OutboxState

NUMBER = "+441632960001"


@dataclass
class ManualClock:
    """A clock that is moved by hand."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.at.timestamp()

    def pass_s(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock(now: datetime) -> ManualClock:
    return ManualClock(now)


@pytest_asyncio.fixture
async def gateway(service: Any) -> AsyncIterator[HttpGateway]:
    opened = HttpGateway(service.url, timeout_s=2)
    yield opened
    await opened.close()


def _sender(database: Database, gateway: HttpGateway, clock: ManualClock | FixedClock, **settings: Any) -> Sender:
    settings = {"worker": "w1", "random_source": random.Random(1)} | settings
    return Sender(database, gateway, clock, **settings)


async def _release(database: Database, now: datetime, *keys: str, text: str = "See you on Tuesday.") -> None:
    for key in keys:
        await database.run(lambda c, key=key: outbox.hold(c, key=key, number=NUMBER, text=text, now=now))  # type: ignore[misc]
        await database.run(lambda c, key=key: outbox.release(c, key=key, now=now))  # type: ignore[misc]


async def _rows(database: Database) -> dict[str, OutboxMessage]:
    return {message.key: message for message in await database.read(outbox.latest)}


def _keys(service: Any) -> list[str]:
    return [json.loads(request.body)["key"] for request in service.arrived]


async def test_what_is_due_is_sent_in_its_order(
    database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    await _release(database, clock.now(), "a", "b")
    await database.run(lambda c: outbox.hold(c, key="held", number=NUMBER, text="x", now=clock.now()))
    sender = _sender(database, gateway, clock)
    assert await sender.drain() == 2
    assert await sender.drain() == 0
    assert _keys(service) == ["a", "b"]
    rows = await _rows(database)
    assert [rows[key].state for key in ("a", "b", "held")] == [OutboxState.SENT, OutboxState.SENT, OutboxState.HELD]


async def test_many_senders_send_each_text_once(
    store_url: str, database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    await _release(database, clock.now(), *(f"k{n}" for n in range(40)))
    async with Database(store_url, timeout_s=20) as other, Database(store_url, timeout_s=20) as third:
        senders = [_sender(d, gateway, clock, worker=f"w{n}") for n, d in enumerate((database, other, third))]
        sent = await asyncio.gather(*(sender.drain() for sender in senders))
    assert sum(sent) == 40
    assert sorted(_keys(service)) == sorted(f"k{n}" for n in range(40))


async def test_a_failing_service_is_tried_again_later_and_not_for_ever(
    database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    service.answers = [503] * 9
    await _release(database, clock.now(), "a")
    sender = _sender(database, gateway, clock, retries=3)
    waits = []
    for _ in range(4):
        await sender.drain()
        row = (await _rows(database))["a"]
        if row.state is OutboxState.DUE:
            assert row.due_at is not None
            waits.append((row.due_at - clock.now()).total_seconds())
            await sender.drain()
            clock.at = row.due_at
    assert len(service.arrived) == 4
    assert row.state is OutboxState.FAILED
    assert "tried 4 times" in row.reason
    assert [low <= wait <= 2 * low for low, wait in zip((2.5, 5, 10), waits, strict=True)] == [True] * 3


async def test_a_refused_text_is_not_tried_again(
    database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    service.answers = [400]
    await _release(database, clock.now(), "a", "b")
    assert await _sender(database, gateway, clock).drain() == 1
    rows = await _rows(database)
    assert (rows["a"].state, rows["b"].state) == (OutboxState.FAILED, OutboxState.SENT)
    assert "answered 400: what the service says" in rows["a"].reason


@pytest.mark.parametrize(("deduplicates", "state", "arrivals"), [(False, "failed", 1), (True, "sent", 2)])
async def test_doubt_is_decided_by_the_gateways_promise(
    database: Database, clock: ManualClock, service: Any, deduplicates: bool, state: str, arrivals: int
) -> None:
    service.answers = [0]
    await _release(database, clock.now(), "a")
    gateway = HttpGateway(service.url, deduplicates=deduplicates)
    sender = _sender(database, gateway, clock)
    await sender.drain()
    clock.pass_s(60)
    await sender.drain()
    await gateway.close()
    assert (await _rows(database))["a"].state == state
    assert _keys(service) == ["a"] * arrivals


@pytest.mark.parametrize(("deduplicates", "state", "arrivals"), [(False, "failed", 1), (True, "sent", 2)])
async def test_a_worker_killed_while_sending_texts_nobody_twice(
    store_url: str, database: Database, now: datetime, service: Any, deduplicates: bool, state: str, arrivals: int
) -> None:
    await _release(database, now, "a")
    service.may_answer.clear()
    worker = await asyncio.to_thread(_start_worker, store_url, service.url, now)
    await service.has_arrived.wait()
    worker.send_signal(signal.SIGKILL)
    await asyncio.to_thread(worker.wait)
    service.may_answer.set()
    gateway = HttpGateway(service.url, deduplicates=deduplicates)
    sender = _sender(database, gateway, FixedClock(now + timedelta(seconds=1)), worker="killed")
    assert await _sender(database, gateway, FixedClock(now), worker="other").drain() == 0
    await sender.settle(is_start=True)
    await sender.drain()
    await gateway.close()
    row = (await _rows(database))["a"]
    assert row.state == state
    assert "in doubt" in row.reason or row.state is OutboxState.SENT
    assert _keys(service) == ["a"] * arrivals


async def test_a_dead_workers_texts_are_seen_to_by_the_others(
    database: Database, clock: ManualClock, service: Any
) -> None:
    await _release(database, clock.now(), "a")
    await database.run(
        lambda c: outbox.claim(c, worker="dead", now=clock.now(), lease=timedelta(seconds=70)),
    )
    gateway = HttpGateway(service.url, deduplicates=True)
    sender = _sender(database, gateway, clock)
    assert await sender.drain() == 0
    clock.pass_s(71)
    assert await sender.drain() == 1
    await gateway.close()


async def test_a_text_that_kills_each_worker_is_given_up(database: Database, clock: ManualClock, service: Any) -> None:
    await _release(database, clock.now(), "a")
    gateway = HttpGateway(service.url, deduplicates=True)
    sender = _sender(database, gateway, clock, retries=2)
    for _ in range(3):
        await database.run(lambda c: outbox.claim(c, worker="dying", now=clock.now(), lease=timedelta(seconds=10)))
        clock.pass_s(11)
        await sender.settle()
    assert (await _rows(database))["a"].state is OutboxState.FAILED
    await gateway.close()


async def test_a_text_too_old_is_not_sent_any_more(
    database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    await _release(database, clock.now(), "a")
    clock.pass_s(25 * 3600)
    await _sender(database, gateway, clock).drain()
    assert (await _rows(database))["a"].reason == "too old to be of use"
    assert service.arrived == []


async def test_only_sendable_characters_go_out(
    database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    await _release(database, clock.now(), "a", text="Hi \x1b[31mJane\u202e\r\n😀")
    await _release(database, clock.now(), "b", text="\x07 \x00")
    await _sender(database, gateway, clock).drain()
    assert [json.loads(request.body)["text"] for request in service.arrived] == ["Hi [31mJane\n😀"]


async def test_a_released_text_is_sent_at_once_when_woken_and_stop_ends_cleanly(
    database: Database, gateway: HttpGateway, clock: ManualClock, service: Any
) -> None:
    sender = _sender(database, gateway, clock, poll_s=3600)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(sender.run())
        service.may_answer.clear()
        await asyncio.sleep(0)
        await _release(database, clock.now(), "a", "b")
        sender.wake()
        await service.has_arrived.wait()
        sender.stop()
        service.may_answer.set()
    rows = await _rows(database)
    assert (rows["a"].state, rows["b"].state) == (OutboxState.SENT, OutboxState.DUE)
    assert rows["b"].claimed_by == ""


def _start_worker(store_url: str, service_url: str, now: datetime) -> "subprocess.Popen[bytes]":
    code = """
import asyncio, sys
from datetime import datetime
from ari_app.clock import FixedClock
from ari_app.sms.http_gateway import HttpGateway
from ari_app.sms.sender import Sender
from ari_app.store.database import Database

async def main(store, service, now):
    async with Database(store) as database:
        gateway = HttpGateway(service, timeout_s=60)
        await Sender(database, gateway, FixedClock(datetime.fromisoformat(now)), worker="killed").run()

asyncio.run(main(*sys.argv[1:]))
"""
    return subprocess.Popen([sys.executable, "-c", code, store_url, service_url, now.isoformat()])
