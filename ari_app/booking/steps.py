"""The steps of a booking on the calendar itself: look, put, look again, remove, undo. Each may raise
CalendarUnavailable; none touches the store.

The written rule where two meet: **whoever sees somebody else's event in their time gives way.** The first look comes
before the PUT, the second after it. Of two that put at once, each sees the other in its second look, or only the later
one does; so one gives way or both, but never neither. Ties are not broken by comparing identifiers, as the other one
may have been told already. A person's event always stays.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from ari_app.booking.availability import Busy, Diary, block, is_free
from ari_app.booking.busy import Reading, UnreadableObject, read_object
from ari_app.booking.calendar_store import CalendarStore, ObjectExists, ObjectGone, StoredObject
from ari_app.booking.ics_lines import Block, TooMuch, read_lines
from ari_app.booking.mirror import Mirror
from ari_app.booking.model import Appointment, AppointmentPart
from ari_app.booking.plan import Plan, parts_of
from ari_app.booking.vevent import key_of, marked, summary, to_ics, uid_of
from ari_app.errors import AppointmentChanged, CalendarUnavailable, OpeningTaken
from ari_app.logs import get_logger

log = get_logger()

_AROUND = timedelta(hours=14)
"""A server may read floating and all-day times in its own zone: at most this far off."""
_OTHER_PLACES = 5


class CalendarSteps:
    """What is done on the calendar for one plan."""

    def __init__(self, store: CalendarStore, diary: Diary, mirror: Mirror) -> None:
        self._store, self._diary, self._mirror = store, diary, mirror

    def places(self, key_start: datetime, resources: Iterable[str]) -> tuple[AppointmentPart, ...]:
        """Where the events of an appointment go: resource and start give the href, so that two can't both be made."""
        return tuple(AppointmentPart(name, self._place(name, key_start, 0), "") for name in resources)

    async def check_free(self, plan: Plan) -> None:
        """A fresh look at the time that the plan would keep; raises OpeningTaken."""
        await asyncio.gather(*(self._look(plan, part) for part in plan.parts))

    async def put(self, plan: Plan, index: int, *, now: datetime) -> AppointmentPart | None:
        """Make one event and return it with its ETag; None where its place is taken by an event of another time.

        Raises OpeningTaken where it is taken by one of this time. Doing it again after a lost answer makes no second.
        """
        part = plan.parts[index]
        request = plan.request
        if request is None:
            raise ValueError(f"step {plan.key} books nothing")
        is_guarded = self._store.is_create_guarded
        if not is_guarded and (there := await self._store.get(part.href)) is not None:
            return await self._at_taken_place(plan, part, there)
        try:
            etag = await self._store.create(part.href, to_ics(request, plan.service_name, index, now=now))
        except ObjectExists:
            return await self._at_taken_place(plan, part, await self._store.get(part.href))
        return AppointmentPart(part.resource, part.href, etag)

    def next_place(self, plan: Plan, index: int, attempt: int) -> AppointmentPart | None:
        """The next place for an event whose first one a person's dragging has left occupied; None: no more."""
        part = plan.parts[index]
        if attempt > _OTHER_PLACES + self._diary.resources[part.resource].capacity:
            return None
        return AppointmentPart(part.resource, self._place(part.resource, plan.opening.start, attempt), "")

    async def verify(self, plan: Plan) -> tuple[AppointmentPart, ...]:
        """Look again: our events stand as they were put, and alone; their ETags. Raises OpeningTaken."""
        if self._store.settle_s:
            await asyncio.sleep(self._store.settle_s)
        return tuple(await asyncio.gather(*(self._look_again(plan, part) for part in plan.parts)))

    async def check_unchanged(self, parts: Iterable[AppointmentPart]) -> None:
        """Whether these events are as they were read; raises AppointmentChanged."""
        for part in parts:
            there = await self._store.get(part.href)
            if there is None or (part.etag and there.etag and there.etag != part.etag):
                raise AppointmentChanged(f"{self._store.url(part.href)} isn't what it was when it was read")

    async def remove(self, parts: Iterable[AppointmentPart]) -> None:
        """Delete an appointment's events with `If-Match`; raises AppointmentChanged while none is deleted yet.

        Once the first is gone the appointment is: a further one that a person has changed meanwhile is left to them.
        """
        is_begun = False
        for part in parts:
            try:
                await self._store.delete(part.href, part.etag)
            except ObjectGone:
                log.info("booking.event_gone", url=self._store.url(part.href))
            except AppointmentChanged:
                if not is_begun:
                    raise
                log.warning("booking.event_left_to_staff", url=self._store.url(part.href))
            is_begun = True
            self._mirror.strike(part.resource, part.href)

    async def undo(self, plan: Plan) -> None:
        """Take back the plan's own events, unless a person has changed one since: then it is theirs."""
        for part in plan.parts:
            await self._undo_part(plan, part)

    async def still_there(self, old: Appointment) -> tuple[AppointmentPart, ...]:
        """Those of an appointment's events that are there, changed or not, with the ETags that they have now.

        An href is used again once its event is gone: what counts is whose event lies there.
        """
        found = [(part, await self._store.get(part.href)) for part in parts_of(old)]
        return tuple(
            replace(part, etag=there.etag) for part, there in found if there is not None and _uid(there) == old.uid
        )

    async def keep(self, old: Appointment) -> bool:
        """Make any DELETE of this appointment that may still be under way miss; False where it is gone already.

        Its first event is deleted first: while that one stands, none was. Written anew it has another ETag, and so
        it has where a person changed it.
        """
        part = parts_of(old)[0]
        for _ in range(5):
            there = await self._store.get(part.href)
            if there is None or _uid(there) != old.uid:
                return False
            if there.etag != part.etag:
                return True
            try:
                await self._store.replace(part.href, marked(there.data, uuid4().hex), there.etag)
            except AppointmentChanged:
                continue
            self._mirror.invalidate()
            return True
        raise CalendarUnavailable(self._store.url(part.href), "it is changed again and again")

    def enter(self, plan: Plan, *, now: datetime) -> None:
        """Let the mirror know what was made, without waiting for its next poll."""
        if plan.request is not None:
            for index, part in enumerate(plan.parts):
                data = to_ics(plan.request, plan.service_name, index, now=now)
                self._mirror.enter(part.resource, StoredObject(part.href, part.etag, data))

    async def _look(self, plan: Plan, part: AppointmentPart) -> list[StoredObject]:
        start, end = self._kept(plan)
        capacity = self._diary.resources[part.resource].capacity
        objects = await self._around(part.resource, start, end)
        ignored = {item.href for item in plan.old_parts} | {item.href for item in objects if _key(item) == plan.key}
        seen = {item.href for item in objects}
        others = [item for item in objects if item.href not in ignored]
        taken = await asyncio.to_thread(self._all_busy, part.resource, others, start, end)
        taken += [busy for busy in self._mirror.recurring(part.resource, start, end) if busy.href not in seen]
        if not is_free(taken, capacity, start, end):
            raise OpeningTaken(f"{part.resource} at {plan.opening.start:%Y-%m-%d %H:%M} is taken")
        return objects

    async def _look_again(self, plan: Plan, part: AppointmentPart) -> AppointmentPart:
        objects = await self._look(plan, part)
        mine = next((item for item in objects if item.href == part.href), None)
        if mine is None:
            mine = await self._store.get(part.href)
        if mine is None or not self._is_as_put(plan, mine):
            raise OpeningTaken(f"{self._store.url(part.href)} was changed at once by somebody else")
        return AppointmentPart(part.resource, part.href, mine.etag or part.etag)

    async def _at_taken_place(
        self, plan: Plan, part: AppointmentPart, there: StoredObject | None
    ) -> AppointmentPart | None:
        if there is None:
            raise CalendarUnavailable(self._store.url(part.href), "it refuses the event, and there is none")
        if _key(there) == plan.key:
            return AppointmentPart(part.resource, part.href, there.etag)
        start, end = self._kept(plan)
        overlaps = any(busy.start < end and start < busy.end for busy in self._busy(part.resource, there, start, end))
        is_old = part.href in {item.href for item in plan.old_parts}
        if overlaps and not is_old and self._diary.resources[part.resource].capacity == 1:
            raise OpeningTaken(f"{part.resource} at {plan.opening.start:%Y-%m-%d %H:%M} is taken")
        return None

    async def _undo_part(self, plan: Plan, part: AppointmentPart) -> None:
        for _ in range(3):
            there = await self._store.get(part.href)
            if there is None:
                break
            if _key(there) != plan.key:
                return
            if not self._is_as_put(plan, there):
                log.warning("booking.event_left_to_staff", url=self._store.url(part.href))
                return
            try:
                await self._store.delete(part.href, there.etag)
                break
            except ObjectGone:
                break
            except AppointmentChanged:
                continue
        self._mirror.strike(part.resource, part.href)

    async def _around(self, resource: str, start: int, end: int) -> list[StoredObject]:
        zone = self._diary.zone
        first, last = datetime.fromtimestamp(start, zone) - _AROUND, datetime.fromtimestamp(end, zone) + _AROUND
        return await self._store.within(self._diary.resources[resource].calendar, first, last)

    def _all_busy(self, resource: str, items: Iterable[StoredObject], start: int, end: int) -> list[Busy]:
        return [busy for item in items for busy in self._busy(resource, item, start, end)]

    def _busy(self, resource: str, item: StoredObject, start: int, end: int) -> tuple[Busy, ...]:
        reading = self._mirror.reading(start - 86400, end + 86400)
        try:
            return read_object(item.data, reading, resource=resource, href=item.href, etag=item.etag).busy
        except UnreadableObject as exc:
            log.warning("calendar.object_unreadable", url=self._store.url(item.href), reason=str(exc))
            return ()

    def _is_as_put(self, plan: Plan, item: StoredObject) -> bool:
        """Whether the event still is what this plan wrote: key, time and title."""
        event = _event(item)
        if event is None or plan.request is None or key_of(event) != plan.key:
            return False
        try:
            found = read_object(item.data, Reading(self._diary.zone, 0, 0), resource="", href=item.href).appointment
        except UnreadableObject:
            return False
        return (
            found is not None
            and (found.start, found.end) == (plan.opening.start, plan.opening.end)
            and event.text("SUMMARY") == summary(plan.request, plan.service_name)
        )

    def _kept(self, plan: Plan) -> tuple[int, int]:
        opening = plan.opening
        start, end = int(opening.start.timestamp()), int(opening.end.timestamp())
        return block(self._diary.services[opening.service], start, end)

    def _place(self, resource: str, start: datetime, attempt: int) -> str:
        suffix = f"-{attempt}" if attempt else ""
        name = f"ari-app-{int(start.timestamp())}{suffix}.ics"
        return self._store.href(self._diary.resources[resource].calendar, name)


def _key(item: StoredObject) -> str:
    event = _event(item)
    return "" if event is None else key_of(event)


def _uid(item: StoredObject) -> str:
    """Whose event lies there, whatever a person has made of it."""
    try:
        events = read_lines(item.data).events
    except TooMuch:
        return ""
    return uid_of(events[0]) if events else ""


def _event(item: StoredObject) -> Block | None:
    try:
        events = read_lines(item.data).events
    except TooMuch:
        return None
    return events[0] if len(events) == 1 else None
