"""What a caller meant: readings + expectation + now -> CallerAct. Pure and fast; never raises on any text."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from ari_app.understanding import answers, names, reading, services
from ari_app.understanding.actions import ACTIONS
from ari_app.understanding.chart import Chart
from ari_app.understanding.grammar import Grammar, load_grammar
from ari_app.understanding.meaning import (
    CallerAct,
    DateRange,
    Expectation,
    Hypothesis,
    Intent,
    Preference,
    Slot,
    TimeRange,
    Topic,
    Vocabulary,
    YesNo,
)
from ari_app.understanding.spoken_numbers import DERIVED, digits_in
from ari_app.understanding.tokens import BREAK, Tokens
from ari_app.understanding.values import DateValue, ReadingContext

UNKNOWN = "[unk]"
CLOSED_LIST_BONUS = 0.1
OPEN_LIST_BONUS = 0.02
"""Where much can be said, the list is words that follow each other loosely: free recognition knows as much."""
EMPTY_MALUS = 0.35
WHEN = frozenset({Slot.DATE, Slot.TIME})
BACKCHANNEL = frozenset({"yes_no.weak_yes", "yes_no.said_yes", "names.ends", "marks.delighted"})
"""A turn of these alone, where nothing was asked, only says "go on"."""


def interpret(
    readings: Sequence[Hypothesis] | str,
    expectation: Expectation,
    vocabulary: Vocabulary,
    now: datetime,
    locale: str = "en-GB",
) -> CallerAct:
    """The best act among the readings: what says most, with most confidence, about what was asked."""
    if isinstance(readings, str):
        return interpret_text(readings, expectation, vocabulary, now, locale)
    best: tuple[float, CallerAct] | None = None
    for hypothesis in readings:
        text = hypothesis.text.strip()
        if not text:
            continue
        act = interpret_text(text, expectation, vocabulary, now, locale)
        weight = hypothesis.confidence
        unknown = text.split().count(UNKNOWN) / len(text.split())
        weight -= unknown * 0.6
        if hypothesis.is_phrase_list:
            weight += CLOSED_LIST_BONUS if expectation.is_closed else OPEN_LIST_BONUS
        if act.is_empty:
            weight -= EMPTY_MALUS
        elif _answers(act, expectation):
            weight += 0.1
        act = replace(act, confidence=max(0.0, min(1.0, hypothesis.confidence - unknown * 0.5)))
        if best is None or weight > best[0]:
            best = (weight, act)
    return best[1] if best is not None else CallerAct()


def _answers(act: CallerAct, expectation: Expectation) -> bool:
    """Whether it fills something that was asked, or is a word that always counts."""
    wanted = expectation.slots
    return bool(
        (act.yes_no and Slot.YES_NO in wanted)
        or (act.choice is not None and Slot.CHOICE in wanted)
        or (act.date and Slot.DATE in wanted)
        or (act.time and Slot.TIME in wanted)
        or (act.service and Slot.SERVICE in wanted)
        or (act.name and Slot.NAME in wanted)
        or (act.digits and Slot.DIGITS in wanted)
        or (act.intents and Slot.TASK in wanted)
        or Intent.OPERATOR in act.intents
    )


def interpret_text(
    text: str, expectation: Expectation, vocabulary: Vocabulary, now: datetime, locale: str = "en-GB"
) -> CallerAct:
    """The meaning of one text."""
    grammar = load_grammar(locale)
    tokens = grammar.tokens(text)
    if not tokens.words:
        return CallerAct(text=text)
    return _Sentence(text, tokens, grammar, expectation, vocabulary, now, locale).act()


@dataclass(slots=True)
class _Sentence:
    """One text on its way to an act."""

    text: str
    tokens: Tokens
    grammar: Grammar
    expectation: Expectation
    vocabulary: Vocabulary
    now: datetime
    locale: str

    def act(self) -> CallerAct:
        expected = self.expectation
        said = reading.read(self.tokens, self.grammar, self._context(), self._asked())
        words = said.masked.split()
        resource = services.find_named(
            words, self.vocabulary.resources, self.grammar, is_expected=Slot.RESOURCE in expected.slots
        )
        refused_resource = None
        if resource.id and answers.is_left_out(words[: resource.start], self.grammar):
            refused_resource, words = resource.id, words[: resource.start] + words[resource.end :]
            resource = services.Named()
        if resource.ids:
            words = _replaced(words, resource.start, resource.end, "RESOURCE")
        service = services.find_named(
            words,
            self.vocabulary.services,
            self.grammar,
            is_expected=Slot.SERVICE in expected.slots or Slot.TASK in expected.slots,
        )
        service = self._unless_in_passing(service, words)
        meant = self._meant(said, words, service)
        if meant is not None:
            return replace(self, tokens=meant).act()
        if service.ids:
            words = _replaced(words, service.start, service.end, "SERVICE")
        found = self._found(words, said)
        prompt = answers.read_prompt(expected, self.grammar)
        rank = self._rank(said)
        day = self._date(said)
        if expected.offered and any(key.startswith("choices.") for key in found):
            said = _without_facts(said)  # "the morning one, she naps after lunch"
            day = None if said.date is None else day
        picked = answers.choice(found, expected.offered, day, said.time, resource.id, rank)
        option = answers.option(self.tokens.words, expected.options, found, rank) if expected.options else None
        polarity = answers.yes_no(
            found,
            f" {' '.join(words)} ",
            prompt,
            is_taken=(said.date is not None or said.time is not None)
            and not ("yes_no.weak_yes" in found and self._repeats_prompt(said)),
            is_answered=bool(service.ids or resource.ids or picked is not None or option is not None)
            or "names.any_resource" in found,
        )
        wish = answers.preference(found)
        polarity = self._clean(polarity, said, found, picked, service.id, wish, prompt)
        intents, topic = self._intents(found, polarity, prompt, said_when=_says_when(said))
        is_filled = _says_when(said) or bool(service.ids)
        if (
            "yes_no.no_more" in found
            and polarity is None
            and not (prompt.is_silent or is_filled)
            and Intent.GOODBYE not in intents
        ):
            intents = (*intents, Intent.GOODBYE)
        if polarity is YesNo.NO and not prompt.is_yes_no and "marks.strong_no" not in found and _tells_a_task(intents):
            polarity = None
        if prompt.is_read_back and not prompt.is_cancelling and (_says_when(said) or service.ids):
            intents = _without_tasks_of_a_correction(intents, found, is_booking=prompt.is_confirming)
        if self._is_about_offer(intents, found) or self._only_answers(said, found, bool(service.ids), polarity):
            intents = tuple(intent for intent in intents if intent is not Intent.BOOK)
        if prompt.is_choice and not service.ids and "marks.books" not in found:
            intents = tuple(intent for intent in intents if intent is not Intent.BOOK)
        if "intents.repeat" in found and topic not in {Topic.PRICE, Topic.DURATION, Topic.ADDRESS}:
            intents = tuple(intent for intent in intents if intent is not Intent.QUESTION)
            topic = None
        intents = self._asked_back(intents, found)
        is_wish = is_filled and not self._is_over(day)
        if not set(intents) - {Intent.THANKS} and self._opens(found, prompt, polarity, is_wish):
            intents = tuple(intent for intent in Intent if intent in {*intents, Intent.BOOK})
        is_insisting = "marks.only_day" in found and not self.tokens.is_question
        if is_insisting:
            wish = None if wish is Preference.OTHER_DAY else wish
            intents = tuple(intent for intent in intents if intent is not Intent.REQUEST_ALTERNATIVES)
            if found.get("marks.strong_no", (99, 0))[0] >= found["marks.only_day"][0]:
                polarity = None
        name, letters, digits = self._spelling(said, found, words, polarity, bool(intents))
        rejected, corrected = self._taken_back(said, found, polarity, service.id)
        if self._leads(found) and not intents and self._names_known_service(words):
            intents = (Intent.BOOK,)
        unknown = (
            None
            if service.ids or _is_other_task(intents) or Intent.GOODBYE in intents
            else self._unknown_service(words, found)
        )
        if "marks.opens_question" in found:
            unknown = None
        if unknown is not None and self._leads(found) and Intent.BOOK not in intents:
            intents = (Intent.BOOK, *intents)
        clock = said.time if said.time is not None and not self._is_put_on(found) else self._hour_kept(found, said)
        if is_insisting and day is None:
            day = self._day_talked_about()
        if Intent.QUESTION in intents and self._is_about_proposal(found):
            day, clock = None, None
        if (
            "marks.opens_question" in found
            and clock is not None
            and clock.start == self.now.time().replace(tzinfo=None)
        ):
            day, clock = None, None  # "are they taking new patients right now"
        if Slot.DIGITS in expected.slots and digits and (len(digits) > 2 or clock is None):
            day, clock = None, None
        if letters:
            clock = None  # "b r o w n e": its o is no midnight
        if polarity is YesNo.NO and picked is None and _says_when(said) and self._repeats_prompt(said):
            rejected = rejected | {Slot.DATE for _ in [day] if day} | {Slot.TIME for _ in [clock] if clock}
            day, clock, corrected = None, None, frozenset()  # "half seven at night, no", of half past seven
        if Intent.ENQUIRE in intents:
            clock = None
        if Intent.MOVE in intents and day is not None and day.start is None and day.end is not None:
            day = DateRange(day.end, day.end)  # "put it off till the thirtieth"
        if digits and (len(digits) > 2 or clock is None) and day is None and Slot.TIME not in expected.slots:
            clock = None
        if Intent.MOVE in intents and clock is not None and clock.end is not None and self._moves_from(said, "TIME"):
            clock = TimeRange(clock.end, clock.end)
        if Intent.MOVE in intents and day is not None and self._moves_from(said, "DATE"):
            day = DateRange(day.end, day.end)
            if expected.previous_start is not None:
                day = self._beside_appointment(said, expected.previous_start.date()) or day
        elif Intent.MOVE in intents:
            day = self._moved_to(said) or day
        if Intent.MOVE in intents and said.is_time_fact and day is not None and not said.is_date_fact:
            clock = None  # "I have an appointment on monday at nine and need to move it to wednesday"
        is_open = "choices.either" in found or "marks.asks_openings" in found
        if clock == TimeRange(None, None) and day is None and expected.slots & WHEN == {Slot.DATE}:
            day = DateRange(None, None)
        if is_open and not expected.offered and expected.confirming is None and day is None and clock is None:
            day = DateRange(None, None) if Slot.DATE in expected.slots else None
            clock = TimeRange(None, None) if Slot.TIME in expected.slots else None
            if (day, clock) != (None, None) and "yes_no.said_yes" not in found and polarity is YesNo.YES:
                polarity = None
        if (
            ((self.tokens.is_question and "marks.asks_about" in found) or "marks.opens_question" in found)
            and not (set(intents) - {Intent.THANKS})
            and (polarity is None or "yes_no.said_yes" in found or "marks.strong_no" in found)
            and day is None
            and clock is None
        ):
            topic = Topic.OTHER
            intents = tuple(intent for intent in Intent if intent in {*intents, Intent.QUESTION})
        act = CallerAct(
            text=self.text,
            intents=intents,
            service=service.id,
            unknown_service=unknown,
            service_candidates=service.ids if len(service.ids) > 1 else (),
            date=day,
            time=clock,
            time_candidates=said.candidates if clock is not None else (),
            impossible_date=said.impossible,
            yes_no=polarity,
            choice=None if Intent.REPEAT in intents else picked if picked is not None else option,
            option=expected.options[option] if option is not None else None,
            preference=wish,
            resource=resource.id,
            any_resource="names.any_resource" in found,
            name=name,
            is_named=name is not None and "names.sure_leads" in found,
            letters=letters,
            digits=digits,
            topic=topic,
            rejected=rejected,
            refused_date=_refused_days(said.rejected_date),
            refused_time=said.rejected_time,
            refused_resource=refused_resource,
            corrected=corrected,
            wants_back="marks.undo" in found,
            wants_all="marks.all_of_them" in found,
            is_urgent="marks.urgent" in found,
            is_for_other="names.for_other" in found,
            asks_why="marks.why" in found,
            is_this_number="marks.this_number" in found,
            explanation=(f"normalised: {self.tokens.text}", *said.notes, *(f"phrase: {key}" for key in found)),
        )
        is_assent = set(found) <= BACKCHANNEL and "yes_no.weak_yes" in found
        if act.is_empty and (is_assent or all(word in self.grammar.fillers for word in words)):
            return replace(act, is_backchannel=True)
        return act

    def _meant(self, said: reading.Reading, words: list[str], named: services.Named) -> Tokens | None:
        """ "an appointment four checkup": with "for", where a lone number stands between other words and a service."""
        if not named.ids or named.start == 0 or words[named.start - 1] != "TIME":
            return None
        span = said.spans[sum(word in reading.MASKS for word in words[: named.start - 1])]
        meant = self.grammar.homophones.get(self.tokens.words[span.start])
        is_beside = any(other.end == span.start for other in said.spans)
        if meant is None or span.end - span.start > 1 or span.start == 0 or is_beside:
            return None
        heard = list(self.tokens.words)
        heard[span.start] = meant
        return replace(self.tokens, words=tuple(heard))

    def _unless_in_passing(self, named: services.Named, words: list[str]) -> services.Named:
        """A part of a service's name in a question about something else, or to an operator, names none."""
        if not named.ids or named.score >= services.ALL_WORDS or Slot.SERVICE in self.expectation.slots:
            return named
        found = self.grammar.phrases.find(f" {' '.join(words)} ")
        topic = answers.topic(found)
        is_about_it = topic in {Topic.PRICE, Topic.DURATION, Topic.SERVICES}
        is_passing = "intents.operator" in found or "marks.opens_question" in found or topic is Topic.OTHER
        return services.Named() if is_passing and not is_about_it else named

    def _found(self, words: list[str], said: reading.Reading) -> dict[str, tuple[int, int]]:
        """Phrases of the sentence; "I'll take the half past two" is a yes where that is what was named."""
        found = self.grammar.phrases.find(f" {' '.join(words)} ")
        if "yes_no.takes" in found and "yes_no.slot_yes" not in found and self._repeats_prompt(said):
            found["yes_no.slot_yes"] = found["yes_no.takes"]
        return found

    # --- context ------------------------------------------------------------------------------------------------

    def _context(self) -> ReadingContext:
        expected, rules = self.expectation, self.grammar.locale(self.locale)
        return ReadingContext(
            now=self.now,
            day_first=rules.day_first,
            next_weekday=rules.next_weekday,
            opens=self.vocabulary.opens,
            closes=self.vocabulary.closes,
            about=self._about(),
            about_time=expected.time.start if expected.time is not None else None,
            previous=expected.previous_start.date() if expected.previous_start is not None else None,
            parts=self.grammar.parts,
        )

    def _about(self) -> DateValue | None:
        talked = self.expectation.date
        if talked is None or talked.start is None or talked.end is None:
            proposal = self.expectation.confirming
            if proposal is not None and proposal.start is not None:
                return DateValue(proposal.start.date(), proposal.start.date())
            if self.expectation.prompt and not self.grammar.about_words.isdisjoint(self.tokens.words):
                named = _said_in_prompt(self.expectation.prompt, self.now, self.locale).date
                return DateValue(named.start, named.end) if named is not None and named.is_single else None
            return None
        length = (talked.end - talked.start).days
        grain = "day" if length == 0 else "week" if length <= 6 else "month" if length <= 31 else "range"
        return DateValue(talked.start, talked.end, talked.weekdays, talked.excluded, grain=grain)

    def _asked(self) -> reading.Asked:
        expected = self.expectation
        is_about_time = bool(
            expected.offered or expected.time is not None or (expected.confirming and expected.confirming.start)
        )
        if expected.slots == {Slot.YES_NO} and not is_about_time and expected.prompt:
            is_about_time = _said_in_prompt(expected.prompt, self.now, self.locale).time is not None
        hours = frozenset(offer.start.hour % 12 for offer in expected.offered)
        return reading.Asked(
            hours=hours,
            date=Slot.DATE in expected.slots,
            task=Slot.TASK in expected.slots,
            time=Slot.TIME in expected.slots or (is_about_time and Slot.CHOICE not in expected.slots),
            offers=max(len(expected.offered), len(expected.options)),
        )

    # --- slots --------------------------------------------------------------------------------------------------

    def _day_talked_about(self) -> DateRange | None:
        """The day that a caller insists on: the one talked about, or that of all that was offered."""
        about = self._about()
        if about is not None:
            return reading.to_range(about)
        days = {offer.start.date() for offer in self.expectation.offered}
        return DateRange(min(days), min(days)) if len(days) == 1 else None

    def _date(self, said: reading.Reading) -> DateRange | None:
        """The date as said; a bare weekday inside the stretch being talked about is that one."""
        about, value = self._about(), said.date_value
        if value is None:
            return self._narrowed_by_refusal(said)
        if value.weekday is not None and (named := self._of_what_was_named(value.weekday, value.start)) is not None:
            return named
        if value.weekday is not None and about is not None and about.start is not None and about.grain != "day":
            chosen = reading.narrowed(about, value)
            if chosen is not None and chosen.start is not None and chosen.start >= self.now.date():
                return reading.to_range(chosen)
        return said.date

    def _is_put_on(self, found: answers.Found) -> bool:
        """ "Eleven, no, make that half past"."""
        return (
            any(key in found for key in answers.MINUTES) and "marks.correct" in found and not self.expectation.offered
        )

    def _hour_kept(self, found: answers.Found, said: reading.Reading) -> TimeRange | None:
        """ "half past", said of what was read back or just named: of the same hour."""
        proposal = self.expectation.confirming
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
        at = None if minute is None else proposal.start.time().replace(hour=hour, minute=minute, tzinfo=None)
        return None if at is None else TimeRange(at, at)

    def _beside_appointment(self, said: reading.Reading, previous: date) -> DateRange | None:
        """ "From wednesday to thursday", of an appointment on a wednesday: the thursday of its week."""
        values = [value for span in said.spans for value in (span.value,) if isinstance(value, DateValue)]
        days = [day for value in values for day in (value.start, value.end) if day is not None]
        if len(days) < 2 or days[0].weekday() != previous.weekday():
            return None
        moved = previous + timedelta(days=days[-1].weekday() - previous.weekday())
        return DateRange(moved, moved) if moved > self.now.date() else None

    def _of_what_was_named(self, weekday: int, day: date | None) -> DateRange | None:
        """A bare weekday that only one of the days offered or read back has is that day."""
        expected = self.expectation
        proposal = expected.confirming
        starts = [offer.start.date() for offer in expected.offered]
        if proposal is not None and proposal.start is not None:
            starts = [proposal.start.date()]
        fitting = {start for start in starts if start.weekday() == weekday}
        if day in fitting or len(fitting) != 1:
            return None
        found = fitting.pop()
        return DateRange(found, found)

    def _narrowed_by_refusal(self, said: reading.Reading) -> DateRange | None:
        """ "not tuesday", said of next week: next week without it."""
        about = self._about()
        if said.rejected_date is None or about is None or about.grain == "day":
            return None
        less = reading.without(self._context(), about, said.rejected_date)
        return None if less is None else reading.to_range(less)

    def _rank(self, said: reading.Reading) -> int | None:
        """ "the second" as a place among what was offered."""
        if not self.expectation.offered and not self.expectation.options:
            return None
        ranks = [
            value
            for position, entries in enumerate(self.grammar.lexical(self.tokens))
            for category, _, value in entries
            if category in reading.RANKS
            and isinstance(value, int)
            and not any(span.start <= position < span.end for span in said.spans)
        ]
        return ranks[0] if len(set(ranks)) == 1 else None

    def _clean(
        self,
        polarity: YesNo | None,
        said: reading.Reading,
        found: answers.Found,
        picked: int | None,
        service: str | None,
        wish: Preference | None,
        prompt: answers.Prompt,
    ) -> YesNo | None:
        """A yes that changes what was proposed is no yes: "yes but can we make it four" leaves the proposal open."""
        is_dropped = "intents.never_mind" in found and "yes_no.said_yes" not in found
        if is_dropped and prompt.is_yes_no and not _says_when(said):
            return YesNo.NO  # "leave it, I'll do it myself"
        if polarity is not YesNo.YES or ("names.for_other" in found and "yes_no.said_yes" in found):
            return polarity
        proposal, offers = self.expectation.confirming, self.expectation.offered
        is_open = proposal is not None or bool(offers)
        if is_open and picked is None and wish in {Preference.EARLIER, Preference.LATER, Preference.OTHER_DAY}:
            return None
        if is_open and "intents.request_alternatives" in found:
            return None
        if proposal is not None:
            start = proposal.start
            if start is not None and not _agrees(said, start, self._date(said)):
                return None
            if service is not None and proposal.service not in {None, service}:
                return None
            is_changed = "marks.instead" in found and not _is_inside(found, "marks.instead", "yes_no.yes")
            is_asking = "yes_no.said_yes" in found and _asks_after(found, "marks.but")
            if ("marks.but" in found and not is_asking) or (is_changed and "yes_no.yes_over_no" not in found):
                return None
            return polarity
        if len(offers) > 1 and "yes_no.said_yes" not in found and (picked is not None or _says_when(said)):
            return None
        if offers:
            if picked is None and (said.date is not None or said.time is not None):
                return None
            return polarity
        if "yes_no.said_yes" not in found and self._names_another_day(said):
            return None
        is_changed = "marks.instead" in found and "marks.but" in found
        return None if is_changed and (said.date is not None or said.time is not None) else polarity

    def _intents(
        self,
        found: answers.Found,
        polarity: YesNo | None,
        prompt: answers.Prompt,
        *,
        said_when: bool,
    ) -> tuple[tuple[Intent, ...], Topic | None]:
        wanted = set(answers.intents(found))
        if "marks.openings" in found and "intents.book" not in found and self._is_beside_offer(polarity, prompt):
            wanted = wanted - {Intent.BOOK} | {Intent.REQUEST_ALTERNATIVES}
        if _is_inside(found, "intents.cancel", "marks.not_cancel"):
            wanted.discard(Intent.CANCEL)
            wanted |= {Intent.MOVE} & set(map(Intent, _named_intents(found)))
        for intent in (Intent.CANCEL, Intent.MOVE):
            if intent in wanted and _is_inside(found, f"intents.{intent.value}", "marks.hypothetical"):
                wanted.discard(intent)
        if "marks.before_it" in found and "yes_no.said_yes" not in found:
            wanted.discard(Intent.BOOK)
        if polarity is YesNo.YES and {"yes_no.said_yes", "marks.books"} <= set(found):
            wanted.discard(Intent.REQUEST_ALTERNATIVES)  # "yes, book it before somebody else does"
        if wanted & {Intent.CANCEL, Intent.MOVE, Intent.ENQUIRE, Intent.NEVER_MIND} or (
            prompt.is_task and not self._is_open()
        ):
            wanted.discard(Intent.REQUEST_ALTERNATIVES)  # nothing was offered that there could be others of
        if _overlap(found, "marks.opens_question", "intents.book") and "marks.books" not in found:
            wanted.discard(Intent.BOOK)  # "do I need a skin test"
        topic = answers.topic(found)
        if topic is not None and not self.tokens.is_question and "marks.asks" not in found:
            topic = None
        if wanted & {Intent.ENQUIRE, Intent.CANCEL, Intent.MOVE, Intent.OPERATOR, Intent.CALLBACK}:
            topic = None
        if Intent.REQUEST_ALTERNATIVES in wanted and topic is not None:
            key = f"topics.{topic.value}"
            is_of_others = _overlap(found, "intents.request_alternatives", key)
            if is_of_others or _is_before(found, "marks.better_one", key):
                topic = None  # "what else is open", "anything with better reviews"
        if Intent.REQUEST_ALTERNATIVES in wanted and (
            "yes_no.no_more" in found or (topic is not None and not self.expectation.offered)
        ):
            wanted.discard(Intent.REQUEST_ALTERNATIVES)
        if topic is not None:
            wanted.add(Intent.QUESTION)
            is_own = {"marks.requests", "marks.books"} & set(found) and said_when
            if (
                not is_own
                and topic is not Topic.OTHER
                and found.get("intents.book", (99, 0))[0] >= found[f"topics.{topic.value}"][0]
            ):
                wanted.discard(Intent.BOOK)
        if Intent.CANCEL in wanted and polarity is YesNo.NO and self.expectation.confirming is not None:
            wanted.discard(Intent.NEVER_MIND)
        return tuple(intent for intent in Intent if intent in wanted), topic

    def _is_beside_offer(self, polarity: YesNo | None, prompt: answers.Prompt) -> bool:
        """Whether "is there anything on friday" asks for something else than what was offered."""
        if Slot.TASK in self.expectation.slots or prompt.is_anything_else or polarity is YesNo.YES:
            return False
        if self._is_open() or polarity is YesNo.NO:
            return prompt.is_yes_no or prompt.is_choice or bool(self.expectation.offered)
        named = _said_in_prompt(self.expectation.prompt, self.now, self.locale)
        return (prompt.is_yes_no or prompt.is_choice) and (named.date is not None or named.time is not None)

    def _is_about_offer(self, intents: tuple[Intent, ...], found: answers.Found) -> bool:
        """ "I would like to see some other options" is no wish to book."""
        if Intent.REQUEST_ALTERNATIVES not in intents or "marks.books" in found:
            return False
        is_other = _is_inside(found, "intents.request_alternatives", "intents.book")
        return is_other or not {"marks.availability", "marks.openings"} & set(found)

    def _only_answers(
        self, said: reading.Reading, found: answers.Found, names_service: bool, polarity: YesNo | None
    ) -> bool:
        """ "I need a filling", "could I come before noon": what was asked for is told, no wish of its own."""
        slots = self.expectation.slots
        is_taking = "yes_no.takes" in found and slots == {Slot.YES_NO}
        is_filled = is_taking or (_says_when(said) and slots == {Slot.YES_NO} and polarity is not YesNo.YES)
        is_filled = is_filled or (
            (said.date is not None and Slot.DATE in slots)
            or (said.time is not None and Slot.TIME in slots)
            or (names_service and Slot.SERVICE in slots)
        )
        is_asked = bool(self.expectation.prompt) and Slot.TASK not in slots
        return is_filled and is_asked and "marks.books" not in found

    def _opens(self, found: answers.Found, prompt: answers.Prompt, polarity: YesNo | None, is_filled: bool) -> bool:
        """Whether an answer to "how can I help" is a wish to come ("my roots, on friday", "could somebody look")."""
        if not prompt.is_task or self._is_open() or polarity is not None:
            return False
        if answers.topic(found) is not None:
            return False
        if {"marks.opens_question", "yes_no.no_more", "names.sure_leads"} & set(found):
            return False
        return is_filled or "marks.requests" in found

    def _is_over(self, day: DateRange | None) -> bool:
        return day is not None and day.end is not None and day.end < self.now.date()

    def _is_about_proposal(self, found: answers.Found) -> bool:
        """ "is that the morning", asked of what was read out or offered."""
        return "marks.asks_back" in found and self._is_open()

    def _is_open(self) -> bool:
        return self.expectation.confirming is not None or bool(self.expectation.offered)

    def _asked_back(self, intents: tuple[Intent, ...], found: answers.Found) -> tuple[Intent, ...]:
        """ "when is it again" asks for the appointment; of what was just read out it asks to hear that once more."""
        wanted = set(intents)
        if "marks.asks_when" in found:
            wanted.add(Intent.REPEAT if self._is_open() else Intent.ENQUIRE)
        if self._is_about_proposal(found):
            wanted |= {Intent.REPEAT, Intent.QUESTION}
            wanted.discard(Intent.BOOK)
        return tuple(intent for intent in Intent if intent in wanted)

    def _spelling(
        self, said: reading.Reading, found: answers.Found, words: list[str], polarity: YesNo | None, has_intent: bool
    ) -> tuple[str | None, str | None, str | None]:
        slots = self.expectation.slots
        digits = None
        if Slot.DIGITS in slots:
            spoken = [word for word in self.tokens.words if word not in self.grammar.digit_links]
            digits = digits_in(spoken, self.grammar.digits, self.grammar.multipliers) or None
            if digits is not None and len(digits) >= 7 and self.grammar.is_international(self.tokens.words):
                digits = f"+{digits}"
            digits = _spoken_year(self.tokens.words, self.grammar, self._context()) or digits
        else:
            run = digits_in(self.tokens.words, self.grammar.digits, self.grammar.multipliers)
            digits = run if len(run) >= 7 else None
        letters: str | None = None
        spelt: frozenset[int] = frozenset()
        is_put_right = self.expectation.confirming is not None and polarity is not YesNo.YES
        if Slot.NAME in slots or is_put_right:
            run_of_letters = names.spelled(self.tokens.words, self.grammar, is_strict=Slot.NAME not in slots)
            letters, spelt = run_of_letters if run_of_letters is not None else (None, frozenset())
        lead_end = None
        is_lead = Slot.NAME in slots or is_put_right or self._is_sure_lead(found, words)
        if "names.leads" in found and is_lead:
            lead_end = _position(words, found["names.leads"][1], said, self.tokens)
        taken = frozenset(index for span in said.spans for index in range(span.start, span.end))
        name = names.said_name(
            self.tokens,
            self.grammar,
            known=self.vocabulary.names,
            lead_end=lead_end,
            is_expected=Slot.NAME in slots and polarity is not YesNo.NO and not has_intent,
            taken=taken | spelt | self._service_words(),
            is_for_other="names.for_other" in found,
        )
        return name, letters, digits

    def _service_words(self) -> frozenset[int]:
        """Where words of a service stand: "for my son a filling" is no name."""
        known = {
            word
            for each in self.vocabulary.services
            for name in (each.name, *each.synonyms)
            for word in name.lower().split()
        }
        return (
            frozenset(index for index, word in enumerate(self.tokens.words) if word in known)
            if Slot.NAME not in self.expectation.slots
            else frozenset()
        )

    def _is_sure_lead(self, found: answers.Found, words: list[str]) -> bool:
        return "names.sure_leads" in found

    def _taken_back(
        self, said: reading.Reading, found: answers.Found, polarity: YesNo | None, service: str | None
    ) -> tuple[frozenset[Slot], frozenset[Slot]]:
        rejected: set[Slot] = set()
        corrected: set[Slot] = set()
        if said.rejected_date is not None and said.date is None and self._narrowed_by_refusal(said) is None:
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

    def _moves_from(self, said: reading.Reading, kind: str) -> bool:
        """Whether it is "from tuesday to thursday", "from two to four": where an appointment goes, not a stretch."""
        return any(
            span.category == kind and self.tokens.words[span.start] in self.grammar.from_words for span in said.spans
        )

    def _moved_to(self, said: reading.Reading) -> DateRange | None:
        """The day after "to", where another was named before it ("my wednesday appointment to friday")."""
        spans = [span for span in said.spans if isinstance(span.value, DateValue)]
        if len(spans) < 2 or self.tokens.words[spans[-1].start - 1] not in self.grammar.to_words:
            return None
        value = spans[-1].value
        return reading.to_range(value) if isinstance(value, DateValue) and value.is_single else None

    def _repeats_prompt(self, said: reading.Reading) -> bool:
        """Whether the day and time said are the ones that the agent named."""
        if not self.expectation.prompt:
            return False
        named = _said_in_prompt(self.expectation.prompt, self.now, self.locale)
        is_time = said.time is None or said.time == named.time or _is_one_of(said.time, named.time)
        return (said.date is None or said.date == named.date) and is_time

    def _names_another_day(self, said: reading.Reading) -> bool:
        """Whether the day said is none of what the agent named."""
        if not self.expectation.prompt or said.date is None or said.date.start is None or not said.date.is_single:
            return False
        named = _said_in_prompt(self.expectation.prompt, self.now, self.locale).date
        return named is not None and named.is_single and not named.contains(said.date.start)

    def _names_known_service(self, words: list[str]) -> bool:
        joined = f" {' '.join(words)} "
        return any(f" {known} " in joined for known in self.grammar.known_services)

    def _leads(self, found: answers.Found) -> tuple[str, ...]:
        return tuple(key for key in ("services.leads", "services.bare_leads") if key in found)

    def _unknown_service(self, words: list[str], found: answers.Found) -> str | None:
        """Words that name a service which this business hasn't."""
        if not self.vocabulary.services:
            return None
        plain = [word for word in words if word.islower()]
        joined = f" {' '.join(plain)} "
        for known in self.grammar.known_services:
            if f" {known} " in joined:
                return known
        leads = self._leads(found)
        if leads == ("services.bare_leads",) and Slot.TASK in self.expectation.slots:
            leads = ()  # "a match", to "how can I help": what was heard is no service of anybody's
        is_named = bool(leads) and "intents.request_alternatives" not in found
        if Slot.SERVICE in self.expectation.slots and is_named:
            rest = f" {' '.join(words)} "[max(found[lead][1] for lead in leads) :].split()
            named: list[str] = []
            for word in rest:
                if not word.islower() or word == BREAK or word in self.grammar.service_stops:
                    break
                named.append(word)
            if named and not all(word in self.grammar.service_noise for word in named) and len(named) <= 4:
                return " ".join(named)
        return None


@functools.lru_cache(maxsize=512)
def _said_in_prompt(prompt: str, now: datetime, locale: str) -> reading.Reading:
    """The day and time that the agent's own words name."""
    grammar = load_grammar(locale)
    tokens = grammar.tokens(prompt)
    asking = Expectation(slots=frozenset({Slot.DATE, Slot.TIME}))
    sentence = _Sentence(prompt, tokens, grammar, asking, Vocabulary(), now, locale)
    return reading.read(tokens, grammar, sentence._context(), sentence._asked())


def _without_tasks_of_a_correction(
    intents: tuple[Intent, ...], found: answers.Found, *, is_booking: bool
) -> tuple[Intent, ...]:
    """What was read out is put right by another day or time: "let us push it to four" is no other task."""
    dropped: set[Intent] = set()
    if "marks.instead" in found or "marks.moves_it" in found:
        dropped.add(Intent.MOVE)
    if "marks.instead" in found or (is_booking and "marks.books" not in found):
        dropped.add(Intent.BOOK)
    return tuple(intent for intent in intents if intent not in dropped)


def _is_one_of(point: TimeRange, named: TimeRange | None) -> bool:
    return named is not None and point.is_point and point.start is not None and named.contains(point.start)


def _refused_days(value: DateValue | None) -> DateRange | None:
    """ "Not monday" refuses every Monday."""
    if value is None:
        return None
    if value.weekday is not None:
        return DateRange(None, None, weekdays=frozenset({value.weekday}))
    return reading.to_range(value)


def _tells_a_task(intents: tuple[Intent, ...]) -> bool:
    return bool(set(intents) & {Intent.CANCEL, Intent.MOVE, Intent.OPERATOR, Intent.ENQUIRE})


def _is_inside(found: answers.Found, inner: str, outer: str) -> bool:
    """Whether one phrase is a part of another ("i said" of "that is what i said")."""
    if outer not in found:
        return False
    return found[outer][0] <= found[inner][0] and found[inner][1] <= found[outer][1]


def _asks_after(found: answers.Found, key: str) -> bool:
    """Whether a question about the business follows ("yes, but what is the address")."""
    questions = [place for name, place in found.items() if name.startswith("topics.") or name == "marks.asks_about"]
    return key in found and any(start >= found[key][1] for start, _ in questions)


def _named_intents(found: answers.Found) -> list[str]:
    return [key.removeprefix("intents.") for key in found if key.startswith("intents.")]


def _overlap(found: answers.Found, first: str, second: str) -> bool:
    if first not in found or second not in found:
        return False
    return found[first][0] < found[second][1] and found[second][0] < found[first][1]


def _without_facts(said: reading.Reading) -> reading.Reading:
    """Without the date and the time that only tell why."""
    if said.is_date_fact:
        said = replace(said, date=None, date_value=None)
    return replace(said, time=None, candidates=()) if said.is_time_fact else said


def _is_before(found: answers.Found, first: str, second: str) -> bool:
    return first in found and found[first][0] <= found[second][0]


def _says_when(said: reading.Reading) -> bool:
    return said.date is not None or said.time is not None


def _is_other_task(intents: tuple[Intent, ...]) -> bool:
    return bool(set(intents) & {Intent.OPERATOR, Intent.CANCEL, Intent.ENQUIRE, Intent.QUESTION, Intent.REPEAT})


def _agrees(said: reading.Reading, start: datetime, day: DateRange | None) -> bool:
    if day is not None and not day.contains(start.date()):
        return False
    if said.time is not None:
        clock = start.time().replace(tzinfo=None)
        if said.candidates:
            return clock in said.candidates
        return said.time.contains(clock)
    return said.impossible is None


def _replaced(words: list[str], start: int, end: int, by: str) -> list[str]:
    return [*words[:start], by, *words[end:]]


def _position(words: list[str], offset: int, said: reading.Reading, tokens: Tokens) -> int:
    """Token index of the masked sentence's character `offset`."""
    masked_index = len(f" {' '.join(words)} "[:offset].split())
    tail = len(words) - masked_index
    return max(0, len(tokens.words) - tail) if not said.spans else _unmasked(masked_index, said)


def _unmasked(index: int, said: reading.Reading) -> int:
    position = index
    for span in said.spans:
        if span.start < position:
            position += span.end - span.start - 1
    return position


def _spoken_year(words: Sequence[str], grammar: Grammar, context: ReadingContext) -> str | None:
    """ "nineteen eighty four", "two thousand and one" as four digits."""
    tokens = Tokens(tuple(words))
    rows = Chart(grammar.rules, ACTIONS, context, DERIVED, frozenset({"YEAR"})).parse(words, grammar.lexical(tokens))
    found = [(end - start, value) for start, row in enumerate(rows) for end, value, _ in row.get("YEAR", ())]
    return str(max(found)[1]) if found else None


# --- whether the caller says anything at all ---------------------------------------------------------------------


def is_backchannel(text: str, locale: str = "en-GB") -> bool:
    """Whether all that was said is "okay", "mm-hm" and the like: a listener's sounds where no answer was asked for."""
    grammar = load_grammar(locale)
    words = grammar.tokens(text).words
    return bool(words) and all(word in grammar.backchannels for word in words)


# --- whether the caller has finished ----------------------------------------------------------------------------


def is_unfinished(text: str, locale: str = "en-GB") -> bool:
    """Whether the words ask for more ("on the", "half past", "um", "the twenty", a lone letter)."""
    grammar = load_grammar(locale)
    words = [word for word in grammar.tokens(text).words if word != BREAK]
    if not words:
        return False
    for size in (3, 2, 1):
        if len(words) >= size and " ".join(words[-size:]) in grammar.unfinished:
            return True
    half = tuple(words[-2:])
    if any(phrase == half and category == "AMPM" for phrase, category, _ in grammar.lexicon.get(half[0], ())):
        return False
    return len(words) > 1 and len(words[-1]) == 1 and words[-1].isalpha()


def is_complete(
    text: str, expectation: Expectation, vocabulary: Vocabulary, now: datetime, locale: str = "en-GB"
) -> bool:
    """Whether a stable partial is already a whole answer to what was asked, so that nobody waits for silence."""
    if not text.strip() or UNKNOWN in text or is_unfinished(text, locale):
        return False
    act = interpret_text(text, expectation, vocabulary, now, locale)
    if act.is_empty:
        return False
    if set(act.intents) & {Intent.OPERATOR, Intent.REPEAT, Intent.GOODBYE}:
        return True
    slots = expectation.slots
    if act.service_candidates or act.time_candidates or act.unknown_service or act.impossible_date:
        return False
    if expectation.is_closed:
        return act.yes_no is not None or act.choice is not None or (Slot.TASK in slots and bool(act.intents))
    if Slot.TASK in slots or Slot.NAME in slots or Slot.DIGITS in slots:
        return False
    wanted = slots & {Slot.SERVICE, Slot.DATE, Slot.TIME, Slot.RESOURCE}
    filled = {
        Slot.SERVICE: act.service is not None,
        Slot.DATE: act.date is not None and act.date.is_single,
        Slot.TIME: act.time is not None and act.time.is_point,
        Slot.RESOURCE: act.resource is not None or act.any_resource,
    }
    return bool(wanted) and all(filled[slot] for slot in wanted)
