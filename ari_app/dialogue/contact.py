"""Who an appointment is for and where they can be reached, asked of callers of whom neither is known.

Two tries each, then on without: nobody is sent away, or to a human, for a name that a recogniser can't hear.
"""

from dataclasses import replace

import phonenumbers
from rapidfuzz import fuzz

from ari_app.dialogue import identity
from ari_app.dialogue.state import Question, State
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct, Intent, YesNo

MAX_TRIES = 2
MIN_DIGITS = 6
HEARD = 0.4
"""Below this confidence a name is asked for once more."""
SPELLED_LIKENESS = 50.0
"""0..100; from here letters spell the word that was said with them."""
MAX_NAME_WORDS = 3


def missing(turn: Turn) -> Question | None:
    """What has to be asked before a booking is read back."""
    state, business = turn.state, turn.business
    if business.asks_name and Question.CONTACT_NAME not in state.contact_settled and not name_of(turn):
        return Question.CONTACT_NAME
    is_reached = bool(state.number or state.contact_number)
    if business.asks_number and Question.CONTACT_NUMBER not in state.contact_settled and not is_reached:
        return Question.CONTACT_NUMBER
    return None


def name_of(turn: Turn) -> str:
    """The caller's name: said in this call, of the store, or of an appointment which they have shown to be theirs."""
    state = turn.state
    known = state.customer.name if state.customer else ""
    if state.contact_name or known or not identity.is_shown(turn):
        return state.contact_name or known
    return next((each.name for each in state.appointments if each.name), "")


def answer(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    """True: settled; an outcome: asked again; None: the act is about something else."""
    if set(act.intents) - {Intent.THANKS, Intent.NEVER_MIND}:
        return None
    if turn.state.question is Question.CONTACT_NAME:
        return _name(turn, act)
    if turn.state.question is Question.CONTACT_NUMBER_OK and not has_number(act):
        return _number_ok(turn, act)
    return _number(turn, act)


def take_name(turn: Turn, act: CallerAct) -> bool:
    """A name that is told without being asked for; whether it was news."""
    known = turn.state.customer.name if turn.state.customer else ""
    if not act.name or not turn.business.asks_name or act.name in (known, turn.state.contact_name):
        return False
    turn.state = replace(turn.state, contact_name=act.name)
    return True


def has_number(act: CallerAct) -> bool:
    return act.digits is not None and len(act.digits.lstrip("+")) >= MIN_DIGITS


def normalised(digits: str, country: str) -> str:
    """E.164 where the digits are a number of the country or an international one; else as said."""
    try:
        parsed = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return digits
    if not phonenumbers.is_possible_number(parsed):
        return digits
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def _name(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    if act.yes_no is YesNo.NO and not act.name:
        return _without(turn)
    said = _said_name(act)
    if _is_wish(act) and not said:
        return None
    if not said or act.confidence < HEARD:
        return _once_more(turn, Question.CONTACT_NAME)
    turn.state = _settled(replace(turn.state, contact_name=said), Question.CONTACT_NAME)
    turn.say("noted", what=said)
    return True


def _said_name(act: CallerAct) -> str:
    """ "Sam Brown"; a month in it ("May Brown") is a name here, a day or a time isn't."""
    if act.letters:
        return _spelled(act.name or "", act.letters)
    is_when = act.time is not None or (act.date is not None and act.date.is_single) or act.impossible_date is not None
    if act.name is None or is_when or act.service is not None or act.preference is not None:
        return ""
    words = act.text.split()
    if act.date is not None:
        return " ".join(word.capitalize() for word in words) if len(words) <= MAX_NAME_WORDS else ""
    return act.name


def _spelled(name: str, letters: str) -> str:
    """The name with the word that the letters spell put right."""
    spelled = letters.replace(" ", "").capitalize()
    words = name.split()
    likeness = [fuzz.ratio(word.casefold(), spelled.casefold()) for word in words]
    if likeness and max(likeness) >= SPELLED_LIKENESS:
        words[likeness.index(max(likeness))] = spelled
        return " ".join(words)
    return spelled


def _is_wish(act: CallerAct) -> bool:
    return bool(act.service or act.date or act.time or act.preference or act.resource or act.rejected)


def _number(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    if has_number(act):
        number = normalised(act.digits or "", turn.business.country)
        turn.state = replace(turn.state, contact_number=number)
        return turn.ask(Question.CONTACT_NUMBER_OK, number=number)
    if act.yes_no is YesNo.NO:
        return _without(turn)
    if _is_wish(act):
        return None
    return _once_more(turn, Question.CONTACT_NUMBER)


def _number_ok(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    if act.yes_no is YesNo.YES:
        turn.state = _settled(turn.state, Question.CONTACT_NUMBER)
        return True
    if act.yes_no is YesNo.NO:
        turn.state = replace(turn.state, contact_number="")
        return _once_more(turn, Question.CONTACT_NUMBER)
    if _is_wish(act):
        turn.state = replace(turn.state, contact_number="")
        return None
    return _once_more(turn, Question.CONTACT_NUMBER_OK)


def _once_more(turn: Turn, question: Question) -> Outcome | bool:
    tries = turn.state.contact_tries + 1
    turn.state = replace(turn.state, contact_tries=tries)
    if tries >= MAX_TRIES:
        return _without(turn)
    if question is turn.state.question:
        return turn.ask_again(with_keys=True)
    return turn.ask(question)


def _without(turn: Turn) -> bool:
    """On without it; a number that wasn't said to be right is none."""
    turn.say("contact.without")
    is_name = turn.state.question is Question.CONTACT_NAME
    state = turn.state if is_name else replace(turn.state, contact_number="")
    turn.state = _settled(state, Question.CONTACT_NAME if is_name else Question.CONTACT_NUMBER)
    return True


def _settled(state: State, question: Question) -> State:
    return replace(state, contact_settled=state.contact_settled | {question}, contact_tries=0)
