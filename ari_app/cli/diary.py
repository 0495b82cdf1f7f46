"""What the commands that look into the diary share: a running booking service, days, and how appointments are shown."""

import json
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import date, datetime, time, timedelta
from typing import TypeVar

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ari_app import logs
from ari_app.booking.build import build_service
from ari_app.booking.model import Appointment, Opening
from ari_app.booking.service import BookingService
from ari_app.cli.stored import with_store
from ari_app.config import Settings
from ari_app.errors import BadInput
from ari_app.store.database import Database
from ari_app.store.numbers import to_e164

T = TypeVar("T")

_WORDS = {"today": 0, "tomorrow": 1}
_NEVER_BROKEN = {"time", "number"}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Day(click.ParamType[date]):
    """A day: 2026-12-24, today, tomorrow, a weekday (the next one), +3."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        text = str(value).strip().lower()
        today = date.today()  # noqa: DTZ011
        if text in _WORDS:
            return today + timedelta(days=_WORDS[text])
        if text[:1] == "+" and text[1:].isdecimal() and len(text) < 5:
            return today + timedelta(days=int(text[1:]))
        named = [index for index, name in enumerate(_WEEKDAYS) if len(text) > 2 and name.startswith(text)]
        if named:
            return today + timedelta(days=(named[0] - today.weekday() - 1) % 7 + 1)
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.fail(f'"{value}" is no day: write 2026-12-24, today, tomorrow, friday or +3', param, ctx)


class TimeOfDay(click.ParamType[time]):
    """A time of day: 15:30 or 9."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> time:
        if isinstance(value, time):
            return value
        hour, _, minute = str(value).partition(":")
        try:
            return time(int(hour), int(minute or 0))
        except ValueError:
            self.fail(f'"{value}" is no time of day: write 15:30', param, ctx)


def with_booking(settings: Settings, work: Callable[[BookingService], Awaitable[T]]) -> T:
    """Start the booking service of these settings and do `work` with it."""
    logs.configure(level="error", json=False)

    async def run(database: Database) -> T:
        async with AsyncExitStack() as stack:
            return await work(await stack.enter_async_context(build_service(settings, database)))

    return with_store(settings, run, may_be_new=True)


def number_of(text: str, settings: Settings) -> str:
    """A telephone number as E.164; raises BadInput."""
    number = to_e164(text, region=settings.business.country)
    if not number:
        raise BadInput(f'"{text}" is no telephone number: write +442079460123, or as it is dialled at home')
    return number


def service_named(settings: Settings, text: str) -> str:
    """A service's id, by id, name or synonym; raises BadInput."""
    for service in settings.services:
        if text.casefold() in {service.id, service.name.casefold(), *(word.casefold() for word in service.synonyms)}:
            return service.id
    raise BadInput(f'there is no service "{text}": choose from {", ".join(item.id for item in settings.services)}')


def resource_named(settings: Settings, text: str) -> str:
    """A resource's id, by id or name; raises BadInput."""
    for resource in settings.resources:
        if text.casefold() in {resource.id, resource.name.casefold()}:
            return resource.id
    raise BadInput(f'there is no resource "{text}": choose from {", ".join(item.id for item in settings.resources)}')


def moment(settings: Settings, day: date, at: time) -> datetime:
    """A local time of the business; raises BadInput where a clock change skips it."""
    local = datetime.combine(day, at, settings.business.zone)
    if datetime.fromtimestamp(local.timestamp(), settings.business.zone).time() != at:
        raise BadInput(f"{at:%H:%M} doesn't exist on {day}: the clocks go forward")
    return local


def opening_json(opening: Opening) -> dict[str, object]:
    """An opening for a program."""
    return {
        "service": opening.service,
        "start": opening.start.isoformat(),
        "end": opening.end.isoformat(),
        "resources": list(opening.resources),
    }


def appointment_json(item: Appointment) -> dict[str, object]:
    """An appointment for a program."""
    return {
        "uid": item.uid,
        "service": item.service,
        "start": item.start.isoformat(),
        "end": item.end.isoformat(),
        "resources": list(item.resources),
        "number": item.number,
        "name": item.name,
        "title": item.title,
        "href": item.href,
    }


def show_json(value: object) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False))


def show_table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], *, empty: str) -> None:
    """A table on the terminal; `empty` where it has no rows. In a narrow one nothing is cut off."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, no_wrap=index == 0 or column in _NEVER_BROKEN, overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table if table.row_count else empty)


def show_appointments(items: Iterable[Appointment], *, title: str = "", empty: str = "no appointments") -> None:
    """Appointments as a table; the row's number is what `move` and `cancel` take."""
    show_table(
        title,
        ("#", "day", "time", "service", "with", "number", "name", "uid"),
        [
            (
                str(index),
                f"{item.start:%a %d %b %Y}",
                f"{item.start:%H:%M}-{item.end:%H:%M}",
                item.service or item.title,
                ", ".join(item.resources),
                item.number,
                item.name,
                item.uid.partition("@")[0][:13],
            )
            for index, item in enumerate(items, 1)
        ],
        empty=empty,
    )


def choose(items: tuple[Appointment, ...], which: str) -> Appointment:
    """The appointment that `which` names: its UID or the beginning of it, or its day and time; raises BadInput."""
    found = [item for item in items if item.uid.startswith(which) or f"{item.start:%Y-%m-%dT%H:%M}" == which]
    if len(found) != 1:
        told = "none" if not found else f"{len(found)}"
        raise BadInput(f'{told} of the {len(items)} upcoming appointments is "{which}": see ari-app appointments')
    return found[0]
