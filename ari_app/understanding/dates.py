"""What dates mean, given `now`: the actions that grammar rules name. All pure, language-free."""

import calendar
from dataclasses import replace
from datetime import date, timedelta

from ari_app.understanding.actions import action
from ari_app.understanding.holidays_by_name import bank_holidays, holiday_date
from ari_app.understanding.values import ALL_DAYS, DateValue, Negated, ReadingContext, TimeValue

IMPOSSIBLE = DateValue(None, None, impossible=True)
FAR_YEARS = 30


def one_day(day: date, **more: object) -> DateValue:
    return DateValue(day, day, **more)  # type: ignore[arg-type]


def span(start: date | None, end: date | None, grain: str = "range") -> DateValue:
    return DateValue(start, end, grain=grain)


def add_months(day: date, months: int) -> date:
    """The same day `months` on; the month's last where it has none."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    if not 1 <= year <= 9998:
        return day
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def month_span(year: int, month: int) -> DateValue:
    return span(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]), "month")


def week_span(day: date) -> DateValue:
    monday = shifted(day, -day.weekday())
    return span(monday, shifted(monday, 6), "week")


def shifted(day: date, days: int) -> date:
    """Days on; the calendar's first or last day where it ends before that."""
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.max if days > 0 else date.min


# --- single days ------------------------------------------------------------------------------------------------


@action
def relative_day(ctx: ReadingContext, days: int | str) -> DateValue:
    return one_day(shifted(ctx.today, int(days)))


@action
def weekday(ctx: ReadingContext, w: int) -> DateValue:
    """The coming one; said on that very weekday, the one in a week (people say "today" for today)."""
    return one_day(shifted(ctx.today, (w - ctx.today.weekday() - 1) % 7 + 1), weekday=w)


@action
def this_weekday(ctx: ReadingContext, w: int) -> DateValue:
    return one_day(shifted(ctx.today, (w - ctx.today.weekday()) % 7))


@action
def next_weekday(ctx: ReadingContext, w: int) -> DateValue:
    """That of the next calendar week, or the nearest to come: the grammar's setting `next_weekday`."""
    if ctx.next_weekday == "nearest":
        return one_day(shifted(ctx.today, (w - ctx.today.weekday() - 1) % 7 + 1))
    return one_day(shifted(ctx.today, 7 - ctx.today.weekday() + w))


@action
def last_weekday(ctx: ReadingContext, w: int) -> DateValue:
    return one_day(shifted(ctx.today, -((ctx.today.weekday() - w - 1) % 7 + 1)))


@action
def weekday_before_last(ctx: ReadingContext, w: int) -> DateValue | None:
    return shift(ctx, last_weekday(ctx, w), -7)


@action
def weekday_after_next(ctx: ReadingContext, w: int) -> DateValue | None:
    return shift(ctx, weekday(ctx, w), 7)


@action
def weekday_in(ctx: ReadingContext, w: int, p: DateValue) -> DateValue | None:
    """The weekday inside a week ("tuesday of next week"), or the first such day of a longer stretch."""
    if p.start is None or p.grain not in {"week", "part", "range"}:
        return None
    day = shifted(p.start, (w - p.start.weekday()) % 7)
    return one_day(day) if p.end is None or day <= p.end else None


@action
def weekday_plus(ctx: ReadingContext, w: int, n: int | str = 1) -> DateValue:
    """ "tuesday week", "a fortnight on friday": `n` weeks after the coming one."""
    return one_day(shifted(weekday(ctx, w).start or ctx.today, 7 * int(n)))


@action
def weekday_relative(ctx: ReadingContext, w: int, d: DateValue, direction: str) -> DateValue | None:
    """ "the tuesday after the tenth", "the monday before christmas"."""
    if direction == "after":
        base = d.end
        return None if base is None else one_day(shifted(base, (w - base.weekday() - 1) % 7 + 1))
    base = d.start
    return None if base is None else one_day(shifted(base, -((base.weekday() - w - 1) % 7 + 1)))


@action
def month_day(ctx: ReadingContext, month: int, day: int, year: int | None = None) -> DateValue:
    """A day of a named month; without a year the coming one. A day that no such month has is impossible."""
    if year is not None:
        try:
            return one_day(date(_full_year(year), month, day), has_year=True)
        except ValueError:
            return IMPOSSIBLE
    first = ctx.today.year if (month, day) >= (ctx.today.month, ctx.today.day) else ctx.today.year + 1
    try:
        return one_day(date(first, month, day))
    except ValueError:
        return IMPOSSIBLE


@action
def weekday_month_day(ctx: ReadingContext, w: int, month: int, day: int, year: int | None = None) -> DateValue:
    """ "tuesday the fourth of march": there is no such day where that is no tuesday.

    The weekday picks the year only where the coming such day is nearly a year ahead.
    """
    found = month_day(ctx, month, day, year)
    if found.start is None or found.start.weekday() == w:
        return found
    if year is not None or (found.start - ctx.today).days <= 300:
        return IMPOSSIBLE
    try:
        following = date(found.start.year + 1, month, day)
    except ValueError:
        return IMPOSSIBLE
    return one_day(following) if following.weekday() == w else IMPOSSIBLE


@action
def day_of_month(ctx: ReadingContext, day: int) -> DateValue:
    """ "the fourth": in the stretch being talked about, else the coming fourth."""
    about = ctx.about
    if about is not None and about.start is not None and about.end is not None:
        for offset in range(min((about.end - about.start).days, 62) + 1):
            candidate = shifted(about.start, offset)
            if candidate.day == day and candidate >= ctx.today:
                return one_day(candidate, month_day=day)
    month = ctx.today.replace(day=1)
    for _ in range(12):
        if day <= calendar.monthrange(month.year, month.month)[1]:
            found = month.replace(day=day)
            if found >= ctx.today:
                return one_day(found, month_day=day)
        month = add_months(month, 1)
    return IMPOSSIBLE


@action
def day_in_month(ctx: ReadingContext, day: int, p: DateValue) -> DateValue | None:
    """ "the fourth of next month"."""
    if p.start is None or p.grain != "month":
        return None
    try:
        found = p.start.replace(day=day)
    except ValueError:
        return IMPOSSIBLE
    return one_day(found) if p.has_year or found >= ctx.today else one_day(add_months(found, 1))


@action
def weekday_the(ctx: ReadingContext, w: int, day: int) -> DateValue:
    """ "tuesday the fourth": the coming fourth that is a tuesday."""
    month = ctx.today.replace(day=1)
    for _ in range(13):
        if day <= calendar.monthrange(month.year, month.month)[1]:
            found = month.replace(day=day)
            if found >= ctx.today and found.weekday() == w:
                return one_day(found)
        month = add_months(month, 1)
    return IMPOSSIBLE


@action
def numeric(ctx: ReadingContext, first: int, second: int, year: int | None = None) -> DateValue:
    """ "4/3": by the locale's order; the other order where that one can't be."""
    day, month = (first, second) if ctx.day_first else (second, first)
    if month > 12 and day <= 12:
        day, month = month, day
    if not 1 <= month <= 12:
        return IMPOSSIBLE
    return month_day(ctx, month, day, year)


@action
def iso_date(ctx: ReadingContext, year: int, month: int, day: int) -> DateValue:
    try:
        return one_day(date(year, month, day), has_year=True)
    except ValueError:
        return IMPOSSIBLE


@action
def nth_weekday(ctx: ReadingContext, n: int | str, w: int, p: DateValue) -> DateValue | None:
    """ "the first monday in december"; n = -1 is the last."""
    if p.start is None or p.end is None or p.grain not in {"month", "year", "week"}:
        return None
    period = p
    for _ in range(2):
        found = _nth_in(period, int(n), w)
        if found is None:
            return IMPOSSIBLE
        if found >= ctx.today or p.has_year or p.grain != "month" or p.start > ctx.today:
            return one_day(found)
        later = add_months(period.start or ctx.today, 1)
        period = month_span(later.year, later.month)
    return IMPOSSIBLE


def _nth_in(period: DateValue, n: int, w: int) -> date | None:
    assert period.start is not None
    assert period.end is not None
    if n < 0:
        day = shifted(period.end, -((period.end.weekday() - w) % 7) - 7 * (-n - 1))
    else:
        day = shifted(period.start, (w - period.start.weekday()) % 7 + 7 * (n - 1))
    return day if period.start <= day <= period.end else None


@action
def nth_day(ctx: ReadingContext, n: int | str, p: DateValue) -> DateValue | None:
    """ "the last day of october", "the third day of next week"."""
    if p.start is None or p.end is None or p.grain not in {"month", "week", "year"}:
        return None
    n = int(n)
    day = shifted(p.end, n + 1) if n < 0 else shifted(p.start, n - 1)
    return one_day(day) if p.start <= day <= p.end else IMPOSSIBLE


@action
def end_days(ctx: ReadingContext, n: int | str, p: DateValue, which: str) -> DateValue | None:
    """ "the first three days of march", "the last two days of next week"."""
    count = int(n)
    if p.start is None or p.end is None or p.grain not in {"month", "week", "year"}:
        return None
    if not 1 <= count <= (p.end - p.start).days + 1:
        return None
    return span(shifted(p.end, 1 - count), p.end) if which == "last" else span(p.start, shifted(p.start, count - 1))


@action
def year_ahead(ctx: ReadingContext, n: int | str) -> int:
    """ "next year" after a day of the month."""
    return ctx.today.year + int(n)


@action
def nth_week(ctx: ReadingContext, n: int | str, p: DateValue) -> DateValue | None:
    """ "the first week of march": calendar weeks, each of the month that holds its Thursday."""
    if p.start is None or p.end is None or p.grain != "month":
        return None
    n = int(n)
    first = shifted(p.start, (3 - p.start.weekday()) % 7)
    last = shifted(p.end, -((p.end.weekday() - 3) % 7))
    return week_span(shifted(last, 7 * (n + 1)) if n < 0 else shifted(first, 7 * (n - 1)))


@action
def nth_week_coming(ctx: ReadingContext, n: int) -> DateValue | None:
    """ "the first week": of the month being talked about, else of the coming month whose such week isn't over."""
    base = ctx.about.start if ctx.about is not None and ctx.about.start is not None else ctx.today
    for offset in range(2):
        month = add_months(base.replace(day=1), offset)
        found = nth_week(ctx, n, month_span(month.year, month.month))
        if found is not None and found.end is not None and found.end >= ctx.today:
            return found
    return None


@action
def holiday(ctx: ReadingContext, name: str, year: int | None = None, eve: str = "0") -> DateValue | None:
    if name == "bank_holiday":
        days = (day for each in (ctx.today.year, ctx.today.year + 1) for day in bank_holidays(each))
        return one_day(shifted(next(day for day in days if day >= ctx.today), int(eve)))
    wanted = range(ctx.today.year, ctx.today.year + 2) if year is None else [_full_year(year)]
    for candidate in wanted:
        found = holiday_date(name, candidate)
        if found is not None and (found >= ctx.today or year is not None):
            return one_day(shifted(found, int(eve)))
    return None


# --- shifting ---------------------------------------------------------------------------------------------------


@action
def offset(ctx: ReadingContext, n: int | str, unit: str, sign: str = "1") -> DateValue | None:
    """ "in three days", "two weeks from now", "ten days ago"."""
    return offset_from(ctx, int(n), unit, one_day(ctx.today), sign)


@action
def offset_about(ctx: ReadingContext, n: int | str, unit: str, sign: str = "1") -> DateValue | None:
    """ "a week later", "two days earlier": than the day being talked about, or the appointment's."""
    about = ctx.about if ctx.about is not None and ctx.about.is_single else None
    base = about or (one_day(ctx.previous) if ctx.previous is not None else one_day(ctx.today))
    return offset_from(ctx, int(n), unit, base, sign)


@action
def offset_from(ctx: ReadingContext, n: int, unit: str, d: DateValue, sign: str = "1") -> DateValue | None:
    """ "three weeks from monday"."""
    count = max(-4000, min(4000, n * int(sign)))
    base = d.start
    if base is None or d.impossible or not d.is_single:
        return None
    match unit:
        case "day":
            return one_day(shifted(base, count))
        case "week":
            return one_day(shifted(base, 7 * count))
        case "fortnight":
            return one_day(shifted(base, 14 * count))
        case "month":
            return one_day(add_months(base, count))
        case "year":
            return one_day(add_months(base, 12 * max(-FAR_YEARS, min(FAR_YEARS, count))))
        case "weekday":
            return one_day(_working_days(base, count))
    return None


@action
def offset_around(ctx: ReadingContext, low: int, high: int, unit: str) -> DateValue | None:
    """ "in two or three weeks"."""
    first, last = offset(ctx, low, unit), offset(ctx, high, unit)
    if first is None or last is None or high < low:
        return None
    return span(first.start, last.end)


@action
def some_days(ctx: ReadingContext) -> DateValue:
    """ "in the next days": a few of them."""
    return span(ctx.today, shifted(ctx.today, 5))


@action
def within(ctx: ReadingContext, n: int, unit: str) -> DateValue | None:
    """ "within two weeks", "the next ten days"."""
    last = offset(ctx, n, unit)
    return None if last is None else span(ctx.today, last.end)


@action
def coming(ctx: ReadingContext, n: int, unit: str) -> DateValue | None:
    return within(ctx, n, unit)


def _working_days(base: date, count: int) -> date:
    day, step = base, 1 if count >= 0 else -1
    for _ in range(min(abs(count), 400)):
        day = shifted(day, step)
        while day.weekday() > 4:
            day = shifted(day, step)
    return day


@action
def shift(ctx: ReadingContext, d: DateValue, days: int | str) -> DateValue | None:
    """ "the day after DATE", "DATE week"."""
    if d.start is None or not d.is_single:
        return None
    return one_day(shifted(d.start, int(days)))


@action
def next_after_about(ctx: ReadingContext, n: int | str, unit: str) -> DateValue | None:
    """ "the day after", "the week after", said of the date being talked about."""
    n = int(n)
    base = ctx.about if ctx.about is not None else (one_day(ctx.previous) if ctx.previous else None)
    if base is None or base.start is None:
        base = one_day(ctx.today)
    assert base.start is not None
    day = base.end if n > 0 and base.end is not None else base.start
    match unit:
        case "day":
            return one_day(shifted(day, n))
        case "week":
            return week_span(shifted(base.start, 7 * n))
        case "month":
            start = add_months(base.start, n)
            return month_span(start.year, start.month)
    return None


@action
def weekday_about(ctx: ReadingContext, w: int) -> DateValue:
    """ "the following monday": after the date being talked about."""
    base = ctx.about.end if ctx.about is not None and ctx.about.end is not None else ctx.today
    return one_day(shifted(base, (w - base.weekday() - 1) % 7 + 1))


@action
def weekday_of_about_week(ctx: ReadingContext, w: int) -> DateValue:
    """ "the wednesday": of the week being talked about; with none, the coming one."""
    about = ctx.about
    if about is not None and about.start is not None and about.grain in {"day", "week"}:
        day = shifted(about.start, w - about.start.weekday())
        if day > ctx.today:
            return one_day(day)
    return weekday(ctx, w)


@action
def week_before_about(ctx: ReadingContext) -> DateValue | None:
    """ "earlier in the week": from its Monday, or today, to the day before the one being talked about."""
    about = ctx.about
    if about is None or about.start is None:
        return None
    first = max(shifted(about.start, -about.start.weekday()), ctx.today)
    last = shifted(about.start, -1)
    return span(first, last) if first <= last else None


@action
def week_after_about(ctx: ReadingContext) -> DateValue | None:
    """ "later in the week": from the day after the one being talked about to its Sunday."""
    about = ctx.about
    if about is None or about.end is None:
        return None
    first, last = shifted(about.end, 1), shifted(about.end, 6 - about.end.weekday())
    return span(first, last) if first <= last else None


@action
def same_day(ctx: ReadingContext) -> DateValue | None:
    if ctx.about is not None and ctx.about.is_single:
        return ctx.about
    return one_day(ctx.previous) if ctx.previous is not None and ctx.previous >= ctx.today else None


# --- stretches --------------------------------------------------------------------------------------------------


@action
def week(ctx: ReadingContext, n: int | str) -> DateValue:
    return week_span(shifted(ctx.today, 7 * int(n)))


@action
def week_of(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    return None if d.start is None or not d.is_single else week_span(d.start)


@action
def week_beside(ctx: ReadingContext, d: DateValue, n: int | str) -> DateValue | None:
    """ "the week after christmas": the calendar week before or after that day's."""
    return None if d.start is None or not d.is_single else week_span(shifted(d.start, 7 * int(n)))


@action
def no_date(ctx: ReadingContext) -> DateValue:
    """ "the thirty second of march"."""
    return IMPOSSIBLE


@action
def nth_coming(ctx: ReadingContext, n: int, w: int) -> DateValue | None:
    """ "two fridays from now"."""
    return shift(ctx, weekday(ctx, w), 7 * (n - 1)) if 0 < n < 60 else None


@action
def week_commencing(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    return None if d.start is None or not d.is_single else span(d.start, shifted(d.start, 6), "week")


@action
def weekend(ctx: ReadingContext, n: int | str) -> DateValue:
    saturday = shifted(ctx.today, 5 - ctx.today.weekday() + 7 * int(n))
    return span(saturday, shifted(saturday, 1), "week")


@action
def weekend_of(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    """ "the weekend after christmas" is not this; "the weekend of the tenth" is."""
    if d.start is None or not d.is_single:
        return None
    saturday = shifted(d.start, 5 - d.start.weekday())
    return span(saturday, shifted(saturday, 1), "week")


@action
def month(ctx: ReadingContext, n: int | str) -> DateValue:
    start = add_months(ctx.today.replace(day=1), int(n))
    return month_span(start.year, start.month)


@action
def named_month(ctx: ReadingContext, m: int, year: int | None = None, which: str = "this") -> DateValue:
    """ "march": the present or the coming one; "next march": never the present one."""
    if year is not None:
        return replace(month_span(_full_year(year), m), has_year=True)
    later = m < ctx.today.month or (m == ctx.today.month and which == "next")
    return month_span(ctx.today.year + later, m)


@action
def year(ctx: ReadingContext, n: int | str) -> DateValue:
    wanted = ctx.today.year + int(n)
    return span(date(wanted, 1, 1), date(wanted, 12, 31), "year")


@action
def month_of_year(ctx: ReadingContext, m: int, n: int | str) -> DateValue:
    return replace(month_span(ctx.today.year + int(n), m), has_year=True)


@action
def part_of(ctx: ReadingContext, which: str, p: DateValue) -> DateValue | None:
    """The beginning, middle or end of a week, month or year."""
    if p.start is None or p.end is None:
        return None
    bounds: dict[str, dict[str, tuple[int, int]]] = {
        "week": {"early": (0, 2), "mid": (1, 3), "late": (3, 6), "first_half": (0, 2), "second_half": (3, 6)},
        "month": {"early": (0, 9), "mid": (9, 19), "late": (20, 31), "first_half": (0, 14), "second_half": (15, 31)},
        "year": {
            "early": (0, 89),
            "mid": (120, 242),
            "late": (273, 366),
            "first_half": (0, 180),
            "second_half": (181, 366),
        },
    }
    limits = bounds.get(p.grain)
    if limits is None:
        return None
    first, last = limits[which]
    if p.grain == "week" and (p.end - p.start).days < 6:
        return None
    return span(shifted(p.start, first), min(shifted(p.start, last), p.end), "part")


@action
def later_in(ctx: ReadingContext, p: DateValue) -> DateValue | None:
    """ "later this week": what is left of it, from tomorrow."""
    if p.end is None:
        return None
    if p.start is not None and p.start > ctx.today:
        return part_of(ctx, "late", p)
    return span(min(max(shifted(ctx.today, 1), p.start or ctx.today), p.end), p.end, "part")


@action
def rest_of(ctx: ReadingContext, p: DateValue) -> DateValue | None:
    return None if p.end is None else span(max(ctx.today, p.start or ctx.today), p.end, "part")


@action
def before(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    return None if d.start is None else span(None, shifted(d.start, -1))


@action
def until(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    return None if d.end is None else span(None, d.end)


@action
def after(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    return None if d.end is None else span(shifted(d.end, 1), None)


@action
def since(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    return None if d.start is None else span(d.start, None)


@action
def between(ctx: ReadingContext, a: DateValue, b: DateValue) -> DateValue | None:
    """Both ends included; an end that lies before the start rolls on."""
    start, end = a.start, b.end
    if start is None or end is None or a.impossible or b.impossible:
        return None
    if end < start and b.weekday is not None:
        end = shifted(start, (b.weekday - start.weekday()) % 7)
    if end < start and a.weekday is not None and a.start is not None:
        return None
    if end < start and b.month_day is not None:
        end = add_months(end, 1)
    if end < start and not b.has_year:
        end = add_months(end, 12)
    return span(start, end) if end >= start else None


@action
def day_span_in_month(ctx: ReadingContext, a: int, b: int, month: int, year: int | None = None) -> DateValue | None:
    """ "the third to the fifth of may"."""
    last = month_day(ctx, month, b, year)
    if last.start is None:
        return IMPOSSIBLE
    first = month_day(ctx, month, a, last.start.year)
    return IMPOSSIBLE if first.start is None else between(ctx, first, last)


@action
def days_in_month(ctx: ReadingContext, a: int, b: int, month: int) -> DateValue | None:
    """ "the third or fifth of may"."""
    first, last = month_day(ctx, month, a), month_day(ctx, month, b)
    return either(ctx, first, last)


@action
def either(ctx: ReadingContext, a: DateValue, b: DateValue) -> DateValue | None:
    """ "tuesday or wednesday": the stretch over both, less what lies between."""
    if a.impossible or b.impossible:
        return None
    if a.start is None or a.end is None or b.start is None or b.end is None:
        if a.weekdays and b.weekdays and a.start is None and b.start is None:
            return DateValue(None, None, weekdays=a.weekdays | b.weekdays, grain="any")
        return None
    start, end = min(a.start, b.start), max(a.end, b.end)
    if (end - start).days > 400:
        return None
    wanted = _days(a) | _days(b)
    missing = frozenset(day for day in _days(span(start, end)) if day not in wanted)
    return DateValue(start, end, excluded=missing, grain="range" if end > start else "day")


def _days(value: DateValue) -> frozenset[date]:
    assert value.start is not None
    assert value.end is not None
    days = (shifted(value.start, offset) for offset in range((value.end - value.start).days + 1))
    return frozenset(
        day for day in days if day not in value.excluded and (not value.weekdays or day.weekday() in value.weekdays)
    )


@action
def any_day(ctx: ReadingContext) -> DateValue:
    return DateValue(None, None, grain="any")


@action
def every(ctx: ReadingContext, w: int) -> DateValue:
    """ "mondays", "any tuesday"."""
    return DateValue(None, None, weekdays=frozenset({w}), grain="any")


@action
def workdays(ctx: ReadingContext) -> DateValue:
    return DateValue(None, None, weekdays=frozenset(range(5)), grain="any")


@action
def weekends(ctx: ReadingContext) -> DateValue:
    return DateValue(None, None, weekdays=frozenset({5, 6}), grain="any")


@action
def workdays_in(ctx: ReadingContext, p: DateValue) -> DateValue:
    return replace(p, weekdays=frozenset(range(5)))


@action
def only(ctx: ReadingContext, p: DateValue, d: DateValue) -> DateValue | None:
    """ "next week but only mondays"."""
    return replace(p, weekdays=d.weekdays) if d.weekdays else None


@action
def weekdays_in(ctx: ReadingContext, a: int, b: int, p: DateValue) -> DateValue | None:
    """ "thursday or friday next week"."""
    first, second = weekday_in(ctx, a, p), weekday_in(ctx, b, p)
    return None if first is None or second is None else either(ctx, first, second)


@action
def weekdays_three(ctx: ReadingContext, a: int, b: int, c: int) -> DateValue | None:
    """ "monday tuesday or wednesday"."""
    two = either(ctx, weekday(ctx, a), weekday(ctx, b))
    return None if two is None else either(ctx, two, weekday(ctx, c))


@action
def next_weekdays(ctx: ReadingContext, a: int, b: int) -> DateValue | None:
    """ "next monday or tuesday": both of next week."""
    return either(ctx, next_weekday(ctx, a), next_weekday(ctx, b))


@action
def without(ctx: ReadingContext, d: DateValue, x: DateValue) -> DateValue | None:
    """ "any day but friday": all of `d` less `x`."""
    if d.grain == "day" or x.impossible:
        return None
    if x.weekday is not None:
        return replace(d, weekdays=(d.weekdays or ALL_DAYS) - {x.weekday})
    if x.weekdays and x.start is None:
        return replace(d, weekdays=(d.weekdays or ALL_DAYS) - x.weekdays)
    if x.start is None or x.end is None or (x.end - x.start).days > 62:
        return None
    return replace(d, excluded=d.excluded | _days(x))


def _full_year(value: int) -> int:
    return value if value >= 100 else 2000 + value


# --- seasons and long weekends ---------------------------------------------------------------------------------


SEASON_STARTS = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}


@action
def season(ctx: ReadingContext, name: str) -> DateValue:
    """By whole months (spring: March to May); the one that isn't over yet."""
    for year in range(ctx.today.year - 1, ctx.today.year + 2):
        first = date(year, SEASON_STARTS[name], 1)
        last = shifted(add_months(first, 3), -1)
        if last >= ctx.today:
            return span(first, last)
    return IMPOSSIBLE


@action
def weekend_beside(ctx: ReadingContext, d: DateValue, n: int | str) -> DateValue | None:
    """ "the weekend before christmas", "the weekend after the tenth"."""
    if d.start is None or d.end is None or not d.is_single:
        return None
    if int(n) > 0:
        saturday = shifted(d.end, (5 - d.end.weekday() - 1) % 7 + 1)
    else:
        saturday = shifted(d.start, -((d.start.weekday() - 6 - 1) % 7 + 1) - 1)
    return span(saturday, shifted(saturday, 1), "week")


@action
def quarter(ctx: ReadingContext, n: int | str) -> DateValue:
    """ "next quarter": three whole months of the calendar year."""
    first = add_months(ctx.today.replace(month=(ctx.today.month - 1) // 3 * 3 + 1, day=1), 3 * int(n))
    return span(first, shifted(add_months(first, 3), -1))


@action
def holiday_week(ctx: ReadingContext, name: str) -> DateValue | None:
    """ "christmas week"."""
    found = holiday(ctx, name)
    return None if found is None or found.start is None else week_span(found.start)


@action
def same_day_next_week(ctx: ReadingContext) -> DateValue | None:
    """A week after the day being talked about; after today where there is none."""
    return shift(ctx, same_day(ctx) or one_day(ctx.today), 7)


@action
def holiday_weekend(ctx: ReadingContext, name: str) -> DateValue | None:
    """ "easter weekend": the Saturday and Sunday next to the day, and the day where it makes the weekend longer."""
    found = holiday(ctx, name)
    if found is None or found.start is None:
        return None
    day = found.start
    saturday = (
        shifted(day, -((day.weekday() - 5) % 7)) if day.weekday() in {5, 6, 0, 1} else shifted(day, 5 - day.weekday())
    )
    return span(min(saturday, day), max(shifted(saturday, 1), day), "week")


# --- shapes -----------------------------------------------------------------------------------------------------


@action
def this_weekday_week(ctx: ReadingContext, w: int) -> DateValue:
    """ "tuesday this week": of the present calendar week, gone or not."""
    return one_day(shifted(ctx.today, w - ctx.today.weekday()))


@action
def relative_week(ctx: ReadingContext, days: int) -> DateValue:
    """ "tomorrow week", "a week today"."""
    return one_day(shifted(ctx.today, days + 7))


@action
def relative_weeks(ctx: ReadingContext, n: int, days: int) -> DateValue:
    """ "two weeks tomorrow"."""
    return one_day(shifted(ctx.today, days + 7 * n))


@action
def relative_fortnight(ctx: ReadingContext, days: int) -> DateValue:
    """ "a fortnight tomorrow"."""
    return one_day(shifted(ctx.today, days + 14))


@action
def next_weekday_plus(ctx: ReadingContext, w: int) -> DateValue | None:
    """ "next thursday week"."""
    return shift(ctx, next_weekday(ctx, w), 7)


@action
def or_next(ctx: ReadingContext, d: DateValue) -> DateValue | None:
    """ "tomorrow or the day after"."""
    following = shift(ctx, d, 1)
    return None if following is None else either(ctx, d, following)


@action
def next_unit(ctx: ReadingContext, unit: str) -> DateValue | None:
    """ "within the next month"."""
    return within(ctx, 1, unit)


@action
def new_year_month(ctx: ReadingContext) -> DateValue:
    """ "in the new year": the coming January."""
    return month_span(ctx.today.year + 1, 1)


@action
def last_workday(ctx: ReadingContext, p: DateValue) -> DateValue | None:
    if p.end is None:
        return None
    return one_day(shifted(p.end, -max(0, p.end.weekday() - 4)))


@action
def nth_weekend(ctx: ReadingContext, n: int | str, p: DateValue) -> DateValue | None:
    """ "the first weekend of december": by its Saturday."""
    saturday = nth_weekday(ctx, n, 5, p)
    if saturday is None or saturday.start is None:
        return saturday
    return span(saturday.start, shifted(saturday.start, 1), "week")


@action
def iso_tuple(ctx: ReadingContext, x: tuple[int, int, int]) -> DateValue:
    return iso_date(ctx, *x)


@action
def numeric_tuple(ctx: ReadingContext, x: tuple[int, ...], w: int | None = None) -> DateValue:
    found = numeric(ctx, *x)
    return found if w is None or found.start is None or found.start.weekday() == w else IMPOSSIBLE


@action
def open_period(ctx: ReadingContext, p: DateValue) -> DateValue:
    return p


@action
def mid_week(ctx: ReadingContext) -> DateValue:
    """Tuesday to Thursday of this week, of the next one once that is over."""
    monday = shifted(ctx.today, -ctx.today.weekday() + (7 if ctx.today.weekday() > 3 else 0))
    return span(shifted(monday, 1), shifted(monday, 3), "part")


@action
def later_in_week(ctx: ReadingContext) -> DateValue | None:
    """ "later in the week"."""
    base = ctx.about if ctx.about is not None and ctx.about.start is not None else one_day(ctx.today)
    period = week_span(base.start or ctx.today)
    return span(min(shifted(base.end or ctx.today, 1), period.end or ctx.today), period.end, "part")


@action
def without_any(ctx: ReadingContext, x: DateValue) -> DateValue | None:
    return without(ctx, any_day(ctx), x)


@action
def either_days(ctx: ReadingContext, a: DateValue, b: DateValue) -> DateValue | None:
    """Days named to be left out: weekdays stay weekdays, whichever week."""
    if a.weekday is not None:
        a = every(ctx, a.weekday)
    if b.weekday is not None:
        b = every(ctx, b.weekday)
    return either(ctx, a, b)


@action
def single(ctx: ReadingContext, x: DateValue) -> DateValue | None:
    return x if x.is_single else None


@action
def bounded(ctx: ReadingContext, x: DateValue) -> DateValue | None:
    return x if x.start is not None and x.end is not None and not x.impossible else None


@action
def between_days(ctx: ReadingContext, a: int, b: int) -> DateValue | None:
    return between(ctx, day_of_month(ctx, a), day_of_month(ctx, b))


@action
def week_after(ctx: ReadingContext, p: DateValue) -> DateValue | None:
    """ "I'm away next week, so the week after"."""
    return None if p.start is None else week_span(shifted(p.start, 7))


@action
def negated(ctx: ReadingContext, x: DateValue | TimeValue) -> Negated:
    return Negated(x)


@action
def negated_about(ctx: ReadingContext) -> Negated:
    return Negated(week(ctx, 0))
