"""What a turn can be answered with, as the recogniser's phrase list: plain lower-case words, whole phrases."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta

from ari_app.understanding.grammar import Grammar, load_grammar
from ari_app.understanding.meaning import Expectation, ServiceWords, Slot, Vocabulary

LIMIT = 320
DAYS_NAMED = 21
"""How many days ahead are listed by their date ("the fourth of march")."""


def phrases(
    expectation: Expectation,
    vocabulary: Vocabulary,
    now: datetime,
    locale: str = "en-GB",
    grammar: Grammar | None = None,
) -> list[str]:
    """At most a few hundred phrases, the likeliest first; always a way to a human and yes/no."""
    known = grammar or load_grammar(locale)
    slots = expectation.slots or frozenset({Slot.TASK, Slot.SERVICE})
    made = dict.fromkeys(_plain(_all(slots, expectation, vocabulary, now, known)))
    made.pop("", None)
    return list(made)[:LIMIT]


def _all(
    slots: frozenset[Slot], expectation: Expectation, vocabulary: Vocabulary, now: datetime, grammar: Grammar
) -> Iterator[str]:
    expect = grammar.expect
    yield from expect["always"]
    yield from expect["yes_no"]
    yield from expectation.options
    if expectation.offered or Slot.CHOICE in slots:
        yield from expect["choice"]
        if len(expectation.offered) > 2:
            yield from expect["third"]
        for offer in expectation.offered:
            yield from _moment(offer.start, grammar)
            yield from _named(vocabulary.resources, expect["resource"][:2], "resource", only=offer.resource)
    if expectation.confirming is not None and expectation.confirming.start is not None:
        yield from _moment(expectation.confirming.start, grammar)
    if Slot.TASK in slots:
        yield from expect["task"]
    if Slot.SERVICE in slots:
        yield from _named(vocabulary.services, expect["service"], "service")
    if Slot.RESOURCE in slots:
        yield from _named(vocabulary.resources, expect["resource"], "resource")
    if Slot.DATE in slots:
        yield from expect["date"]
        yield from _weekdays(expect["date_weekday"], grammar)
        yield from _days(now.date(), grammar)
    if Slot.TIME in slots:
        yield from expect["time"]
        yield from _hours(expect["time_hour"], vocabulary, grammar)
    if Slot.DATE in slots and Slot.TIME in slots:
        hours = _open_hours(vocabulary)
        for pattern in expect["date_time"]:
            for weekday in grammar.spoken["weekdays"]:
                for hour in hours:
                    yield pattern.format(weekday=weekday, hour=_hour_word(hour, grammar))
    if Slot.NAME in slots:
        for name in vocabulary.names:
            yield name
            yield from (f"{lead} {name}" for lead in expect["name"])


def _plain(texts: Iterable[str]) -> Iterator[str]:
    """Without punctuation; anything with a digit left is no word for a recogniser."""
    for text in texts:
        plain = " ".join(re.sub(r"[^\w' ]+", " ", text.lower().replace("-", " ")).split())
        if not any(character.isdigit() for character in plain):
            yield plain


def _named(
    items: tuple[ServiceWords, ...], patterns: tuple[str, ...], key: str, only: str | None = None
) -> Iterator[str]:
    for item in items:
        if only is not None and item.id != only:
            continue
        for name in (item.name, *item.synonyms):
            for pattern in patterns:
                yield pattern.format(**{key: name}) if "{" in pattern else pattern


def _weekdays(patterns: tuple[str, ...], grammar: Grammar) -> Iterator[str]:
    for pattern in patterns:
        for weekday in grammar.spoken["weekdays"]:
            yield pattern.format(weekday=weekday)


def _days(today: date, grammar: Grammar) -> Iterator[str]:
    for offset in range(DAYS_NAMED):
        yield from _day(today + timedelta(days=offset), grammar)


def _day(day: date, grammar: Grammar) -> Iterator[str]:
    for pattern in grammar.expect["day_month"]:
        yield pattern.format(
            ordinal=grammar.spoken["ordinals"][day.day - 1], month=grammar.spoken["months"][day.month - 1]
        )


def _hours(patterns: tuple[str, ...], vocabulary: Vocabulary, grammar: Grammar) -> Iterator[str]:
    for pattern in patterns:
        for hour in _open_hours(vocabulary):
            yield pattern.format(hour=_hour_word(hour, grammar))


def _open_hours(vocabulary: Vocabulary) -> list[int]:
    """Full hours at which the business is open; all where it gives none."""
    last = vocabulary.closes.hour if vocabulary.closes > vocabulary.opens else 23
    return list(dict.fromkeys((hour % 12) or 12 for hour in range(vocabulary.opens.hour, last + 1)))


def _hour_word(hour: int, grammar: Grammar) -> str:
    return str(grammar.spoken["hours"][(hour % 12) or 12])


def _moment(start: datetime, grammar: Grammar) -> Iterator[str]:
    """What an offered opening may be called back as."""
    weekday = grammar.spoken["weekdays"][start.weekday()]
    clock = _clock(start.time(), grammar)
    at = grammar.spoken["at"]
    yield from (weekday, *clock)
    for said in clock:
        yield at.format(date=weekday, time=said)
    yield from _day(start.date(), grammar)


def _clock(of: time, grammar: Grammar) -> list[str]:
    hour, following = _hour_word(of.hour, grammar), _hour_word(of.hour + 1, grammar)
    forms = grammar.spoken["clock_forms"].get(of.minute, grammar.spoken["clock_forms"]["any"])
    minutes = grammar.spoken["minutes"].get(of.minute - of.minute % 5, "")
    return [" ".join(form.format(hour=hour, following=following, minutes=minutes).split()) for form in forms]
