"""`ari-app bench races`: callers, workers that are killed, people who edit meanwhile; then the history is checked."""

import asyncio
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import caldav
import click
import icalendar

from ari_app.booking.build import build_service
from ari_app.booking.plan import from_payload
from ari_app.config import Settings, load_settings
from ari_app.errors import LabError
from ari_app.lab.bench.race_check import Evidence, FinalEvent, Verdict, judge
from ari_app.lab.bench.race_history import History, read_histories
from ari_app.lab.bench.race_humans import Human, span_of
from ari_app.lab.bench.race_story import stories
from ari_app.lab.bench.servers import CalendarServer, calendar_server, database_url, machine
from ari_app.store import booking_journal, outbox
from ari_app.store.database import Database
from ari_app.store.migrate import migrate

RESOURCES = ("chair-1", "chair-2")
ZONE = ZoneInfo("Europe/London")
_DAYS = 3
_SETTLE_S = 60.0
_START_S = 90.0


@dataclass(frozen=True, slots=True)
class Race:
    """How a race is run."""

    callers: int = 8
    workers: int = 3
    humans: int = 2
    seconds: float = 60.0
    kill: bool = False
    server: str = "radicale"
    store: str = "sqlite"
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    race: Race
    verdict: Verdict
    kills: int
    refused: int
    put_by_people: int
    stories: tuple[str, ...] = ()
    """Each violation with the history that belongs to it."""

    @property
    def is_ok(self) -> bool:
        return bool(self.verdict.told) and not self.verdict.wrong

    def figures(self) -> dict[str, int]:
        verdict = self.verdict
        return {
            "told": verdict.told,
            "events": verdict.events,
            "overlaps": len(verdict.overlaps),
            "lost": len(verdict.lost),
            "unheld": len(verdict.unheld),
            "sms_missing": len(verdict.sms_missing),
            "sms_double": len(verdict.sms_double),
            "unsettled": len(verdict.unsettled),
            "kills": self.kills,
            "refused": self.refused,
            "put_by_people": self.put_by_people,
        }


@click.command(name="races")
@click.option(
    "--callers", default=8, show_default=True, type=click.IntRange(1, 200), help="Callers at once, over all workers."
)
@click.option("--workers", default=3, show_default=True, type=click.IntRange(1, 20), help="Worker processes.")
@click.option(
    "--humans", default=2, show_default=True, type=click.IntRange(0, 20), help="People editing the calendars."
)
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1), help="How long.")
@click.option("--kill/--no-kill", default=False, help="Kill workers with SIGKILL at random moments and restart them.")
@click.option("--server", type=click.Choice(["radicale", "xandikos"]), default="radicale", show_default=True)
@click.option("--store", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--seed", default=1, show_default=True, help="Seed of what everybody does.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where something was wrong: keep the histories, the servers' logs and what the calendars hold here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(
    callers: int,
    workers: int,
    humans: int,
    seconds: float,
    kill: bool,
    server: str,
    store: str,
    seed: int,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Race for few openings, then check what was told against what the calendar holds.

    Exit code 1 if anything was booked twice, lost, left behind untold, or texted wrongly.

    Example: ari-app bench races --callers 8 --workers 3 --humans 2 --seconds 60 --kill --json
    """
    race = Race(callers, workers, humans, seconds, kill, server, store, seed)
    outcome = run_race(race, lambda text: click.echo(text, err=True), keep=keep)
    for line in outcome.stories:
        click.echo(line if line.startswith(" ") else f"WRONG {line}", err=True)
    if as_json:
        shown = {"bench": "races", "ok": outcome.is_ok, "figures": outcome.figures(), "machine": machine()}
        click.echo(json.dumps(shown | {"race": asdict(race)}))
    else:
        for name, count in outcome.figures().items():
            click.echo(f"{name:>14} {count}")
    sys.exit(0 if outcome.is_ok else 1)


def run_race(race: Race, say: Callable[[str], None] = lambda _: None, *, keep: Path | None = None) -> Outcome:
    """Run one race in a folder of its own and judge it; raises LabError where a server doesn't start."""
    folder = Path(tempfile.mkdtemp(prefix="ari-app-race-"))
    folder.chmod(0o755)
    try:
        with calendar_server(race.server, folder / "calendar") as server, database_url(race.store, folder) as url:
            settings_file = _write_settings(folder, server, url)
            settings = load_settings(settings_file, {})
            migrate(url)
            _make_calendars(server)
            histories = folder / "history"
            histories.mkdir()
            kills = _run(race, server, settings_file, histories, say)
            outcome = asyncio.run(_judged(race, server, settings, histories, kills))
        if keep is not None and outcome.verdict.wrong:
            _keep(folder, keep, outcome)
        return outcome
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(race: Race, server: CalendarServer, config: Path, histories: Path, say: Callable[[str], None]) -> int:
    chance = random.Random(race.seed)
    crew = _Crew(race, config, histories, chance)
    paths = tuple(f"{server.user}/{name}/" for name in RESOURCES)
    people = [
        Human(name, server, paths, _times(), History(histories, name), random.Random(chance.random()))
        for name in (f"human-{index}" for index in range(race.humans))
    ]
    try:
        crew.start_all()
        deadline = time.monotonic() + race.seconds
        for person in people:
            person.start()
        while time.monotonic() < deadline:
            time.sleep(min(chance.uniform(0.2, 2.0), max(0.0, deadline - time.monotonic())))
            crew.revive()
            if race.kill and crew.kill(chance.randrange(race.workers)):
                say(f"{max(0.0, deadline - time.monotonic()):5.1f} s left, {crew.kills} kills")
    finally:
        for person in people:
            person.stop()
            person.history.close()
        crew.stop()
    return crew.kills


def _keep(folder: Path, keep: Path, outcome: Outcome) -> None:
    """The evidence, for a reader: all but the database, whose journal is in the stories."""
    target = keep / f"{outcome.race.server}-{datetime.now(ZONE):%Y%m%dT%H%M%S}"
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("postgres"), ignore_dangling_symlinks=True)
    (target / "wrong.txt").write_text("\n".join(outcome.stories), "utf-8")


class _Crew:
    """The workers' processes, each start with a history of its own."""

    def __init__(self, race: Race, config: Path, folder: Path, chance: random.Random) -> None:
        numbers = [f"+44207946{index:04d}" for index in range(race.callers)]
        self._shares = [numbers[index :: race.workers] for index in range(race.workers)]
        self._config, self._folder, self._chance = config, folder, chance
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._names: dict[int, str] = {}
        self._starts = 0
        self.kills = 0

    def start_all(self) -> None:
        """Start every worker and wait until its callers talk."""
        for index in range(len(self._shares)):
            self._start(index)
        deadline = time.monotonic() + _START_S
        while not all(self._is_up(index) for index in self._names):
            if time.monotonic() > deadline:
                raise LabError(f"the workers did not start: {self._words()}")
            time.sleep(0.1)

    def revive(self) -> None:
        """Start again whoever ended by themselves, which none should."""
        for index, process in list(self._running.items()):
            if process.poll() is not None:
                self._start(index)

    def kill(self, index: int) -> bool:
        """SIGKILL one worker whose callers talk, and start another in its place; False where it isn't that far."""
        if not self._is_up(index):
            return False
        self._running[index].kill()
        self._running[index].wait()
        self.kills += 1
        self._start(index)
        return True

    def stop(self) -> None:
        """Let every worker end what it does."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, index: int) -> None:
        self._starts += 1
        self._names[index] = f"worker-{index}-{self._starts}"
        words = [str(self._config), str(self._folder), self._names[index], str(self._chance.random())]
        command = [sys.executable, "-m", "ari_app.lab.bench.race_worker", *words, *self._shares[index]]
        with (self._folder / f"{self._names[index]}.log").open("wb") as log:
            self._running[index] = subprocess.Popen(command, stdout=log, stderr=log)

    def _is_up(self, index: int) -> bool:
        path = self._folder / f"{self._names[index]}.jsonl"
        return path.exists() and '"asked"' in path.read_text("utf-8")

    def _words(self) -> str:
        logs = "".join(path.read_text("utf-8", "replace") for path in self._folder.glob("*.log"))
        return logs[-500:] or "they said nothing"


async def _judged(race: Race, server: CalendarServer, settings: Settings, histories: Path, kills: int) -> Outcome:
    """Let a last worker finish or undo what is open, then look."""
    async with Database(settings.store.url) as database:
        async with build_service(settings, database) as booking:
            deadline = time.monotonic() + _SETTLE_S
            while time.monotonic() < deadline:
                await booking.recover()
                if not await database.read(booking_journal.unfinished):
                    break
                await asyncio.sleep(0.5)
        steps = await database.read(booking_journal.every)
        messages = await database.read(lambda conn: outbox.latest(conn, limit=1_000_000))
    lines = read_histories(histories)
    events = await asyncio.to_thread(_final_events, server)
    evidence = Evidence(lines, events, [(step, from_payload(step.payload)) for step in steps], messages)
    refused = sum(line.what in {"refused", "changed"} for line in lines)
    put = sum(line.what == "human_put" for line in lines)
    verdict = judge(evidence)
    return Outcome(race, verdict, kills, refused, put, tuple(stories(evidence, verdict.wrong)))


def _final_events(server: CalendarServer) -> list[FinalEvent]:
    found: list[FinalEvent] = []
    with caldav.DAVClient(server.url, username=server.user, password=server.password) as client:
        for name in RESOURCES:
            for item in client.calendar(url=f"{server.url}{server.user}/{name}/").events():
                event = icalendar.Calendar.from_ical(item.data).walk("VEVENT")[0]
                uid = str(event.get("X-ARI-APP-APPOINTMENT") or event.get("UID"))
                found.append(FinalEvent(str(item.url.path), uid, *span_of(item.data), "X-ARI-APP-KEY" in event))
    return found


def _make_calendars(server: CalendarServer) -> None:
    with caldav.DAVClient(server.url, username=server.user, password=server.password) as client:
        for name in RESOURCES:
            client.mkcalendar(f"{server.url}{server.user}/{name}/")


def _times() -> tuple[datetime, ...]:
    """The half hours that are open."""
    midnight = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(
        midnight + timedelta(days=day, hours=9, minutes=30 * half) for day in range(1, _DAYS + 1) for half in range(6)
    )


def _write_settings(folder: Path, server: CalendarServer, url: str) -> Path:
    hours = ", ".join(f'{day} = ["09:00-12:00"]' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    resources = "".join(
        f'[[resources]]\nid = "{name}"\nname = "{name}"\ncalendar = "{server.user}/{name}/"\n' for name in RESOURCES
    )
    chosen = ", ".join(f'"{name}"' for name in RESOURCES)
    text = (
        f"[business]\nobserve_holidays = false\nhours = {{ {hours} }}\n"
        f'[[services]]\nid = "visit"\nname = "visit"\nresources = [{chosen}]\nduration_min = 30\ngranularity_min = 30\n'
        f"lead_time_min = 0\nhorizon_days = {_DAYS}\n{resources}"
        f'[caldav]\nurl = "{server.url}"\nuser = "{server.user}"\npassword = "{server.password}"\ntimeout_s = 4.0\n'
        f'poll_s = 5.0\n[store]\nurl = "{url}"\n[callbacks]\ncalendar = "{server.user}/callbacks/"\n'
    )
    path = folder / "ari_app.toml"
    path.write_text(text, "utf-8")
    return path
