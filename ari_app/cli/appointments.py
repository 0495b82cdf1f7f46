"""`ari-app appointments`: what is booked, by caller or by day, as the calendars hold it now."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

import click

from ari_app.booking.model import Appointment
from ari_app.booking.service import BookingService
from ari_app.cli.diary import Day, appointment_json, number_of, show_appointments, show_json, with_booking
from ari_app.cli.stored import as_json, config
from ari_app.config import load_settings


@click.command(name="appointments")
@click.option("--caller", help="Only this telephone number's.")
@click.option("--day", type=Day(), help="Only this day's.")
@as_json
@config
def command(caller: str | None, day: date | None, as_json: bool, config: Path | None) -> None:
    """Upcoming appointments, soonest first: our own, and people's events that name a telephone number.

    Example: ari-app appointments --day tomorrow
    """
    settings = load_settings(config)
    zone = settings.business.zone
    number = number_of(caller, settings) if caller else None

    async def look(booking: BookingService) -> tuple[Appointment, ...]:
        now = booking.now()
        start = datetime.combine(day, time(0), zone) if day else now
        end = start + timedelta(days=1 if day else 3650)
        found = await booking.appointments_between(start, end)
        return tuple(item for item in found if number in {None, item.number})

    found = with_booking(settings, look)
    if as_json:
        show_json({"appointments": [appointment_json(item) for item in found]})
    else:
        show_appointments(found)
