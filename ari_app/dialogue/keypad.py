"""Keys as caller acts: the whole call can be done without a word.

0 is a human and * says the last question again, everywhere; the rest depends on the open question.
"""

from dataclasses import replace
from datetime import date, time

from ari_app.dialogue.business import Business
from ari_app.dialogue.expecting import options
from ari_app.dialogue.state import IDENTITY_QUESTIONS, Question, State
from ari_app.prompts.spoken import spoken_digits
from ari_app.understanding.meaning import CallerAct, DateRange, Intent, TimeRange, YesNo

_TASK_KEYS = {"1": Intent.BOOK, "2": Intent.MOVE, "3": Intent.CANCEL, "4": Intent.ENQUIRE, "9": Intent.GOODBYE}
_MOVE_OR_NEW_KEYS = {"1": Intent.MOVE, "2": Intent.BOOK, "3": Intent.CANCEL}
_CHOICE_QUESTIONS = frozenset({Question.OFFER, Question.WHICH_APPOINTMENT})
_MENU_QUESTIONS = frozenset({Question.SERVICE, Question.TOPIC_SERVICE})
_CALLBACK_TIMES = {"1": TimeRange(None, None), "2": TimeRange(None, time(12)), "3": TimeRange(time(12), None)}
MONTH_FIRST_LOCALES = frozenset({"en-US"})


def pressed(business: Business, state: State, digits: str) -> CallerAct:
    """What the keys mean under the open question; an empty act where they mean nothing."""
    act = CallerAct(text=digits)
    if digits == "0":
        return replace(act, intents=(Intent.OPERATOR,))
    if digits == "*":
        return replace(act, intents=(Intent.REPEAT,))
    if not (digits.isascii() and digits.isdecimal()):
        return act
    match state.question:
        case Question.TASK | Question.MORE:
            return _intent(act, _TASK_KEYS.get(digits))
        case Question.MOVE_OR_NEW:
            return _intent(act, _MOVE_OR_NEW_KEYS.get(digits))
        case question if question in _MENU_QUESTIONS:
            return _nth_service(act, tuple(business.services), digits)
        case Question.SERVICE_WHICH:
            return _nth_service(act, state.service_candidates, digits)
        case Question.TIME_WHICH:
            return _nth_time(act, state, digits)
        case question if question in _CHOICE_QUESTIONS:
            return _choice(act, state, digits)
        case Question.CHANGE:
            return _nth_option(act, options(business, state), digits)
        case Question.DATE | Question.IDENTITY_DATE:
            return _date(act, business, state, digits)
        case Question.TIME:
            return _time(act, digits)
        case Question.CONTACT_NAME:
            return replace(act, yes_no=YesNo.NO)
        case Question.CONTACT_NUMBER if len(digits) == 1:
            return replace(act, yes_no=YesNo.NO)
        case Question.CALLBACK_NUMBER | Question.CONTACT_NUMBER:
            return replace(act, digits=digits)
        case Question.CALLBACK_TIME:
            return replace(act, time=_CALLBACK_TIMES.get(digits))
        case question if question in IDENTITY_QUESTIONS:
            return replace(act, digits=digits)
    return _yes_no(act, digits)


def keyed_day(digits: str, today: date, locale: str) -> date | None:
    """Four digits as day and month (month and day in American), the next such day from `today` on; None: no day."""
    if len(digits) != 4 or not (digits.isascii() and digits.isdecimal()):
        return None
    first, second = int(digits[:2]), int(digits[2:])
    day, month = (second, first) if locale in MONTH_FIRST_LOCALES else (first, second)
    for year in range(today.year, today.year + 9):
        try:
            found = date(year, month, day)
        except ValueError:
            continue
        if found >= today:
            return found
    return None


def _intent(act: CallerAct, intent: Intent | None) -> CallerAct:
    return act if intent is None else replace(act, intents=(intent,))


def _index(digits: str, length: int) -> int | None:
    return int(digits) - 1 if digits.isdecimal() and len(digits) < 4 and 0 < int(digits) <= length else None


def _nth_service(act: CallerAct, services: tuple[str, ...], digits: str) -> CallerAct:
    index = _index(digits, len(services))
    return act if index is None else replace(act, service=services[index])


def _nth_time(act: CallerAct, state: State, digits: str) -> CallerAct:
    index = _index(digits, len(state.time_candidates))
    return act if index is None else replace(act, time=state.time_candidates[index])


def _nth_option(act: CallerAct, words: tuple[str, ...], digits: str) -> CallerAct:
    index = _index(digits, len(words))
    return act if index is None else replace(act, choice=index, option=words[index])


def _choice(act: CallerAct, state: State, digits: str) -> CallerAct:
    if digits == "9" and state.question is Question.OFFER:
        return replace(act, intents=(Intent.REQUEST_ALTERNATIVES,))
    things = state.offered if state.question is Question.OFFER else state.appointments
    index = _index(digits, len(things))
    return act if index is None else replace(act, choice=index)


def _date(act: CallerAct, business: Business, state: State, digits: str) -> CallerAct:
    if len(digits) != 4:
        return act
    day = keyed_day(digits, state.now.date(), business.locale)
    if day is None:
        return replace(act, impossible_date=spoken_digits(digits, business.locale, group=2))
    return replace(act, date=DateRange(day, day))


def _time(act: CallerAct, digits: str) -> CallerAct:
    if len(digits) != 4 or int(digits[:2]) > 23 or int(digits[2:]) > 59:
        return act
    at = time(int(digits[:2]), int(digits[2:]))
    return replace(act, time=TimeRange(at, at))


def _yes_no(act: CallerAct, digits: str) -> CallerAct:
    match digits:
        case "1":
            return replace(act, yes_no=YesNo.YES)
        case "2":
            return replace(act, yes_no=YesNo.NO)
    return act
