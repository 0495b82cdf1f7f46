"""`ari-app bench calls`: 24 spoken calls through both Asterisks, and whether each came out as meant."""

import asyncio
import itertools
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click
from sqlalchemy import select

from ari_app.booking.build import build_service
from ari_app.booking.model import BookingRequest, Opening
from ari_app.clock import SystemClock
from ari_app.config import Settings, load_settings
from ari_app.errors import AriAppError, LabError
from ari_app.lab.bench.call_plans import CallPlan, plans
from ari_app.lab.bench.servers import machine
from ari_app.lab.bench.turn_log import CallLog
from ari_app.lab.diary_check import entries_of
from ari_app.lab.phone import Call, PhoneBook
from ari_app.lab.places import port_offset
from ari_app.lab.runtime import Lab
from ari_app.lab.scripted_caller import converse
from ari_app.lab.voices import render
from ari_app.speech.factory import build_recogniser
from ari_app.store import customers
from ari_app.store.database import Database
from ari_app.store.schema import calls

CALL_WITHIN_S = 240.0
SETTLE_S = 1.0
_ASKED_AGAIN = ("again.", "sorry", "keys.")


@dataclass(slots=True)
class CallResult:
    """One call and what came of it."""

    plan: CallPlan
    problems: list[str] = field(default_factory=list)
    turns: int = 0
    misunderstood: int = 0
    """Times that the agent had to ask again."""
    heard: list[str] = field(default_factory=list)

    @property
    def is_completed(self) -> bool:
        return not self.problems


@click.command(name="calls")
@click.option("--at-once", default=4, show_default=True, type=click.IntRange(1, 24), help="Calls at the same time.")
@click.option("--codec", type=click.Choice(["ulaw", "alaw", "g722", "opus"]), default="ulaw", show_default=True)
@click.option("--only", default="", help="Only calls with this in their name.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Keep recordings and event logs here.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(at_once: int, codec: str, only: str, folder: Path | None, as_json: bool) -> None:
    """Play 24 calls (4 voices, three of them never heard in training, 6 conversations) and check the calendar.

    Exit code 0 where at least 22 came out as meant.

    Example: ari-app bench calls --json
    """
    results = asyncio.run(_bench(at_once, codec, only, folder))
    figures = _figures(results)
    is_ok = len(results) > 0 and figures["completed"] * 12 >= len(results) * 11
    for result in results:
        said = "as meant" if result.is_completed else "; ".join(result.problems)
        click.echo(f"{result.plan.name:44} {result.turns:3} turns  {said}", err=True)
    if as_json:
        rows = [
            {
                "name": result.plan.name,
                "completed": result.is_completed,
                "turns": result.turns,
                "misunderstood": result.misunderstood,
                "problems": result.problems,
            }
            for result in results
        ]
        said_all = {"bench": "calls", "ok": is_ok, "figures": figures, "rows": rows, "machine": machine()}
        click.echo(json.dumps(said_all))
    else:
        for name, value in figures.items():
            click.echo(f"{name:20} {value}")
    sys.exit(0 if is_ok else 1)


def _figures(results: Sequence[CallResult]) -> dict[str, float]:
    done = [result for result in results if result.is_completed]
    return {
        "calls": len(results),
        "completed": len(done),
        "turns_mean": round(sum(result.turns for result in done) / len(done), 2) if done else 0.0,
        "misunderstood": sum(result.misunderstood for result in results),
        "recovered": sum(result.misunderstood for result in done),
    }


async def _bench(at_once: int, codec: str, only: str, folder: Path | None) -> list[CallResult]:
    kept = folder or Path(tempfile.mkdtemp(prefix="ari-app-calls-"))
    try:
        async with Lab.running(offset=port_offset() or None, worker=False, report=_say) as lab:
            settings = load_settings(lab.settings_path, lab.environment())
            planned = [
                plan
                for plan in plans(datetime.now(settings.business.zone), settings.business.locale)
                if only in plan.name
            ]
            await _seed(settings, planned)
            _say("rehearsing")
            for plan in planned:
                await _rehearse(plan)
            await lab.start_sentinel()
            environ = {
                "ARI_APP_LAB__EVENTS_DIR": str((kept / "events").absolute()),
                "ARI_APP_WORKER__CAPACITY": "30",
                "ARI_APP_SMS__GATEWAY": "none",
            }
            await lab.start_worker(1, environ=environ)
            return await _play_all(lab, settings, planned, kept, at_once, codec, is_recorded=folder is not None)
    finally:
        if folder is None:
            await asyncio.to_thread(shutil.rmtree, kept, ignore_errors=True)


async def _rehearse(plan: CallPlan) -> None:
    """Have everything rendered that the caller may say: a person needs no time for that."""
    for words in (*(rule.says for rule in plan.persona.rules), *plan.persona.otherwise):
        if words:
            await render(words, plan.persona.voice)


async def _seed(settings: Settings, planned: Sequence[CallPlan]) -> None:
    """The customers and appointments that calls are about."""
    clock = SystemClock(settings.business.zone)
    async with Database(settings.store.url) as database, build_service(settings, database, clock) as booking:
        for plan in planned:
            if plan.seed is None:
                continue
            customer = customers.Customer(plan.number, plan.seed.name)
            await database.run(partial(customers.upsert, customer=customer, now=datetime.now(UTC)))
            service = next(each for each in settings.services if each.id == plan.seed.service)
            end = plan.seed.start + timedelta(minutes=service.duration_min)
            opening = Opening(plan.seed.start, end, service.id, tuple(group[0] for group in service.resources))
            request = BookingRequest(f"seed-{plan.number}", opening, plan.number, plan.seed.name)
            await booking.book(request, clock.now())


async def _play_all(
    lab: Lab,
    settings: Settings,
    planned: Sequence[CallPlan],
    kept: Path,
    at_once: int,
    codec: str,
    *,
    is_recorded: bool,
) -> list[CallResult]:
    recogniser = await asyncio.to_thread(build_recogniser, settings)
    waiting = iter(planned)
    results: list[CallResult] = []
    try:
        async with PhoneBook.open(lab, recogniser) as phones, Database(settings.store.url) as database:

            async def play_some(first_after_s: float) -> None:
                await asyncio.sleep(first_after_s)
                for plan in waiting:
                    result = CallResult(plan)
                    results.append(result)
                    call = await _place(phones, plan, codec, result)
                    if call is not None:
                        if is_recorded:
                            await asyncio.to_thread(call.save_wav, kept / f"{plan.name.replace(' ', '-')}.wav")
                        await _judge(lab, settings, database, kept / "events", result)
                    _say(f"  {plan.name}: {'; '.join(result.problems) or 'as meant'}")

            async with asyncio.TaskGroup() as group:
                for number in range(at_once):
                    group.create_task(play_some(number * 1.0))
    finally:
        recogniser.close()
    return sorted(results, key=lambda result: [each.number for each in planned].index(result.plan.number))


async def _place(phones: PhoneBook, plan: CallPlan, codec: str, result: CallResult) -> Call | None:
    """Make the call; None where it could not be made."""
    try:
        async with asyncio.timeout(CALL_WITHIN_S):
            call = await phones.line("trunk").call(
                "700", caller_id=plan.number, codec=codec, noise_dbfs=plan.noise_dbfs
            )
            try:
                story = await converse(call, plan.persona)
                result.heard = story.heard
                if not story.is_ended:
                    result.problems.append("the caller gave up")
            finally:
                await call.hang_up()
    except TimeoutError:
        result.problems.append(f"not over within {CALL_WITHIN_S:.0f} s")
        return None
    except AriAppError as exc:
        result.problems.append(str(exc))
        return None
    return call


async def _judge(lab: Lab, settings: Settings, database: Database, events: Path, result: CallResult) -> None:
    """Compare the calendar with what was meant, and count turns."""
    plan = result.plan
    await asyncio.sleep(SETTLE_S)
    log = CallLog(events / f"{await _call_id(database, plan.number)}.jsonl")
    log.refresh()
    said = [each.data.get("text_id", "") for each in log.events if each.kind == "agent"]
    result.turns = sum(each.kind in {"caller", "dtmf"} for each in log.events)
    result.misunderstood = sum(text_id.startswith(_ASKED_AGAIN) for text_id in said)
    result.problems += [f"{wanted} was not said" for wanted in plan.said if wanted not in said]
    entries = await entries_of(lab, settings, plan.number)
    if plan.start is None:
        if entries:
            result.problems.append(f"still in the calendar: {entries[0]}")
        return
    if len(entries) != 1:
        result.problems.append(f"{len(entries)} appointments, not 1")
    elif entries[0].start != plan.start or entries[0].service != plan.service:
        result.problems.append(f"{entries[0]}, not {plan.service} {plan.start:%A %d %B %H:%M}")


async def _call_id(database: Database, number: str) -> str:
    newest = select(calls.c.call_id).where(calls.c.number == number).order_by(calls.c.started.desc())
    for _ in itertools.repeat(None, 20):
        found = await database.read(lambda conn: conn.execute(newest).scalars().first())
        if found is not None:
            return str(found)
        await asyncio.sleep(0.1)
    raise LabError(f"the worker knows no call from {number}")


def _say(line: str) -> None:
    click.echo(line, err=True)
