"""Promised callbacks, kept as VTODOs in a calendar that the desk sees in its own client."""

import re
from datetime import datetime
from uuid import uuid4

from ari_app.booking.calendar_store import CalendarStore, ObjectExists, StoredObject
from ari_app.booking.ics_todo import completed, read_callback
from ari_app.booking.model import KeptCallback
from ari_app.booking.vevent import UID_HOST, appointment_uid, callback_to_ics
from ari_app.errors import AppointmentChanged


def callback_uid(call_id: str, number: str, about: str) -> str:
    """The UID of what a call promised: the same at every try; a new one each time where no call is named."""
    return appointment_uid(f"callback/{call_id}/{number}/{about}") if call_id else f"{uuid4()}{UID_HOST}"


class CallbackBook:
    """The callbacks calendar; each method may raise CalendarUnavailable."""

    def __init__(self, store: CalendarStore, calendar: str) -> None:
        self._store, self._calendar = store, calendar

    async def keep(self, callback: KeptCallback, *, now: datetime) -> str:
        """Keep one and return its UID; a call's callback is kept once, however often it is tried."""
        uid = callback.uid or callback_uid(callback.call_id, callback.number, callback.about)
        kept = KeptCallback(
            uid, callback.number, callback.name, callback.about, callback.preferred, callback.due, callback.call_id
        )
        href = self._store.href(self._calendar, f"{uid.removesuffix(UID_HOST)}.ics")
        data = callback_to_ics(kept, now=now)
        try:
            await self._store.create(href, data)
        except ObjectExists:
            if await self._store.get(href) is None:
                await self._store.make_calendar(self._calendar, "Callbacks", ("VTODO",))
                await self._store.create(href, data)
        return uid

    async def known(self) -> tuple[tuple[KeptCallback, ...], frozenset[str]]:
        """Those still to be made, and the UIDs of those that somebody has ticked off."""
        found = await self._store.todos(self._calendar)
        kept = tuple(callback for callback in map(read_callback, found) if callback is not None)
        return kept, frozenset(_uid(item) for item in found) - {callback.uid for callback in kept}

    async def open(self) -> tuple[KeptCallback, ...]:
        """Those still to be made, most urgent first."""
        found = [read_callback(item) for item in await self._store.todos(self._calendar)]
        kept = [callback for callback in found if callback is not None]
        return tuple(sorted(kept, key=lambda item: (item.due is None, item.due.timestamp() if item.due else 0.0)))

    async def complete(self, uid: str, *, now: datetime) -> None:
        """Mark one as made; raises AppointmentChanged where it isn't there or was changed at the same time."""
        for item in await self._store.todos(self._calendar):
            callback = read_callback(item)
            if callback is not None and callback.uid == uid:
                await self._store.replace(item.href, completed(item, now=now), item.etag)
                return
        raise AppointmentChanged(f"there is no open callback {uid}")


def _uid(item: StoredObject) -> str:
    unfolded = re.sub(r"\r?\n[ \t]", "", item.data)
    line = re.search(r"(?im)^UID(?:;[^:\r\n]*)?:(.+?)\s*$", unfolded)
    return line[1] if line else ""
