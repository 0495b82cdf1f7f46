"""Hours, closed days, buffers, lead time and horizon, less busy time, give openings. Pure: `now` is passed in.

Instants are whole epoch seconds; days and hours are the business's local ones. A start time lies on the service's
grid, counted from the beginning of the span of hours it lies in. A local time that a clock change skips is never
offered; of a doubled one only the first is, so that what is said names one instant.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ari_app.booking.model import DaySpan, Opening, Resource, Service

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Busy:
    """Time that is taken on one resource."""

    start: int
    """Epoch seconds."""
    end: int
    """Epoch seconds, not included."""
    seats: int = 0
    """How many of the resource's seats it takes; 0: all of them."""
    is_closure: bool = False
    """Its title says that the resource is closed ("Out of office"), not that somebody is served."""
    href: str = ""


BusyTimes = Callable[[str, int, int], Sequence[Busy]]
"""(resource, start, end) -> what overlaps start..end, in any order."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Diary:
    """What the business offers, and when it is open at all."""

    zone: ZoneInfo
    services: Mapping[str, Service]
    resources: Mapping[str, Resource]
    closed: Callable[[date], str]
    """Why it is closed all that day ("closed", "holiday Christmas Day"); empty: it isn't."""

    def instant(self, day: date, at: time, *, is_end: bool = False) -> int:
        """Epoch second of a local time. In a gap: a start is late, an end early; doubled: the first."""
        local = datetime.combine(day, at, self.zone)
        first = int(local.timestamp())
        return min(first, int(local.replace(fold=1).timestamp())) if is_end else first

    def day_bounds(self, day: date) -> Span:
        """The local day's first second and the next day's."""
        return self.instant(day, time(0)), self.instant(day + _DAY, time(0))


def openings(
    diary: Diary,
    service: Service,
    days: Iterable[date],
    busy: BusyTimes,
    *,
    now: datetime,
    resource: str | None = None,
) -> Iterator[Opening]:
    """Bookable time on `days`, in their order and by start within each; only with `resource` where one is named."""
    for day in days:
        if not diary.closed(day):
            yield from _on_day(diary, service, day, busy, now=now, resource=resource)


def bookable_days(diary: Diary, service: Service, *, now: datetime) -> tuple[date, date]:
    """First and last day that lead time and horizon leave."""
    local = now.astimezone(diary.zone)
    return (local + service.lead_time).date(), (local + service.horizon).date()


def why_not(diary: Diary, service: Service, opening: Opening, *, now: datetime) -> str:
    """Why it can't be booked even in an empty calendar ("past", "horizon", "closed", "hours", ...); "" where it can."""
    start, day = opening.start.astimezone(diary.zone), opening.start.astimezone(diary.zone).date()
    if start < now + service.lead_time:
        return "past"
    if start > now + service.horizon:
        return "horizon"
    if reason := diary.closed(day):
        return reason
    if opening.end - opening.start != service.duration or len(opening.resources) != len(service.groups):
        return "service"
    if any(name not in group for name, group in zip(opening.resources, service.groups, strict=True)):
        return "resource"
    first = int(start.timestamp())
    last = first + _seconds(service.duration)
    for name in opening.resources:
        if not any(a <= first and last <= b for a, b in working_time(diary, diary.resources[name], day)):
            return "hours"
    return ""


def block(service: Service, start: int, end: int) -> Span:
    """The time that an appointment keeps free for itself: it and its buffers."""
    return start - _seconds(service.buffer_before), end + _seconds(service.buffer_after)


def working_time(diary: Diary, resource: Resource, day: date) -> list[Span]:
    """When this resource works that day: hours less breaks; a span up to midnight runs on into the next day."""
    spans = _own_working_time(diary, resource, day)
    midnight = diary.day_bounds(day)[1]
    if spans and spans[-1][1] == midnight:
        following = _own_working_time(diary, resource, day + _DAY)
        if following and following[0][0] == midnight:
            spans[-1] = (spans[-1][0], following[0][1])
    return spans


def is_free(taken: Sequence[Busy], capacity: int, start: int, end: int) -> bool:
    """Whether a seat is free during all of start..end, of `capacity` seats, beside what is `taken`."""
    inside = [item for item in taken if item.start < end and start < item.end and item.start < item.end]
    if any(item.seats == 0 or item.seats >= capacity for item in inside):
        return False
    return all(
        _seats_at(inside, at) < capacity for at in [start, *(item.start for item in inside if item.start > start)]
    )


def _seats_at(taken: Sequence[Busy], at: int) -> int:
    return sum(item.seats for item in taken if item.start <= at < item.end)


def _own_working_time(diary: Diary, resource: Resource, day: date) -> list[Span]:
    if diary.closed(day):
        return []
    open_spans = _merged(_instants(diary, day, span) for span in resource.hours[day.weekday()])
    return _without(open_spans, _merged(_instants(diary, day, span) for span in resource.breaks[day.weekday()]))


def _instants(diary: Diary, day: date, span: DaySpan) -> Span:
    is_to_midnight = span.end == time(0)
    end = diary.instant(day + _DAY if is_to_midnight else day, span.end, is_end=not is_to_midnight)
    return diary.instant(day, span.start), end


class _Agenda:
    """One resource's day: when it works, what is taken, how busy it is."""

    def __init__(self, diary: Diary, resource: Resource, day: date, busy: BusyTimes, reach: Span) -> None:
        self.name = resource.id
        self.working = working_time(diary, resource, day)
        self._capacity = resource.capacity
        first, last = diary.day_bounds(day)
        latest = max(last, self.working[-1][1]) if self.working else last
        self._taken = busy(resource.id, first - reach[0], latest + reach[1]) if self.working else ()
        blocked = _merged((item.start, item.end) for item in self._taken)
        self._starts, self._ends = [span[0] for span in blocked], [span[1] for span in blocked]
        self.load_s = sum(max(0, min(item.end, last) - max(item.start, first)) for item in self._taken)

    def takes(self, start: int, end: int, kept: Span) -> bool:
        """Whether start..end is worked, and the block around it free."""
        return any(a <= start and end <= b for a, b in self.working) and self._is_free(*kept)

    def _is_free(self, start: int, end: int) -> bool:
        index = bisect_right(self._ends, start)
        if index == len(self._ends) or self._starts[index] >= end:
            return True
        return self._capacity > 1 and is_free(self._taken, self._capacity, start, end)


def _on_day(
    diary: Diary, service: Service, day: date, busy: BusyTimes, *, now: datetime, resource: str | None
) -> Iterator[Opening]:
    reach = _seconds(service.buffer_before), _seconds(service.buffer_after)
    names = dict.fromkeys(name for group in service.groups for name in group)
    agendas = {name: _Agenda(diary, diary.resources[name], day, busy, reach) for name in names}
    earliest, latest = (now + service.lead_time).timestamp(), (now + service.horizon).timestamp()
    duration = _seconds(service.duration)
    for start in _grid(diary, service, day):
        if not earliest <= start <= latest:
            continue
        end = start + duration
        kept = block(service, start, end)
        free = {name for name, agenda in agendas.items() if agenda.takes(start, end, kept)}
        if chosen := _choice(service.groups, free, agendas, resource):
            yield Opening(_local(start, diary.zone), _local(end, diary.zone), service.id, chosen)


def _grid(diary: Diary, service: Service, day: date) -> list[int]:
    """Start times of the day over all resources of the first group, ascending."""
    step = max(60, _seconds(service.granularity))
    spans = {span for name in service.groups[0] for span in diary.resources[name].hours[day.weekday()]}
    starts: set[int] = set()
    for span in spans:
        first = span.start.hour * 3600 + span.start.minute * 60
        last = (span.end.hour * 3600 + span.end.minute * 60) or 86400
        starts.update(_wall_instants(diary, day, range(first, last, step)))
    return sorted(starts)


def _wall_instants(diary: Diary, day: date, seconds: range) -> Iterator[int]:
    first, last = diary.day_bounds(day)
    if last - first == 86400:
        yield from (first + second for second in seconds)
        return
    for second in seconds:
        wall = time(second // 3600, second // 60 % 60)
        instant = diary.instant(day, wall)
        if _local(instant, diary.zone).time() == wall:
            yield instant


def _choice(
    groups: tuple[tuple[str, ...], ...], free: set[str], agendas: Mapping[str, _Agenda], wished: str | None
) -> tuple[str, ...]:
    """One free resource of each group, none twice: the least busy that day, in the group's order where equal."""
    if wished is not None and wished not in free:
        return ()
    return _assigned(groups, free, agendas, wished)


def _assigned(
    groups: tuple[tuple[str, ...], ...], free: set[str], agendas: Mapping[str, _Agenda], wished: str | None
) -> tuple[str, ...]:
    if not groups:
        return ()
    ranked = sorted(
        (name for name in groups[0] if name in free), key=lambda name: (name != wished, agendas[name].load_s)
    )
    for name in ranked:
        rest = _assigned(groups[1:], free - {name}, agendas, None if name == wished else wished)
        chosen = (name, *rest)
        if len(chosen) == len(groups) and _honours(chosen, groups, wished):
            return chosen
    return ()


def _honours(chosen: tuple[str, ...], groups: tuple[tuple[str, ...], ...], wished: str | None) -> bool:
    return wished is None or wished in chosen or not any(wished in group for group in groups)


def _merged(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _without(spans: Iterable[Span], holes: Sequence[Span]) -> list[Span]:
    left: list[Span] = []
    for start, end in spans:
        for hole_start, hole_end in holes:
            if hole_start < end and start < hole_end:
                left.append((start, hole_start))
                start = max(start, hole_end)
        left.append((start, end))
    return [span for span in left if span[0] < span[1]]


def _local(instant: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(instant, zone)


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
