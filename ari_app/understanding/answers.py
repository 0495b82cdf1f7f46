"""Yes and no, choices among what was offered, wishes relative to it, intents and topics."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from ari_app.understanding.grammar import Grammar, load_grammar
from ari_app.understanding.meaning import (
    DateRange,
    Expectation,
    Intent,
    Offer,
    Preference,
    Slot,
    TimeRange,
    Topic,
    YesNo,
)

Found = Mapping[str, tuple[int, int]]
"""Phrase keys with where they stand in the masked sentence."""

OPTION_FLOOR = 86.0
PICKS = frozenset({"choices.first", "choices.second", "choices.third", "choices.last", "choices.middle"})
"""Phrases that name one of several things: "the last one please" is no yes."""
MINUTES = {"choices.quarter_past": 15, "choices.half_past": 30, "choices.quarter_to": 45}
BOOKING = frozenset({"intents.book", "intents.thanks"})
UNDONE = frozenset({"yes_no.yes", "yes_no.slot_yes"})
"""Phrases that a following "not" turns round ("it does not")."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the agent's last words asked for."""

    is_yes_no: bool
    is_anything_else: bool
    is_question: bool
    is_silent: bool
    """Nothing is known of what was said before."""
    is_read_back: bool = False
    """What is about to be booked was read out for a yes."""
    is_wish: bool = False
    """Whether they want something: "no, that's fine" declines it."""
    is_confirming: bool = False
    """The dialogue says so itself: a yes now books."""
    is_choice: bool = False
    """One of several things shall be named ("a cleaning or a check up?"): naming one is no yes."""
    is_task: bool = False
    """What the call is about was asked."""
    is_all: bool = False
    """ "Is that all?": a yes wants nothing more."""
    is_cancelling: bool = False
    """What is to be cancelled was read out: "move it instead" is another task then, no correction."""


def read_prompt(expectation: Expectation, grammar: Grammar) -> Prompt:
    """From the expectation where it says, else from the agent's words."""
    found, whole, has_mark = _prompt_marks(expectation.prompt, grammar.language)
    is_waiting = ("marks.wait" in whole or "marks.done" in whole) and not has_mark
    asks = not is_waiting and (
        Slot.YES_NO in expectation.slots
        or expectation.confirming is not None
        or bool(expectation.offered)
        or ("marks.question_confirm" in found and "marks.question_wh" not in found)
        or "marks.anything_else" in whole
        or ("marks.offer" in whole and not has_mark)
        or (has_mark and "marks.question_yes_no" in found and "marks.question_wh" not in found)
        or (has_mark and "marks.question_yes_no" in whole and "marks.question_wh" not in whole)
    )
    is_anything_else = "marks.anything_else" in whole
    is_read_back = expectation.confirming is not None or ("marks.question_confirm" in found and not is_anything_else)
    is_which = "marks.question_which" in found
    is_read_back = is_read_back and (expectation.confirming is not None or not is_which)
    is_one_of = "marks.question_alternatives" in found and "marks.question_or_else" not in found and not is_read_back
    is_choice = has_mark and (is_which or is_one_of)
    return Prompt(
        asks,
        is_anything_else,
        has_mark,
        not expectation.prompt.strip(),
        is_read_back,
        "marks.question_wish" in found,
        expectation.confirming is not None,
        is_choice,
        "marks.question_task" in whole and not is_anything_else,
        is_all="marks.is_all" in found,
        is_cancelling=is_read_back and "marks.question_cancel" in whole,
    )


@functools.lru_cache(maxsize=2048)
def _prompt_marks(prompt: str, language: str) -> tuple[frozenset[str], frozenset[str], bool]:
    """Marks of the last sentence, of all, and whether it has a question mark. Long prompts: their end counts."""
    text = prompt.strip()[-400:]
    if not text:
        return frozenset(), frozenset(), False
    grammar = load_grammar(language)
    tokens = grammar.tokens(text)
    last = tokens.text.rsplit("|", 1)[-1].strip()
    found = frozenset(grammar.prompt_phrases.find(f" {last} "))
    whole = frozenset(grammar.prompt_phrases.find(f" {tokens.text} ")) if "|" in tokens.words else found
    return found, whole, "?" in text


def yes_no(found: Found, text: str, prompt: Prompt, *, is_taken: bool, is_answered: bool) -> YesNo | None:
    """The polarity of an utterance. `is_taken`: it holds a day or time; `is_answered`: a service, choice or person.

    "tuesday works" and "sounds good" are a yes only to what can be answered with one; "yes" always is.
    """
    if "marks.declines" in found and prompt.is_wish and not prompt.is_read_back:
        return YesNo.NO
    if prompt.is_cancelling and "marks.keeps" in found:
        return YesNo.NO
    if prompt.is_cancelling and "marks.strong_no" not in found and {"marks.cannot_come", "intents.cancel"} & set(found):
        return YesNo.YES  # "yeah, I won't be able to make it", "cancel it"
    if "marks.condition" in found and prompt.is_read_back:
        return None
    if "marks.listens" in found and "yes_no.said_yes" not in found:
        found = {key: place for key, place in found.items() if key not in {"yes_no.yes", "yes_no.weak_yes"}}
    if "yes_no.yes_over_no" in found and not (prompt.is_anything_else and "yes_no.no_more" in found):
        return YesNo.YES if prompt.is_yes_no or (prompt.is_silent and not is_taken and not is_answered) else None
    if "yes_no.no_over_yes" in found:
        return YesNo.NO
    found = {key: place for key, place in found.items() if key not in UNDONE or not text.startswith("not ", place[1])}
    if "marks.tag" in found and found.get("yes_no.no", (0, 0))[0] >= found["marks.tag"][0]:
        found = {key: place for key, place in found.items() if key != "yes_no.no"}
    if "marks.indifferent" in found:
        found = {key: place for key, place in found.items() if key not in {"marks.strong_no", "yes_no.no"}}
    can_refuse = prompt.is_yes_no or prompt.is_silent or "marks.strong_no" in found
    if prompt.is_choice and is_answered and "marks.strong_no" not in found:
        return None  # "just the swedish please, I don't like pressure"
    no = (found.get("yes_no.no") if can_refuse else None) or (found.get("yes_no.slot_no") if prompt.is_yes_no else None)
    yes = found.get("yes_no.said_yes")
    is_told = is_taken or is_answered or _tells_wish(found) or topic(found) is not None
    if prompt.is_question and not prompt.is_yes_no and is_told:
        yes = None  # "yeah hi, I'd like ...", where nothing was asked that a yes would answer
    if not prompt.is_yes_no and not prompt.is_silent and "intents.goodbye" in found:
        yes = None
    if yes is None and not prompt.is_choice and (prompt.is_yes_no or (prompt.is_silent and not is_taken)):
        yes = found.get("yes_no.yes")
    if yes is None and prompt.is_yes_no and not prompt.is_choice:
        yes = found.get("yes_no.slot_yes")
    if yes is not None and "yes_no.said_yes" not in found and _is_asked(found, yes[0]):
        yes = None
    if "yes_no.said_yes" not in found and _is_doubted(found, text, yes or found.get("yes_no.weak_yes")):
        return YesNo.NO if no is not None else None
    if "yes_no.no_more" in found and (
        prompt.is_anything_else or (yes is None and prompt.is_silent and not prompt.is_read_back)
    ):
        return YesNo.YES if prompt.is_all and yes is not None and "yes_no.said_yes" in found else YesNo.NO
    if "marks.strong_no" in found:
        return YesNo.NO
    if no is not None:
        return YesNo.NO
    if "yes_no.no_more" in found and yes is None and prompt.is_yes_no:
        return YesNo.YES if prompt.is_read_back and "marks.settles" in found else YesNo.NO
    if yes is not None or (prompt.is_read_back and "marks.settles" in found):
        return YesNo.YES
    if prompt.is_choice:
        return None
    is_asked = prompt.is_question and prompt.is_yes_no
    if _goes_on_to_book(found) and is_asked and not (prompt.is_read_back or prompt.is_anything_else):
        return YesNo.YES
    if _is_delighted(found, text) and prompt.is_yes_no and not prompt.is_confirming and not prompt.is_anything_else:
        return YesNo.YES
    if (
        "yes_no.weak_yes" in found
        and not any(key.startswith(("topics.", "intents.")) and key != "intents.thanks" for key in found)
        and prompt.is_yes_no
        and not (is_taken or is_answered)
        and not prompt.is_anything_else
    ):
        return YesNo.YES
    return None


def _tells_wish(found: Found) -> bool:
    return asks_for_room(found) or any(key.startswith("intents.") and key != "intents.thanks" for key in found)


def asks_for_room(found: Found) -> bool:
    """ "I need a dentist", "is there anything on friday": a wish to come, without the word for it."""
    return not {"marks.availability", "marks.openings", "marks.free_when"}.isdisjoint(found)


def _goes_on_to_book(found: Found) -> bool:
    """ "Great, I'd like to book an appointment with him"."""
    others = [key for key in found if key.startswith(("topics.", "intents.")) and key not in BOOKING]
    return {"yes_no.weak_yes", "intents.book"} <= set(found) and not others and "marks.asks_about" not in found


def _is_delighted(found: Found, text: str) -> bool:
    """ "Perfect!", a sentence of its own before others."""
    place = found.get("marks.delighted")
    return place is not None and text.startswith("|", place[1])


def is_left_out(before: Sequence[str], grammar: Grammar) -> bool:
    """Whether the words end in "anyone but", "not with"."""
    return any(" ".join(before[-size:]) in grammar.excepting for size in (1, 2, 3) if len(before) >= size)


def _is_doubted(found: Found, text: str, yes: tuple[int, int] | None) -> bool:
    """Whether what could be a yes is asked instead ("are you sure that's right", "does that work")."""
    doubts = found.get("marks.doubts")
    return doubts is not None and yes is not None and doubts[0] <= yes[0] and "|" not in text[doubts[0] : yes[0]]


def _is_asked(found: Found, place: int) -> bool:
    """Whether what stands at `place` is part of a question about the business ("do they do that")."""
    asks = found.get("marks.asks")
    return asks is not None and asks[0] <= place and any(key.startswith("topics.") for key in found)


def intents(found: Found) -> tuple[Intent, ...]:
    """What the caller wants, in a fixed order; the more special one hides the more general."""
    wanted = {Intent(key.removeprefix("intents.")) for key in found if key.startswith("intents.")}
    if asks_for_room(found) and Intent.REQUEST_ALTERNATIVES not in wanted:
        wanted.add(Intent.BOOK)
    if wanted & {Intent.CANCEL, Intent.MOVE, Intent.ENQUIRE, Intent.OPERATOR}:
        wanted.discard(Intent.BOOK)
    if {Intent.CANCEL, Intent.MOVE} <= wanted and "marks.not_cancel" in found:
        wanted.discard(Intent.CANCEL)
    if {Intent.CANCEL, Intent.MOVE} <= wanted:
        first = min((Intent.CANCEL, Intent.MOVE), key=lambda intent: found[f"intents.{intent.value}"][0])
        wanted.discard(Intent.MOVE if first is Intent.CANCEL else Intent.CANCEL)
    return tuple(intent for intent in Intent if intent in wanted)


def topic(found: Found) -> Topic | None:
    for each in Topic:
        if f"topics.{each.value}" in found:
            return each
    return None


def preference(found: Found) -> Preference | None:
    for each in (
        Preference.SAME_TIME,
        Preference.EARLIEST,
        Preference.EARLIER,
        Preference.LATER,
        Preference.OTHER_DAY,
    ):
        if f"preferences.{each.value}" in found:
            return each
    return None


def choice(
    found: Found,
    offers: Sequence[Offer],
    date: DateRange | None,
    time: TimeRange | None,
    resource: str | None,
    rank: int | None,
) -> int | None:
    """Which of the offers is meant; None where it isn't one of them, or could be several."""
    if not offers or "choices.none" in found:
        return None
    count = len(offers)
    order = sorted(range(count), key=lambda index: offers[index].start)
    if date is not None or time is not None or resource is not None:
        fitting = [index for index in range(count) if _fits(offers[index], date, time, resource)]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            return None
        order = [index for index in order if index in fitting]
    named = {
        "choices.second": 1,
        "choices.third": 2,
        "choices.first": 0,
        "choices.last": count - 1,
        "choices.middle": 1 if count == 3 else None,
    }
    said = [key for key, index in named.items() if key in found and index is not None]
    if "marks.correct" in found:
        said.sort(key=lambda key: -found[key][0])  # "the second, no, the first"
    if said:
        index = named[said[0]]
        return index if index is not None and index < count else None
    for key, minute in MINUTES.items():
        fitting = [index for index in range(count) if offers[index].start.minute == minute]
        if key in found and len(fitting) == 1:
            return fitting[0]
    if "choices.later" in found and count > 1:
        return order[-1]
    if "choices.earlier" in found and count > 1:
        return order[0]
    if rank is not None and 1 <= rank <= count:
        return rank - 1
    if "choices.either" in found and date is None and time is None:
        return order[0]
    return None


def _fits(offer: Offer, date: DateRange | None, time: TimeRange | None, resource: str | None) -> bool:
    if resource is not None and offer.resource != resource:
        return False
    if date is not None and not date.contains(offer.start.date()):
        return False
    if time is None:
        return True
    return time.contains(offer.start.time().replace(second=0, microsecond=0, tzinfo=None))


def option(words: Sequence[str], options: Sequence[str], found: Found, rank: int | None) -> int | None:
    """Which of a closed choice's words were said."""
    said = " ".join(words)
    best, best_score = None, 0.0
    for index, text in enumerate(options):
        wanted = text.lower().replace("'", "")
        if f" {wanted} " in f" {said} ":
            score = 100.0 + len(wanted)
        else:
            score = max(fuzz.ratio(said, wanted), fuzz.token_set_ratio(said, wanted) if " " in wanted else 0.0)
        if score >= OPTION_FLOOR and score > best_score:
            best, best_score = index, score
    if best is not None:
        return best
    for key, index in (("choices.first", 0), ("choices.second", 1), ("choices.third", 2)):
        if key in found and index < len(options):
            return index
    if rank is not None and 1 <= rank <= len(options):
        return rank - 1
    return None
