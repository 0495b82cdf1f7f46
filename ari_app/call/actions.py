"""The policy's action acts, run: openings and bookings by the booking service, callbacks, the hand-over."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ari_app.booking.callback_book import callback_uid
from ari_app.booking.model import Appointment, BookingRequest, Opening
from ari_app.booking.service import BookingService
from ari_app.clock import Clock
from ari_app.config import CallbackSettings
from ari_app.dialogue import acts as a
from ari_app.dialogue.state import State
from ari_app.errors import AppointmentChanged, BookingError, OpeningTaken, StoreUnavailable
from ari_app.logs import get_logger
from ari_app.prompts.catalogue import Catalogue
from ari_app.store import callbacks, outbox
from ari_app.store.database import Database

log = get_logger()

HandOver = Callable[[a.HandOff], Awaitable[a.Event | None]]

ACTION_S = 8.0
"""Longer than this no caller waits; what was begun goes on, and a booking that then stands is told by its text."""


@dataclass(slots=True)
class Actions:
    """What one call may do in the world. Every failure comes back as an event; nothing is left half done."""

    call_id: str
    number: str
    name: str
    database: Database
    booking: BookingService
    catalogue: Catalogue
    clock: Clock
    callback_settings: CallbackSettings
    hand_over: HandOver
    note: Callable[..., None]
    next_key: Callable[[], str]
    """A booking key that this call hasn't used."""

    async def act(self, act: a.SystemAct, state: State) -> a.Event | None:
        """Run one action act; its result event, or None where the call has gone to a human for good."""
        if isinstance(act, a.HandOff):
            self.note("action", "hand over", reason=act.reason.value)
            return await self.hand_over(act)
        try:
            async with asyncio.timeout(ACTION_S):
                event = await self._act(act)
        except OpeningTaken:
            event = await self._gone(act)
        except AppointmentChanged:
            event = await self._changed()
        except (BookingError, StoreUnavailable, TimeoutError) as exc:
            log.warning("call.action_failed", act=type(act).__name__, reason=str(exc) or "too slow")
            event = a.ActionFailed(type(act).__name__)
        self.note("result", type(event).__name__, **_facts(event))
        return event

    async def _act(self, act: a.SystemAct) -> a.Event:
        now = self.clock.now()
        match act:
            case a.FindOpenings():
                found = await self.booking.find(act.wish, now)
                return a.OpeningsFound(found.fitting, found.nearest, found.closed_reason, found.is_wish_taken)
            case a.Book():
                request = self._request(act.opening, act.name, "sms_booked", act.number)
                return a.Booked(await self.booking.book(request, now))
            case a.Move():
                request = self._request(act.opening, act.appointment.name, "sms_moved")
                return a.Moved(await self.booking.move(act.appointment, request, now), act.appointment)
            case a.Cancel():
                await self.booking.cancel(
                    act.appointment,
                    sms_text=self._sms("sms_cancelled", appointment=act.appointment),
                    key=self.next_key(),
                )
                return a.CancelledAppointment(act.appointment)
            case a.KeepCallback():
                due = now + timedelta(minutes=self.callback_settings.due_min)
                await self._keep_callback(act, due, now)
                return a.CallbackKept(due)
            case _:
                raise TypeError(f"{type(act).__name__} is no action act")

    async def _keep_callback(self, act: a.KeepCallback, due: datetime, now: datetime) -> None:
        """A row that the desk's page and `ari-app callbacks` show, a text to the desk, and a VTODO in the calendar.

        One of row and VTODO is a kept promise: the other is made up for later.
        """
        is_written = True
        try:
            await self.database.run(lambda conn: self._write_down(conn, act, due, now))
        except StoreUnavailable as exc:
            log.warning("callback.no_row", reason=str(exc))
            is_written = False
        try:
            await self.booking.keep_callback(act.number, self.name, act.about, act.preferred, due, self.call_id)
        except BookingError as exc:
            if not is_written:
                raise
            log.warning("callback.no_todo_yet", reason=str(exc))

    def _write_down(self, conn: Connection, act: a.KeepCallback, due: datetime, now: datetime) -> None:
        uid = callback_uid(self.call_id, act.number, act.about)
        callbacks.promise(
            conn,
            uid=uid,
            call_id=self.call_id,
            number=act.number,
            name=self.name,
            about=act.about,
            preferred=act.preferred,
            due=due,
            now=now,
        )
        if self.callback_settings.desk_number:
            words = (self.name, act.number, act.about, act.preferred)
            text = self._sms("sms_callback", what=", ".join(word for word in words if word))
            outbox.hold(conn, key=uid, number=self.callback_settings.desk_number, text=text, now=now)
            outbox.release(conn, key=uid, now=now)

    def _request(self, opening: Opening, name: str, text_id: str, given: str = "") -> BookingRequest:
        number = self.number or given
        return BookingRequest(
            key=self.next_key(),
            opening=opening,
            number=number,
            name=name,
            call_id=self.call_id,
            sms_text=self._sms(text_id, opening=opening) if number else "",
        )

    def _sms(self, text_id: str, **values: a.Value) -> str:
        return self.catalogue.render(text_id, values, variant=0, now=self.clock.now())

    async def _gone(self, act: a.SystemAct) -> a.Event:
        opening = act.opening if isinstance(act, a.Book | a.Move) else None
        if opening is None:
            return a.ActionFailed(type(act).__name__)
        try:
            return a.OpeningGone(await self.booking.nearest(opening, self.clock.now()))
        except (BookingError, StoreUnavailable):
            return a.ActionFailed(type(act).__name__)

    async def _changed(self) -> a.Event:
        try:
            return a.AppointmentGone(await self.booking.appointments_of(self.number, self.clock.now()))
        except BookingError:
            return a.ActionFailed("appointments")


def _facts(event: a.Event) -> dict[str, str]:
    appointment: Appointment | None = getattr(event, "appointment", None)
    if appointment is None:
        return {}
    return {"start": appointment.start.isoformat(), "uid": appointment.uid, "service": appointment.service or ""}
