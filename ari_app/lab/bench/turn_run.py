"""One measured run: a fresh worker on a lab, N callers at once for a while, and what everything used meanwhile."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import LabError
from ari_app.lab.bench.scrape import Sample, change, over, scrape
from ari_app.lab.bench.turn_caller import Measured, TurnCaller
from ari_app.lab.bench.usage import Usage, machine_cpu_s, usage_of
from ari_app.lab.lossy_line import LossyLine
from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.store.database import Database

PRERENDER_WITHIN_S = 120.0
STAGGER_S = 0.35
SETTLE_S = 1.0
ROUND_UP_S = 60.0
"""Calls that are up at the end may take this long to come to theirs."""

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run is made."""

    calls: int
    seconds: float
    codec: str = "ulaw"
    loss: float = 0.0
    """Share of RTP packets that is lost, each way."""
    is_baseline: bool = False
    barge_in: str = "yield"
    """The worker's setting turns.barge_in."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run gave."""

    plan: Plan
    measured: Measured
    used: dict[str, Usage]
    """By process: CPU seconds during the run, memory at its end."""
    busy: float
    """Share of all cores that was busy, others' work included."""
    before: Sample
    after: Sample

    @property
    def frames_dropped(self) -> int:
        return int(change(self.before, self.after, "ari_app_frames_dropped_total"))

    @property
    def call_minutes(self) -> float:
        return self.measured.talked_s / 60


async def run(lab: Lab, plan: Plan, events: Path, numbers: "itertools.count[int]", report: Report) -> Run:
    """Start a worker, let the callers talk, stop it."""
    environ = {
        "ARI_APP_LAB__EVENTS_DIR": str(events),
        "ARI_APP_WORKER__CAPACITY": "100",
        "ARI_APP_SMS__GATEWAY": "none",
        "ARI_APP_TURNS__BARGE_IN": plan.barge_in,
        "ARI_APP_TURNS__BASELINE": str(plan.is_baseline).lower(),
    }
    await lab.start_worker(1, environ=environ)
    try:
        if not plan.is_baseline:
            await _prerendered(lab)
        async with Database(lab.settings_environment()["ARI_APP_STORE__URL"]) as database:
            return await _talk(lab, plan, events, numbers, database, report)
    finally:
        await lab.stop("worker-1")


async def _talk(
    lab: Lab, plan: Plan, events: Path, numbers: "itertools.count[int]", database: Database, report: Report
) -> Run:
    metrics_url = f"http://127.0.0.1:{lab.ports.console}/metrics"
    roots = {name: record.pid for name, record in lab.processes.running().items()} | {"bench": os.getpid()}
    measured = Measured()
    async with PhoneBook.open(lab) as phones, LossyLine.open(loss=plan.loss, pbx_port=lab.ports.sip) as lossy:
        through = lossy.port if plan.loss else None
        before, used, cores = await scrape(metrics_url), usage_of(roots), machine_cpu_s()
        until_s = time.monotonic() + plan.seconds
        callers = [
            TurnCaller(
                phones.line("trunk"), database, events, plan.codec, through, measured, lambda: next(numbers), until_s
            )
            for _ in range(plan.calls)
        ]
        async with asyncio.TaskGroup() as group, asyncio.timeout(plan.seconds + ROUND_UP_S):
            for caller in callers:
                group.create_task(caller.run())
                await asyncio.sleep(STAGGER_S)
        busy, idle = (now - then for now, then in zip(machine_cpu_s(), cores, strict=True))
        after = await scrape(metrics_url)
        spent = _difference(used, usage_of(roots))
    report(f"{plan.calls} at once: {measured.calls} calls, {len(measured.turns)} turns measured")
    if plan.loss:
        report(f"{lossy.losses.dropped} of {lossy.losses.packets} packets lost on the way")
    return Run(plan, measured, spent, busy / max(busy + idle, 1e-9), before, after)


def _difference(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, Usage]:
    return {name: Usage(round(used.cpu_s - before[name].cpu_s, 2), used.resident_bytes) for name, used in after.items()}


async def _prerendered(lab: Lab) -> None:
    """Wait until the worker has made its phrases ahead: a worker in service has long done so."""
    log = lab.folder / "log" / "worker-1.log"
    deadline_s = time.monotonic() + PRERENDER_WITHIN_S
    while time.monotonic() < deadline_s:
        with suppress(OSError):
            if "phrases made ahead" in await asyncio.to_thread(log.read_text, "utf-8", "replace"):
                await asyncio.sleep(SETTLE_S)
                return
        await asyncio.sleep(0.2)
    raise LabError(f"the worker made no phrases ahead within {PRERENDER_WITHIN_S:.0f} s: see {log}")


def health(run: Run) -> dict[str, float]:
    """What the worker counted meanwhile."""
    before, after = run.before, run.after

    def mean(name: str) -> float:
        count = change(before, after, f"{name}_count")
        return round(change(before, after, f"{name}_sum") / count, 4) if count else 0.0

    asked = change(before, after, "ari_app_phrase_cache_total")
    return {
        "loop_blocks_over_20_ms": change(before, after, "ari_app_loop_blocks_total"),
        "loop_overruns_over_20_ms": change(before, after, "ari_app_loop_overruns_total"),
        "loop_blocks_over_50_ms": over(before, after, "ari_app_loop_blocked_seconds", "0.05"),
        "loop_blocks_over_100_ms": over(before, after, "ari_app_loop_blocked_seconds", "0.1"),
        "stt_lag_mean_s": mean("ari_app_stt_lag_seconds"),
        "tts_first_audio_mean_s": mean("ari_app_tts_first_audio_seconds"),
        "phrase_cache_hit_rate": round(
            change(before, after, "ari_app_phrase_cache_total", result="hit") / asked if asked else 0.0, 3
        ),
        "media_xoff": change(before, after, "ari_app_media_xoff_total"),
        "machine_busy": round(run.busy, 3),
    }
