"""`ari-app move`: another time for an appointment; the old one goes only once the new one stands."""

import uuid
from datetime import date, time
from pathlib import Path

import click

from ari_app.booking.model import Appointment, BookingRequest
from ari_app.booking.service import BookingService
from ari_app.cli.book import opening_for, wish_for
from ari_app.cli.diary import (
    Day,
    TimeOfDay,
    appointment_json,
    choose,
    number_of,
    service_named,
    show_appointments,
    show_json,
    with_booking,
)
from ari_app.cli.stored import as_json, config
from ari_app.config import load_settings
from ari_app.errors import BadInput


@click.command(name="move")
@click.argument("which")
@click.argument("day", type=Day())
@click.argument("at", type=TimeOfDay())
@click.option("--caller", required=True, help="The customer's telephone number.")
@click.option("--service", help="Another service; needed where a person wrote the event.")
@click.option("--with", "resource", help="With this person or in this room.")
@click.option("--text", default="", help="A text message to send once it is moved; default: none.")
@as_json
@config
def command(
    which: str,
    day: date,
    at: time,
    caller: str,
    service: str | None,
    resource: str | None,
    text: str,
    as_json: bool,
    config: Path | None,
) -> None:
    """Move the appointment WHICH (its UID's beginning, or 2026-12-24T15:30) to DAY AT a time.

    Exit code 1 where that time isn't free, or where somebody has changed the appointment meanwhile.

    Example: ari-app move 2026-12-24T15:30 monday 10:00 --caller +442079460123
    """
    settings = load_settings(config)
    number = number_of(caller, settings)

    async def do(booking: BookingService) -> Appointment:
        old = choose(await booking.appointments_of(number, booking.now()), which)
        name = service_named(settings, service) if service else old.service
        if name is None:
            raise BadInput(f'a person wrote "{old.title}": say which service it is with --service')
        opening = await opening_for(booking, wish_for(settings, name, day, at, resource))
        request = BookingRequest(f"cli-{uuid.uuid4()}", opening, number, old.name, "", text)
        return await booking.move(old, request, booking.now())

    made = with_booking(settings, do)
    if as_json:
        show_json(appointment_json(made))
    else:
        show_appointments([made], title="moved")
