"""`ari-app cancel`: take an appointment out of the calendar, unless somebody has changed it meanwhile."""

import uuid
from pathlib import Path

import click

from ari_app.booking.model import Appointment
from ari_app.booking.service import BookingService
from ari_app.cli.diary import appointment_json, choose, number_of, show_appointments, show_json, with_booking
from ari_app.cli.stored import as_json, config
from ari_app.config import load_settings


@click.command(name="cancel")
@click.argument("which")
@click.option("--caller", required=True, help="The customer's telephone number.")
@click.option("--text", default="", help="A text message to send once it is cancelled; default: none.")
@as_json
@config
def command(which: str, caller: str, text: str, as_json: bool, config: Path | None) -> None:
    """Cancel the appointment WHICH (its UID's beginning, or 2026-12-24T15:30).

    Example: ari-app cancel 2026-12-24T15:30 --caller +442079460123
    """
    settings = load_settings(config)
    number = number_of(caller, settings)

    async def do(booking: BookingService) -> Appointment:
        old = choose(await booking.appointments_of(number, booking.now()), which)
        await booking.cancel(old, sms_text=text, key=f"cli-{uuid.uuid4()}")
        return old

    gone = with_booking(settings, do)
    if as_json:
        show_json({"cancelled": appointment_json(gone)})
    else:
        show_appointments([gone], title="cancelled")
