"""`ari-app bench chaos`: calls while workers are killed, frozen and cut off, and calendar and database are away.

How a call's end is judged stands in `chaos_verdict`: by what the caller's own phone heard, not by what a worker says.
"""

import asyncio
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from ari_app.asterisk.ari_client import AriClient
from ari_app.config import load_settings
from ari_app.lab.bench.chaos_callers import Town
from ari_app.lab.bench.chaos_deeds import Death, Deeds, Report
from ari_app.lab.bench.chaos_line import Line
from ari_app.lab.bench.chaos_verdict import Outcome
from ari_app.lab.bench.servers import PostgresServer, machine, postgres_server
from ari_app.lab.bench.turn_figures import quantile
from ari_app.lab.phone import PhoneBook
from ari_app.lab.places import LOOPBACK, port_offset
from ari_app.lab.runtime import Lab
from ari_app.store.database import Database

RING_TARGET_S = 2.0
SETTLE_S = 4.0
DEATHS = ("kill", "freeze")
STORE_URL = "ARI_APP_STORE__URL"
LINE_LOSSES = ("cut", "dead_line", "ari_user_away")


@dataclass(frozen=True, slots=True)
class Plan:
    """How the run is made."""

    calls: int
    """In all."""
    seconds: float
    at_once: int
    workers: int
    seed: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    plan: Plan
    deeds: Deeds
    town: Town
    channels_left: tuple[str, ...]
    bridges_left: int

    @property
    def outcomes(self) -> Counter[Outcome]:
        return Counter(caller.outcome() for caller in self.town.callers.values())

    @property
    def is_ok(self) -> bool:
        """Nobody stranded, and for whoever lost a worker a human's phone rang in time."""
        p95_s = quantile(self.deeds.times_to_ring(*DEATHS), 0.95)
        is_in_time = (p95_s is None or p95_s <= RING_TARGET_S) and not self.deeds.unrung(*DEATHS, *LINE_LOSSES)
        return bool(self.town.callers) and not self.outcomes[Outcome.STRANDED] and is_in_time


@click.command(name="chaos")
@click.option("--calls", default=60, show_default=True, type=click.IntRange(1, 2000), help="Calls in all.")
@click.option("--seconds", default=180.0, show_default=True, type=click.FloatRange(15, 3600), help="How long at most.")
@click.option("--at-once", default=5, show_default=True, type=click.IntRange(1, 64), help="Calls that are up together.")
@click.option("--workers", default=3, show_default=True, type=click.IntRange(2, 8), help="Workers on the one Asterisk.")
@click.option("--seed", default=1, show_default=True, help="The same seed makes the same plans.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(calls: int, seconds: float, at_once: int, workers: int, seed: int, as_json: bool) -> None:
    """Kill -9 workers at every state of a call, freeze one, cut or deaden its line to Asterisk, take the ARI user, the
    calendar and the database away.

    Each call's end is counted: booked, human, callback, hung_up (the caller's own wish, served up to then) or stranded.
    Exit code 0: none was stranded, and for 95 % of those who lost a worker the desk's phone rang within two seconds,
    for none later than five.

    Example: ari-app bench chaos --calls 60 --seconds 180 --json
    """
    result = asyncio.run(bench(Plan(calls, seconds, at_once, workers, seed), _say))
    found = as_mapping(result)
    if as_json:
        click.echo(json.dumps(found))
    else:
        figures = found["figures"]
        assert isinstance(figures, dict)
        for name, value in figures.items():
            click.echo(f"{name:28} {value}")
    sys.exit(0 if result.is_ok else 1)


async def bench(plan: Plan, report: Report) -> Result:
    """A lab and a PostgreSQL of its own, `plan.workers` workers, callers and trouble."""
    folder = Path(tempfile.mkdtemp(prefix="ari-app-chaos-"))
    try:
        with postgres_server(folder / "postgres") as postgres, stored_in(postgres.url):
            async with Lab.running(offset=port_offset() or None, worker=False, report=report) as lab:
                await lab.start_sentinel()
                return await on_lab(lab, plan, folder, report, postgres)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


@contextmanager
def stored_in(url: str) -> Iterator[None]:
    """A lab that is used in this block has its database here."""
    before = os.environ.get(STORE_URL)
    os.environ[STORE_URL] = url
    try:
        yield
    finally:
        os.environ.pop(STORE_URL)
        if before is not None:
            os.environ[STORE_URL] = before


async def on_lab(lab: Lab, plan: Plan, events: Path, report: Report, postgres: PostgresServer | None = None) -> Result:
    """The run itself, on a lab with a sentinel and without workers; these are stopped at the end."""
    chance = random.Random(plan.seed)
    async with AsyncExitStack() as stack:
        lines = {
            number: await stack.enter_async_context(Line.open(lab.ports.http)) for number in range(1, plan.workers + 1)
        }
        phones = await stack.enter_async_context(PhoneBook.open(lab))
        database = await stack.enter_async_context(Database(lab.settings_environment()[STORE_URL]))
        town = Town(phones.line("trunk"), phones.line("scheduling"), database, events, chance)
        environments = {number: _environment(plan, events, line) for number, line in lines.items()}
        deeds = Deeds(lab, town, environments, lines, postgres, chance, report)
        try:
            await deeds.start_workers()
            await _live(plan, town, deeds)
            await asyncio.sleep(SETTLE_S)
            channels, bridges = await _left(lab)
        finally:
            for number in lines:
                await lab.stop(f"worker-{number}")
    return Result(plan, deeds, town, channels, bridges)


def _environment(plan: Plan, events: Path, line: Line) -> dict[str, str]:
    """A worker's, which reaches Asterisk over a line that can fail."""
    return {
        "ARI_APP_LAB__EVENTS_DIR": str(events),
        "ARI_APP_SMS__GATEWAY": "none",
        "ARI_APP_WORKER__DRAIN_S": "2",
        "ARI_APP_WORKER__CAPACITY": str(max(2, plan.at_once)),
        "ARI_APP_SPEECH__PRERENDER_DAYS": "1",
        "ARI_APP_ARI__URL": f"http://{LOOPBACK}:{line.port}",
    }


async def _live(plan: Plan, town: Town, deeds: Deeds) -> None:
    """Callers one after the other at `at_once` places, and trouble meanwhile; both end before this returns."""
    numbers = itertools.count(1000)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + plan.seconds

    async def place() -> None:
        while loop.time() < until_s and (number := next(numbers)) < 1000 + plan.calls:
            await town.call(number)

    desk = asyncio.create_task(town.answer_phones())
    trouble = asyncio.create_task(deeds.run(plan.seconds))
    try:
        async with asyncio.TaskGroup() as group:
            for index in range(plan.at_once):
                group.create_task(_later(place, index * 0.7))
        trouble.cancel()
    finally:
        for task in (trouble, desk):
            task.cancel()
        ended = await asyncio.gather(trouble, desk, return_exceptions=True)
    for result in ended:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def _later(place: Callable[[], Awaitable[None]], wait_s: float) -> None:
    await asyncio.sleep(wait_s)
    await place()


async def _left(lab: Lab) -> tuple[tuple[str, ...], int]:
    """Channels and our bridges that are still in Asterisk although every caller has gone."""
    settings = load_settings(lab.settings_path, lab.environment())
    ari = AriClient(settings.ari, application="onlooker")
    ari.open_session()
    try:
        channels = tuple(f"{each.name} {each.state}" for each in await ari.channels())
        return channels, sum(each.is_own for each in await ari.bridges())
    finally:
        await ari.close_session()


def as_mapping(result: Result) -> dict[str, object]:
    """The bench's one object."""
    outcomes, deeds = result.outcomes, result.deeds
    rings_s = deeds.times_to_ring(*DEATHS)
    stranded = [each for each in result.town.callers.values() if each.outcome() is Outcome.STRANDED]
    dead_air_s = sorted(each.dead_air_s for each in result.town.callers.values())
    figures: dict[str, object] = {
        "calls": len(result.town.callers),
        **{outcome.value: outcomes[outcome] for outcome in Outcome},
        "death_to_ring_p50_s": quantile(rings_s, 0.5),
        "death_to_ring_p95_s": quantile(rings_s, 0.95),
        "death_to_ring_max_s": round(rings_s[-1], 3) if rings_s else None,
        "deaths": sum(death.must_ring for death in deeds.deaths if death.how in DEATHS),
        "unrung": [_told(death) for death in deeds.unrung(*DEATHS, *LINE_LOSSES)],
        **{f"{way}_to_ring_s": [round(each, 2) for each in deeds.times_to_ring(way)] for way in LINE_LOSSES},
        "dead_air_p95_s": quantile(dead_air_s, 0.95),
        "dead_air_max_s": round(dead_air_s[-1], 2) if dead_air_s else None,
        "deeds": dict(deeds.done),
        "killed_at": dict(deeds.killed_at),
        "channels_left": len(result.channels_left),
        "bridges_left": result.bridges_left,
        "stranded_calls": [
            {
                "number": each.number,
                "plan": each.plan,
                "worker": each.worker,
                "at": each.standing(),
                "why": each.trouble,
                "dead_air_s": round(each.dead_air_s, 1),
                "is_answered": each.call is not None,
                "rings": len(each.rang_s),
                "last": each.last_events(),
            }
            for each in stranded
        ],
    }
    plan = {name: getattr(result.plan, name) for name in Plan.__dataclass_fields__}
    return {"bench": "chaos", "ok": result.is_ok, "figures": figures, "plan": plan, "machine": machine()}


def _told(death: Death) -> dict[str, object]:
    return {"number": death.caller.number, "how": death.how, "at": death.standing, "rang_s": death.rang_after_s}


def _say(line: str) -> None:
    click.echo(line, err=True)
