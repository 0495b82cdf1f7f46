"""Dates and times that are left out because they only tell why: seen against what was asked and what was answered."""

from dataclasses import replace

from ari_app.understanding import answers, reading
from ari_app.understanding.meaning import WHEN, Slot, YesNo
from ari_app.understanding.sentence import Sentence
from ari_app.understanding.values import TimeValue

TIMELY = WHEN | {Slot.TASK, Slot.YES_NO, Slot.CHOICE}
CHANGES = frozenset({"marks.instead", "marks.but", "marks.strong_no"})


def before_answer(at: Sentence, said: reading.Reading, found: answers.Found, prompt: answers.Prompt) -> reading.Reading:
    """What counts before it is known whether the caller agrees."""
    slots = at.expectation.slots
    if prompt.is_read_back and CHANGES.isdisjoint(found) and not slots & WHEN:
        return without(said)  # "lovely, that's before my mum's at eleven"
    if at.expectation.offered and any(key.startswith("choices.") for key in found):
        return without(said)  # "the morning one, she naps after lunch"
    return said


def beside_answer(
    at: Sentence, said: reading.Reading, found: answers.Found, prompt: answers.Prompt, polarity: YesNo | None
) -> reading.Reading:
    """What counts beside a yes, a no or something else that was asked for."""
    slots = at.expectation.slots
    if slots and not slots & TIMELY:
        return without(said)  # "a motorway one please, i passed in march"
    if Slot.TIME in slots:
        said = without_point(said)
    if polarity is YesNo.YES and prompt.is_yes_no and not prompt.is_anything_else:
        is_left = said.is_date_fact and "intents.book" not in found
        return without(said) if is_left else said  # "yes, my mum has hers the same day"
    if polarity is not YesNo.NO:
        return said
    if "marks.keeps" in found and said.is_date_fact:
        return without(said)  # "keep it, i thought it was the friday"
    if prompt.is_yes_no and said.is_date_fact and said.date is not None and said.date.is_single:
        said = replace(said, date=None, date_value=None)  # "i can't, i have jury duty that day"
    return without_part(said) if prompt.is_yes_no else said


def without(said: reading.Reading) -> reading.Reading:
    """Without the date and the time that only tell why."""
    if said.is_date_fact:
        said = replace(said, date=None, date_value=None)
    return replace(said, time=None, candidates=()) if said.is_time_fact else said


def without_point(said: reading.Reading) -> reading.Reading:
    """ "I have a class at two" says when one can't; "I don't finish till two" when one can."""
    values = [span.value for span in said.spans if isinstance(span.value, TimeValue)]
    is_point = said.is_time_fact and all(value.kind in {"at", "around"} for value in values)
    return replace(said, time=None, candidates=()) if is_point else said


def without_part(said: reading.Reading) -> reading.Reading:
    """Without a part of the day that only tells why: "i would rather not, i have a class that night"."""
    values = [span.value for span in said.spans if isinstance(span.value, TimeValue)]
    is_part = said.is_time_fact and all(value.kind == "part" for value in values)
    return replace(said, time=None, candidates=()) if is_part else said
