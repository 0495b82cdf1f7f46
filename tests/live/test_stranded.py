"""Nobody is stranded: whatever becomes of the worker, its callers are with a human within two seconds, or served on."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.lab.bench.turn_script import Script
from ari_app.lab.phone import Call, Line, PhoneBook
from ari_app.lab.runtime import Lab

from .steps import log_of, served

pytestmark = pytest.mark.live

RING_S = 2.0 + 0.5 * (os.getloadavg()[0] > 4.0)
"""The promise; half a second more where others keep this machine's cores busy."""


def calls_in(events: Path) -> int:
    return len(list(events.glob("*.jsonl")))


def last_said(events: Path) -> str:
    """Id of what the agent said last."""
    return next((event["text_id"] for event in reversed(log_of(events)) if event["kind"] == "agent"), "")


async def until(found: Callable[[], object], within_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not found():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.05)


async def hear_each_other(one: Call, other: Call) -> None:
    for speaker, listener in ((one, other), (other, one)):
        spoken = await speaker.say("do you hear me")
        await listener.first_sound(spoken.began_s, within_s=2.0)


async def nothing_left(pbx: AriClient, within_s: float = 6.0) -> None:
    """No channel is in the PBX any more."""
    deadline_s = time.monotonic() + within_s
    while left := [f"{each.name} {each.state}" for each in await pbx.channels()]:
        assert time.monotonic() < deadline_s, left
        await asyncio.sleep(0.1)


# Where the worker is killed


async def greeted(call: Call, _desk: Line, _events: Path) -> None:
    await call.first_sound(call.answered_s, within_s=8)


async def listened_to(call: Call, _desk: Line, _events: Path) -> None:
    began_s = await call.first_sound(call.answered_s, within_s=8)
    await call.silence(began_s, for_s=1.0)


async def deciding(call: Call, desk: Line, events: Path) -> None:
    await listened_to(call, desk, events)
    await call.say("a dental cleaning next tuesday at half past three")
    await until(lambda: any(event["kind"] == "caller" for event in log_of(events)))


async def ringing(call: Call, desk: Line, events: Path) -> None:
    await greeted(call, desk, events)
    await call.press("0")
    await desk.ringing(within_s=12)


async def whispered_to(call: Call, desk: Line, events: Path) -> None:
    await greeted(call, desk, events)
    await call.press("0")
    human = await (await desk.ringing(within_s=12)).answer()
    await human.first_sound(human.answered_s, within_s=5)


@pytest.mark.parametrize("reach", [greeted, listened_to, deciding, ringing, whispered_to])
@pytest.mark.parametrize("how", [signal.SIGKILL])
async def test_a_caller_of_a_killed_worker_is_with_a_human_in_two_seconds(
    lab: Lab,
    phones: PhoneBook,
    pbx: AriClient,
    tmp_path: Path,
    reach: Callable[[Call, Line, Path], Awaitable[None]],
    how: signal.Signals,
) -> None:
    desk = phones.line("scheduling")
    async with served(lab, tmp_path):
        call = await phones.line("softphone-1").call("700")
        await reach(call, desk, tmp_path)
        desk.forget_rings()
        killed_s = time.monotonic()
        lab.signal("worker-1", how)
        rung = await desk.ringing(within_s=8)
        assert rung.rang_s - killed_s < RING_S
        human = await rung.answer()
        await hear_each_other(human, call)
        await human.hang_up()
        await call.wait_hangup(3)
        await nothing_left(pbx)


async def connected(call: Call, desk: Line) -> Call:
    """Press 0, and have the human take the call."""
    desk.forget_rings()
    await call.first_sound(call.answered_s, within_s=8)
    await call.press("0")
    human = await (await desk.ringing(within_s=12)).answer()
    await human.first_sound(human.answered_s, within_s=5)
    await human.press("1")
    await asyncio.sleep(1.0)
    return human


@pytest.mark.parametrize("how", ["kill", "stop"])
@pytest.mark.parametrize("first", ["human", "caller"])
async def test_two_humans_talk_on_without_the_worker_and_end_together(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path, how: str, first: str
) -> None:
    async with served(lab, tmp_path, worker__drain_s="5"):
        call = await phones.line("softphone-1").call("700")
        human = await connected(call, phones.line("scheduling"))
        if how == "kill":
            lab.signal("worker-1", signal.SIGKILL)
        else:
            began_s = time.monotonic()
            await lab.stop("worker-1")
            assert time.monotonic() - began_s < 4.0, "a worker doesn't wait for humans who talk"
        await asyncio.sleep(2.5)
        await hear_each_other(human, call)
        one, other = (human, call) if first == "human" else (call, human)
        await one.hang_up()
        await other.wait_hangup(3)
        await nothing_left(pbx)


async def test_a_frozen_worker_loses_its_caller_to_a_human_and_leaves_them_alone_when_it_wakes(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    desk = phones.line("scheduling")
    async with served(lab, tmp_path):
        call = await phones.line("softphone-1").call("700")
        await listened_to(call, desk, tmp_path)
        desk.forget_rings()
        frozen_s = time.monotonic()
        lab.signal("worker-1", signal.SIGSTOP)
        rung = await desk.ringing(within_s=8)
        assert rung.rang_s - frozen_s < RING_S
        human = await rung.answer()
        await asyncio.sleep(1.0)
        lab.signal("worker-1", signal.SIGCONT)
        await asyncio.sleep(3.0)
        await hear_each_other(human, call)
        assert desk.rings.empty(), "the woken worker sends nobody anywhere"
        await human.hang_up()
        await call.wait_hangup(3)
        await nothing_left(pbx)
        again = await phones.line("softphone-2").call("700")
        await again.first_sound(again.answered_s, within_s=8)
        await until(lambda: calls_in(tmp_path) == 2)


async def test_a_worker_that_stops_hands_over_whom_it_can_not_finish(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    desk = phones.line("scheduling")
    async with served(lab, tmp_path, worker__drain_s="1"):
        call = await phones.line("softphone-1").call("700")
        await listened_to(call, desk, tmp_path)
        desk.forget_rings()
        stopping = asyncio.create_task(lab.stop("worker-1"))
        rung = await desk.ringing(within_s=8)
        human = await rung.answer()
        await stopping
        await hear_each_other(human, call)
        await human.hang_up()
        await call.wait_hangup(3)
        await nothing_left(pbx)


async def test_a_worker_that_is_back_within_the_grace_goes_on_where_it_was(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    desk = phones.line("scheduling")
    desk.forget_rings()
    async with served(lab, tmp_path, sentinel__grace_s="30"):
        call = await phones.line("softphone-1").call("700")
        await listened_to(call, desk, tmp_path)
        await call.say("a dental cleaning")
        await until(lambda: last_said(tmp_path) == "ask.date")
        await asyncio.sleep(0.5)
        lab.signal("worker-1", signal.SIGKILL)
        await until(lambda: "worker-1" not in lab.processes.running())
        await lab.start_worker(1, environ={"ARI_APP_LAB__EVENTS_DIR": str(tmp_path), "ARI_APP_SMS__GATEWAY": "none"})
        await until(lambda: any(event.get("text_id") == "resumed" for event in log_of(tmp_path)))
        await until(lambda: last_said(tmp_path) == "ask.date")
        said = [event["text_id"] for event in log_of(tmp_path) if event["kind"] == "agent"]
        after = said[said.index("resumed") + 1 :]
        assert after[-1] == "ask.date", said
        assert calls_in(tmp_path) == 1, "it is the same call"
        await call.silence(await call.first_sound(time.monotonic() - 1.0, within_s=5), for_s=1.0)
        await call.say("next wednesday")
        await until(lambda: last_said(tmp_path) in ("ask.time", "ask.offer"))
        await call.hang_up()
        await nothing_left(pbx)
        assert desk.rings.empty()
        await until_no_bridges(pbx)


async def until_no_bridges(pbx: AriClient, within_s: float = 8.0) -> None:
    deadline_s = time.monotonic() + within_s
    while left := [each.id for each in await pbx.bridges() if each.is_own]:
        assert time.monotonic() < deadline_s, left
        await asyncio.sleep(0.1)


async def test_a_caller_is_served_while_another_worker_dies(lab: Lab, phones: PhoneBook, tmp_path: Path) -> None:
    async with served(lab, tmp_path, 1, 2):
        call = await phones.line("softphone-1").call("700")
        await listened_to(call, phones.line("scheduling"), tmp_path)
        mine = await worker_of_the_call(lab)
        lab.signal(f"worker-{3 - mine}", signal.SIGKILL)
        await call.say("a dental cleaning")
        await until(lambda: last_said(tmp_path) == "ask.date")
        lab.signal(f"worker-{mine}", signal.SIGKILL)
        rung = await phones.line("scheduling").ringing(within_s=8)
        await rung.decline()


async def book(call: Call, events: Path) -> None:
    """Answer whatever is asked, to the booking; cancelled when that is enough."""
    script, since_s = Script(1), call.answered_s
    while True:
        await call.silence(await call.first_sound(since_s), for_s=0.6)
        asked = last_said(events)
        since_s = (await call.say("yes please" if "readback" in asked else script.answer(asked) or "yes")).ended_s


async def worker_of_the_call(lab: Lab) -> int:
    """Which worker's application holds a channel."""
    channels = await lab.cli(lab.pbx, "core show channels verbose")
    return 2 if "booking-2" in channels else 1


@contextmanager
def hanging_calendar(lab: Lab) -> Iterator[None]:
    """CalDAV takes requests and answers none."""
    calendar = lab.processes.running()["calendar"]
    lab.processes.send(calendar, signal.SIGSTOP)
    try:
        yield
    finally:
        lab.processes.send(calendar, signal.SIGCONT)


@contextmanager
def hanging_database(lab: Lab) -> Iterator[None]:
    """Nobody else can write to the store."""
    with closing(sqlite3.connect(lab.folder / "ari_app.db", isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.parametrize("hanging", [hanging_calendar, hanging_database])
async def test_a_calendar_or_database_that_hangs_leads_to_a_sentence_and_a_human(
    lab: Lab,
    phones: PhoneBook,
    pbx: AriClient,
    tmp_path: Path,
    hanging: Callable[[Lab], AbstractContextManager[None]],
) -> None:
    desk = phones.line("scheduling")
    desk.forget_rings()
    async with served(lab, tmp_path):
        call = await phones.line("softphone-1").call("700")
        await listened_to(call, desk, tmp_path)
        with hanging(lab):
            answering = asyncio.create_task(book(call, tmp_path))
            rung = await desk.ringing(within_s=90)
            answering.cancel()
            human = await rung.answer()
            assert any(event.get("text_id") == "handoff.failure" for event in log_of(tmp_path))
            await human.hang_up()
