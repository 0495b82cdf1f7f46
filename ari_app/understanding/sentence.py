"""One text with all that it is heard against: the words, the language, what was asked, and when."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ari_app.understanding import accepting, reading
from ari_app.understanding.grammar import Grammar, load_grammar
from ari_app.understanding.meaning import Expectation, Slot, TimeRange, Vocabulary
from ari_app.understanding.tokens import Tokens
from ari_app.understanding.values import DateValue, ReadingContext


@dataclass(slots=True)
class Sentence:
    """One text on its way to an act."""

    text: str
    tokens: Tokens
    grammar: Grammar
    expectation: Expectation
    vocabulary: Vocabulary
    now: datetime
    locale: str

    def context(self) -> ReadingContext:
        expected, rules = self.expectation, self.grammar.locale(self.locale)
        return ReadingContext(
            now=self.now,
            day_first=rules.day_first,
            next_weekday=rules.next_weekday,
            opens=self.vocabulary.opens,
            closes=self.vocabulary.closes,
            about=self.about(),
            about_time=expected.time.start if expected.time is not None else None,
            previous=expected.previous_start.date() if expected.previous_start is not None else None,
            parts=self.grammar.parts,
        )

    def about(self) -> DateValue | None:
        talked = self.expectation.date
        if talked is None or talked.start is None or talked.end is None:
            proposal = self.expectation.confirming
            if proposal is not None and proposal.start is not None:
                return DateValue(proposal.start.date(), proposal.start.date())
            if self.expectation.prompt and not self.grammar.about_words.isdisjoint(self.tokens.words):
                named = said_in_prompt(self.expectation.prompt, self.now, self.locale).date
                return DateValue(named.start, named.end) if named is not None and named.is_single else None
            return None
        length = (talked.end - talked.start).days
        grain = "day" if length == 0 else "week" if length <= 6 else "month" if length <= 31 else "range"
        return DateValue(talked.start, talked.end, talked.weekdays, talked.excluded, grain=grain)

    def asked(self) -> accepting.Asked:
        expected = self.expectation
        is_about_time = bool(
            expected.offered or expected.time is not None or (expected.confirming and expected.confirming.start)
        )
        if expected.slots == {Slot.YES_NO} and not is_about_time and expected.prompt:
            is_about_time = said_in_prompt(expected.prompt, self.now, self.locale).time is not None
        hours = frozenset(offer.start.hour % 12 for offer in expected.offered)
        return accepting.Asked(
            hours=hours,
            date=Slot.DATE in expected.slots,
            task=Slot.TASK in expected.slots,
            time=Slot.TIME in expected.slots or (is_about_time and Slot.CHOICE not in expected.slots),
            offers=max(len(expected.offered), len(expected.options)),
        )

    def is_open(self) -> bool:
        return self.expectation.confirming is not None or bool(self.expectation.offered)

    def is_asked_back(self, found: Mapping[str, object]) -> bool:
        """ "is that the morning", asked of what was read out or offered."""
        return "marks.asks_back" in found and self.is_open()

    def repeats_prompt(self, said: reading.Reading) -> bool:
        """Whether the day and time said are the ones that the agent named."""
        if not self.expectation.prompt:
            return False
        named = said_in_prompt(self.expectation.prompt, self.now, self.locale)
        is_time = said.time is None or said.time == named.time or is_one_of(said.time, named.time)
        return (said.date is None or said.date == named.date) and is_time

    def chooses_among_named(self, said: reading.Reading) -> bool:
        """Whether the time said is one of several that the agent named, asking for a time."""
        slots = self.expectation.slots
        if not self.expectation.prompt or said.time is None or Slot.TIME not in slots or Slot.YES_NO in slots:
            return False
        named = said_in_prompt(self.expectation.prompt, self.now, self.locale).time
        return named is not None and not named.is_point and not named.excludes_end and is_one_of(said.time, named)

    def names_another_day(self, said: reading.Reading) -> bool:
        """Whether the day said is none of what the agent named."""
        if not self.expectation.prompt or said.date is None or said.date.start is None or not said.date.is_single:
            return False
        named = said_in_prompt(self.expectation.prompt, self.now, self.locale).date
        return named is not None and named.is_single and not named.contains(said.date.start)


@functools.lru_cache(maxsize=512)
def said_in_prompt(prompt: str, now: datetime, locale: str) -> reading.Reading:
    """The day and time that the agent's own words name."""
    grammar = load_grammar(locale)
    tokens = grammar.tokens(prompt)
    asking = Expectation(slots=frozenset({Slot.DATE, Slot.TIME}))
    sentence = Sentence(prompt, tokens, grammar, asking, Vocabulary(), now, locale)
    return reading.read(tokens, grammar, sentence.context(), sentence.asked())


def is_one_of(point: TimeRange, named: TimeRange | None) -> bool:
    return named is not None and point.is_point and point.start is not None and named.contains(point.start)


def says_when(said: reading.Reading) -> bool:
    return said.date is not None or said.time is not None
