"""The lab's calendars as they are at the start, written over CalDAV relative to a given day.

Every `calendar/seed/NAME.ics` becomes the calendar `USER/NAME/`, one object an event. `@thu+0@` stands for the first
Thursday after `today`, `@thu+1@` for a week later, `@thu-1@` for a week earlier. Seeding again changes nothing.
"""

import re
from datetime import date, timedelta
from pathlib import Path

from pydantic import SecretStr

from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.calendar_store import ObjectExists
from ari_app.config import WEEKDAYS, CaldavSettings
from ari_app.errors import LabError

SEED_FILES = Path(__file__).resolve().parents[2] / "calendar" / "seed"
_DAY = re.compile(r"@(mon|tue|wed|thu|fri|sat|sun)([+-]\d+)@")
_EVENT = re.compile(r"BEGIN:VEVENT.*?END:VEVENT\n", re.DOTALL)
_UID = re.compile(r"^UID:([^@\n]+)", re.MULTILINE)


async def seed(url: str, user: str, password: str, today: date, *, files: Path = SEED_FILES) -> dict[str, int]:
    """Make the calendars and their events; how many events of each were new. Raises CalendarUnavailable, LabError."""
    store = CaldavStore(CaldavSettings(url=url, user=user, password=SecretStr(password), timeout_s=10.0))
    made: dict[str, int] = {}
    try:
        await store.make_calendar(f"{user}/callbacks/", "Callbacks", ("VTODO",))
        for file in _seed_files(files):
            calendar = f"{user}/{file.stem}/"
            await store.make_calendar(calendar, file.stem.capitalize())
            made[file.stem] = 0
            for name, data in seed_objects(file.read_text("utf-8"), today).items():
                try:
                    await store.create(store.href(calendar, name), data)
                    made[file.stem] += 1
                except ObjectExists:
                    continue
    finally:
        await store.close()
    return made


def seed_objects(text: str, today: date) -> dict[str, str]:
    """Object name -> its calendar object, for every event of a seed file."""
    dated = _DAY.sub(lambda found: _weekday(today, found[1], int(found[2])).strftime("%Y%m%d"), text)
    head, _, _ = dated.partition("BEGIN:VEVENT")
    objects: dict[str, str] = {}
    for event in _EVENT.findall(dated):
        uid = _UID.search(event)
        if uid is None:
            raise LabError("a seed event has no UID: give it one")
        objects[f"{uid[1]}.ics"] = f"{head}{event}END:VCALENDAR\n".replace("\n", "\r\n")
    return objects


def _seed_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.ics"))
    if not files:
        raise LabError(f"{folder} holds no seed files: the lab runs from a checkout")
    return files


def _weekday(today: date, weekday: str, weeks: int) -> date:
    ahead = (WEEKDAYS.index(weekday) - today.weekday() - 1) % 7 + 1
    return today + timedelta(days=ahead, weeks=weeks)
