"""A dry run over every calendar of an account: what is in it, and what of that would count as busy."""

import re
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from ari_app.booking.busy import ObjectFacts, Reading, UnreadableObject, read_object
from ari_app.booking.calendar_store import CalendarInfo, CalendarStore, StoredObject
from ari_app.config import Settings


@dataclass(frozen=True, slots=True)
class CalendarReport:
    """One calendar, looked at."""

    path: str
    name: str
    holds: str
    used_as: str
    """The resource that it is, "callbacks", or "not used"."""
    events: int
    busy_h: float
    not_counted: int
    """Transparent, cancelled or past."""
    unreadable: int
    looks_like: str

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """A row for people."""
        notes = [f"{self.not_counted} not counted"] * bool(self.not_counted)
        notes += [f"{self.unreadable} unreadable"] * bool(self.unreadable)
        events = f"{self.events} ({', '.join(notes)})" if notes else str(self.events)
        return (self.path, self.name, self.used_as, events, f"{self.busy_h:.1f} h", self.looks_like)


async def discover(
    store: CalendarStore, settings: Settings, closed_events: re.Pattern[str], now: datetime, ahead: timedelta
) -> list[CalendarReport]:
    """Look at all of them; raises CalendarUnavailable."""
    uses = {store.href(item.calendar): f"resource {item.id}" for item in settings.resources}
    uses[store.href(settings.callbacks.calendar)] = "callbacks"
    reading = Reading(settings.business.zone, int(now.timestamp()), int((now + ahead).timestamp()), closed_events)
    reports = []
    for info in await store.calendars():
        objects = await store.within(info.href, now, now + ahead) if _holds_events(info) else []
        reports.append(_report(info, objects, reading, uses.get(info.href, "not used")))
    return reports


def _holds_events(info: CalendarInfo) -> bool:
    return not info.components or "VEVENT" in info.components


def _report(info: CalendarInfo, objects: list[StoredObject], reading: Reading, used_as: str) -> CalendarReport:
    facts: list[ObjectFacts] = []
    unreadable = 0
    for item in objects:
        try:
            facts.append(read_object(item.data, reading, resource="", href=item.href, etag=item.etag))
        except UnreadableObject:
            unreadable += 1
    spans = [(max(busy.start, reading.start), min(busy.end, reading.end)) for fact in facts for busy in fact.busy]
    counted = sum(bool(fact.busy) for fact in facts)
    return CalendarReport(
        path=info.href,
        name=info.name,
        holds=" ".join(info.components) or "unknown",
        used_as=used_as,
        events=len(objects),
        busy_h=sum(max(0, end - start) for start, end in spans) / 3600,
        not_counted=len(facts) - counted,
        unreadable=unreadable,
        looks_like=_looks_like(info, facts, used_as),
    )


def _looks_like(info: CalendarInfo, facts: list[ObjectFacts], used_as: str) -> str:
    if used_as != "not used":
        return "in use"
    if not _holds_events(info):
        return "tasks or notes"
    if re.search(r"(?i)holiday|birthday|feiertag|geburtstag", info.name):
        return "holidays or birthdays"
    if not facts:
        return "empty"
    return "somebody's diary: callers may be booked over it" if any(fact.busy for fact in facts) else "nothing busy"
