"""A local copy of each resource's busy time, kept by sync-token (RFC 6578), so that openings cost no request.

Polled every `poll_s`, and looked at anew where something just happened. A server without sync-tokens is asked for its
list of ETags instead; an expired token makes one full read. What our own steps wrote is entered at once. A mirror may
lag behind the calendar: a booking itself never relies on it.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ari_app.booking.availability import Busy, Diary
from ari_app.booking.busy import Reading
from ari_app.booking.calendar_store import CalendarStore, Changes, StoredObject, SyncTokenExpired
from ari_app.booking.model import Appointment
from ari_app.booking.shelf import Kept, Shelf, read_all, rolled
from ari_app.logs import get_logger

log = get_logger()

_BATCH = 200
_MARGIN = timedelta(days=2)


@dataclass(slots=True)
class _Copy:
    """One resource's shelf and how fresh it is."""

    shelf: Shelf
    token: str = ""
    is_loaded: bool = False
    is_stale: bool = False
    refreshed_s: float = float("-inf")
    """Monotonic time at which the last whole refresh began."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    touched: set[str] = field(default_factory=set)
    """Hrefs that our own steps wrote since the last refresh began: to be looked at by the next one."""


class Mirror:
    """Busy time and appointments of all resources, from local memory."""

    def __init__(
        self,
        store: CalendarStore,
        diary: Diary,
        closed_events: re.Pattern[str],
        *,
        now: Callable[[], datetime],
        poll_s: float,
    ) -> None:
        self._store, self._diary, self._closed_events, self._now = store, diary, closed_events, now
        self._poll_s = poll_s
        self.cost_s = 0.0
        """How long the last refresh took; some servers read a whole calendar for it."""
        self._copies = {name: _Copy(Shelf(name, self.reading())) for name in diary.resources}

    def reading(self, start: int | None = None, end: int | None = None) -> Reading:
        """How objects are read, by default from the day before yesterday to beyond the farthest horizon."""
        now = self._now()
        horizon = max((service.horizon for service in self._diary.services.values()), default=timedelta(days=90))
        first = int((now - _MARGIN).timestamp()) if start is None else start
        last = int((now + horizon + _MARGIN).timestamp()) if end is None else end
        return Reading(self._diary.zone, first, last, self._closed_events, self._diary.services)

    def busy(self, resource: str, start: int, end: int) -> Sequence[Busy]:
        """What overlaps start..end on this resource (availability.BusyTimes)."""
        return self._copies[resource].shelf.busy(start, end)

    def recurring(self, resource: str, start: int, end: int) -> list[Busy]:
        """Of that only what recurs: a server may miss it when asked for a far time."""
        shelf = self._copies[resource].shelf
        return [item for item in shelf.busy(start, end) if shelf.objects[item.href].facts.is_recurring]

    def appointments(self, number: str) -> list[Appointment]:
        """Every event that names this number, on any resource."""
        return [found for copy in self._copies.values() for found in copy.shelf.appointments(number)]

    def all_appointments(self) -> list[Appointment]:
        """Every event that is somebody's appointment."""
        return [found for copy in self._copies.values() for found in copy.shelf.all_appointments()]

    def is_loaded(self) -> bool:
        """Whether every calendar has been read once."""
        return all(copy.is_loaded for copy in self._copies.values())

    def is_stale(self) -> bool:
        """Whether something is known to have changed that isn't here yet."""
        return any(copy.is_stale for copy in self._copies.values())

    def age_s(self) -> float:
        """Seconds since every resource was last known to be up to date; infinite before the first load."""
        oldest = min((copy.refreshed_s for copy in self._copies.values()), default=time.monotonic())
        return time.monotonic() - oldest

    def size(self) -> int:
        """How many objects are remembered."""
        return sum(len(copy.shelf.objects) for copy in self._copies.values())

    async def refresh(self, *, max_age_s: float = 0.0) -> None:
        """Bring every resource up to date that isn't younger than `max_age_s`; raises CalendarUnavailable.

        Cancelling loses nothing: the next refresh begins where this one did.
        """
        began_s = time.monotonic()
        old = [name for name, copy in self._copies.items() if copy.is_stale or self._age_s(copy) > max_age_s]
        results = await asyncio.gather(*(self._refresh_one(name, max_age_s) for name in old), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        if old:
            self.cost_s = time.monotonic() - began_s

    async def poll(self) -> None:
        """Wait for the next beat and refresh; raises CalendarUnavailable.

        A little off the beat, so that workers don't ask all at once; a server that needs long is asked less often.
        """
        await asyncio.sleep(max(self._poll_s, 10 * self.cost_s) * random.uniform(0.8, 1.2))
        await self.roll()
        await self.refresh(max_age_s=self._poll_s / 2)

    def invalidate(self) -> None:
        """Something isn't as it was thought to be: the next look asks the server."""
        for copy in self._copies.values():
            copy.is_stale = True

    def enter(self, resource: str, item: StoredObject) -> None:
        """Enter an object that our own step has written."""
        copy = self._copies[resource]
        copy.touched.add(item.href)
        copy.shelf.put(item.href, self._read(resource, [item])[item.href])

    def strike(self, resource: str, href: str) -> None:
        """Take out an object that our own step has deleted."""
        if copy := self._copies.get(resource):
            copy.touched.add(href)
            copy.shelf.drop(href)

    async def _refresh_one(self, resource: str, max_age_s: float) -> None:
        copy = self._copies[resource]
        async with copy.lock:
            if not copy.is_stale and self._age_s(copy) <= max_age_s:
                return
            began_s = time.monotonic()
            was_stale, copy.is_stale = copy.is_stale, False
            pending, copy.touched = copy.touched, set()
            try:
                await self._take_in(resource, copy, pending)
            except BaseException:
                copy.is_stale = was_stale
                copy.touched |= pending
                raise
            copy.refreshed_s, copy.is_loaded = began_s, True

    async def _take_in(self, resource: str, copy: _Copy, pending: set[str]) -> None:
        """Take in what changed, and look at what our own steps wrote: an event made and deleted again between two
        tokens is in no server's list of changes."""
        calendar = self._diary.resources[resource].calendar
        try:
            changes = await self._store.changes(calendar, copy.token)
            is_whole = not copy.token or not changes.token
        except SyncTokenExpired:
            log.info("calendar.token_expired", resource=resource)
            changes, is_whole = await self._store.changes(calendar, ""), True
        wanted, gone = _difference(copy, changes, is_whole=is_whole)
        wanted |= pending
        found = await self._fetched(resource, calendar, sorted(wanted))
        for href in (wanted | gone) - found.keys() - copy.touched:
            copy.shelf.drop(href)
        for href in found.keys() - copy.touched:
            copy.shelf.put(href, found[href])
        copy.token = changes.token

    async def _fetched(self, resource: str, calendar: str, hrefs: list[str]) -> dict[str, Kept]:
        found: dict[str, Kept] = {}
        for first in range(0, len(hrefs), _BATCH):
            items = await self._store.fetch(calendar, hrefs[first : first + _BATCH])
            found |= await asyncio.to_thread(self._read, resource, items)
        return found

    def _read(self, resource: str, items: Sequence[StoredObject]) -> dict[str, Kept]:
        reading = self._copies[resource].shelf.reading
        return read_all(items, reading, resource, {item.href: self._store.url(item.href) for item in items})

    async def roll(self) -> None:
        """Move the time that is kept on by a day, once a day."""
        reading = self.reading()
        for copy in self._copies.values():
            if reading.start - copy.shelf.reading.start >= 86400:
                async with copy.lock:
                    before = set(copy.touched)
                    later = await asyncio.to_thread(rolled, copy.shelf, reading)
                    for href in copy.touched - before:
                        later.drop(href)
                    copy.shelf, copy.is_stale = later, True

    def _age_s(self, copy: _Copy) -> float:
        return time.monotonic() - copy.refreshed_s


def _difference(copy: _Copy, changes: Changes, *, is_whole: bool) -> tuple[set[str], set[str]]:
    """Hrefs to read, and hrefs that are gone."""
    known = copy.shelf.objects
    wanted = {
        href for href, etag in changes.changed.items() if not etag or href not in known or known[href].etag != etag
    }
    gone = set(changes.gone) | ({href for href in known if href not in changes.changed} if is_whole else set())
    return wanted, gone
