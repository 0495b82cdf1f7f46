"""Several dates or times of one sentence as one: alternatives, corrections, a day inside a week."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from ari_app.understanding import dates
from ari_app.understanding.accepting import THERE
from ari_app.understanding.chart import Span
from ari_app.understanding.grammar import Grammar
from ari_app.understanding.tokens import BREAK
from ari_app.understanding.values import Clock, DateValue, ReadingContext, TimeValue

FAR = 5
"""Words between two values from which on they aren't alternatives: the later one counts, or narrows the other."""
T = TypeVar("T")


class Track(Generic[T]):
    """One slot as the sentence goes on: said, corrected, narrowed, refused."""

    def __init__(
        self, words: Sequence[str], grammar: Grammar, merge: Callable[[T, T, str], T | None], *, is_repaired: bool
    ) -> None:
        self.words, self.grammar, self.merge = words, grammar, merge
        self.is_repaired = is_repaired
        """The sentence ends in "sorry": of two values side by side the second is meant."""
        self.value: T | None = None
        self.refused: T | None = None
        self.is_corrected = False
        self.last_end = 0

    def take(self, value: T, span: Span, previous_end: int) -> None:
        gap = self._gap(self.last_end, span.start)
        if self.value is None:
            self.value = value
            if self.refused is not None or "marks.instead" in self._gap(previous_end, span.start):
                self.is_corrected = True
        elif "marks.correct" in gap or "marks.instead" in gap or self._is_repaired(span):
            self.value, self.is_corrected = self.merge(self.value, value, "correct") or value, True
        else:
            how = "therefore" if "marks.therefore" in gap else "either" if "marks.either" in gap else ""
            if how != "therefore" and span.start - self.last_end > FAR:
                how = "apart"
            merged = self.merge(self.value, value, how)
            if merged is not None:
                self.value = merged
        self.last_end = span.end

    def refuse(self, value: T, span: Span) -> None:
        less = None if self.value is None else self.merge(self.value, value, "without")
        if less is not None:
            self.value = less
        elif self.value is None or self.value == value:
            self.refused, self.value = value, None
        self.last_end = span.end

    def _is_repaired(self, span: Span) -> bool:
        """ "Wednesday, um, thursday, sorry"."""
        between = self.words[self.last_end : span.start]
        if not all(word == BREAK or word in self.grammar.fillers for word in between):
            return False
        following = f" {' '.join(self.words[span.end : span.end + 1])} "
        return self.is_repaired or "marks.repaired" in self.grammar.gap_phrases.find(following)

    def _gap(self, end: int, start: int) -> dict[str, tuple[int, int]]:
        text = " ".join(self.words[end:start])
        return self.grammar.gap_phrases.find(f" {text} ") if text else {}


def merge_dates(ctx: ReadingContext) -> Callable[[DateValue, DateValue, str], DateValue | None]:
    def merge(first: DateValue, second: DateValue, how: str) -> DateValue | None:
        if how == "without":
            return dates.without(ctx, first, second)
        if how == "correct":
            return _same_month(ctx, first, second)
        if how == "either":
            return dates.either(ctx, first, second) or second
        if how == "therefore":
            return narrowed(first, second) or second
        if not how and first.weekday is not None and first.weekday == second.weekday:
            return second  # "friday, next friday"
        if how == "apart":
            return narrowed(first, second) or narrowed(second, first) or second
        return narrowed(first, second) or narrowed(second, first) or dates.either(ctx, first, second) or second

    return merge


def _same_month(ctx: ReadingContext, first: DateValue, second: DateValue) -> DateValue | None:
    """ "December the first, no, the second": of December."""
    if first.start is None or not first.is_single or second.month_day is None:
        return None
    day = dates.shifted(first.start, second.month_day - first.start.day)
    return dates.one_day(day) if day.month == first.start.month and day >= ctx.today else None


def narrowed(wide: DateValue, narrow: DateValue) -> DateValue | None:
    """ "next week ... tuesday" is next week's tuesday; the same date twice is one date."""
    if wide == narrow or wide.grain == "any":
        if wide.grain == "any" and wide.weekdays and not narrow.weekdays and not narrow.is_single:
            return replace(narrow, weekdays=wide.weekdays)
        return narrow
    if narrow.weekdays and narrow.start is None:
        return replace(wide, weekdays=narrow.weekdays) if wide.grain != "day" else None
    if wide.excluded and narrow.start is not None and narrow.start in wide.excluded:
        return None
    if narrow.weekday is not None and wide.start is not None and wide.grain in {"week", "part", "range", "month"}:
        day = dates.shifted(wide.start, (narrow.weekday - wide.start.weekday()) % 7)
        if wide.end is None or day <= wide.end:
            return dates.one_day(day)
    if narrow.month_day is not None and wide.start is not None and wide.end is not None and wide.grain != "day":
        for offset in range(min((wide.end - wide.start).days, 62) + 1):
            day = dates.shifted(wide.start, offset)
            if day.day == narrow.month_day:
                return dates.one_day(day)
    if narrow.start is None or narrow.end is None:
        if wide.start is None and wide.end is not None and narrow.start is not None and narrow.start <= wide.end:
            return dates.span(narrow.start, wide.end)
        return None
    if (wide.start is None or wide.start <= narrow.start) and (wide.end is None or narrow.end <= wide.end):
        return narrow
    return None


def merge_times(first: TimeValue, second: TimeValue, how: str) -> TimeValue | None:
    if how in {"without", "correct"}:
        return None
    if first.kind in THERE:
        return second
    if second.kind == "therebefore":
        return TimeValue("before", first.first, excludes_end=True) if first.first is not None else first
    if second.kind == "thereafter":
        return _from(first)
    if how == "either":
        return TimeValue("or", choices=(*(first.choices or (first,)), *(second.choices or (second,))))
    if how == "therefore" and second.kind not in {"at", "around", "part"}:
        return second
    for point, other in ((second, first), (first, second)):
        if other.kind == "any":
            return point
        if other.kind == "part" and point.kind not in {"part", "any", "or"}:
            if not _may_lie_in(point, other):
                return point
            return replace(point, name=point.name or other.name, start=other.start, end=other.end)
    if {first.kind, second.kind} == {"after", "before"}:
        after, before = (first, second) if first.kind == "after" else (second, first)
        return TimeValue("between", after.first, before.first)
    if first == second:
        return first
    if first.kind == "part" and second.kind == "part":
        if first.start is not None and second.start is not None and first.end is not None and second.end is not None:
            start, end = max(first.start, second.start), min(first.end, second.end)
            return TimeValue("part", start=start, end=end, name=second.name) if start < end else second
        return second
    if how not in {"apart", "therefore"} and {first.kind, second.kind} <= {"at", "around"}:
        return TimeValue("or", choices=(first, second))
    return second


def _from(value: TimeValue) -> TimeValue:
    """From where a time ends."""
    if value.end is not None and value.first is None:
        return TimeValue("after", Clock(value.end.hour, value.end.minute, "24"))
    return TimeValue("after", value.second or value.first) if value.first is not None else value


def _may_lie_in(point: TimeValue, part: TimeValue) -> bool:
    if point.first is None or part.start is None or part.end is None:
        return True
    return any(part.start <= each <= part.end for each in point.first.candidates())


def without(ctx: ReadingContext, wide: DateValue, less: DateValue) -> DateValue | None:
    return dates.without(ctx, wide, less)
