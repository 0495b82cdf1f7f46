"""One sentence's dates and times: pieces found by the chart, then weighed against each other and the conversation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ari_app.understanding import dates
from ari_app.understanding.accepting import DATE_LIKE, TIME_LIKE, Asked, accepted, is_put_right, is_thereafter
from ari_app.understanding.actions import ACTIONS
from ari_app.understanding.chart import Chart, Span, best_cover
from ari_app.understanding.clauses import circumstances
from ari_app.understanding.grammar import Grammar
from ari_app.understanding.meaning import DateRange, TimeOfDay, TimeRange
from ari_app.understanding.merging import Track, merge_dates, merge_times
from ari_app.understanding.resolving import resolve_time
from ari_app.understanding.spoken_numbers import DERIVED
from ari_app.understanding.tokens import Tokens
from ari_app.understanding.values import DateValue, Moment, Negated, ReadingContext, TimeValue

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

CONCLUSION = 4
GOAL_NAMES = frozenset(GOALS)


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
    spans = accepted(find_spans(tokens, grammar, ctx, asked), tokens, grammar, asked)
    spans = [_beside_owned(_brought_by(span, words, grammar), words, grammar) for span in spans]
    masked = mask(words, spans)
    facts = _facts(words, spans, grammar)
    wished = _wished(words, spans, facts, grammar, ctx)
    is_repaired = bool(spans) and "marks.repaired" in grammar.gap_phrases.find(f" {' '.join(words[spans[-1].end :])} ")
    dates_said = Track[DateValue](words, grammar, merge_dates(ctx), is_repaired=is_repaired)
    times_said = Track[TimeValue](words, grammar, merge_times, is_repaired=is_repaired)
    impossible, previous_end = None, 0
    for span in wished:
        value = span.value
        if isinstance(value, DateValue) and value.impossible:
            impossible = " ".join(words[span.start : span.end])
        elif isinstance(value, DateValue):
            if impossible is not None and is_put_right(words[previous_end : span.start], grammar):
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


def _beside_owned(span: Span, words: Sequence[str], grammar: Grammar) -> Span:
    """ "Before my shift at two": until two."""
    value, known = span.value, grammar.clauses
    if not isinstance(value, TimeValue) or value.kind != "at":
        return span
    for length in (3, 4):
        led = words[max(0, span.start - length) : span.start]
        if len(led) == length and led[1] in known.owners and led[0] in known.befores | known.afters:
            kind = "before" if led[0] in known.befores else "after"
            return replace(span, value=replace(value, kind=kind, excludes_end=kind == "before"))
    return span


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
    left = [
        span
        for span in spans
        if not (_is_aside(span, spans, facts) or (span in facts and (span in past or is_thereafter(span))))
    ]
    for kind, dropped in ((DATE_LIKE, facts), (TIME_LIKE, facts), (DATE_LIKE, past)):
        given = [span for span in left if span.category in kind]
        if any(is_thereafter(span) for span in given):
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


def _is_past(span: Span, ctx: ReadingContext) -> bool:
    value = span.value
    return isinstance(value, DateValue) and value.end is not None and value.end < ctx.now.date()


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
