"""One calendar's objects, kept so that a day's busy time is found without looking at the rest.

Busy time lies in buckets of one UTC day, so that a look costs the days asked for and what lies in them, however much
the calendar holds. What is over is only remembered by its ETag.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ari_app.booking.availability import Busy
from ari_app.booking.busy import ObjectFacts, Reading, UnreadableObject, read_object
from ari_app.booking.calendar_store import StoredObject
from ari_app.booking.model import Appointment
from ari_app.logs import get_logger

log = get_logger()

_BUCKET_S = 86400


@dataclass(frozen=True, slots=True)
class Kept:
    """One object, read."""

    etag: str
    facts: ObjectFacts
    data: str = ""
    """The whole object where it recurs, to be expanded anew when the time moves on."""


@dataclass(slots=True)
class Shelf:
    """What one resource's calendar holds from the reading's start to its end."""

    resource: str
    reading: Reading
    objects: dict[str, Kept] = field(default_factory=dict)
    _buckets: dict[int, list[Busy]] = field(default_factory=dict)
    _by_number: dict[str, set[str]] = field(default_factory=dict)

    def busy(self, start: int, end: int) -> list[Busy]:
        """What overlaps start..end (epoch seconds), each once."""
        first, last = start // _BUCKET_S, (end - 1) // _BUCKET_S
        return [
            item
            for day in range(first, last + 1)
            for item in self._buckets.get(day, ())
            if item.start < end and start < item.end and (day == first or item.start // _BUCKET_S == day)
        ]

    def appointments(self, number: str) -> list[Appointment]:
        """The appointments of this number, in no order."""
        found = [self.objects[href].facts.appointment for href in self._by_number.get(number, ())]
        return [appointment for appointment in found if appointment is not None]

    def all_appointments(self) -> list[Appointment]:
        """Every appointment here, in no order."""
        return [kept.facts.appointment for kept in self.objects.values() if kept.facts.appointment is not None]

    def put(self, href: str, kept: Kept) -> None:
        """Keep an object in place of what was at its href."""
        self.drop(href)
        self.objects[href] = kept
        for item in kept.facts.busy:
            for day in self._days(item):
                self._buckets.setdefault(day, []).append(item)
        if kept.facts.appointment is not None and kept.facts.appointment.number:
            self._by_number.setdefault(kept.facts.appointment.number, set()).add(href)

    def drop(self, href: str) -> None:
        """Forget the object at this href."""
        kept = self.objects.pop(href, None)
        if kept is None:
            return
        for item in kept.facts.busy:
            for day in self._days(item):
                self._buckets[day].remove(item)
        if kept.facts.appointment is not None:
            self._by_number.get(kept.facts.appointment.number, set()).discard(href)

    def _days(self, item: Busy) -> range:
        start, end = max(item.start, self.reading.start), min(item.end, self.reading.end)
        return range(start // _BUCKET_S, (end - 1) // _BUCKET_S + 1) if start < end else range(0)


def read_all(
    objects: Iterable[StoredObject], reading: Reading, resource: str, urls: Mapping[str, str]
) -> dict[str, Kept]:
    """Read objects; one that can't be read is warned of by its URL and counts as nothing."""
    return {item.href: _read(item, reading, resource, urls.get(item.href, item.href)) for item in objects}


def rolled(shelf: Shelf, reading: Reading) -> Shelf:
    """The same objects for a later time: what recurs is expanded anew, what is over is forgotten."""
    later = Shelf(shelf.resource, reading)
    for href, kept in list(shelf.objects.items()):
        if kept.facts.is_recurring and kept.data:
            kept = _read(StoredObject(href, kept.etag, kept.data), reading, shelf.resource, href)
        elif kept.facts.busy and all(item.end <= reading.start for item in kept.facts.busy):
            kept = Kept(kept.etag, ObjectFacts())
        later.put(href, kept)
    return later


def _read(item: StoredObject, reading: Reading, resource: str, url: str) -> Kept:
    try:
        facts = read_object(item.data, reading, resource=resource, href=item.href, etag=item.etag)
    except UnreadableObject as exc:
        log.warning("calendar.object_unreadable", url=url, reason=str(exc))
        return Kept(item.etag, ObjectFacts())
    return Kept(item.etag, facts, item.data if facts.is_recurring else "")
