"""What times of day mean: the actions that grammar rules name. Language-free; "half four" is a rule's matter."""

from datetime import time, timedelta

from ari_app.understanding.actions import action
from ari_app.understanding.dates import iso_date, offset, one_day, shifted, weekday
from ari_app.understanding.values import Clock, DateValue, Moment, ReadingContext, TimeValue

MORNING_PARTS = frozenset({"morning", "early_morning", "mid_morning", "late_morning"})


@action
def clock(ctx: ReadingContext, h: int, m: int | str = 0) -> Clock | None:
    m = int(m)
    if not 0 <= h <= 24 or not 0 <= m <= 59 or (h == 24 and m):
        return None
    return Clock(h % 24, m, "24" if h == 0 or h > 12 else "")


@action
def clock_24(ctx: ReadingContext, h: int, m: int | str = 0) -> Clock | None:
    made = clock(ctx, h, m)
    return None if made is None else Clock(made.hour, made.minute, "24")


@action
def past(ctx: ReadingContext, m: int | str, h: Clock) -> Clock | None:
    """ "ten past four"."""
    m = int(m)
    return None if h.minute or not 0 < m < 60 else Clock(h.hour, m, h.half)


@action
def to(ctx: ReadingContext, m: int | str, h: Clock) -> Clock | None:
    """ "ten to four"; "quarter to one" is 12:45."""
    m = int(m)
    if h.minute or not 0 < m < 60:
        return None
    match h.half:
        case "":
            return Clock(h.hour - 1 or 12, 60 - m)
        case "24":
            return Clock((h.hour - 1) % 24, 60 - m, "24")
    return Clock(((h.hour % 12) + (12 if h.half == "pm" else 0) - 1) % 24, 60 - m, "24")


@action
def to_half(ctx: ReadingContext, m: int, h: Clock) -> Clock | None:
    """German "fünf vor halb vier": minutes before half an hour before."""
    half = to(ctx, 30, h)
    return None if half is None or not 0 < m < 30 else Clock(half.hour, 30 - m, half.half)


@action
def past_half(ctx: ReadingContext, m: int, h: Clock) -> Clock | None:
    half = to(ctx, 30, h)
    return None if half is None or not 0 < m < 30 else Clock(half.hour, 30 + m, half.half)


@action
def halved(ctx: ReadingContext, c: Clock, half: str) -> Clock | None:
    """With "am" or "pm"; 15:00 "pm" stays as it is."""
    if c.half == "24" and c.hour >= 12 and (half == "pm" or c.hour > 12):
        return c
    return Clock(c.hour, c.minute, half)


@action
def in_part(ctx: ReadingContext, c: Clock, part: str) -> Clock:
    """ "three in the afternoon", "evening 6:15", "quarter to twelve in the morning"."""
    if c.half or len(c.candidates()) == 1:
        return c
    late = c.candidates()[1]
    if part in MORNING_PARTS or part == "before_lunch":
        return Clock(c.hour, c.minute, "pm" if c.hour == 12 and ctx.opens <= late <= ctx.closes else "am")
    if part == "night":
        return Clock(c.hour, c.minute, "am" if c.hour == 12 or c.hour < 5 else "pm")
    if part in {"lunch", "noon"}:
        return Clock(c.hour, c.minute, "am" if c.hour in {10, 11} else "pm")
    return Clock(c.hour, c.minute, "pm")


@action
def word_clock(ctx: ReadingContext, name: str) -> Clock:
    return Clock(12, 0, "24") if name == "noon" else Clock(0, 0, "24")


# --- values -----------------------------------------------------------------------------------------------------


@action
def at(ctx: ReadingContext, c: Clock) -> TimeValue:
    return TimeValue("at", c)


@action
def around(ctx: ReadingContext, c: Clock) -> TimeValue:
    return TimeValue("around", c)


@action
def from_clock(ctx: ReadingContext, c: Clock) -> TimeValue:
    return TimeValue("after", c)


@action
def thereafter(ctx: ReadingContext) -> TimeValue:
    """ "I work till four, so any time after that": of the time said before."""
    return TimeValue("thereafter")


@action
def therebefore(ctx: ReadingContext) -> TimeValue:
    """ "I start at two, so before that"."""
    return TimeValue("therebefore")


@action
def one_of_part(ctx: ReadingContext, name: str) -> TimeValue | None:
    """ "Have you got one in the morning": an opening, not one o'clock at night."""
    return part(ctx, name) if name == "morning" else None


@action
def until_clock(ctx: ReadingContext, c: Clock) -> TimeValue:
    """ "By ten", "until ten"."""
    return TimeValue("before", c)


@action
def before_clock(ctx: ReadingContext, c: Clock) -> TimeValue:
    """ "Before ten": ten itself is too late."""
    return TimeValue("before", c, excludes_end=True)


@action
def between_clocks(ctx: ReadingContext, a: Clock, b: Clock) -> TimeValue:
    return TimeValue("between", a, b)


@action
def part(ctx: ReadingContext, name: str) -> TimeValue:
    start, end = ctx.part(name)
    return TimeValue("part", start=start, end=end, name=name)


@action
def part_sliced(ctx: ReadingContext, name: str, which: str) -> TimeValue | None:
    """ "early afternoon", "late morning": by its own entry of the grammar where there is one."""
    sliced = f"{which}_{name}"
    if any(known == sliced for known, _, _ in ctx.parts):
        start, end = ctx.part(sliced)
        return TimeValue("part", start=start, end=end, name=name)
    return None


@action
def part_to_part(ctx: ReadingContext, a: str, b: str) -> TimeValue:
    start, end = ctx.part(a)[0], ctx.part(b)[1]
    return TimeValue("part", start=start, end=end, name=a if a == b else "")


@action
def after_part(ctx: ReadingContext, name: str) -> TimeValue:
    """ "after lunch"."""
    return TimeValue("part", start=ctx.part(name)[1], end=None)


@action
def before_part(ctx: ReadingContext, name: str) -> TimeValue:
    return TimeValue("part", start=None, end=ctx.part(name)[0])


@action
def first_thing(ctx: ReadingContext) -> TimeValue:
    return TimeValue("part", start=ctx.opens, end=_plus(ctx.opens, 60), name="morning")


@action
def last_thing(ctx: ReadingContext) -> TimeValue:
    return TimeValue("part", start=_plus(ctx.closes, -90), end=ctx.closes, name="afternoon")


@action
def any_time(ctx: ReadingContext) -> TimeValue:
    return TimeValue("any")


@action
def either_time(ctx: ReadingContext, a: TimeValue, b: TimeValue) -> TimeValue | None:
    """ "ten or eleven": both stay apart until the halves of the day are known."""
    if "any" in {a.kind, b.kind}:
        return None
    return TimeValue("or", choices=(*(a.choices or (a,)), *(b.choices or (b,))))


@action
def both_times(ctx: ReadingContext, a: TimeValue, b: TimeValue) -> TimeValue | None:
    """ "after three but before five"."""
    if a.kind == "after" and b.kind == "before":
        return TimeValue("between", a.first, b.first)
    if a.kind == "before" and b.kind == "after":
        return TimeValue("between", b.first, a.first)
    return None


@action
def hours_from_now(ctx: ReadingContext, minutes: int) -> Moment | None:
    if not 0 < minutes <= 48 * 60:
        return None
    then = ctx.now + timedelta(minutes=minutes)
    return Moment(one_day(then.date()), TimeValue("at", Clock(then.hour, then.minute, "24")))


@action
def minutes_of(ctx: ReadingContext, n: int, unit: str) -> int:
    return n * (60 if unit == "hour" else 1)


@action
def minutes_sum(ctx: ReadingContext, a: int, b: int) -> int:
    return a + b


@action
def right_now(ctx: ReadingContext) -> Moment:
    return Moment(one_day(ctx.today), TimeValue("at", Clock(ctx.now.hour, ctx.now.minute, "24")))


@action
def day_and_part(ctx: ReadingContext, days: int | str, name: str) -> Moment:
    """ "tonight", "this afternoon", German "heute abend"."""
    return Moment(one_day(shifted(ctx.today, int(days))), part(ctx, name))


@action
def moment(ctx: ReadingContext, d: DateValue, t: TimeValue) -> Moment:
    return Moment(d, t)


@action
def multiple_of_five(ctx: ReadingContext, x: int) -> int | None:
    """Minutes that people count to the hour ("ten to four"); "two to four" is a stretch."""
    return x if x % 5 == 0 and x <= 25 else None


@action
def year_2000(ctx: ReadingContext, b: int) -> int | None:
    return 2000 + b if b < 100 else None


@action
def clock_sum(ctx: ReadingContext, h: int, a: int, b: int) -> Clock | None:
    return clock(ctx, h, a + b)


@action
def in_day(ctx: ReadingContext, c: Clock) -> Clock:
    """ "ten in the day": not at night."""
    return c if c.half else Clock(c.hour, c.minute, "am" if 7 <= c.hour < 12 else "pm")


@action
def same_clock(ctx: ReadingContext, c: Clock) -> Clock:
    return c


@action
def at_hour(ctx: ReadingContext, h: int) -> TimeValue | None:
    made = clock(ctx, h)
    return None if made is None else at(ctx, made)


@action
def around_half(ctx: ReadingContext, c: Clock, half: str = "") -> TimeValue | None:
    said = halved(ctx, c, half) if half else c
    return None if said is None else around(ctx, said)


@action
def between_in_part(ctx: ReadingContext, a: Clock, b: Clock, part: str) -> TimeValue:
    return between_clocks(ctx, in_part(ctx, a, part), in_part(ctx, b, part))


@action
def named_part(ctx: ReadingContext, name: str) -> TimeValue:
    return part(ctx, name)


@action
def tonight_at(ctx: ReadingContext, c: Clock) -> Moment:
    return Moment(one_day(ctx.today), at(ctx, in_part(ctx, c, "night")))


@action
def today_at(ctx: ReadingContext, c: Clock, part: str) -> Moment:
    return Moment(one_day(ctx.today), at(ctx, in_part(ctx, c, part)))


@action
def later_today(ctx: ReadingContext) -> Moment:
    return Moment(
        one_day(ctx.today), TimeValue("part", start=ctx.now.time().replace(second=0, microsecond=0), end=None)
    )


@action
def half_hours(ctx: ReadingContext, n: int) -> int:
    return n * 60 + 30


@action
def this_time(ctx: ReadingContext, d: DateValue) -> Moment:
    """ "this time tomorrow"."""
    return Moment(d, at(ctx, Clock(ctx.now.hour, ctx.now.minute, "24")))


@action
def this_time_plus(ctx: ReadingContext, days: str) -> Moment:
    return this_time(ctx, one_day(shifted(ctx.today, int(days))))


@action
def this_time_next(ctx: ReadingContext, unit: str) -> Moment | None:
    """ "this time next month"."""
    day = offset(ctx, 1, unit)
    return None if day is None else this_time(ctx, day)


@action
def iso_moment(ctx: ReadingContext, x: tuple[int, int, int, int, int]) -> Moment:
    return Moment(iso_date(ctx, x[0], x[1], x[2]), at(ctx, Clock(x[3], x[4], "24")))


@action
def same_clock_x(ctx: ReadingContext, x: Clock) -> Clock:
    return x


@action
def year_1900(ctx: ReadingContext, b: int = 0) -> int | None:
    return 1900 + b if b < 100 else None


@action
def month_number(ctx: ReadingContext, x: int) -> int | None:
    """ "am dritten vierten": the second ordinal is the month."""
    return x if 1 <= x <= 12 else None


@action
def in_morning(ctx: ReadingContext, c: Clock) -> Clock:
    return in_part(ctx, c, "morning")


@action
def weekday_part(ctx: ReadingContext, x: str) -> Moment:
    """One word for both ("Dienstagnachmittag"), given as "1:afternoon"."""
    day, _, name = x.partition(":")
    return Moment(weekday(ctx, int(day)), part(ctx, name))


@action
def day_morning(ctx: ReadingContext, d: DateValue) -> Moment:
    """ "Dienstag morgen": here the word for tomorrow is the morning."""
    return Moment(d, part(ctx, "morning"))


@action
def half_day(ctx: ReadingContext, half: str) -> TimeValue:
    """ "in the a m", "in the p m"."""
    return part(ctx, "morning" if half == "am" else "afternoon")


@action
def day_sliced(ctx: ReadingContext, d: DateValue, name: str, which: str) -> Moment | None:
    """ "late tomorrow afternoon"."""
    sliced = part_sliced(ctx, name, which)
    return None if sliced is None else Moment(d, sliced)


def _plus(at_time: time, minutes: int) -> time:
    total = max(0, min(24 * 60 - 1, at_time.hour * 60 + at_time.minute + minutes))
    return time(total // 60, total % 60)
