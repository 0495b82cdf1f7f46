"""Which of the pieces found are dates and times: a bare number only may be one, and a greeting is none."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ari_app.understanding.chart import Span
from ari_app.understanding.grammar import Grammar
from ari_app.understanding.tokens import BREAK, Tokens
from ari_app.understanding.values import Clock, DateValue, TimeValue, Value

THERE = frozenset({"thereafter", "therebefore"})
YEAR = re.compile(r"(?:for )?(?:19|20)\d\d")
"""A figure that is a year rather than a time where a time was said already ("8am, a 2015 Fiesta")."""
RANKS = frozenset({"ORDUNIT", "ORDINAL", "DIGIT", "NUM"})
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


def accepted(spans: list[Span], tokens: Tokens, grammar: Grammar, asked: Asked) -> list[Span]:
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
            case "TIME" if is_thereafter(span) and not any(other.category in TIME_LIKE for other in kept):
                if (day := _day_beside(span, kept)) is not None:
                    kept.append(day)
            case "MAYBESLIP":
                if is_alone and len(spans) == 1:
                    kept.append(replace(span, category="TIME"))
            case "MAYBETIME":
                is_seen = sure_date or not asked.date
                if _may_be_time(
                    spans, index, words, grammar, asked, is_alone=is_alone, is_seen=is_seen, is_sure=sure_time
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
            case "DATE" if _is_hour_asked(span, asked) and _is_number(span, tokens, grammar):
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


def _may_be_time(
    spans: Sequence[Span],
    index: int,
    words: Sequence[str],
    grammar: Grammar,
    asked: Asked,
    *,
    is_alone: bool,
    is_seen: bool,
    is_sure: bool,
) -> bool:
    """Whether something speaks for a bare number as a time.

    `is_alone`: the sentence holds nothing else; `is_seen`: a date is there, or none was asked for; `is_sure`: a time
    that can be nothing else is there.
    """
    span = spans[index]
    text = " ".join(words[span.start : span.end])
    if text in grammar.fillers or (is_sure and YEAR.fullmatch(text)):
        return False
    is_pronoun = text in grammar.pronouns
    if is_pronoun or (asked.task and words[span.end - 1] in grammar.pronouns):  # "book me in for one on the twelfth"
        before_it = words[span.start - 1] if span.start else BREAK
        is_answer = (is_alone and len(spans) == 1) or (asked.time and not asked.offers)
        is_led = not is_pronoun or not grammar.before_pronoun or before_it in grammar.before_pronoun
        is_put = " ".join(words[max(0, span.start - 2) : span.start]) in grammar.puts
        if is_put:
            return True  # "one thirty, no, make it one"
        if not (is_answer and is_led) or any(other is not span and other.category in TIME_LIKE for other in spans):
            return False
    before = grammar.gap_phrases.find(f" {' '.join(words[: span.start])} ") if span.start else {}
    return bool(
        asked.time
        or "marks.instead" in before
        or "marks.takes" in before
        or "marks.fits" in grammar.gap_phrases.find(f" {' '.join(words[span.end :])} ")
        or _beside(spans, index, words, DATE_LIKE | TIME_LIKE)
        or (span.end - span.start > 1 and is_seen)
        or ((is_alone or asked.hours) and _is_hour(span.value, asked))
    )


def is_put_right(gap: Sequence[str], grammar: Grammar) -> bool:
    """Whether the words between two dates take the first back."""
    found = grammar.gap_phrases.find(f" {' '.join(gap)} ") if gap else {}
    return "marks.correct" in found or "marks.instead" in found


def is_thereafter(span: Span) -> bool:
    """ "After that", "before that"."""
    return isinstance(span.value, TimeValue) and span.value.kind in THERE


def _takes_back(spans: Sequence[Span], index: int, words: Sequence[str], grammar: Grammar) -> bool:
    """ "The twenty second, no, twenty third"."""
    if index == 0 or spans[index - 1].category not in DATE_LIKE:
        return False
    return is_put_right(words[spans[index - 1].end : spans[index].start], grammar)


def _day_beside(span: Span, kept: Sequence[Span]) -> Span | None:
    """ "I go away on the tenth, so before that": until the ninth."""
    before = kept[-1].value if kept else None
    if not isinstance(before, DateValue) or not isinstance(span.value, TimeValue):
        return None
    if span.value.kind == "therebefore" and before.start is not None:
        return replace(span, category="DATE", value=DateValue(None, before.start - timedelta(days=1)))
    if span.value.kind == "thereafter" and before.end is not None:
        return replace(span, category="DATE", value=DateValue(before.end + timedelta(days=1), None))
    return None


def _is_number(span: Span, tokens: Tokens, grammar: Grammar) -> bool:
    """Whether it is "the eleven", not "the eleventh"."""
    value = span.value
    last = span.end - 1
    if not isinstance(value, DateValue) or value.month_day is None or last != span.start + 1 or last in tokens.ordinals:
        return False
    kinds = {kind for entries in grammar.lexical(Tokens((tokens.words[last],))) for kind, _, _ in entries}
    return bool(kinds) and not any(kind.startswith("ORD") for kind in kinds)


def _is_hour_asked(span: Span, asked: Asked) -> bool:
    """Whether "the ten" is rather an hour: a time was asked for, or it is one of those offered."""
    value = span.value
    if asked.date or not isinstance(value, DateValue) or value.month_day is None:
        return False
    return asked.time or value.month_day % 12 in asked.hours


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
