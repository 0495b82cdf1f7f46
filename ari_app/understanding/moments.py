"""Which day and time are meant: as said, or seen against what was offered, read back or talked about."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from ari_app.understanding import accepting, answers, merging, reading
from ari_app.understanding.chart import Span
from ari_app.understanding.meaning import DateRange, Intent, Slot, TimeRange, YesNo
from ari_app.understanding.sentence import Sentence
from ari_app.understanding.values import DateValue


def meant(
    at: Sentence,
    said: reading.Reading,
    found: answers.Found,
    intents: tuple[Intent, ...],
    day: DateRange | None,
    digits: str | None,
    *,
    is_spelled: bool,
) -> tuple[DateRange | None, TimeRange | None]:
    """Day and time that are wished for, of those said."""
    clock = said.time if said.time is not None and not is_put_on(at, found) else hour_kept(at, found, said)
    if Intent.QUESTION in intents and at.is_asked_back(found):
        day, clock = None, None
    if "marks.opens_question" in found and clock is not None and clock.start == at.now.time().replace(tzinfo=None):
        day, clock = None, None  # "are they taking new patients right now"
    if Slot.DIGITS in at.expectation.slots and digits and (len(digits) > 2 or clock is None):
        day, clock = None, None
    if is_spelled:
        clock = None  # "b r o w n e": its o is no midnight
    if Intent.ENQUIRE in intents or (Intent.CANCEL in intents and said.is_time_fact):
        clock = None
    if Intent.MOVE in intents and day is not None and day.start is None and day.end is not None:
        day = DateRange(day.end, day.end)  # "put it off till the thirtieth"
    if digits and (len(digits) > 2 or clock is None) and day is None and Slot.TIME not in at.expectation.slots:
        clock = None
    if Intent.MOVE in intents and clock is not None and clock.end is not None and moves_from(at, said, "TIME"):
        clock = TimeRange(clock.end, clock.end)
    if Intent.MOVE in intents and day is not None and moves_from(at, said, "DATE"):
        day = DateRange(day.end, day.end)
        if at.expectation.previous_start is not None:
            day = beside_appointment(at, said, at.expectation.previous_start.date()) or day
    elif Intent.MOVE in intents:
        day = moved_to(at, said) or day
    if Intent.MOVE in intents and said.is_time_fact and day is not None and not said.is_date_fact:
        clock = None  # "I have an appointment on monday at nine and need to move it to wednesday"
    return day, clock


def day_talked_about(at: Sentence) -> DateRange | None:
    """The day that a caller insists on: the one talked about, or that of all that was offered."""
    about = at.about()
    if about is not None:
        return reading.to_range(about)
    days = {offer.start.date() for offer in at.expectation.offered}
    return DateRange(min(days), min(days)) if len(days) == 1 else None


def day_of(at: Sentence, said: reading.Reading) -> DateRange | None:
    """The date as said; a bare weekday inside the stretch being talked about is that one."""
    about, value = at.about(), said.date_value
    if value is None:
        return narrowed_by_refusal(at, said)
    if value.weekday is not None and (named := of_what_was_named(at, value.weekday, value.start)) is not None:
        return named
    if value.weekday is not None and about is not None and about.start is not None and about.grain != "day":
        chosen = merging.narrowed(about, value)
        if chosen is not None and chosen.start is not None and chosen.start >= at.now.date():
            return reading.to_range(chosen)
    return said.date


def is_put_on(at: Sentence, found: answers.Found) -> bool:
    """ "Eleven, no, make that half past"."""
    return any(key in found for key in answers.MINUTES) and "marks.correct" in found and not at.expectation.offered


def hour_kept(at: Sentence, found: answers.Found, said: reading.Reading) -> TimeRange | None:
    """ "half past", said of what was read back or just named: of the same hour."""
    proposal = at.expectation.confirming
    if said.time is not None:
        minute = next((minute for key, minute in answers.MINUTES.items() if key in found), None)
        start = said.time.start
        if minute is None or start is None or not said.time.is_point or start.minute:
            return said.time
        return TimeRange(start.replace(minute=minute), start.replace(minute=minute))
    if proposal is None or proposal.start is None:
        return None
    minute = next((minute for key, minute in answers.MINUTES.items() if key in found), None)
    hour = proposal.start.hour - (minute == answers.MINUTES["choices.quarter_to"])
    moment = None if minute is None else proposal.start.time().replace(hour=hour, minute=minute, tzinfo=None)
    return None if moment is None else TimeRange(moment, moment)


def beside_appointment(at: Sentence, said: reading.Reading, previous: date) -> DateRange | None:
    """ "From wednesday to thursday", of an appointment on a wednesday: the thursday of its week."""
    values = [value for span in said.spans for value in (span.value,) if isinstance(value, DateValue)]
    days = [day for value in values for day in (value.start, value.end) if day is not None]
    if len(days) < 2 or days[0].weekday() != previous.weekday():
        return None
    moved = previous + timedelta(days=days[-1].weekday() - previous.weekday())
    return DateRange(moved, moved) if moved > at.now.date() else None


def of_what_was_named(at: Sentence, weekday: int, day: date | None) -> DateRange | None:
    """A bare weekday that only one of the days offered or read back has is that day."""
    expected = at.expectation
    proposal = expected.confirming
    starts = [offer.start.date() for offer in expected.offered]
    if proposal is not None and proposal.start is not None:
        starts = [proposal.start.date()]
    fitting = {start for start in starts if start.weekday() == weekday}
    if day in fitting or len(fitting) != 1:
        return None
    found = fitting.pop()
    return DateRange(found, found)


def narrowed_by_refusal(at: Sentence, said: reading.Reading) -> DateRange | None:
    """ "not tuesday", said of next week: next week without it."""
    about = at.about()
    if said.rejected_date is None or about is None or about.grain == "day":
        return None
    less = merging.without(at.context(), about, said.rejected_date)
    return None if less is None else reading.to_range(less)


def rank(at: Sentence, said: reading.Reading) -> int | None:
    """ "the second" as a place among what was offered."""
    if not at.expectation.offered and not at.expectation.options:
        return None
    ranks = [
        value
        for position, entries in enumerate(at.grammar.lexical(at.tokens))
        for category, _, value in entries
        if category in accepting.RANKS
        and isinstance(value, int)
        and not any(span.start <= position < span.end for span in said.spans)
    ]
    return ranks[0] if len(set(ranks)) == 1 else None


def taken_back(
    at: Sentence, said: reading.Reading, found: answers.Found, polarity: YesNo | None, service: str | None
) -> tuple[frozenset[Slot], frozenset[Slot]]:
    rejected: set[Slot] = set()
    corrected: set[Slot] = set()
    if said.rejected_date is not None and said.date is None and narrowed_by_refusal(at, said) is None:
        rejected.add(Slot.DATE)
    if said.rejected_time is not None and said.time is None:
        rejected.add(Slot.TIME)
    is_correcting = polarity is YesNo.NO or "marks.instead" in found
    if said.date is not None and (said.is_date_corrected or polarity is YesNo.NO):
        corrected.add(Slot.DATE)
    if said.time is not None and (said.is_time_corrected or polarity is YesNo.NO):
        corrected.add(Slot.TIME)
    if service is not None and is_correcting:
        corrected.add(Slot.SERVICE)
    return frozenset(rejected), frozenset(corrected)


def moves_from(at: Sentence, said: reading.Reading, kind: str) -> bool:
    """Whether it is "from tuesday to thursday", "from two to four": where an appointment goes, not a stretch."""
    words, grammar = at.tokens.words, at.grammar
    return any(
        span.category == kind and (words[span.start] in grammar.from_words or _goes_to(words, span, grammar.to_words))
        for span in said.spans
    )


def _goes_to(words: Sequence[str], span: Span, to_words: frozenset[str]) -> bool:
    """ "Reschedule friday to tuesday"; "to friday to tuesday" is a stretch."""
    is_after = span.start == 0 or words[span.start - 1] not in to_words
    return is_after and not to_words.isdisjoint(words[span.start + 1 : span.end])


def moved_to(at: Sentence, said: reading.Reading) -> DateRange | None:
    """The day after "to", where another was named before it ("my wednesday appointment to friday")."""
    spans = [span for span in said.spans if isinstance(span.value, DateValue)]
    words = [word for word in at.tokens.words[: spans[-1].start + 1] if word not in at.grammar.fillers] if spans else []
    if len(spans) < 2 or at.grammar.to_words.isdisjoint(words[-2:]):
        return None
    value = spans[-1].value
    return reading.to_range(value) if isinstance(value, DateValue) and value.is_single else None


def refused_days(value: DateValue | None) -> DateRange | None:
    """ "Not monday" refuses every Monday."""
    if value is None:
        return None
    if value.weekday is not None:
        return DateRange(None, None, weekdays=frozenset({value.weekday}))
    return reading.to_range(value)


def agrees(said: reading.Reading, start: datetime, day: DateRange | None) -> bool:
    if day is not None and not day.contains(start.date()):
        return False
    if said.time is not None:
        clock = start.time().replace(tzinfo=None)
        if said.candidates:
            return clock in said.candidates
        return said.time.contains(clock)
    return said.impossible is None
