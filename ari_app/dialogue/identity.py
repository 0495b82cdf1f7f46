"""Whether the caller is the customer: a question that only the customer can answer, three tries, then a human.

The calling number alone shows nothing. A wrong answer is met with the same words whatever the calendar holds.
"""

from dataclasses import replace

from rapidfuzz import fuzz

from ari_app.dialogue.acts import HandOffReason
from ari_app.dialogue.keypad import keyed_day
from ari_app.dialogue.state import Identity, Question, State
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct, YesNo

MAX_TRIES = 3
FIRST_LIKENESS = 50.0
LONGEST_NAME = 3
"""Words that may be a misheard name."""
NAME_LIKENESS = 85.0
"""0..100; below it two names are different people."""


def is_shown(turn: Turn) -> bool:
    """The caller may hear about the number's appointments."""
    return turn.business.identity == "none" or turn.state.identity is Identity.PASSED


def ask(turn: Turn) -> Outcome:
    """Ask what only the customer knows; the day of the appointment where nothing else is on file."""
    turn.state = replace(turn.state, identity=Identity.ASKED)
    return turn.ask(question_for(turn.business.identity, turn.state))


def question_for(mode: str, state: State) -> Question:
    customer = state.customer
    if mode == "birth_year" and customer is not None and customer.birth_year:
        return Question.IDENTITY_BIRTH_YEAR
    if mode == "pin" and customer is not None and customer.pin:
        return Question.IDENTITY_PIN
    if mode == "name" and _known_names(state):
        return Question.IDENTITY_NAME
    return Question.IDENTITY_DATE


def check(turn: Turn, act: CallerAct) -> bool | None:
    """Whether the answer is right; None: it is no try at all."""
    state = turn.state
    match state.question:
        case Question.IDENTITY_NAME if act.yes_no is YesNo.NO and act.name is None:
            return None  # "no, it's her husband": whatever surname he says is no answer
        case Question.IDENTITY_NAME:
            if act.digits and keyed_day(act.digits, state.now.date(), turn.business.locale):
                return _names_day(state, replace(act, date=None), act.digits, turn.business.locale)
            if any(_is_name(name, act) for name in _known_names(state)):
                return True
            return False if _may_be_name(act) else None
        case Question.IDENTITY_BIRTH_YEAR:
            year = str(state.customer.birth_year) if state.customer else ""
            return act.digits in (year, year[2:]) if act.digits else None
        case Question.IDENTITY_PIN:
            return act.digits == (state.customer.pin if state.customer else None) if act.digits else None
        case _:
            if act.date is None or not act.date.is_single:
                return None
            return any(each.start.date() == act.date.start for each in state.appointments)


def passed(turn: Turn, act: CallerAct) -> None:
    """Thank the customer, by name where they said it in full: nobody learns a first name from us."""
    turn.state = replace(turn.state, identity=Identity.PASSED)
    name = turn.state.customer.name if turn.state.customer else ""
    if name and all(_is_said(part, act) for part in name.casefold().split()):
        turn.say("identity.thanks", name=name)
    else:
        turn.say("identity.thanks_unnamed")


def failed(turn: Turn) -> Outcome:
    """A wrong answer: another try, after the third one a human."""
    turn.state = replace(turn.state, identity_tries=turn.state.identity_tries + 1)
    if turn.state.identity_tries >= MAX_TRIES:
        return turn.hand_over(HandOffReason.IDENTITY)
    turn.say("identity.wrong")
    return turn.ask_again(with_keys=turn.state.identity_tries == MAX_TRIES - 1)


def _known_names(state: State) -> tuple[str, ...]:
    names = [state.customer.name] if state.customer else []
    names += [each.name for each in state.appointments]
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _may_be_name(act: CallerAct) -> bool:
    """Whether it was an answer at all: a longer sentence without a name in it ("i'm running late for ...") is none."""
    return bool(act.name or act.letters or 0 < len(act.text.split()) <= LONGEST_NAME)


def _is_name(known: str, act: CallerAct) -> bool:
    """The surname must be in what was said, and no first name that is another's.

    A first name alone is known to anybody who knows the customer; it is also what a recogniser mishears most.
    """
    *first, surname = known.casefold().split()
    if not _is_said(surname, act):
        return False
    given = [each for each in (act.name or "").casefold().split() if fuzz.ratio(each, surname) < NAME_LIKENESS]
    return not first or not given or any(fuzz.ratio(a, b) >= FIRST_LIKENESS for a in first for b in given)


def _is_said(name: str, act: CallerAct) -> bool:
    said = [part for source in (act.name or "", act.text) for part in source.casefold().split()]
    if act.letters:
        said.append(act.letters.replace(" ", "").casefold())
    return any(fuzz.ratio(name, part) >= NAME_LIKENESS for part in said)


def _names_day(state: State, act: CallerAct, digits: str, locale: str) -> bool:
    day = keyed_day(digits, state.now.date(), locale)
    return any(each.start.date() == day for each in state.appointments)
