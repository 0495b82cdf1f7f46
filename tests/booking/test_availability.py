"""Openings against a slow, obvious reference, and the cases that people get wrong."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ari_app.booking.availability import Busy, Diary, is_free, openings, why_not
from ari_app.booking.model import DaySpan, Opening, Resource, Service, Week

LONDON = ZoneInfo("Europe/London")
MONDAY = date(2026, 3, 2)
NOBODY: tuple[Busy, ...] = ()


def week(*spans: str) -> Week:
    """The same hours every day."""
    day = tuple(DaySpan(time.fromisoformat(a), time.fromisoformat(b)) for a, b in (span.split("-") for span in spans))
    return (day,) * 7


NO_HOURS = week()


def resource(name: str, hours: Week, *, breaks: Week = NO_HOURS, capacity: int = 1) -> Resource:
    return Resource(name, name, f"{name}/", hours, breaks, capacity)


def diary(
    service: Service, *resources: Resource, closed: Mapping[date, str] | None = None, zone: ZoneInfo = LONDON
) -> Diary:
    reasons = closed or {}
    return Diary(zone, {service.id: service}, {item.id: item for item in resources}, lambda day: reasons.get(day, ""))


def service(*groups: tuple[str, ...], minutes: int = 30, grid: int = 30, before: int = 0, after: int = 0) -> Service:
    return Service(
        "s",
        "s",
        timedelta(minutes=minutes),
        groups or (("anna",),),
        timedelta(minutes=before),
        timedelta(minutes=after),
        timedelta(minutes=grid),
        timedelta(0),
        timedelta(days=3650),
    )


def at(day: date, hhmm: str, zone: ZoneInfo = LONDON) -> int:
    return int(datetime.combine(day, time.fromisoformat(hhmm), zone).timestamp())


def found(
    book: Diary,
    *days: date,
    busy: Mapping[str, tuple[Busy, ...]] | None = None,
    now: datetime | None = None,
    wished: str | None = None,
) -> list[Opening]:
    taken = busy or {}
    early = now or datetime(2020, 1, 1, tzinfo=UTC)

    def lookup(name: str, start: int, end: int) -> list[Busy]:
        return [item for item in taken.get(name, NOBODY) if item.start < end and start < item.end]

    return list(openings(book, next(iter(book.services.values())), days, lookup, now=early, resource=wished))


def starts(openings: list[Opening]) -> list[str]:
    return [f"{opening.start:%H:%M}" for opening in openings]


def test_hours_less_breaks_and_busy_time_give_openings_on_the_grid() -> None:
    book = diary(service(), resource("anna", week("09:00-12:00"), breaks=week("10:15-10:45")))
    busy = {"anna": (Busy(at(MONDAY, "09:00"), at(MONDAY, "09:30")),)}
    assert starts(found(book, MONDAY, busy=busy)) == ["09:30", "11:00", "11:30"]


def test_buffers_keep_time_free_but_need_no_working_hours() -> None:
    book = diary(service(before=15, after=15), resource("anna", week("09:00-12:00")))
    busy = {"anna": (Busy(at(MONDAY, "10:30"), at(MONDAY, "11:00")),)}
    assert starts(found(book, MONDAY, busy=busy)) == ["09:00", "09:30", "11:30"]


def test_lead_time_and_horizon_bound_what_is_offered() -> None:
    soon = Service(
        "s", "s", timedelta(minutes=30), (("anna",),), granularity=timedelta(minutes=30), horizon=timedelta(days=1)
    )
    book = diary(soon, resource("anna", week("09:00-12:00")))
    now = datetime(2026, 3, 2, 8, 0, tzinfo=LONDON)
    assert starts(found(book, MONDAY, now=now)) == ["10:00", "10:30", "11:00", "11:30"]
    assert starts(found(book, MONDAY + timedelta(days=1), now=now)) == []


def test_no_opening_on_a_closed_day() -> None:
    book = diary(service(), resource("anna", week("09:00-12:00")), closed={MONDAY: "holiday Christmas Day"})
    assert found(book, MONDAY) == []


def test_no_opening_at_a_time_that_the_clock_change_skips() -> None:
    night = diary(service(minutes=30), resource("anna", week("00:00-04:00")))
    spring = date(2026, 3, 29)
    assert starts(found(night, spring)) == ["00:00", "00:30", "02:00", "02:30", "03:00", "03:30"]


def test_a_doubled_hour_is_offered_once_and_names_its_first_pass() -> None:
    night = diary(service(minutes=30), resource("anna", week("00:00-04:00")))
    autumn = date(2026, 10, 25)
    offered = found(night, autumn)
    assert starts(offered) == ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30", "03:00", "03:30"]
    assert {opening.start.utcoffset() for opening in offered[2:4]} == {timedelta(hours=1)}


def test_hours_to_midnight_run_on_into_the_next_day() -> None:
    late = diary(service(minutes=60), resource("anna", week("00:00-01:00", "23:00-00:00")))
    assert starts(found(late, MONDAY)) == ["00:00", "23:00", "23:30"]


def test_two_resources_are_both_needed_and_nobody_is_taken_twice() -> None:
    both = service(("anna", "ben"), ("ben", "room"))
    book = diary(both, *(resource(name, week("09:00-10:00")) for name in ("anna", "ben", "room")))
    busy = {"room": (Busy(at(MONDAY, "09:00"), at(MONDAY, "10:00")),)}
    assert {opening.resources for opening in found(book, MONDAY, busy=busy)} == {("anna", "ben")}
    busy["ben"] = (Busy(at(MONDAY, "09:30"), at(MONDAY, "10:00")),)
    assert starts(found(book, MONDAY, busy=busy)) == ["09:00"]


def test_any_is_whoever_is_least_busy_that_day() -> None:
    either = service(("anna", "ben"))
    book = diary(either, resource("anna", week("09:00-11:00")), resource("ben", week("09:00-11:00")))
    busy = {"anna": (Busy(at(MONDAY, "09:00"), at(MONDAY, "09:30")),)}
    assert {opening.resources[0] for opening in found(book, MONDAY, busy=busy)} == {"ben"}
    assert {opening.resources[0] for opening in found(book, MONDAY)} == {"anna"}


def test_a_wished_resource_is_the_only_one_offered() -> None:
    both = service(("anna", "ben"), ("room-1", "room-2"))
    book = diary(both, *(resource(name, week("09:00-10:00")) for name in ("anna", "ben", "room-1", "room-2")))
    assert {opening.resources for opening in found(book, MONDAY, wished="ben")} == {("ben", "room-1")}
    assert {opening.resources for opening in found(book, MONDAY, wished="room-2")} == {("anna", "room-2")}


@pytest.mark.parametrize(("seats", "free"), [((1, 1), True), ((1, 1, 1), False), ((0,), False), ((3,), False)])
def test_a_class_has_room_until_its_seats_are_taken(seats: tuple[int, ...], free: bool) -> None:
    assert is_free([Busy(100, 200, seat) for seat in seats], 3, 150, 160) is free


def test_seats_that_are_taken_one_after_the_other_do_not_add_up() -> None:
    assert is_free([Busy(0, 50, 1), Busy(50, 100, 1)], 2, 0, 100)
    assert not is_free([Busy(0, 60, 1), Busy(50, 100, 1)], 2, 0, 100)


def test_what_is_not_bookable_at_all_says_why() -> None:
    book = diary(service(), resource("anna", week("09:00-12:00")), closed={MONDAY + timedelta(days=1): "closed"})
    start = datetime(2026, 3, 2, 9, 0, tzinfo=LONDON)

    def why(start: datetime, *, minutes: int = 30, names: tuple[str, ...] = ("anna",), now: datetime = start) -> str:
        return why_not(book, service(), Opening(start, start + timedelta(minutes=minutes), "s", names), now=now)

    assert why(start) == ""
    assert why(start, now=start + timedelta(minutes=1)) == "past"
    assert why(start + timedelta(hours=3)) == "hours"
    assert why(start + timedelta(days=1)) == "closed"
    assert why(start, minutes=45) == "service"
    assert why(start, names=("ben",)) == "resource"
    assert why(start + timedelta(days=5000)) == "horizon"


# --- against a reference that only knows minutes ----------------------------------------------------------------------

_minutes = st.integers(0, 24 * 4 - 1).map(lambda quarter: quarter * 15)


@st.composite
def _span(draw: st.DrawFn) -> tuple[int, int]:
    start = draw(_minutes)
    return start, draw(st.integers(start // 15 + 1, 96)) * 15


def _day_span(span: tuple[int, int]) -> DaySpan:
    return DaySpan(time(span[0] // 60, span[0] % 60), time(span[1] // 60 % 24, span[1] % 60))


@given(
    hours=st.lists(_span(), max_size=3),
    breaks=st.lists(_span(), max_size=2),
    taken=st.lists(st.tuples(st.integers(-300, 1740), st.integers(0, 400), st.integers(0, 2)), max_size=8),
    minutes=st.sampled_from([15, 30, 45, 90]),
    grid=st.sampled_from([15, 30, 60]),
    buffers=st.tuples(st.sampled_from([0, 10, 30]), st.sampled_from([0, 10, 30])),
    capacity=st.integers(1, 3),
)
@settings(max_examples=300, deadline=None)
def test_openings_are_those_of_a_minute_by_minute_reference(
    hours: list[tuple[int, int]],
    breaks: list[tuple[int, int]],
    taken: list[tuple[int, int, int]],
    minutes: int,
    grid: int,
    buffers: tuple[int, int],
    capacity: int,
) -> None:
    utc = ZoneInfo("UTC")
    tuesday = MONDAY + timedelta(days=1)
    only: Week = tuple(tuple(map(_day_span, hours)) if day == 1 else () for day in range(7))
    pauses: Week = tuple(tuple(map(_day_span, breaks)) if day == 1 else () for day in range(7))
    wanted = service(("anna",), minutes=minutes, grid=grid, before=buffers[0], after=buffers[1])
    book = diary(wanted, resource("anna", only, breaks=pauses, capacity=capacity), zone=utc)
    midnight = at(tuesday, "00:00", utc)
    busy = tuple(Busy(midnight + a * 60, midnight + (a + length) * 60, seats) for a, length, seats in taken)
    got = [(opening.start.hour * 60 + opening.start.minute) for opening in found(book, tuesday, busy={"anna": busy})]
    assert got == list(_reference(hours, breaks, taken, minutes, grid, buffers, capacity))


def _reference(
    hours: list[tuple[int, int]],
    breaks: list[tuple[int, int]],
    taken: list[tuple[int, int, int]],
    minutes: int,
    grid: int,
    buffers: tuple[int, int],
    capacity: int,
) -> Iterator[int]:
    worked = {minute for a, b in hours for minute in range(a, b)} - {
        minute for a, b in breaks for minute in range(a, b)
    }
    used: dict[int, int] = {}
    for a, length, seats in taken:
        for minute in range(a, a + length):
            used[minute] = used.get(minute, 0) + (seats or capacity)
    for start in sorted({minute for a, b in hours for minute in range(a, b, grid)}):
        span = range(start, start + minutes)
        kept = range(start - buffers[0], start + minutes + buffers[1])
        if all(minute in worked for minute in span) and all(used.get(minute, 0) < capacity for minute in kept):
            yield start
