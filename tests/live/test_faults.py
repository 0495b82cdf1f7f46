"""A recogniser or a voice that stands still in mid-call, a worker that is full: a human, and the other calls go on."""

import asyncio
import signal
import time
from pathlib import Path

import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.cli.serve import CLOSE_S
from ari_app.lab.bench.turn_log import CallLog
from ari_app.lab.phone import Call, Line, PhoneBook
from ari_app.lab.runtime import Lab

from .steps import nothing_left, served, until

pytestmark = pytest.mark.live

FAULTY = ("-m", "tests.live.faulty_worker")
SENTENCE_WITHIN_S = 9.0
"""The five seconds that a library may take, the silence that ends a turn, and a busy machine."""


async def greeted(line: Line, events: Path) -> tuple[Call, CallLog]:
    """A call that is asked for its wish, and its log."""
    call = await line.call("700")
    await call.silence(await call.first_sound(call.answered_s, within_s=8), for_s=1.0)
    return call, log_of(line, events)


def log_of(line: Line, events: Path) -> CallLog:
    [path] = [path for path in events.glob("*.jsonl") if f'"number": "{line.number}"' in path.read_text("utf-8")]
    return CallLog(path)


def calls_in(events: Path) -> int:
    return len(list(events.glob("*.jsonl")))


def is_said(log: CallLog, text_id: str) -> bool:
    log.refresh()
    return log.question == text_id


async def is_apologised_to_and_rung_for(call: Call, log: CallLog, desk: Line, since_s: float) -> None:
    sorry_s = await call.first_sound(since_s, within_s=SENTENCE_WITHIN_S)
    await until(lambda: is_said(log, "handoff.failure"))
    ringing = await desk.ringing(within_s=10)
    assert call.level_heard_dbfs(sorry_s, sorry_s + 1.0) > -40, "it was the sentence that was heard"
    human = await ringing.answer()
    spoken = await human.say("good morning")
    await call.first_sound(spoken.began_s, within_s=2)
    await human.hang_up()
    await call.wait_hangup(3)


async def test_a_library_that_hangs_costs_one_caller_a_sentence_and_nobody_else_anything(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, fault = phones.line("scheduling"), tmp_path / "fault"
    desk.forget_rings()
    events = tmp_path / "events"
    monkeypatch.setenv("FAULT", str(fault))
    # baseline: every clause is made when it is said, nothing comes from a cache
    async with served(lab, events, program=FAULTY, turns__baseline="true"):
        try:
            lines = (phones.line(name) for name in ("softphone-1", "softphone-2"))
            (struck, log), (other, others_log) = await asyncio.gather(*(greeted(line, events) for line in lines))

            fault.write_text("recogniser", "utf-8")
            said_s = (await struck.say("a dental cleaning")).ended_s
            waiting = asyncio.create_task(is_apologised_to_and_rung_for(struck, log, desk, said_s))
            await asyncio.sleep(1.0)
            await other.say("a dental cleaning")
            await until(lambda: is_said(others_log, "ask.date"))
            assert time.monotonic() - said_s < SENTENCE_WITHIN_S, "the other call is served while the first one waits"
            await waiting

            await other.silence(time.monotonic(), for_s=1.0)
            fault.write_text("synthesiser", "utf-8")
            said_s = (await other.say("next wednesday")).ended_s
            await is_apologised_to_and_rung_for(other, others_log, desk, said_s)
            await nothing_left(pbx)
        finally:
            for each in (fault, fault.with_suffix(".struck")):
                each.unlink(missing_ok=True)


async def test_a_worker_whose_voice_hangs_still_ends_when_it_is_stopped(
    lab: Lab, phones: PhoneBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault, events = tmp_path / "fault", tmp_path / "events"
    monkeypatch.setenv("FAULT", str(fault))
    async with served(lab, events, program=FAULTY, turns__baseline="true", worker__drain_s="1"):
        call, _log = await greeted(phones.line("softphone-1"), events)
        fault.write_text("synthesiser", "utf-8")
        await call.say("a dental cleaning")
        await asyncio.sleep(2.0)  # the turn's end is noticed, and its answer is asked of Piper
        lab.processes.send(lab.processes.running()["worker-1"], signal.SIGTERM)
        await until(lambda: "worker-1" not in lab.processes.running(), within_s=1 + CLOSE_S + 4)
        await call.hang_up()


async def test_a_worker_that_is_full_claims_nobody_and_the_caller_reaches_a_human(
    lab: Lab, phones: PhoneBook, pbx: AriClient, tmp_path: Path
) -> None:
    desk = phones.line("scheduling")
    desk.forget_rings()
    async with served(lab, tmp_path, worker__capacity="1"):
        first = await phones.line("softphone-1").call("700")
        await first.first_sound(first.answered_s, within_s=8)
        calling = asyncio.create_task(phones.line("softphone-2").call("700"))
        human = await (await desk.ringing(within_s=5)).answer()
        second = await calling
        spoken = await human.say("good morning")
        await second.first_sound(spoken.began_s, within_s=2)
        assert calls_in(tmp_path) == 1
        await second.hang_up()
        await first.hang_up()
        await nothing_left(pbx)
