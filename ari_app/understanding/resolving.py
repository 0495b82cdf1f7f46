"""Clock times as said, as times of the day: "three" is 15:00 where the business is open then and not at 03:00."""

from dataclasses import replace
from datetime import time

from ari_app.understanding.actions import ACTIONS
from ari_app.understanding.meaning import TimeRange
from ari_app.understanding.values import Clock, ReadingContext, TimeValue


def resolve_time(ctx: ReadingContext, value: TimeValue) -> tuple[TimeRange | None, tuple[time, ...]]:
    """The range of a time as said, or the readings that matter where it could be two."""
    match value.kind:
        case "any":
            return TimeRange(None, None), ()
        case "thereafter" | "therebefore":
            return None, ()
        case "part":
            return TimeRange(value.start, value.end, excludes_end=True), ()
        case "or":
            return _either(ctx, value)
        case "between":
            assert value.first is not None
            assert value.second is not None
            start, end = _between(ctx, _in_part(ctx, value, value.first), _in_part(ctx, value, value.second))
            return TimeRange(start, end), ()
    assert value.first is not None
    found = readings(ctx, _in_part(ctx, value, value.first))
    match value.kind:
        case "after":
            return TimeRange(found[0], _later(value.end, found[0])), ()
        case "before":
            return TimeRange(_earlier(value.start, found[-1]), found[-1], excludes_end=value.excludes_end), ()
        case "around":
            return TimeRange(found[0], found[0], is_approximate=True), found if len(found) > 1 else ()
    return TimeRange(found[0], found[0]), found if len(found) > 1 else ()


def _later(bound: time | None, than: time) -> time | None:
    return bound if bound is not None and bound > than else None


def _earlier(bound: time | None, than: time) -> time | None:
    return bound if bound is not None and bound < than else None


def _in_part(ctx: ReadingContext, value: TimeValue, clock: Clock) -> Clock:
    if clock.half or not value.name:
        return clock
    made = ACTIONS["in_part"](ctx, c=clock, part=value.name)
    return made if isinstance(made, Clock) else clock


def readings(ctx: ReadingContext, clock: Clock) -> tuple[time, ...]:
    """What a clock time can be, the likeliest first; more than one only where the difference matters.

    "three" is 15:00 where the business is open then and not at 03:00. Open at both, or at neither but about as near
    to both: two readings.
    """
    options = clock.candidates()
    if len(options) == 1:
        return options
    is_open = [option for option in options if ctx.opens <= option <= ctx.closes]
    if len(is_open) == 1:
        return (is_open[0],)
    if len(is_open) == 2:
        if ctx.about_time is not None:
            return (min(is_open, key=lambda option: abs(minutes(option) - minutes(ctx.about_time or option))),)
        return tuple(is_open)
    distances = [_distance(ctx, option) for option in options]
    if abs(distances[0] - distances[1]) > 150:
        return (options[distances.index(min(distances))],)
    return (options[1], options[0]) if distances[1] <= distances[0] else options


def _distance(ctx: ReadingContext, option: time) -> int:
    if option < ctx.opens:
        return minutes(ctx.opens) - minutes(option)
    return max(0, minutes(option) - minutes(ctx.closes))


def minutes(of: time) -> int:
    return of.hour * 60 + of.minute


def _between(ctx: ReadingContext, first: Clock, second: Clock) -> tuple[time, time]:
    """Both ends by one half of the day where that runs forward ("two to four pm", "eleven to one")."""
    ends = second.candidates() if second.half else readings(ctx, second)
    best: tuple[int, time, time] | None = None
    for end in (*ends, *second.candidates()):
        for start in first.candidates():
            length = minutes(end) - minutes(start)
            if length <= 0:
                continue
            outside = _distance(ctx, start) + _distance(ctx, end)
            weight = length + 2 * outside
            if best is None or weight < best[0]:
                best = (weight, start, end)
    if best is None:
        return first.candidates()[0], second.candidates()[-1]
    return best[1], best[2]


def _either(ctx: ReadingContext, value: TimeValue) -> tuple[TimeRange | None, tuple[time, ...]]:
    """ "ten or eleven", "morning or afternoon": the stretch over all; a half said once holds for all."""
    halves = {choice.first.half for choice in value.choices if choice.first is not None and choice.first.half}
    bounds: list[tuple[time | None, time | None]] = []
    for choice in value.choices:
        first = choice.first
        if first is not None and not first.half and len(halves) == 1 and halves <= {"am", "pm"} and first.hour <= 12:
            choice = replace(choice, first=replace(first, half=next(iter(halves))))
        found, _ = resolve_time(ctx, choice)
        if found is not None:
            bounds.append((found.start, found.end))
    starts = [start for start, _ in bounds if start is not None]
    ends = [end for _, end in bounds if end is not None]
    if not bounds:
        return None, ()
    return TimeRange(
        min(starts) if len(starts) == len(bounds) else None, max(ends) if len(ends) == len(bounds) else None
    ), ()
