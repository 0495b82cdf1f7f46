"""The commands of the terminal, on a real calendar server."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ari_app.booking.model import Appointment
from ari_app.booking.seed import SEED_FILES, seed, seed_objects
from ari_app.cli import appointments, book, calendars, cancel, move, openings
from ari_app.cli.diary import Day, show_appointments
from ari_app.config import Settings
from ari_app.errors import BadInput, OpeningTaken
from ari_app.lab.bench.servers import CalendarServer

Run = Callable[..., Result]
TOMORROW = date.today() + timedelta(days=1)  # noqa: DTZ011


@pytest.fixture(params=["radicale"])
def server(request: pytest.FixtureRequest) -> CalendarServer:
    found: CalendarServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def run(
    practice: Callable[..., Settings], tmp_path: Path, server: CalendarServer, monkeypatch
) -> Callable[..., Result]:
    settings = practice()
    path = tmp_path / "ari_app.toml"
    path.write_text(_toml(settings), "utf-8")
    monkeypatch.setenv("ARI_APP_CALDAV__PASSWORD", server.password)

    def invoke(command: click.Command, *words: str) -> Result:
        return CliRunner().invoke(command, [*words, "--config", str(path)])

    return invoke


def test_book_move_and_cancel_at_the_terminal(run: Run) -> None:
    day = TOMORROW.isoformat()
    free = json.loads(run(openings.command, "--service", "cleaning", "--from", day, "--to", day, "--json").output)
    assert free["services"][0]["openings"][0]["start"].startswith(f"{day}T08:00")
    made = run(book.command, "cleaning", day, "10:00", "--caller", "020 7946 0123", "--name", "Jane", "--json")
    assert json.loads(made.output)["number"] == "+442079460123"
    assert isinstance(run(book.command, "cleaning", day, "10:00", "--caller", "02079460199").exception, OpeningTaken)
    assert "Jane" in run(appointments.command, "--day", day).output
    moved = run(move.command, f"{day}T10:00", day, "14:00", "--caller", "020 7946 0123", "--json")
    assert json.loads(moved.output)["start"].startswith(f"{day}T14:00")
    assert run(cancel.command, f"{day}T14:00", "--caller", "020 7946 0123").exit_code == 0
    assert json.loads(run(appointments.command, "--json").output) == {"appointments": []}


def test_discover_names_a_diary_that_nobody_uses(run: Run, desk, server: CalendarServer) -> None:
    desk.client.mkcalendar(f"{server.url}{server.user}/forgotten/")
    start = f"{TOMORROW:%Y%m%d}T100000Z"
    desk.put(f"{server.user}/forgotten/", "x.ics", f"DTSTART:{start}", "DURATION:PT2H", "SUMMARY:Root canal")
    result = run(calendars.command, "discover", "--json")
    assert result.exception is None, repr(result.exception)
    found = json.loads(result.output)["calendars"]
    (forgotten,) = [each for each in found if each["path"].endswith("/forgotten/")]
    assert (forgotten["used_as"], forgotten["busy_h"]) == ("not used", 2.0)
    assert "booked over" in forgotten["looks_like"]
    assert sum(each["used_as"].startswith("resource") for each in found) == 4
    assert "forgotten" in run(calendars.command, "discover").output


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (book.command, ("haircut", "tomorrow", "10:00", "--caller", "02079460123")),
        (book.command, ("cleaning", "tomorrow", "10:00", "--caller", "nobody")),
        (cancel.command, ("2026-01-01T10:00", "--caller", "02079460123")),
        (openings.command, ("--from", "+3", "--to", "tomorrow")),
    ],
)
def test_a_mistake_is_one_clear_line(run: Run, command: click.Command, words: tuple[str, ...]) -> None:
    result = run(command, *words)
    assert isinstance(result.exception, BadInput)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize("text", ["yesterday", "32", "2026-02-30", ""])
def test_a_day_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no day"):
        Day().convert(text, None, None)


async def test_the_seed_tells_its_story_on_any_day_and_only_once(server: CalendarServer, desk) -> None:
    today = date(2026, 3, 4)
    first = await seed(server.url, server.user, server.password, today)
    assert first == {"anna": 6, "patel": 4}
    assert await seed(server.url, server.user, server.password, today) == {"anna": 0, "patel": 0}
    events = [event.icalendar_component for event in desk.events("ari/anna/")]
    (jane,) = [event for event in events if event["UID"] == "seed-anna-jane-doe@ari-app"]
    assert jane["DTSTART"].dt.date() == date(2026, 3, 18)


@pytest.mark.parametrize("offset", range(7))
def test_seeded_weekdays_are_what_they_are_called(offset: int) -> None:
    today = date(2026, 3, 2) + timedelta(days=offset)
    objects = seed_objects((SEED_FILES / "anna.ics").read_text("utf-8"), today)
    jane = objects["seed-anna-jane-doe.ics"]
    day = jane.partition("DTSTART;TZID=Europe/London:")[2][:8]
    assert date.fromisoformat(day).weekday() == 2
    assert 7 < (date.fromisoformat(day) - today).days <= 14
    assert "@" not in jane.replace("@ari-app", "")


def _toml(settings: Settings) -> str:
    hours = ", ".join(f'{day} = ["08:00-20:00"]' for day in settings.business.hours)
    lines = [f"[business]\nobserve_holidays = false\nhours = {{ {hours} }}\n"]
    for service in settings.services:
        lines.append(f'[[services]]\nid = "{service.id}"\nname = "{service.name}"\nlead_time_min = 0\n')
        lines.append(f"resources = {json.dumps(service.resources)}\n")
    for resource in settings.resources:
        lines.append(f'[[resources]]\nid = "{resource.id}"\nname = "{resource.name}"\n')
        lines.append(f'calendar = "{resource.calendar}"\n')
    caldav = settings.caldav
    lines.append(f'[caldav]\nurl = "{caldav.url}"\nuser = "{caldav.user}"\ntimeout_s = 5.0\n')
    lines.append(f'[store]\nurl = "{settings.store.url}"\n[callbacks]\ncalendar = "{settings.callbacks.calendar}"\n')
    return "".join(lines)


def test_a_narrow_terminal_cuts_no_time_and_no_number_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    start = datetime(2026, 3, 2, 10, tzinfo=UTC)
    uid, resources = "b3584300-9d0b-5161@ari-app", ("anna", "room")
    show_appointments(
        [Appointment(uid, "cleaning", start, start + timedelta(minutes=30), resources, "+442079460123", "Jane Doe")]
    )
    shown = capsys.readouterr().out
    assert "10:00-10:30" in shown
    assert "+442079460123" in shown
    assert "\u2026" not in shown
