"""What a wish comes to: openings that fit, else the nearest, else why there are none. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain, islice

from ari_app.booking.availability import BusyTimes, Diary, bookable_days, openings, working_time
from ari_app.booking.model import Found, Opening, Service, Wish
from ari_app.errors import OpeningInvalid

_MOST_FITTING = 200
_MOST_NEAREST = 12
_MOST_A_DAY = 4
_MOST_DAYS = 30
_DAY = timedelta(days=1)

_Fits = Callable[[Opening], bool]


def find(diary: Diary, wish: Wish, busy: BusyTimes, *, now: datetime) -> Found:
    """The openings for this wish; raises OpeningInvalid where it names a service or a resource that isn't there."""
    service = diary.services.get(wish.service)
    if service is None or (wish.resource is not None and wish.resource not in diary.resources):
        raise OpeningInvalid(f"there is no {wish.resource if service else wish.service}")
    days = _wished_days(diary, service, wish, now=now)
    found = openings(diary, service, days, busy, now=now, resource=wish.resource)
    fitting = _ordered([opening for opening in found if _fits_time(wish, opening)], wish.near)[:_MOST_FITTING]
    if fitting:
        return Found(tuple(fitting), is_wish_taken=_is_taken(diary, service, wish, fitting, now=now))
    nearest = _nearest(diary, service, wish, days, busy, now=now)
    reason = _closed_reason(diary, service, wish, days, busy, now=now)
    return Found((), nearest, reason, not reason and _is_taken(diary, service, wish, (), now=now))


def nearest_to(diary: Diary, opening: Opening, busy: BusyTimes, *, now: datetime) -> tuple[Opening, ...]:
    """What is nearest to an opening that is gone: same day first, then the days around it."""
    day = opening.start.astimezone(diary.zone).date()
    wish = Wish(opening.service, day, day, near=opening.start)
    service = diary.services.get(opening.service)
    if service is None:
        raise OpeningInvalid(f"there is no {opening.service}")
    same_day = _ordered(openings(diary, service, [day], busy, now=now), opening.start)[:_MOST_NEAREST]
    return tuple(same_day) or _nearest(diary, service, wish, [day], busy, now=now)


def _wished_days(diary: Diary, service: Service, wish: Wish, *, now: datetime) -> list[date]:
    first, last = bookable_days(diary, service, now=now)
    return [day for day in _days(max(first, wish.first_day), min(last, wish.last_day)) if _fits_day(wish, day)]


def _fits_day(wish: Wish, day: date) -> bool:
    return (not wish.weekdays or day.weekday() in wish.weekdays) and day not in wish.excluded


def _fits_time(wish: Wish, opening: Opening) -> bool:
    at = opening.start.time()
    return (wish.earliest is None or at >= wish.earliest) and (wish.latest is None or at <= wish.latest)


def _ordered(found: Iterable[Opening], near: datetime | None) -> list[Opening]:
    return (
        list(found) if near is None else sorted(found, key=lambda opening: (abs(opening.start - near), opening.start))
    )


def _nearest(
    diary: Diary, service: Service, wish: Wish, days: list[date], busy: BusyTimes, *, now: datetime
) -> tuple[Opening, ...]:
    """Other times on the wished days, then other days at about that time, then at any, then with anybody."""
    first, last = bookable_days(diary, service, now=now)
    others = [day for day in _outwards(wish, first, last) if day not in days and day not in wish.excluded]
    around = _wished_moment(diary, wish)

    def on(chosen: list[date], resource: str | None) -> Iterator[Opening]:
        return openings(diary, service, chosen, busy, now=now, resource=resource)

    same_days = _ordered(on(days, wish.resource), around)[:_MOST_NEAREST]
    if same_days:
        return tuple(same_days)
    elsewhere = [_spread(on([day], wish.resource), wish, around) for day in others[:_MOST_DAYS]]
    at_that_time = [[opening for opening in day if _fits_time(wish, opening)] for day in elsewhere]
    stages = [*at_that_time, *elsewhere]
    if wish.resource is not None and not any(elsewhere):
        stages += [_spread(on([day], None), wish, around) for day in [*days, *others][:_MOST_DAYS]]
    unique = dict.fromkeys(chain.from_iterable(stages))
    return tuple(islice(unique, _MOST_NEAREST))


def _spread(found: Iterable[Opening], wish: Wish, around: datetime | None) -> list[Opening]:
    """A few of one day's openings: those nearest to the wished time of day, else over the whole day."""
    whole = list(found)
    if around is None:
        return whole[:: max(1, -(-len(whole) // _MOST_A_DAY))]
    at = around.astimezone(whole[0].start.tzinfo).time() if whole else time(0)

    def off(opening: Opening) -> tuple[bool, int]:
        minutes = (opening.start.hour - at.hour) * 60 + opening.start.minute - at.minute
        return not _fits_time(wish, opening), abs(minutes)

    return sorted(whole, key=off)[:_MOST_A_DAY]


def _wished_moment(diary: Diary, wish: Wish) -> datetime | None:
    if wish.near is not None or (wish.earliest is None and wish.latest is None):
        return wish.near
    at = wish.earliest or wish.latest or time(0)
    return datetime.combine(wish.first_day, at, diary.zone)


def _outwards(wish: Wish, first: date, last: date) -> Iterator[date]:
    """Days around the wished ones, nearest first, the later of two first; the wished weekdays before the others."""
    every = sorted(_days(first, last), key=lambda day: (_distance(wish, day), day < wish.first_day))
    yield from (day for day in every if not wish.weekdays or day.weekday() in wish.weekdays)
    yield from (day for day in every if wish.weekdays and day.weekday() not in wish.weekdays)


def _distance(wish: Wish, day: date) -> timedelta:
    return max(wish.first_day - day, day - wish.last_day, timedelta(0))


def _closed_reason(
    diary: Diary, service: Service, wish: Wish, days: list[date], busy: BusyTimes, *, now: datetime
) -> str:
    """Why no wished day has any opening at all; "" where they are full."""
    first, last = bookable_days(diary, service, now=now)
    if wish.last_day < first or (wish.last_day == first and not _any_left(diary, service, wish, now=now)):
        return "past"
    if wish.first_day > last:
        return "horizon"
    reasons = [_day_reason(diary, service, wish, day, busy) for day in days]
    if not reasons or not all(reasons):
        return "" if reasons else "closed"
    ranked = [reason for reason in reasons if reason.startswith("holiday")] or reasons
    return next((each for each in ("between", "hours") if each in reasons), ranked[0])


def _any_left(diary: Diary, service: Service, wish: Wish, *, now: datetime) -> bool:
    """Whether hours of the wished last day are still ahead, lead time respected."""
    after = (now + service.lead_time + service.duration).timestamp()
    names = {name for group in service.groups for name in group}
    spans = [span for name in names for span in working_time(diary, diary.resources[name], wish.last_day)]
    return not spans or any(end >= after for _, end in spans)


def _day_reason(diary: Diary, service: Service, wish: Wish, day: date, busy: BusyTimes) -> str:
    if reason := diary.closed(day):
        return reason
    groups = [
        [name for name in group if wish.resource in {None, name} or wish.resource not in group]
        for group in service.groups
    ]
    if any(not any(working_time(diary, diary.resources[name], day) for name in group) for group in groups):
        return "closed"
    if any(all(_is_closed_off(diary, name, day, busy) for name in group) for group in groups):
        return "closed"
    empty = list(openings(diary, service, [day], _nothing, now=_long_before(diary, service, day)))
    if any(_fits_time(wish, opening) for opening in empty):
        return ""
    return "between" if _is_between(wish, empty) else "hours"


def _is_between(wish: Wish, empty: Sequence[Opening]) -> bool:
    """Whether the wish lies inside the day, in a break or beside the times at which something can start."""
    starts = [opening.start.time() for opening in empty]
    earliest, latest = wish.earliest, wish.latest
    return (
        bool(starts) and earliest is not None and latest is not None and min(starts) < earliest <= latest < max(starts)
    )


def _is_closed_off(diary: Diary, name: str, day: date, busy: BusyTimes) -> bool:
    """Whether events called "Closed" or the like cover all of this resource's working time."""
    spans = working_time(diary, diary.resources[name], day)
    closures = [item for item in busy(name, *diary.day_bounds(day)) if item.is_closure]
    return all(any(item.start <= start and end <= item.end for item in closures) for start, end in spans)


def _is_taken(diary: Diary, service: Service, wish: Wish, fitting: Iterable[Opening], *, now: datetime) -> bool:
    """Whether a single time was wished for that would be bookable in an empty calendar, and isn't."""
    at = wish.near
    if at is None and wish.earliest is not None and wish.earliest == wish.latest and wish.first_day == wish.last_day:
        at = datetime.combine(wish.first_day, wish.earliest, diary.zone)
    if at is None or any(opening.start == at for opening in fitting):
        return False
    day = at.astimezone(diary.zone).date()
    possible = openings(diary, service, [day], _nothing, now=now, resource=wish.resource)
    return any(opening.start == at for opening in possible)


def _nothing(resource: str, start: int, end: int) -> tuple[()]:
    return ()


def _long_before(diary: Diary, service: Service, day: date) -> datetime:
    midnight = datetime.combine(day, time(0), diary.zone)
    return midnight - service.lead_time if service.horizon >= _DAY + service.lead_time else midnight


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))
