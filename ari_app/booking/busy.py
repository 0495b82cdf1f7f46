"""One calendar object in, busy time out: recurrences, exceptions, time zones, all-day and floating times.

Busy is what is neither `STATUS:CANCELLED` nor `TRANSP:TRANSPARENT`; tentative counts. An event whose title matches the
closed pattern is busy whatever its TRANSP. Times without a zone are the business's. Objects come from anybody: an
object that can't be read, or that would take unbounded time or memory, is told by UnreadableObject and left out.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import recurring_ical_events
from icalendar import Calendar, Component

from ari_app.booking.availability import Busy, block
from ari_app.booking.ics_lines import Block, ObjectLines, TooMuch, calendar_text, read_lines
from ari_app.booking.model import Appointment, Service
from ari_app.booking.recurrence import RuleRefused, bounded_rule
from ari_app.booking.vevent import is_ours, to_appointment

_MOST_EVENTS = 2000
_MOST_OCCURRENCES = 5000
_DAY_S = 86400
_TIMED = re.compile(r'(?i)DT(?:START|END)(?:;VALUE=DATE-TIME)?(?:;TZID="?([^";:,]+)"?)?:(\d{8})T(\d{6})(Z?)$')
_DATED = re.compile(r"(?i)DT(?:START|END);VALUE=DATE:(\d{8})$")
_COMPACT = re.compile(r":(\d{8})(?:T\d{6}Z?)?\s*$")
_LIBRARY_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What icalendar, recurring-ical-events and dateutil raise on objects that no person wrote."""


class UnreadableObject(ValueError):
    """A calendar object that can't be counted; its text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How objects of this business's calendars are read."""

    zone: ZoneInfo
    start: int
    """Epoch seconds: only time from here..."""
    end: int
    """... to here is told."""
    closed_events: re.Pattern[str] = re.compile(r"(?i)^(closed|out of office|holiday)\b")
    services: Mapping[str, Service] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What one calendar object comes to: a single event from the reading's start on, a recurring one within it."""

    busy: tuple[Busy, ...] = ()
    appointment: Appointment | None = None
    is_recurring: bool = False
    title: str = ""


def read_object(data: str | bytes, reading: Reading, *, resource: str, href: str, etag: str = "") -> ObjectFacts:
    """What the object at `href` comes to; raises UnreadableObject."""
    try:
        lines = read_lines(data.decode("utf-8", "replace") if isinstance(data, bytes) else data)
        if not lines.events:
            return ObjectFacts()
        if len(lines.events) == 1 and _is_single(lines.events[0]):
            span = _plain_span(lines.events[0], reading.zone) or _parsed_span(lines, reading.zone)
            return _single(lines.events[0], span, reading, resource=resource, href=href, etag=etag)
        return ObjectFacts(tuple(_occurrences(lines, reading, href)), None, True, lines.events[0].text("SUMMARY"))
    except _LIBRARY_ERRORS as exc:
        raise UnreadableObject(f"{type(exc).__name__}: {str(exc)[:200]}") from exc


def _is_single(event: Block) -> bool:
    return not any(event.line(name) for name in ("RRULE", "RDATE", "RECURRENCE-ID"))


def _single(
    event: Block, span: tuple[int, int], reading: Reading, *, resource: str, href: str, etag: str
) -> ObjectFacts:
    title = event.text("SUMMARY")
    if span[1] <= reading.start or event.value("STATUS").upper() == "CANCELLED":
        return ObjectFacts(title=title)
    appointment = to_appointment(
        event,
        start=datetime.fromtimestamp(span[0], reading.zone),
        end=datetime.fromtimestamp(span[1], reading.zone),
        resource=resource,
        href=href,
        etag=etag,
        services=reading.services,
    )
    is_closure = reading.closed_events.search(title) is not None
    if span[0] == span[1] or (event.value("TRANSP").upper() == "TRANSPARENT" and not is_closure):
        return ObjectFacts((), appointment, title=title)
    seats = 1 if is_ours(event) else 0
    service = reading.services.get(appointment.service or "") if appointment is not None and seats else None
    start, end = span if service is None else block(service, *span)
    return ObjectFacts((Busy(start, end, seats, is_closure, href),), appointment, title=title)


def _plain_span(event: Block, zone: ZoneInfo) -> tuple[int, int] | None:
    """Start and end of an event in the usual forms, without a parser; None where it takes one."""
    start, end = event.line("DTSTART"), event.line("DTEND")
    if not start or not end:
        return None
    first, last = _plain_instant(start, zone), _plain_instant(end, zone)
    if first is None or last is None:
        return None
    return _forward(first, last)


def _plain_instant(line: str, zone: ZoneInfo) -> int | None:
    if dated := _DATED.match(line):
        return int(datetime.strptime(dated[1], "%Y%m%d").replace(tzinfo=zone).timestamp())
    if not (timed := _TIMED.match(line)):
        return None
    if timed[1]:
        if timed[1] not in _zones_known():
            return None
        zone = ZoneInfo(timed[1])
    local = datetime.strptime(timed[2] + timed[3], "%Y%m%d%H%M%S").replace(tzinfo=UTC if timed[4] else zone)
    return int(local.timestamp())


@cache
def _zones_known() -> frozenset[str]:
    return frozenset(available_timezones())


def _parsed_span(lines: ObjectLines, zone: ZoneInfo) -> tuple[int, int]:
    event = next(iter(_parsed(lines).walk("VEVENT")), None)
    if event is None:
        raise ValueError("no VEVENT")
    return _span_of(event, zone)


def _span_of(event: Component, zone: ZoneInfo) -> tuple[int, int]:
    start = _moment(event, "DTSTART")
    if "DTEND" in event:
        end = _moment(event, "DTEND")
    elif "DURATION" in event:
        end = _later(start, _length(event), zone)
    else:
        end = start if isinstance(start, datetime) else start + timedelta(days=1)
    return _forward(_instant(start, zone), _instant(end, zone))


def _moment(event: Component, name: str) -> date:
    value = getattr(event.get(name), "dt", None)
    if not isinstance(value, date):
        raise TypeError(f"{name} is no date")
    return value


def _length(event: Component) -> timedelta:
    value = getattr(event.get("DURATION"), "dt", None)
    if not isinstance(value, timedelta):
        raise TypeError("DURATION is no duration")
    return value


def _later(start: date, length: timedelta, zone: ZoneInfo) -> date:
    """RFC 5545 3.3.6: days of a duration are nominal, the rest is exact."""
    if not isinstance(start, datetime):
        return start + length
    aware = start if start.tzinfo is not None else start.replace(tzinfo=zone)
    return ((aware + timedelta(days=length.days)).astimezone(UTC) + (length - timedelta(days=length.days))).astimezone(
        aware.tzinfo
    )


def _forward(start: int, end: int) -> tuple[int, int]:
    if end < start:
        raise ValueError("DTEND lies before DTSTART")
    return start, end


def _instant(moment: date, zone: ZoneInfo) -> int:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time(0))
    return int((moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp())


def _parsed(lines: ObjectLines) -> Calendar:
    calendar = Calendar.from_ical(calendar_text(lines.zones, lines.events))
    if not isinstance(calendar, Calendar):
        raise TypeError("no VCALENDAR")
    return calendar


def _occurrences(lines: ObjectLines, reading: Reading, href: str) -> Iterator[Busy]:
    near = ObjectLines(lines.zones, [_bounded(event, reading) for event in _near(lines.events, reading)])
    query = recurring_ical_events.of(_parsed(near), skip_bad_series=False)
    start = datetime.fromtimestamp(reading.start - _DAY_S, UTC)
    end = datetime.fromtimestamp(reading.end + _DAY_S, UTC)
    for number, occurrence in enumerate(query.between(start, end)):
        if number >= _MOST_OCCURRENCES:
            raise TooMuch("occurrences")
        span = _span_of(occurrence, reading.zone)
        title = str(occurrence.get("SUMMARY", ""))
        is_closure = reading.closed_events.search(title) is not None
        is_open = str(occurrence.get("TRANSP", "")).upper() == "TRANSPARENT" and not is_closure
        is_cancelled = str(occurrence.get("STATUS", "")).upper() == "CANCELLED"
        if span[0] < span[1] and span[0] < reading.end and reading.start < span[1] and not is_open and not is_cancelled:
            yield Busy(max(span[0], reading.start), min(span[1], reading.end), 0, is_closure, href)


def _near(events: list[Block], reading: Reading) -> list[Block]:
    """The events without those exceptions that neither stand in for a time of the reading nor lie in it."""
    if len(events) <= 100:
        return events
    first = datetime.fromtimestamp(reading.start - 3 * _DAY_S, UTC).strftime("%Y%m%d")
    last = datetime.fromtimestamp(reading.end + 3 * _DAY_S, UTC).strftime("%Y%m%d")
    near = [event for event in events if not _is_far_exception(event, first, last)]
    if len(near) > _MOST_EVENTS:
        raise TooMuch(f"{len(near)} exceptions")
    return near


def _is_far_exception(event: Block, first: str, last: str) -> bool:
    replaced = _COMPACT.search(event.line("RECURRENCE-ID"))
    start, end = _COMPACT.search(event.line("DTSTART")), _COMPACT.search(event.line("DTEND"))
    if replaced is None or start is None or end is None or "RANGE=" in event.line("RECURRENCE-ID").upper():
        return False
    return not first <= replaced[1] <= last and (end[1] < first or last < start[1])


def _bounded(event: Block, reading: Reading) -> Block:
    """The event with its rules ended where the reading ends; raises ValueError at a bomb, or an end before it."""
    _plain_span(event, reading.zone)
    if not event.line("RRULE"):
        return event
    start = _COMPACT.search(event.line("DTSTART"))
    if start is None:
        raise RuleRefused("an RRULE without a DTSTART")
    first = int(datetime.strptime(start[1], "%Y%m%d").replace(tzinfo=UTC).timestamp())
    is_dated = _DATED.match(event.line("DTSTART")) is not None
    window = reading.start - 2 * _DAY_S, reading.end + 2 * _DAY_S
    return Block(tuple(_bounded_line(line, first, window, is_dated=is_dated) for line in _one_rule(event.lines)))


def _bounded_line(line: str, first: int, window: tuple[int, int], *, is_dated: bool) -> str:
    if line[:5].upper() != "RRULE":
        return line
    return "RRULE:" + bounded_rule(line.partition(":")[2], first=first, window=window, is_dated=is_dated)


def _one_rule(lines: Iterable[str]) -> list[str]:
    kept = list(lines)
    if sum(line[:5].upper() == "RRULE" for line in kept) > 5:
        raise TooMuch("rules in one event")
    return kept
