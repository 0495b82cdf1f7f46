"""What a wish comes to, and why where it comes to nothing."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ari_app.booking.availability import Busy, BusyTimes, Diary
from ari_app.booking.finding import find, nearest_to
from ari_app.booking.model import DaySpan, Found, Opening, Resource, Service, Wish
from ari_app.errors import OpeningInvalid

LONDON = ZoneInfo("Europe/London")
MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=LONDON)
DAY = timedelta(days=1)
HOURS = tuple((DaySpan(time(9), time(12)),) if day < 5 else () for day in range(7))
NO_BREAKS = ((),) * 7


@pytest.fixture
def diary() -> Diary:
    half_hour = timedelta(minutes=30)
    cut = Service("cut", "cut", half_hour, (("anna", "ben"),), granularity=half_hour, horizon=30 * DAY)
    people = {name: Resource(name, name, f"{name}/", HOURS, NO_BREAKS) for name in ("anna", "ben")}
    closed = {date(2026, 3, 17): "holiday St Patrick's Day", date(2026, 3, 18): "closed"}
    return Diary(LONDON, {"cut": cut}, people, lambda day: closed.get(day, ""))


def at(day: date, hhmm: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(hhmm), LONDON)


def busy(*spans: tuple[str, datetime, datetime], is_closure: bool = False) -> BusyTimes:
    taken = [(name, Busy(int(a.timestamp()), int(b.timestamp()), is_closure=is_closure)) for name, a, b in spans]
    return lambda name, start, end: [
        item for who, item in taken if who == name and item.start < end and start < item.end
    ]


def full(day: date, *names: str, is_closure: bool = False) -> BusyTimes:
    return busy(*((name, at(day, "00:00"), at(day, "23:59")) for name in names), is_closure=is_closure)


@pytest.fixture
def wished(diary: Diary) -> Callable[..., Found]:
    def ask(day: date, until: date | None = None, taken: BusyTimes | None = None, **fields: object) -> Found:
        return find(diary, Wish("cut", day, until or day, **fields), taken or busy(), now=NOW)

    return ask


def starts(found: tuple[Opening, ...]) -> list[str]:
    return [f"{opening.start:%d %H:%M}" for opening in found]


def test_lead_time_hides_the_next_two_hours(wished: Callable[..., Found]) -> None:
    assert starts(wished(MONDAY).fitting) == ["02 10:00", "02 10:30", "02 11:00", "02 11:30"]


def test_near_comes_first(wished: Callable[..., Found]) -> None:
    tuesday = MONDAY + DAY
    assert starts(wished(tuesday, near=at(tuesday, "10:30")).fitting)[:3] == ["03 10:30", "03 10:00", "03 11:00"]


def test_bounds_weekdays_and_exclusions_are_kept(wished: Callable[..., Found]) -> None:
    found = wished(
        MONDAY,
        MONDAY + 9 * DAY,
        earliest=time(11),
        latest=time(11),
        weekdays=frozenset({1, 2}),
        excluded=frozenset({MONDAY + 2 * DAY}),
    )
    assert starts(found.fitting) == ["03 11:00", "10 11:00", "11 11:00"]


def test_a_taken_time_is_told_from_one_outside_the_hours(wished: Callable[..., Found]) -> None:
    tuesday = MONDAY + DAY
    taken = full(tuesday, "anna", "ben")
    ten = wished(tuesday, taken=taken, earliest=time(10), latest=time(10))
    assert (ten.is_wish_taken, ten.closed_reason) == (True, "")
    evening = wished(tuesday, taken=taken, earliest=time(19), latest=time(20))
    assert (evening.is_wish_taken, evening.closed_reason) == (False, "hours")
    ten_past = wished(tuesday, earliest=time(10, 10), latest=time(10, 10))
    assert (ten_past.is_wish_taken, ten_past.closed_reason) == (False, "between")


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        (MONDAY - DAY, "past"),
        (MONDAY + 60 * DAY, "horizon"),
        (date(2026, 3, 7), "closed"),
        (date(2026, 3, 17), "holiday St Patrick's Day"),
        (date(2026, 3, 18), "closed"),
    ],
)
def test_a_day_without_openings_says_why_and_offers_another(
    wished: Callable[..., Found], day: date, reason: str
) -> None:
    found = wished(day)
    assert (found.fitting, found.closed_reason) == ((), reason)
    assert found.nearest


def test_a_full_day_is_not_closed_but_one_with_everybody_out_of_office_is(wished: Callable[..., Found]) -> None:
    tuesday = MONDAY + DAY
    assert wished(tuesday, taken=full(tuesday, "anna", "ben")).closed_reason == ""
    assert wished(tuesday, taken=full(tuesday, "anna", "ben", is_closure=True)).closed_reason == "closed"


def test_other_times_that_day_come_before_other_days(wished: Callable[..., Found]) -> None:
    tuesday = MONDAY + DAY
    morning = busy(*((name, at(tuesday, "09:00"), at(tuesday, "10:00")) for name in ("anna", "ben")))
    found = wished(tuesday, taken=morning, earliest=time(9), latest=time(9))
    assert starts(found.nearest)[:2] == ["03 10:00", "03 10:30"]
    assert {opening.start.date() for opening in found.nearest} == {tuesday}


def test_other_days_are_several_and_at_about_that_time_first(wished: Callable[..., Found]) -> None:
    tuesday = MONDAY + DAY
    found = wished(tuesday, taken=full(tuesday, "anna", "ben"), earliest=time(11), latest=time(11))
    assert starts(found.nearest)[:3] == ["04 11:00", "02 11:00", "05 11:00"]
    anytime = wished(tuesday, taken=full(tuesday, "anna", "ben"))
    assert len({opening.start.date() for opening in anytime.nearest}) >= 3


def test_where_the_wished_person_has_nothing_somebody_else_is_offered_last(
    diary: Diary, wished: Callable[..., Found]
) -> None:
    taken = busy(("anna", at(MONDAY, "00:00"), at(MONDAY + 100 * DAY, "00:00")))
    found = wished(MONDAY + DAY, taken=taken, resource="anna")
    assert {opening.resources for opening in found.nearest} == {("ben",)}


def test_what_is_nearest_to_an_opening_that_went(diary: Diary) -> None:
    tuesday = MONDAY + DAY
    gone = Opening(at(tuesday, "10:00"), at(tuesday, "10:30"), "cut", ("anna",))
    taken = busy(*((name, at(tuesday, "10:00"), at(tuesday, "10:30")) for name in ("anna", "ben")))
    assert starts(nearest_to(diary, gone, taken, now=NOW))[:2] == ["03 09:30", "03 10:30"]


@pytest.mark.parametrize("fields", [{"service": "nothing"}, {"resource": "nobody"}])
def test_an_unknown_name_is_no_full_day(diary: Diary, fields: dict[str, str]) -> None:
    wish = Wish(fields.get("service", "cut"), MONDAY, MONDAY, resource=fields.get("resource"))
    with pytest.raises(OpeningInvalid):
        find(diary, wish, busy(), now=NOW)
