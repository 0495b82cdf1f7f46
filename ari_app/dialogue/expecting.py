"""What an open question can be answered with: the recogniser's phrase list and the turn's end depend on it."""

from datetime import datetime

from ari_app.dialogue.business import Business
from ari_app.dialogue.state import READBACKS, Question, State
from ari_app.understanding.meaning import Expectation, Offer, Proposal, Slot

SLOTS: dict[Question, frozenset[Slot]] = {
    Question.TASK: frozenset({Slot.TASK, Slot.SERVICE, Slot.DATE, Slot.TIME, Slot.RESOURCE}),
    Question.MORE: frozenset({Slot.TASK, Slot.SERVICE, Slot.DATE, Slot.TIME, Slot.RESOURCE}),
    Question.MOVE_OR_NEW: frozenset({Slot.TASK}),
    Question.SERVICE: frozenset({Slot.SERVICE, Slot.DATE, Slot.TIME, Slot.RESOURCE}),
    Question.SERVICE_WHICH: frozenset({Slot.SERVICE, Slot.CHOICE}),
    Question.TOPIC_SERVICE: frozenset({Slot.SERVICE}),
    Question.DATE: frozenset({Slot.DATE, Slot.TIME}),
    Question.TIME: frozenset({Slot.TIME, Slot.DATE}),
    Question.TIME_WHICH: frozenset({Slot.TIME, Slot.CHOICE}),
    Question.OFFER: frozenset({Slot.CHOICE, Slot.YES_NO}),
    Question.CHANGE: frozenset({Slot.DATE, Slot.TIME, Slot.SERVICE, Slot.RESOURCE, Slot.CHOICE}),
    Question.READBACK: frozenset({Slot.YES_NO}),
    Question.READBACK_MOVE: frozenset({Slot.YES_NO}),
    Question.WHICH_APPOINTMENT: frozenset({Slot.CHOICE, Slot.DATE}),
    Question.CANCEL: frozenset({Slot.YES_NO}),
    Question.HEARD: frozenset({Slot.YES_NO}),
    Question.IDENTITY_NAME: frozenset({Slot.NAME}),
    Question.IDENTITY_BIRTH_YEAR: frozenset({Slot.DIGITS}),
    Question.IDENTITY_PIN: frozenset({Slot.DIGITS}),
    Question.IDENTITY_DATE: frozenset({Slot.DATE}),
    Question.CONTACT_NAME: frozenset({Slot.NAME, Slot.YES_NO}),
    Question.CONTACT_NUMBER: frozenset({Slot.DIGITS, Slot.YES_NO}),
    Question.CONTACT_NUMBER_OK: frozenset({Slot.YES_NO, Slot.DIGITS}),
    Question.ANYTHING_ELSE: frozenset({Slot.YES_NO, Slot.TASK}),
    Question.HUMAN: frozenset({Slot.YES_NO}),
    Question.NO_OPENINGS: frozenset({Slot.YES_NO}),
    Question.CALLBACK_NUMBER_OK: frozenset({Slot.YES_NO}),
    Question.CALLBACK_NUMBER: frozenset({Slot.DIGITS}),
    Question.CALLBACK_TIME: frozenset({Slot.DATE, Slot.TIME}),
}

_OPTIONS = {Question.MOVE_OR_NEW: "move_or_new", Question.CHANGE: "change"}
_DIGIT_QUESTIONS = frozenset(
    {
        Question.DATE,
        Question.TIME,
        Question.IDENTITY_NAME,
        Question.IDENTITY_BIRTH_YEAR,
        Question.IDENTITY_PIN,
        Question.IDENTITY_DATE,
        Question.CALLBACK_NUMBER,
        Question.CONTACT_NUMBER,
    }
)
SINGLE_KEYS = 9


def expectation(business: Business, state: State) -> Expectation:
    """The expectation of the open question; its `prompt` is filled by who speaks it."""
    wanted = state.wanted
    return Expectation(
        slots=SLOTS[state.question],
        offered=_offered(state),
        confirming=_confirming(state),
        date=wanted.date,
        time=wanted.time,
        previous_start=_previous(state),
        options=options(business, state),
    )


def options(business: Business, state: State) -> tuple[str, ...]:
    """Words of the closed choice that is asked, in the order of their numbers on the keypad."""
    match state.question:
        case Question.SERVICE_WHICH:
            return tuple(business.service_name(service) for service in state.service_candidates)
        case Question.TIME_WHICH:
            return tuple(business.time_text(each.start) for each in state.time_candidates if each.start is not None)
        case question if question in _OPTIONS:
            return business.texts.options[_OPTIONS[question]]
    return ()


def dtmf_mode(business: Business, state: State) -> str:
    """single: one key answers; digits: an entry of several."""
    is_long_menu = state.question in {Question.SERVICE, Question.TOPIC_SERVICE} and len(business.services) > SINGLE_KEYS
    return "digits" if is_long_menu or state.question in _DIGIT_QUESTIONS else "single"


def _offered(state: State) -> tuple[Offer, ...]:
    if state.question is Question.WHICH_APPOINTMENT:
        return tuple(Offer(each.start, next(iter(each.resources), None)) for each in state.appointments)
    return tuple(Offer(each.start, next(iter(each.resources), None)) for each in state.offered)


def _confirming(state: State) -> Proposal | None:
    if state.question in READBACKS and state.proposal is not None:
        opening = state.proposal
        return Proposal(opening.service, opening.start, next(iter(opening.resources), None))
    if state.question is Question.CANCEL and state.target is not None:
        return Proposal(state.target.service, state.target.start, next(iter(state.target.resources), None))
    if state.question is Question.HEARD and state.pending is not None:
        return Proposal(service=state.pending.service, resource=state.pending.resource)
    return None


def _previous(state: State) -> datetime | None:
    if state.target is not None:
        return state.target.start
    return state.appointments[0].start if state.appointments else None
