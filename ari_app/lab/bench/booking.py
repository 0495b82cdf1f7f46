"""`ari-app bench booking`: what openings and a booking cost, on a calendar as big as a practice's after some years."""

import asyncio
import gc
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import caldav
import click

from ari_app.booking.build import assemble
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.model import BookingRequest, Wish
from ari_app.booking.service import BookingService
from ari_app.config import Settings, load_settings
from ari_app.errors import LabError
from ari_app.lab.bench.servers import CalendarServer, calendar_server, machine, rss_mb
from ari_app.store.database import Database
from ari_app.store.migrate import migrate

BIG, SMALL, EVERYDAY = "big", "small", "everyday"
OPENINGS_P95_MS = 20.0
BOOKING_P95_MS = 150.0
_PAST_DAYS, _AHEAD_DAYS = 1100, 90


@dataclass(frozen=True, slots=True)
class Size:
    """How much the calendars hold."""

    events: int
    recurring: int
    everyday: int
    """Events in the calendar on which whole bookings are timed."""


@click.command(name="booking")
@click.option(
    "--events", default=20_000, show_default=True, type=click.IntRange(10), help="Events in the big calendar."
)
@click.option("--recurring", default=200, show_default=True, type=click.IntRange(0), help="Recurring ones beside them.")
@click.option("--everyday", default=50, show_default=True, help="Events in the calendar that bookings are timed on.")
@click.option("--bookings", default=40, show_default=True, type=click.IntRange(5), help="Whole bookings to time.")
@click.option("--server", type=click.Choice(["radicale", "xandikos"]), default="radicale", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def command(events: int, recurring: int, everyday: int, bookings: int, server: str, as_json: bool) -> None:
    """Time openings from the mirror beside plain caldav, whole bookings, and keeping the mirror fresh.

    Exit code 1 where openings or bookings miss their targets. The first read of 20,000 events is the calendar
    server's own work and takes some minutes.

    Example: ari-app bench booking --events 20000 --recurring 200 --json
    """
    size = Size(events, recurring, everyday)
    figures = measure(size, bookings, server, lambda text: click.echo(text, err=True))
    is_ok = figures["openings_p95_ms"] < OPENINGS_P95_MS and figures["booking_p95_ms"] < BOOKING_P95_MS
    if as_json:
        click.echo(json.dumps({"bench": "booking", "ok": is_ok, "figures": figures, "machine": machine()}))
    else:
        for name, value in figures.items():
            click.echo(f"{name:>24} {value:g}")
    sys.exit(0 if is_ok else 1)


def measure(size: Size, bookings: int, server: str, say: Callable[[str], None]) -> dict[str, float]:
    """All figures, on a server of its own; raises LabError."""
    folder = Path(tempfile.mkdtemp(prefix="ari-app-bench-"))
    try:
        with calendar_server(server, folder / "calendar") as running:
            settings = _settings(folder, running)
            migrate(settings.store.url)
            say(f"{running.kind}: writing {size.events} + {size.events // 10} + {size.everyday} events")
            _fill(running, size)
            return asyncio.run(_measured(settings, running, size, bookings, say))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(
    settings: Settings, server: CalendarServer, size: Size, bookings: int, say: Callable[[str], None]
) -> dict[str, float]:
    figures: dict[str, float] = {"events": size.events, "recurring": size.recurring, "booking_events": size.everyday}
    gc.collect()
    before_mb = rss_mb(os.getpid())
    store = CaldavStore(settings.caldav, bulk_timeout_s=1200)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(settings.store.url, timeout_s=10))
        booking = assemble(settings, database, store, first_load_s=1200)
        say("reading them for the first time")
        began = time.perf_counter()
        await stack.enter_async_context(booking)
        await booking.refresh()
        figures["first_load_s"] = round(time.perf_counter() - began, 2)
        gc.collect()
        figures["memory_mb"] = round(rss_mb(os.getpid()) - before_mb, 1)
        say("openings from the mirror")
        figures |= await _openings(booking, BIG, "openings")
        figures |= await _openings(booking, SMALL, "openings_tenth")
        say("openings by plain caldav")
        figures |= await _timed("plain_openings", 5, lambda n: asyncio.to_thread(_plain_search, server, n))
        say("refreshing")
        figures |= await _refreshes(booking, server)
        say("whole bookings")
        figures |= await _bookings(booking, EVERYDAY, bookings, "booking")
        figures |= await _bookings(booking, BIG, 3, "booking_big")
    return figures


async def _openings(booking: BookingService, service: str, name: str) -> dict[str, float]:
    """Openings for a week, another week each time."""
    await booking.refresh()
    now = booking.now()

    async def look(number: int) -> None:
        first = now.date() + timedelta(days=1 + number % 80)
        found = await booking.find(Wish(service, first, first + timedelta(days=6)), now)
        if not (found.fitting or found.nearest):
            raise LabError("no openings were found: nothing was measured")

    return await _timed(name, 400, look)


async def _refreshes(booking: BookingService, server: CalendarServer) -> dict[str, float]:
    """Bringing all three calendars up to date after 0, 1 and 100 changes by somebody else."""
    figures = await _timed("refresh", 5, lambda _: booking.refresh())
    figures = {"refresh_ms": figures["refresh_p50_ms"]}
    for changes in (1, 100):
        await asyncio.to_thread(_change, server, changes)
        began = time.perf_counter()
        await booking.refresh()
        figures[f"refresh_{changes}_ms"] = _ms(time.perf_counter() - began)
    return figures


async def _bookings(booking: BookingService, service: str, count: int, name: str) -> dict[str, float]:
    """Whole bookings, each on an opening of its own."""
    now = booking.now()
    wish = Wish(service, now.date() + timedelta(days=1), now.date() + timedelta(days=80))
    found = (await booking.find(wish, now)).fitting
    chosen = found[:: max(1, len(found) // (count + 1))][: count + 1]

    async def book(number: int) -> None:
        request = BookingRequest(f"{name}-{number}", chosen[number], "+442079460123", "Jane Doe", "bench", "booked")
        await booking.book(request, booking.now())

    await book(len(chosen) - 1)
    return await _timed(name, min(count, len(chosen) - 1), book)


async def _timed(name: str, count: int, work: Callable[[int], Awaitable[object]]) -> dict[str, float]:
    taken = []
    for number in range(count):
        began = time.perf_counter()
        await work(number)
        taken.append(time.perf_counter() - began)
    taken.sort()
    return {f"{name}_p50_ms": _ms(taken[len(taken) // 2]), f"{name}_p95_ms": _ms(taken[int(len(taken) * 0.95)])}


def _plain_search(server: CalendarServer, number: int) -> None:
    """What an application without a mirror does: search and expand a week."""
    start = datetime.now(UTC) + timedelta(days=1 + number)
    with caldav.DAVClient(server.url, username=server.user, password=server.password, timeout=600) as client:
        calendar = client.calendar(url=f"{server.url}{server.user}/{BIG}/")
        calendar.search(start=start, end=start + timedelta(days=7), event=True, expand=True)


def _change(server: CalendarServer, count: int) -> None:
    with caldav.DAVClient(server.url, username=server.user, password=server.password, timeout=60) as client:
        for number in range(count):
            start = datetime.now(UTC) + timedelta(days=2 + number % 60, hours=number % 7)
            body = _event(f"change-{number}", start, f"changed among {count}")
            url = f"{server.url}{server.user}/{SMALL}/change-{number}.ics"
            client.put(url, body, {"Content-Type": "text/calendar"})


def _fill(server: CalendarServer, size: Size) -> None:
    """Write the events where the server keeps its files (by PUT it would take an hour), or by PUT where it can't be."""
    chance = random.Random(1)
    with caldav.DAVClient(server.url, username=server.user, password=server.password, timeout=600) as client:
        for name in (BIG, SMALL, EVERYDAY):
            client.mkcalendar(f"{server.url}{server.user}/{name}/")
        counts = {BIG: size.events, SMALL: size.events // 10, EVERYDAY: size.everyday}
        for name, count in counts.items():
            recurring = size.recurring if name == BIG else size.recurring // 10
            objects = _objects(chance, count, recurring)
            if server.kind == "radicale":
                home = server.folder / "collections" / "collection-root" / server.user / name
                for href, body in objects.items():
                    (home / href).write_text(body, "utf-8", newline="")
            else:
                for href, body in objects.items():
                    client.put(f"{server.url}{server.user}/{name}/{href}", body, {"Content-Type": "text/calendar"})


def _objects(chance: random.Random, count: int, recurring: int) -> dict[str, str]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    objects: dict[str, str] = {}
    for number in range(count):
        day = chance.randrange(-_PAST_DAYS, _AHEAD_DAYS)
        start = today + timedelta(days=day, hours=8, minutes=15 * chance.randrange(40))
        objects[f"single-{number}.ics"] = _event(f"single-{number}", start, f"Visit {number}")
    for number in range(recurring):
        start = today + timedelta(days=chance.randrange(-700, -30), hours=8, minutes=15 * chance.randrange(40))
        until = today + timedelta(days=chance.randrange(-20, 60))
        rule = "FREQ=MONTHLY" if number % 4 else f"FREQ=WEEKLY;UNTIL={until:%Y%m%dT%H%M%SZ}"
        objects[f"series-{number}.ics"] = _event(f"series-{number}", start, f"Series {number}", f"RRULE:{rule}")
    return objects


def _event(uid: str, start: datetime, title: str, *more: str) -> str:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//ari_app//bench//EN",
        "BEGIN:VEVENT",
        f"UID:{uid}@bench.example",
        "DTSTAMP:20260101T000000Z",
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
        f"DTEND:{start + timedelta(minutes=30):%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{title}",
        *more,
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(lines)


def _settings(folder: Path, server: CalendarServer) -> Settings:
    hours = ", ".join(f'{day} = ["08:00-18:00"]' for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
    sections = [
        f"[business]\nobserve_holidays = false\nhours = {{ {hours} }}\n",
        f'[caldav]\nurl = "{server.url}"\nuser = "{server.user}"\npassword = "{server.password}"\n',
        "timeout_s = 60.0\npoll_s = 3600.0\n",
        f'[store]\nurl = "sqlite:///{folder / "store.db"}"\n',
    ]
    for name in (BIG, SMALL, EVERYDAY):
        sections.append(f'[[resources]]\nid = "{name}"\nname = "{name}"\ncalendar = "{server.user}/{name}/"\n')
        sections.append(f'[[services]]\nid = "{name}"\nname = "{name}"\nresources = ["{name}"]\nduration_min = 15\n')
    path = folder / "ari_app.toml"
    path.write_text("".join(sections), "utf-8")
    return load_settings(path, {})


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
