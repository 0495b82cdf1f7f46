"""`ari-app openings`: free times, as a caller would be offered them."""

import sys
from datetime import date, datetime, time, timedelta
from pathlib import Path

import click

from ari_app.booking.model import Found, Wish
from ari_app.booking.service import BookingService
from ari_app.cli.diary import (
    Day,
    TimeOfDay,
    opening_json,
    resource_named,
    service_named,
    show_json,
    show_table,
    with_booking,
)
from ari_app.cli.stored import as_json, config
from ari_app.config import load_settings
from ari_app.errors import BadInput


@click.command(name="openings")
@click.option("--service", help="Service; default: every one.")
@click.option("--from", "first", type=Day(), default="today", show_default=True, help="First day.")
@click.option("--to", "last", type=Day(), help="Last day; default: a week from the first.")
@click.option("--earliest", type=TimeOfDay(), help="Not before this time of day.")
@click.option("--latest", type=TimeOfDay(), help="Not after this time of day.")
@click.option("--with", "resource", help="Only with this person or in this room.")
@as_json
@config
def command(
    service: str | None,
    first: date,
    last: date | None,
    earliest: time | None,
    latest: time | None,
    resource: str | None,
    as_json: bool,
    config: Path | None,
) -> None:
    """Free times, day by day. Exit code 1 where there are none.

    Example: ari-app openings --service cleaning --from monday --to +14
    """
    settings = load_settings(config)
    if not settings.services:
        raise BadInput("no services are set: write [[services]] and [[resources]] into ari_app.toml")
    until = last or first + timedelta(days=7)
    if until < first:
        raise BadInput(f"--to {until} lies before --from {first}")
    names = [service_named(settings, service)] if service else [item.id for item in settings.services]
    wished = resource_named(settings, resource) if resource else None
    wishes = [Wish(name, first, until, earliest, latest, resource=wished) for name in names]

    async def look(booking: BookingService) -> list[Found]:
        return [await booking.find(wish, booking.now()) for wish in wishes]

    found = with_booking(settings, look)
    if as_json:
        show_json({"services": [_as_json(wish.service, each) for wish, each in zip(wishes, found, strict=True)]})
    else:
        for wish, each in zip(wishes, found, strict=True):
            _print(wish, each)
    sys.exit(0 if any(each.fitting for each in found) else 1)


def _as_json(service: str, found: Found) -> dict[str, object]:
    return {
        "service": service,
        "openings": [opening_json(opening) for opening in found.fitting],
        "nearest": [opening_json(opening) for opening in found.nearest],
        "closed_reason": found.closed_reason,
    }


def _print(wish: Wish, found: Found) -> None:
    days: dict[tuple[date, tuple[str, ...]], list[datetime]] = {}
    for opening in found.fitting or found.nearest:
        days.setdefault((opening.start.date(), opening.resources), []).append(opening.start)
    rows = [
        (f"{day:%a %d %b %Y}", ", ".join(resources), " ".join(f"{start:%H:%M}" for start in starts))
        for (day, resources), starts in days.items()
    ]
    reason = f": {found.closed_reason}" if found.closed_reason else ""
    title = (
        wish.service
        if found.fitting
        else f"{wish.service}: none from {wish.first_day} to {wish.last_day}{reason}; nearest"
    )
    show_table(title, ("day", "with", "free from"), rows, empty=f"{wish.service}: nothing free{reason}")
