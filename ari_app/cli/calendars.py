"""`ari-app calendars discover`: what the CalDAV account holds, so that no second calendar is forgotten."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import click

from ari_app.booking.build import closed_pattern
from ari_app.booking.caldav_store import CaldavStore
from ari_app.booking.discovery import CalendarReport, discover
from ari_app.cli.diary import show_json, show_table
from ari_app.cli.stored import as_json, config
from ari_app.config import load_settings


@click.group(name="calendars")
def command() -> None:
    """The calendars of the CalDAV account.

    Example: ari-app calendars discover
    """


@command.command("discover")
@click.option("--days", default=28, show_default=True, type=click.IntRange(1, 366), help="How far to look ahead.")
@as_json
@config
def discover_command(days: int, as_json: bool, config: Path | None) -> None:
    """Look at every calendar of the account and change nothing: whose it looks, what would count as busy.

    A calendar marked "not used" with events to come may be a second diary of somebody who can be booked: name it in a
    [[resources]] section, or callers will be booked over it.

    Example: ari-app calendars discover --days 14
    """
    settings = load_settings(config)

    async def look() -> list[CalendarReport]:
        store = CaldavStore(settings.caldav)
        now = datetime.now(settings.business.zone)
        try:
            return await discover(store, settings, closed_pattern(settings.business), now, timedelta(days=days))
        finally:
            await store.close()

    found = asyncio.run(look())
    if as_json:
        show_json({"calendars": [report.as_json() for report in found]})
        return
    show_table(
        f"{settings.caldav.url} ({settings.caldav.user}), the next {days} days",
        ("calendar", "name", "used as", "events", "busy", "looks like"),
        [report.cells() for report in found],
        empty=f"{settings.caldav.user} has no calendars at {settings.caldav.url}",
    )
