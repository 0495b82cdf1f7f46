"""Who an appointment is for and where they can be reached, asked of callers of whom neither is known.

A few tries each, then on without: nobody is sent away, or to a human, for a name that a recogniser can't hear.
"""

from dataclasses import replace

import phonenumbers
from phonenumbers import PhoneNumberType
from rapidfuzz import fuzz

from ari_app.dialogue import identity
from ari_app.dialogue.state import Question, State
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct, Intent, YesNo

MAX_TRIES = {Question.CONTACT_NAME: 2, Question.CONTACT_NUMBER: 3, Question.CONTACT_NUMBER_OK: 3}
MIN_DIGITS = 6
MOST_DIGITS_OF_A_TAIL = 5
FEWEST_DIGITS = 3
HEARD, HEARD_AGAIN = 0.6, 0.4
"""Confidence below which a name is asked for once more, and from which the second answer is taken."""
SPELLED_LIKENESS = 50.0
"""0..100; from here letters spell the word that was said with them."""
MAX_NAME_WORDS = 3


def missing(turn: Turn) -> Question | None:
    """What has to be asked before a booking is read back."""
    state, business = turn.state, turn.business
    if business.asks_name and Question.CONTACT_NAME not in state.contact_settled and not name_of(turn):
        return Question.CONTACT_NAME
    if business.asks_number and Question.CONTACT_NUMBER not in state.contact_settled and not state.number:
        return Question.CONTACT_NUMBER_OK if state.contact_number else Question.CONTACT_NUMBER
    return None


def ask(turn: Turn, question: Question) -> Outcome:
    """Open a contact question."""
    if question is Question.CONTACT_NUMBER_OK:
        return turn.ask(question, number=turn.state.contact_number)
    return turn.ask(question)


def name_of(turn: Turn) -> str:
    """Whom it is for: said in this call, of the store, or of an appointment which they have shown to be theirs."""
    state = turn.state
    if state.contact_name or state.is_for_other:
        return state.contact_name
    if state.customer_name or not identity.is_shown(turn):
        return state.customer_name
    return next((each.name for each in state.appointments if each.name), "")


def answer(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    """True: settled; an outcome: asked again; None: the act is about something else."""
    if act.asks_why:
        turn.say("contact.why")
        return ask(turn, turn.state.question)
    is_number = turn.state.question is not Question.CONTACT_NAME and has_number(act)
    if not is_number and set(act.intents) - {Intent.THANKS}:
        return None
    if turn.state.question is Question.CONTACT_NAME:
        return _name(turn, act)
    take_name(turn, act)
    if turn.state.question is Question.CONTACT_NUMBER_OK and not is_number:
        return _number_ok(turn, act)
    return _number(turn, act)


def take_name(turn: Turn, act: CallerAct) -> None:
    """A name that is told without being asked for, the caller's or that of whom it is for."""
    if not turn.business.asks_name:
        return
    if act.is_for_other and not turn.state.is_for_other:
        turn.state = replace(_renamed(turn.state, ""), is_for_other=True)
    if act.name and act.name not in (turn.state.customer_name, turn.state.contact_name):
        turn.state = _renamed(turn.state, act.name)


def finished(state: State) -> State:
    """After a booking: the next one is the caller's own again."""
    return replace(_renamed(state, ""), is_for_other=False) if state.is_for_other else state


def confirm_name(turn: Turn) -> None:
    """Say a name that was told in passing once, before anything is booked under it."""
    if turn.state.contact_name and Question.CONTACT_NAME not in turn.state.contact_settled:
        _note_name(turn, turn.state.contact_name)


def corrects_name(turn: Turn, act: CallerAct) -> bool:
    """Whether what was read back is put right in whose it is ("no, it's sam braun", "no, b r a u n")."""
    if not turn.business.asks_name or act.yes_no is YesNo.YES:
        return False
    known = turn.state.contact_name
    said = _spelled(known, act.letters) if act.letters else act.name
    is_like = bool(said) and fuzz.token_sort_ratio((said or "").casefold(), known.casefold()) >= SPELLED_LIKENESS
    if not said or said == turn.state.customer_name or not (is_like or act.is_named or act.is_for_other):
        return False
    if act.is_for_other:
        turn.state = replace(turn.state, is_for_other=True)
    _note_name(turn, said)
    return True


def has_number(act: CallerAct) -> bool:
    return act.digits is not None and len(act.digits.lstrip("+")) >= MIN_DIGITS


def normalised(digits: str, country: str) -> str:
    """E.164 where the digits are a number of the country or an international one; else as said."""
    found = _parsed(digits, country)
    if found is None or not phonenumbers.is_possible_number(found):
        return digits
    return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)


def _parsed(digits: str, country: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return None


def _is_whole(digits: str, country: str) -> bool:
    """As long as a mobile's or a landline's number with its area code is."""
    found = _parsed(digits, country)
    kinds = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE)
    is_possible = phonenumbers.ValidationResult.IS_POSSIBLE
    reason = phonenumbers.is_possible_number_for_type_with_reason
    return found is not None and any(reason(found, kind) == is_possible for kind in kinds)


def _name(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    if has_number(act) and not turn.state.number:
        turn.state = replace(turn.state, contact_number=normalised(act.digits or "", turn.business.country))
    if act.is_for_other:
        turn.state = replace(turn.state, is_for_other=True)
    said = _said_name(act)
    if _is_wish(act) and not said:
        return None
    if act.yes_no is YesNo.NO and not said:
        return _without(turn)
    if not said or act.confidence < (HEARD_AGAIN if turn.state.contact_tries else HEARD):
        return _once_more(turn, Question.CONTACT_NAME)
    _note_name(turn, said)
    return True


def _note_name(turn: Turn, name: str) -> None:
    turn.state = _settled(replace(turn.state, contact_name=name), Question.CONTACT_NAME)
    turn.say("noted", what=name)


def _renamed(state: State, name: str) -> State:
    """A name that the caller hasn't heard back yet; empty: to be asked for."""
    return replace(state, contact_name=name, contact_settled=state.contact_settled - {Question.CONTACT_NAME})


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
    state, country = turn.state, turn.business.country
    said = act.digits or ""
    if said and not _is_wish(act):
        whole = said if _is_whole(said, country) else state.contact_digits + said
        if _is_whole(whole, country):
            number = normalised(whole, country)
            turn.state = replace(state, contact_number=number, contact_digits="")
            return turn.ask(Question.CONTACT_NUMBER_OK, number=number)
        if not state.contact_digits and _is_beginning(said, country):
            turn.state = replace(state, contact_digits=said, question=Question.CONTACT_NUMBER, values=())
            turn.say("contact.rest")
            return turn.listen()
    if act.is_this_number:
        turn.say("contact.hidden")
        return _once_more(turn, Question.CONTACT_NUMBER)
    if _is_wish(act):
        return None
    if act.yes_no is YesNo.NO:
        return _without(turn)
    return _once_more(turn, Question.CONTACT_NUMBER)


def _is_beginning(digits: str, country: str) -> bool:
    return FEWEST_DIGITS <= len(digits) <= 2 * MOST_DIGITS_OF_A_TAIL and not _is_whole(digits, country)


def _number_ok(turn: Turn, act: CallerAct) -> Outcome | bool | None:
    if act.yes_no is YesNo.YES:
        turn.state = _settled(turn.state, Question.CONTACT_NUMBER)
        return None if _is_wish(act) else True
    tail = act.digits or ""
    if tail and len(tail) <= MOST_DIGITS_OF_A_TAIL and not _is_wish(act):
        number = turn.state.contact_number[: -len(tail)] + tail  # "no, it ends in one two four"
        turn.state = replace(turn.state, contact_number=number)
        return turn.ask(Question.CONTACT_NUMBER_OK, number=number)
    if _is_wish(act):
        return None
    if act.yes_no is YesNo.NO:
        turn.state = replace(turn.state, contact_number="")
        return _once_more(turn, Question.CONTACT_NUMBER)
    return _once_more(turn, Question.CONTACT_NUMBER_OK)


def _once_more(turn: Turn, question: Question) -> Outcome | bool:
    tries = turn.state.contact_tries + 1
    turn.state = replace(turn.state, contact_tries=tries, contact_digits="")
    if tries >= MAX_TRIES[question]:
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
    return replace(state, contact_settled=state.contact_settled | {question}, contact_tries=0, contact_digits="")
