"""What is asked of the calendar for what the caller wants."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from ari_app.booking.model import Opening, Wish
from ari_app.dialogue.business import Business
from ari_app.dialogue.state import State, Wanted
from ari_app.understanding.meaning import DateRange, TimeRange

AROUND = timedelta(hours=1)
"""How far "around four" reaches."""
A_MINUTE = timedelta(minutes=1)
NOON = time(12)
EARLIEST_MOMENT, LATEST_MOMENT = time(0), time(23, 59)


def wish_of(business: Business, state: State) -> Wish:
    """The calendar's question for what is wanted; `state.wanted.service` is known."""
    wanted, today = state.wanted, state.now.date()
    assert wanted.service is not None
    service = business.services[wanted.service]
    wished = wanted.date or DateRange(None, None)
    last_bookable = today + service.horizon
    first = max(wished.start or today, today)
    last = wished.end or max(last_bookable, first)
    earliest, latest, point = _bounds(wanted.time)
    return Wish(
        service=wanted.service,
        first_day=first,
        last_day=max(last, first),
        earliest=earliest,
        latest=latest,
        weekdays=wished.weekdays,
        excluded=wished.excluded | wanted.excluded,
        resource=wanted.resource or _only_other(business, wanted),
        near=datetime.combine(first, point, tzinfo=business.zone) if point is not None else None,
    )


def _only_other(business: Business, wanted: Wanted) -> str | None:
    """The one who is left for the service, where somebody isn't wanted."""
    others = [each for each in business.resources_of(wanted.service or "") if each != wanted.without]
    return others[0] if wanted.without is not None and len(others) == 1 else None


def widened(business: Business, state: State) -> Wish:
    """The same service at any time with anybody, nearest to the wish."""
    wish = wish_of(business, state)
    near = wish.near or datetime.combine(wish.first_day, wish.earliest or time(9), tzinfo=business.zone)
    service = business.services[wish.service]
    today = state.now.date()
    return Wish(service=wish.service, first_day=today, last_day=today + service.horizon, near=near)


def exact_match(wanted: Wanted, fitting: Sequence[Opening]) -> Opening | None:
    """The opening that is exactly what was wished for, if one is."""
    if wanted.is_earliest and fitting:
        return min(fitting)
    if wanted.time is None or wanted.date is None or not (wanted.date.is_single and wanted.time.is_point):
        return None
    wished = (wanted.date.start, wanted.time.start)
    return next((each for each in fitting if (each.start.date(), each.start.time()) == wished), None)


def moved(at: time, by: timedelta) -> time:
    """`at` moved within its day."""
    day = date(2000, 1, 2)
    moved = datetime.combine(day, at) + by
    if moved.date() < day:
        return EARLIEST_MOMENT
    return LATEST_MOMENT if moved.date() > day else moved.time()


def _bounds(wished: TimeRange | None) -> tuple[time | None, time | None, time | None]:
    """Earliest, latest and the point that nearness is measured from."""
    if wished is None:
        return None, None, None
    if wished.start is not None and wished.is_point:
        if not wished.is_approximate:
            return wished.start, wished.start, wished.start
        return moved(wished.start, -AROUND), moved(wished.start, AROUND), wished.start
    earliest, latest = wished.start, wished.end
    if wished.excludes_end and latest is not None:
        latest = moved(latest, -A_MINUTE)
    if wished.excludes_end and earliest == NOON:
        earliest = moved(NOON, A_MINUTE)  # who asks for the afternoon doesn't mean twelve
    return earliest, latest, None
