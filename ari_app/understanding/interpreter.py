"""What a caller meant: readings + expectation + now -> CallerAct. Pure and fast; never raises on any text."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from ari_app.understanding import answers, facts, intentions, moments, naming, places, reading, services
from ari_app.understanding.grammar import load_grammar
from ari_app.understanding.meaning import (
    WHEN,
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
from ari_app.understanding.sentence import Sentence, says_when
from ari_app.understanding.tokens import BREAK, Tokens

UNKNOWN = "[unk]"
CLOSED_LIST_BONUS = 0.1
OPEN_LIST_BONUS = 0.02
"""Where much can be said, the list is words that follow each other loosely: free recognition knows as much."""
EMPTY_MALUS = 0.35
STRANGER_MALUS = 0.4
"""What a list that can't hold the name hears where a name was asked for is nobody's name."""
SPELLED = 4
"""Letters from which on a list's spelling is one."""
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
            if _is_stranger(act, expectation, vocabulary):
                weight -= STRANGER_MALUS
        if act.is_empty:
            weight -= EMPTY_MALUS
        elif _answers(act, expectation):
            weight += 0.1
        act = replace(act, confidence=max(0.0, min(1.0, hypothesis.confidence - unknown * 0.5)))
        if best is None or weight > best[0]:
            best = (weight, act)
    return best[1] if best is not None else CallerAct()


def _is_stranger(act: CallerAct, expectation: Expectation, vocabulary: Vocabulary) -> bool:
    """Whether a phrase list's reading of a name is none of the names that it holds."""
    if Slot.NAME not in expectation.slots or act.yes_no is not None or act.intents or act.name in vocabulary.names:
        return False
    return act.digits is None and len(act.letters or "") < SPELLED


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
        or {Intent.OPERATOR, Intent.REPEAT} & set(act.intents)
    )


def interpret_text(
    text: str, expectation: Expectation, vocabulary: Vocabulary, now: datetime, locale: str = "en-GB"
) -> CallerAct:
    """The meaning of one text."""
    grammar = load_grammar(locale)
    tokens = grammar.tokens(text)
    if not tokens.words:
        return CallerAct(text=text)
    return _act(Sentence(text, tokens, grammar, expectation, vocabulary, now, locale))


def _act(at: Sentence) -> CallerAct:
    """What is read of the sentence, each part seen against the others."""
    expected = at.expectation
    said = reading.read(at.tokens, at.grammar, at.context(), at.asked())
    words = said.masked.split()
    resource = services.find_named(
        words, at.vocabulary.resources, at.grammar, is_expected=Slot.RESOURCE in expected.slots
    )
    refused_resource = None
    if resource.id and answers.is_left_out(words[: resource.start], at.grammar):
        refused_resource, words = resource.id, words[: resource.start] + words[resource.end :]
        resource = services.Named()
    if resource.ids:
        words = _replaced(words, resource.start, resource.end, "RESOURCE")
    service = services.find_named(
        words,
        at.vocabulary.services,
        at.grammar,
        is_expected=Slot.SERVICE in expected.slots or Slot.TASK in expected.slots,
    )
    service = naming.unless_in_passing(at, service, words)
    meant = _meant(at, said, words, service)
    if meant is not None:
        return _act(replace(at, tokens=meant))
    if service.ids:
        words = _replaced(words, service.start, service.end, "SERVICE")
    found = _found(at, words, said)
    prompt = answers.read_prompt(expected, at.grammar)
    said = facts.before_answer(at, said, found, prompt)
    rank = moments.rank(at, said)
    day = moments.day_of(at, said)
    picked = answers.choice(found, expected.offered, day, said.time, resource.id, rank)
    takes_anybody = "names.any_resource" in found and "choices.none" not in found  # "i can't do either"
    option = answers.option(at.tokens.words, expected.options, found, rank) if expected.options else None
    polarity = answers.yes_no(
        found,
        f" {' '.join(words)} ",
        prompt,
        is_taken=says_when(said) and not ("yes_no.weak_yes" in found and at.repeats_prompt(said)),
        is_answered=bool(service.ids or resource.ids or picked is not None or option is not None)
        or takes_anybody
        or not answers.PICKS.isdisjoint(found),
    )
    left = facts.beside_answer(at, said, found, prompt, polarity)
    day, said = (None if said.date is not None and left.date is None else day), left
    if polarity is YesNo.NO and not prompt.is_yes_no and _is_own_correction(said, found):
        polarity = None  # "sunday, no, make that saturday", asked for a day
    wish = answers.preference(found)
    polarity = _clean(at, polarity, said, found, picked, service.id, wish, prompt)
    intents, topic, polarity = intentions.settled(at, said, found, prompt, polarity, day, bool(service.ids))
    if Intent.CANCEL in intents:
        said = replace(said, rejected_date=None)  # "i can't come on friday" names the appointment
    is_insisting = "marks.only_day" in found and not at.tokens.is_question
    if is_insisting:
        wish = None if wish is Preference.OTHER_DAY else wish
        intents = intentions.without(intents, Intent.REQUEST_ALTERNATIVES)
        if found.get("marks.strong_no", (99, 0))[0] >= found["marks.only_day"][0]:
            polarity = None
    name, letters, digits = naming.spelling(at, said, found, words, polarity, bool(intents))
    rejected, corrected = moments.taken_back(at, said, found, polarity, service.id)
    is_other = not service.ids or not (prompt.is_read_back or Slot.SERVICE in expected.slots)
    is_named_else = is_other and naming.known_service(at, words) is not None
    if naming.lead_phrases(found) and not intents and is_named_else:
        intents = (Intent.BOOK,)
    unknown = (
        None
        if service.ids or intentions.is_other_task(intents) or Intent.GOODBYE in intents
        else naming.unknown_service(at, words, found)
    )
    if "marks.opens_question" in found:
        unknown = None
    if unknown is not None and naming.lead_phrases(found) and Intent.BOOK not in intents:
        intents = (Intent.BOOK, *intents)
    is_refused = polarity is YesNo.NO and picked is None and says_when(said) and at.repeats_prompt(said)
    if is_insisting and day is None:
        day = moments.day_talked_about(at)
    day, clock = moments.meant(at, said, found, intents, day, digits, is_spelled=letters is not None)
    if is_refused:  # "half seven at night, no", of half past seven
        rejected = rejected | {Slot.DATE for _ in [day] if day} | {Slot.TIME for _ in [clock] if clock}
        day, clock, corrected = None, None, frozenset()
    is_open = "choices.either" in found or "marks.asks_openings" in found
    if clock == TimeRange(None, None) and day is None and expected.slots & WHEN == {Slot.DATE}:
        day = DateRange(None, None)
    if is_open and not expected.offered and expected.confirming is None and day is None and clock is None:
        day = DateRange(None, None) if Slot.DATE in expected.slots else None
        clock = TimeRange(None, None) if Slot.TIME in expected.slots else None
        if (day, clock) != (None, None) and "yes_no.said_yes" not in found and polarity is YesNo.YES:
            polarity = None
    if (
        ((at.tokens.is_question and "marks.asks_about" in found) or "marks.opens_question" in found)
        and not (set(intents) - {Intent.THANKS})
        and (polarity is None or "yes_no.said_yes" in found or "marks.strong_no" in found)
        and day is None
        and clock is None
    ):
        topic = Topic.OTHER
        intents = tuple(intent for intent in Intent if intent in {*intents, Intent.QUESTION})
    act = CallerAct(
        text=at.text,
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
        any_resource=takes_anybody,
        name=name,
        is_named=name is not None and "names.sure_leads" in found,
        letters=letters,
        digits=digits,
        topic=topic,
        rejected=rejected,
        refused_date=moments.refused_days(said.rejected_date),
        refused_time=said.rejected_time,
        refused_resource=refused_resource,
        corrected=corrected,
        wants_back="marks.undo" in found,
        wants_all="marks.all_of_them" in found,
        is_urgent="marks.urgent" in found,
        is_for_other="names.for_other" in found,
        asks_why="marks.why" in found,
        is_this_number="marks.this_number" in found,
        explanation=(f"normalised: {at.tokens.text}", *said.notes, *(f"phrase: {key}" for key in found)),
    )
    is_assent = set(found) <= BACKCHANNEL and "yes_no.weak_yes" in found
    if act.is_empty and (is_assent or all(word in at.grammar.fillers for word in words)):
        return replace(act, is_backchannel=True)
    return act


def _is_own_correction(said: reading.Reading, found: answers.Found) -> bool:
    is_first = found.get("marks.strong_no", (0, 0))[0] <= 1
    return (said.is_date_corrected or said.is_time_corrected) and not is_first


def _meant(at: Sentence, said: reading.Reading, words: list[str], named: services.Named) -> Tokens | None:
    """ "an appointment four checkup": with "for", where a lone number stands between other words and a service."""
    if not named.ids or named.start == 0 or words[named.start - 1] != "TIME":
        return None
    span = said.spans[sum(word in reading.MASKS for word in words[: named.start - 1])]
    meant = at.grammar.homophones.get(at.tokens.words[span.start])
    is_beside = any(other.end == span.start for other in said.spans)
    if meant is None or span.end - span.start > 1 or span.start == 0 or is_beside:
        return None
    heard = list(at.tokens.words)
    heard[span.start] = meant
    return replace(at.tokens, words=tuple(heard))


def _found(at: Sentence, words: list[str], said: reading.Reading) -> dict[str, tuple[int, int]]:
    """Phrases of the sentence; "I'll take the half past two" is a yes where that is what was named."""
    found = at.grammar.phrases.find(f" {' '.join(words)} ")
    if "yes_no.takes" in found and "yes_no.slot_yes" not in found and at.repeats_prompt(said):
        found["yes_no.slot_yes"] = found["yes_no.takes"]
    return found


def _clean(
    at: Sentence,
    polarity: YesNo | None,
    said: reading.Reading,
    found: answers.Found,
    picked: int | None,
    service: str | None,
    wish: Preference | None,
    prompt: answers.Prompt,
) -> YesNo | None:
    """A yes that changes what was proposed is no yes: "yes but can we make it four" leaves the proposal open."""
    if prompt.is_cancelling and {"marks.cannot_come", "intents.cancel", "marks.keeps"} & set(found):
        return polarity
    is_dropped = "intents.never_mind" in found and "yes_no.said_yes" not in found
    if is_dropped and prompt.is_yes_no and not says_when(said):
        return YesNo.NO  # "leave it, I'll do it myself"
    if polarity is YesNo.NO and says_when(said) and not {"yes_no.no", "marks.strong_no"} & set(found):
        return None  # "not tuesday, I meant wednesday"
    if polarity is not YesNo.YES or ("names.for_other" in found and "yes_no.said_yes" in found):
        return polarity
    proposal, offers = at.expectation.confirming, at.expectation.offered
    is_open = proposal is not None or bool(offers)
    if is_open and picked is None and wish in {Preference.EARLIER, Preference.LATER, Preference.OTHER_DAY}:
        return None
    if is_open and "intents.request_alternatives" in found:
        return None
    if proposal is not None:
        start = proposal.start
        if start is not None and not moments.agrees(said, start, moments.day_of(at, said)):
            return None
        if service is not None and proposal.service not in {None, service}:
            return None
        is_changed = "marks.instead" in found and not places.is_inside(found, "marks.instead", "yes_no.yes")
        is_asking = "yes_no.said_yes" in found and places.asks_after(found, "marks.but")
        if ("marks.but" in found and not is_asking) or (is_changed and "yes_no.yes_over_no" not in found):
            return None
        return polarity
    if len(offers) > 1 and "yes_no.said_yes" not in found and (picked is not None or says_when(said)):
        return None
    if offers:
        if picked is None and says_when(said):
            return None
        return polarity
    if "yes_no.said_yes" not in found and (at.names_another_day(said) or at.chooses_among_named(said)):
        return None
    is_changed = "marks.instead" in found and "marks.but" in found
    return None if is_changed and says_when(said) else polarity


def _replaced(words: list[str], start: int, end: int, by: str) -> list[str]:
    return [*words[:start], by, *words[end:]]


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
