"""One sentence's dates and times: pieces found by the chart, then weighed against each other and the conversation."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import time
from typing import Generic, TypeVar

from ari_app.understanding import dates
from ari_app.understanding.actions import ACTIONS
from ari_app.understanding.chart import Chart, Span, best_cover
from ari_app.understanding.clauses import circumstances
from ari_app.understanding.grammar import Grammar
from ari_app.understanding.meaning import DateRange, TimeOfDay, TimeRange
from ari_app.understanding.spoken_numbers import DERIVED
from ari_app.understanding.tokens import BREAK, Tokens
from ari_app.understanding.values import Clock, DateValue, Moment, Negated, ReadingContext, TimeValue, Value

GOALS = {
    "MOMENT": 1,
    "DATE": 0,
    "TIME": 0,
    "NEGDATE": 1,
    "NEGTIME": 1,
    "IGNORE": 1,
    "MAYBETIME": -2,
    "MAYBEDATE": -2,
    "BAREDAY": -2,
    "MAYBESLIP": -6,
}
MASKS = frozenset({"DATETIME", "DATE", "NOTDATE", "TIME", "NOTTIME"})
"""What stands in a masked sentence in the place of a span."""

YEAR = re.compile(r"(?:for )?(?:19|20)\d\d")
"""A figure that is a year rather than a time where a time was said already ("8am, a 2015 Fiesta")."""
RANKS = frozenset({"ORDUNIT", "ORDINAL", "DIGIT", "NUM"})
FAR = 5
"""Words between two values from which on they aren't alternatives: the later one counts, or narrows the other."""
CONCLUSION = 4
T = TypeVar("T")
GOAL_NAMES = frozenset(GOALS)
DATE_LIKE = frozenset({"DATE", "MOMENT", "NEGDATE", "MAYBEDATE", "BAREDAY"})
TIME_LIKE = frozenset({"TIME", "MOMENT", "NEGTIME", "MAYBETIME"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the turn makes likely, for words that could be a time, a day, or neither."""

    date: bool = False
    time: bool = False
    task: bool = False
    offers: int = 0
    """How many things were offered: "the second" may be one of them."""
    hours: frozenset[int] = frozenset()
    """The hours (0-11) of what was offered: "ten" is a time then."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The dates and times of one sentence, resolved."""

    masked: str
    """ " word word " with DATE and TIME in the place of what was read."""
    spans: tuple[Span, ...]
    date: DateRange | None = None
    date_value: DateValue | None = None
    time: TimeRange | None = None
    candidates: "tuple[TimeOfDay, ...]" = ()
    impossible: str | None = None
    rejected_date: DateValue | None = None
    rejected_time: TimeRange | None = None
    is_date_fact: bool = False
    """The date stands only in a clause that tells why."""
    is_time_fact: bool = False
    is_date_corrected: bool = False
    is_time_corrected: bool = False
    notes: tuple[str, ...] = ()


def find_spans(tokens: Tokens, grammar: Grammar, ctx: ReadingContext, asked: Asked) -> list[Span]:
    """The best cover of the sentence; a bare number is a day only where a day, and no time, was asked for."""
    chart = Chart(grammar.rules, ACTIONS, ctx, DERIVED, GOAL_NAMES)
    rows = chart.parse(tokens.words, grammar.lexical(tokens))
    goals = dict(GOALS)
    if not asked.date or asked.time:
        del goals["MAYBEDATE"]
    else:
        goals["MAYBEDATE"] = 1
    if not asked.time:
        del goals["MAYBESLIP"]
    return best_cover(rows, goals, goals=tuple(goals))


def read(tokens: Tokens, grammar: Grammar, ctx: ReadingContext, asked: Asked) -> Reading:
    """Find, accept, merge, resolve."""
    words = tokens.words
    spans = _accepted(find_spans(tokens, grammar, ctx, asked), tokens, grammar, asked)
    spans = [_brought_by(span, words, grammar) for span in spans]
    masked = mask(words, spans)
    facts = _facts(words, spans, grammar)
    wished = _wished(words, spans, facts, grammar, ctx)
    is_repaired = bool(spans) and "marks.repaired" in grammar.gap_phrases.find(f" {' '.join(words[spans[-1].end :])} ")
    dates_said = _Track[DateValue](words, grammar, _merge_dates(ctx), is_repaired=is_repaired)
    times_said = _Track[TimeValue](words, grammar, _merge_times, is_repaired=is_repaired)
    impossible, previous_end = None, 0
    for span in wished:
        value = span.value
        if isinstance(value, DateValue) and value.impossible:
            impossible = " ".join(words[span.start : span.end])
        elif isinstance(value, DateValue):
            if impossible is not None and _is_put_right(words[previous_end : span.start], grammar):
                impossible, dates_said.is_corrected = None, True
            dates_said.take(value, span, previous_end)
        elif isinstance(value, TimeValue):
            times_said.take(value, span, previous_end)
        elif isinstance(value, Moment):
            if value.date is not None:
                dates_said.take(value.date, span, previous_end)
            if value.time is not None:
                times_said.take(value.time, span, previous_end)
        elif isinstance(value, Negated):
            if isinstance(value.value, DateValue):
                dates_said.refuse(value.value, span)
            else:
                times_said.refuse(value.value, span)
        previous_end = span.end
    if previous_end and "marks.instead" in grammar.gap_phrases.find(f" {' '.join(words[previous_end:])} "):
        dates_said.is_corrected = times_said.is_corrected = True
    time_range, candidates = (None, ()) if times_said.value is None else resolve_time(ctx, times_said.value)
    refused_time = None if times_said.refused is None else resolve_time(ctx, times_said.refused)[0]
    date_value = dates_said.value
    if date_value is not None and impossible is not None and not dates_said.is_corrected:
        date_value = None
    return Reading(
        masked=masked,
        spans=tuple(spans),
        date=None if date_value is None else to_range(date_value),
        date_value=date_value,
        time=time_range,
        candidates=candidates,
        impossible=impossible if date_value is None else None,
        is_date_fact=_are_all(wished, DATE_LIKE, facts),
        is_time_fact=_are_all(wished, TIME_LIKE, facts),
        rejected_date=dates_said.refused,
        rejected_time=refused_time,
        is_date_corrected=dates_said.is_corrected,
        is_time_corrected=times_said.is_corrected,
        notes=tuple(f"{span.category.lower()}: {' '.join(words[span.start : span.end])}" for span in spans),
    )


def _brought_by(span: Span, words: Sequence[str], grammar: Grammar) -> Span:
    """ "Can I bring the truck by tomorrow": tomorrow, not until then."""
    value = span.value
    if not isinstance(value, DateValue) or value.end is None or value.start is not None:
        return span
    if words[span.start] not in grammar.brought_by or grammar.brings.isdisjoint(
        words[max(0, span.start - 4) : span.start]
    ):
        return span
    return replace(span, value=dates.one_day(value.end))


def _is_put_right(gap: Sequence[str], grammar: Grammar) -> bool:
    """Whether the words between two dates take the first back."""
    found = grammar.gap_phrases.find(f" {' '.join(gap)} ") if gap else {}
    return "marks.correct" in found or "marks.instead" in found


def to_range(value: DateValue) -> DateRange:
    return DateRange(value.start, value.end, value.weekdays, value.excluded)


def _facts(words: Sequence[str], spans: list[Span], grammar: Grammar) -> list[Span]:
    told = circumstances(words, spans, grammar.clauses)
    return [span for index, span in enumerate(spans) if index in told]


def _are_all(spans: list[Span], kind: frozenset[str], facts: list[Span]) -> bool:
    given = [span for span in spans if span.category in kind]
    return bool(given) and all(span in facts for span in given)


def _wished(
    words: Sequence[str], spans: list[Span], facts: list[Span], grammar: Grammar, ctx: ReadingContext
) -> list[Span]:
    """Without those that only tell why, and without days gone by, where another of the kind is there.

    "My ticket runs out on friday so I need to come in": what is concluded names no day, so none is wished for.
    """
    past = [span for span in spans if _is_past(span, ctx)]
    left = [span for span in spans if not (_is_aside(span, spans, facts) or (span in facts and span in past))]
    for kind, dropped in ((DATE_LIKE, facts), (TIME_LIKE, facts), (DATE_LIKE, past)):
        given = [span for span in left if span.category in kind]
        if any(_is_thereafter(span) for span in given):
            continue
        kept = [span for span in given if span not in dropped]
        if kept or (given and dropped is facts and _is_concluded(words[given[-1].end :], grammar)):
            left = [span for span in left if span not in given or span in kept]
    return left


def _is_aside(span: Span, spans: list[Span], facts: list[Span]) -> bool:
    """A part of the day in a fact beside a day that is none: "the first, my sister's party is that night"."""
    value = span.value
    if span not in facts or not isinstance(value, TimeValue) or value.kind != "part":
        return False
    return any(other.category in DATE_LIKE and other not in facts for other in spans)


def _is_concluded(rest: Sequence[str], grammar: Grammar) -> bool:
    """Whether a clause with "so" and more than a word or two follows."""
    for index, word in enumerate(rest):
        if word in grammar.clauses.concludes:
            return len(rest) - index > CONCLUSION and grammar.clauses.pointing.isdisjoint(rest[index + 1 :])
    return False


def _is_thereafter(span: Span) -> bool:
    return isinstance(span.value, TimeValue) and span.value.kind == "thereafter"


def _is_past(span: Span, ctx: ReadingContext) -> bool:
    value = span.value
    return isinstance(value, DateValue) and value.end is not None and value.end < ctx.now.date()


# --- accepting --------------------------------------------------------------------------------------------------


def _accepted(spans: list[Span], tokens: Tokens, grammar: Grammar, asked: Asked) -> list[Span]:
    """Drop what only may be a date or time where nothing speaks for it."""
    words = tokens.words
    sure_date = any(span.category in {"DATE", "MOMENT"} for span in spans)
    sure_time = any(span.category in {"TIME", "MOMENT"} for span in spans)
    covered = {index for span in spans for index in range(span.start, span.end)}
    is_alone = all(index in covered or word == BREAK or word in grammar.fillers for index, word in enumerate(words))
    kept: list[Span] = []
    for index, span in enumerate(spans):
        match span.category:
            case "IGNORE":
                continue
            case "TIME" if asked.task and _is_greeting(span, words, grammar):
                continue
            case "TIME" if _is_thereafter(span) and not any(other.category in TIME_LIKE for other in kept):
                continue
            case "MAYBESLIP":
                if is_alone and len(spans) == 1:
                    kept.append(replace(span, category="TIME"))
            case "MAYBETIME":
                text = " ".join(words[span.start : span.end])
                if text in grammar.fillers:
                    continue
                if sure_time and YEAR.fullmatch(text):
                    continue
                is_thing = text in grammar.pronouns or (asked.task and words[span.end - 1] in grammar.pronouns)
                if is_thing and not ((is_alone and len(spans) == 1) or (asked.time and not asked.offers)):
                    continue
                before_it = words[span.start - 1] if span.start else BREAK
                if (
                    is_thing
                    and text in grammar.pronouns
                    and grammar.before_pronoun
                    and before_it not in grammar.before_pronoun
                ):
                    continue
                if is_thing and any(other is not span and other.category in TIME_LIKE for other in spans):
                    continue
                is_long = span.end - span.start > 1
                beside = _beside(spans, index, words, DATE_LIKE | TIME_LIKE)
                before = grammar.gap_phrases.find(f" {' '.join(words[: span.start])} ") if span.start else {}
                if (
                    asked.time
                    or "marks.instead" in before
                    or "marks.takes" in before
                    or "marks.fits" in grammar.gap_phrases.find(f" {' '.join(words[span.end :])} ")
                    or beside
                    or (is_long and (sure_date or not asked.date))
                    or (is_alone and _is_hour(span.value, asked))
                ):
                    kept.append(replace(span, category="TIME"))
            case "MAYBEDATE" | "BAREDAY" if _takes_back(spans, index, words, grammar):
                kept.append(replace(span, category="DATE"))
            case "MAYBEDATE" | "BAREDAY":
                beside = _beside(spans, index, words, frozenset({"TIME", "MOMENT"}))
                is_rank = span.category == "BAREDAY" and asked.offers
                is_adverb = span.category == "BAREDAY" and _is_adverb(span, words, grammar)
                if (asked.date or beside or is_alone) and not sure_date and not is_rank and not is_adverb:
                    kept.append(replace(span, category="DATE"))
            case "DATE" if asked.time and not asked.date and _is_number(span, tokens, grammar):
                if (hour := _as_hour(span)) is not None:
                    kept.append(hour)
            case "DATE":
                value = span.value
                is_rank = (
                    asked.offers > 0
                    and isinstance(value, DateValue)
                    and not sure_time
                    and (
                        (value.month_day is not None and value.month_day <= max(asked.offers, 3))
                        or _are_ranks(words[span.start : span.end], grammar, max(asked.offers, 3))
                    )
                )
                if not is_rank:
                    kept.append(span)
            case _:
                kept.append(span)
    return kept


def _takes_back(spans: Sequence[Span], index: int, words: Sequence[str], grammar: Grammar) -> bool:
    """ "The twenty second, no, twenty third"."""
    if index == 0 or spans[index - 1].category not in DATE_LIKE:
        return False
    return _is_put_right(words[spans[index - 1].end : spans[index].start], grammar)


def _is_number(span: Span, tokens: Tokens, grammar: Grammar) -> bool:
    """Whether it is "the eleven", not "the eleventh"."""
    value = span.value
    last = span.end - 1
    if not isinstance(value, DateValue) or value.month_day is None or last != span.start + 1 or last in tokens.ordinals:
        return False
    kinds = {kind for entries in grammar.lexical(Tokens((tokens.words[last],))) for kind, _, _ in entries}
    return bool(kinds) and not any(kind.startswith("ORD") for kind in kinds)


def _as_hour(span: Span) -> Span | None:
    """A day of the month as an hour, where a time was asked for."""
    value = span.value
    if not isinstance(value, DateValue) or value.month_day is None or value.month_day > 12:
        return None
    return replace(span, category="TIME", value=TimeValue("at", Clock(value.month_day)))


def _are_ranks(words: Sequence[str], grammar: Grammar, most: int) -> bool:
    """ "First or second", "the first or the second"."""
    lexical = grammar.lexical(Tokens(tuple(words)))
    ranks = [value for entries in lexical for kind, _, value in entries if kind in RANKS and isinstance(value, int)]
    others = [word for word, entries in zip(words, lexical, strict=True) if not entries and word not in grammar.fillers]
    return len(ranks) >= 2 and max(ranks) <= most and len(others) <= 1


def _is_adverb(span: Span, words: Sequence[str], grammar: Grammar) -> bool:
    """ "tell me the address first": an ordinal after a word that leads to no day."""
    value = span.value
    is_low = isinstance(value, DateValue) and value.month_day is not None and value.month_day <= 3
    before = words[span.start - 1] if span.start else BREAK
    return is_low and not (before == BREAK or before in grammar.backchannels or before in grammar.leads_to_day)


def _is_greeting(span: Span, words: Sequence[str], grammar: Grammar) -> bool:
    """ "Morning, I'm overdue a check up"."""
    value = span.value
    is_first = all(word in grammar.fillers for word in words[: span.start])
    if not is_first or span.end - span.start > 1 or not isinstance(value, TimeValue) or value.kind != "part":
        return False
    following = words[span.end] if span.end < len(words) else ""
    known = grammar.clauses
    return following in known.subjects | known.inverting | known.owners | grammar.greeted | {BREAK}


def _is_hour(value: Value, asked: Asked) -> bool:
    """Whether a number said alone is a time and not the place of something offered."""
    if not asked.offers or not isinstance(value, TimeValue) or value.first is None:
        return True
    return value.first.hour % 12 in asked.hours or value.first.hour > asked.offers


def _beside(spans: Sequence[Span], index: int, words: Sequence[str], kinds: frozenset[str]) -> bool:
    """Next to another date or time, with at most two small words between."""
    span = spans[index]
    for other in (index - 1, index + 1):
        if 0 <= other < len(spans) and spans[other].category in kinds:
            gap = words[spans[other].end : span.start] if other < index else words[span.end : spans[other].start]
            if len(gap) <= 2 and BREAK not in gap:
                return True
    return False


def mask(words: Sequence[str], spans: Sequence[Span]) -> str:
    pieces: list[str] = []
    position = 0
    for span in spans:
        pieces.extend(words[position : span.start])
        if span.category == "MOMENT":
            pieces.append("DATETIME")
        elif span.category in {"DATE", "NEGDATE"}:
            pieces.append("DATE" if span.category == "DATE" else "NOTDATE")
        else:
            pieces.append("TIME" if span.category == "TIME" else "NOTTIME")
        position = span.end
    pieces.extend(words[position:])
    return f" {' '.join(pieces)} "


# --- merging ----------------------------------------------------------------------------------------------------


class _Track(Generic[T]):
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
        elif "marks.correct" in gap or "marks.instead" in gap or (self.is_repaired and self._is_hesitation(span.start)):
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

    def _is_hesitation(self, start: int) -> bool:
        return all(word == BREAK or word in self.grammar.fillers for word in self.words[self.last_end : start])

    def _gap(self, end: int, start: int) -> dict[str, tuple[int, int]]:
        text = " ".join(self.words[end:start])
        return self.grammar.gap_phrases.find(f" {text} ") if text else {}


def _merge_dates(ctx: ReadingContext) -> Callable[[DateValue, DateValue, str], DateValue | None]:
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


def _merge_times(first: TimeValue, second: TimeValue, how: str) -> TimeValue | None:
    if how in {"without", "correct"}:
        return None
    if "thereafter" in {first.kind, second.kind}:
        return _from(first) if second.kind == "thereafter" else second
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


# --- resolving times --------------------------------------------------------------------------------------------


def resolve_time(ctx: ReadingContext, value: TimeValue) -> tuple[TimeRange | None, tuple[time, ...]]:
    """The range of a time as said, or the readings that matter where it could be two."""
    match value.kind:
        case "any":
            return TimeRange(None, None), ()
        case "thereafter":
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
