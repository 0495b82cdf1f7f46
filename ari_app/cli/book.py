"""`ari-app book`: book an appointment from the terminal, by the very steps that a call takes."""

import uuid
from datetime import date, time
from pathlib import Path

import click

from ari_app.booking.model import Appointment, BookingRequest, Opening, Wish
from ari_app.booking.service import BookingService
from ari_app.cli.diary import (
    Day,
    TimeOfDay,
    appointment_json,
    moment,
    number_of,
    resource_named,
    service_named,
    show_appointments,
    show_json,
    with_booking,
)
from ari_app.cli.stored import as_json, config
from ari_app.config import Settings, load_settings
from ari_app.errors import OpeningTaken


@click.command(name="book")
@click.argument("service")
@click.argument("day", type=Day())
@click.argument("at", type=TimeOfDay())
@click.option("--caller", required=True, help="The customer's telephone number.")
@click.option("--name", default="", help="The customer's name.")
@click.option("--with", "resource", help="With this person or in this room; default: whoever is least busy.")
@click.option("--text", default="", help="A text message to send once it is booked; default: none.")
@click.option("--key", default="", help="Names this wish: the same key never books twice.")
@as_json
@config
def command(
    service: str,
    day: date,
    at: time,
    caller: str,
    name: str,
    resource: str | None,
    text: str,
    key: str,
    as_json: bool,
    config: Path | None,
) -> None:
    """Book SERVICE on DAY AT a time. Exit code 1 where it isn't free; what is near is told then.

    Example: ari-app book cleaning friday 15:30 --caller +442079460123 --name "Jane Doe"
    """
    settings = load_settings(config)
    number = number_of(caller, settings)
    wanted = wish_for(settings, service_named(settings, service), day, at, resource)

    async def do(booking: BookingService) -> Appointment:
        opening = await opening_for(booking, wanted)
        request = BookingRequest(key or f"cli-{uuid.uuid4()}", opening, number, name, "", text)
        return await booking.book(request, booking.now())

    made = with_booking(settings, do)
    if as_json:
        show_json(appointment_json(made))
    else:
        show_appointments([made], title="booked")


def wish_for(settings: Settings, service: str, day: date, at: time, resource: str | None) -> Wish:
    """The wish for one very time."""
    start = moment(settings, day, at)
    wished = resource_named(settings, resource) if resource else None
    return Wish(service, day, day, at, at, resource=wished, near=start)


async def opening_for(booking: BookingService, wish: Wish) -> Opening:
    """The opening at that time; raises OpeningTaken with what is near."""
    found = await booking.find(wish, booking.now())
    if found.fitting:
        return found.fitting[0]
    why = found.closed_reason or ("taken" if found.is_wish_taken else "no start time of this service")
    near = ", ".join(f"{opening.start:%a %d %b %H:%M}" for opening in found.nearest[:4]) or "nothing"
    raise OpeningTaken(f"{wish.near:%a %d %b %H:%M} can't be booked ({why}); near it: {near}")
