"""Questions: when is my appointment; and about the business, answered out of the settings."""

from dataclasses import replace

from rapidfuzz import fuzz

from ari_app.booking.model import Service
from ari_app.dialogue import identity
from ari_app.dialogue.describing import menu_text, services_text
from ari_app.dialogue.state import Question
from ari_app.dialogue.tasks import choosing
from ari_app.dialogue.tasks.finish import finish
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.prompts.spoken import spoken_date
from ari_app.understanding.meaning import CallerAct, Topic

MAX_PRICES_AT_ONCE = 3
WORD_LIKENESS = 85.0
_ABOUT_A_SERVICE = frozenset({Topic.PRICE, Topic.DURATION})


def advance(turn: Turn) -> Outcome:
    """Tell the caller's appointments, once they have shown who they are."""
    if (first := choosing.need_appointments(turn)) is not None:
        return first
    choosing.tell(turn)
    return finish(turn)


def answer(turn: Turn, act: CallerAct) -> Outcome | None:
    """Answer a question about the business; an outcome only where something must be asked for it first."""
    topic = act.topic or Topic.OTHER
    if topic in _ABOUT_A_SERVICE:
        return _about_service(turn, act, topic)
    if free_answer(turn, act.text) is not None:
        topic = Topic.OTHER
    match topic:
        case Topic.HOURS:
            _hours(turn, act)
        case Topic.ADDRESS if turn.business.address:
            turn.say("answer.address", address=turn.business.address)
        case Topic.SERVICES:
            turn.say("answer.services", services=services_text(turn.business))
        case Topic.WHO:
            turn.say("answer.who")
        case Topic.PERSON if person := _person(turn):
            turn.say("answer.person", person=person)
        case _:
            _from_settings(turn, act)
    turn.state = replace(
        turn.state, answered=turn.state.answered | {f"{topic} {act.text if topic is Topic.OTHER else ''}"}
    )
    return None


def answer_topic_service(turn: Turn, act: CallerAct) -> Outcome | None:
    """The treatment that a question was about, named afterwards."""
    if act.service is None or turn.state.topic is None:
        return None
    topic = turn.state.topic
    turn.restore()
    turn.state = replace(turn.state, topic=None)
    return _about_service(turn, act, topic)


def _person(turn: Turn) -> str:
    """Who what is talked about is with: what was read back or offered, then what was done, then what is wanted.

    Empty where that is nobody in particular.
    """
    state, business = turn.state, turn.business
    named = [state.proposal] if state.proposal is not None else list(state.offered)
    target = state.target if identity.is_shown(turn) else None
    booked = [each for each in (target, state.done) if each is not None][:1]
    for people in (
        {name for each in named for name in each.resources[:1]},
        {name for each in booked for name in each.resources[:1]},
        {state.wanted.resource} - {None},
        set() if state.wanted.service is None else set(business.resources_of(state.wanted.service)),
    ):
        if people:
            return business.resource_name(people.pop()) if len(people) == 1 else ""
    return ""


def free_answer(turn: Turn, text: str) -> str | None:
    """The settings' answer whose word the caller said."""
    words = [word.strip(".,?!").casefold() for word in text.split()]
    for key, spoken in turn.business.answers.items():
        for name in key.replace("_", " ").casefold().split():
            if any(word == name or fuzz.ratio(word, name) >= WORD_LIKENESS for word in words if len(word) > 2):
                return spoken
    return None


def _about_service(turn: Turn, act: CallerAct, topic: Topic) -> Outcome | None:
    services = list(turn.business.services.values())
    named = turn.business.services.get(act.service or turn.state.wanted.service or "")
    asked = [named] if named is not None else services
    if len(asked) > MAX_PRICES_AT_ONCE and turn.state.question is not Question.TOPIC_SERVICE:
        turn.state = replace(turn.state, topic=topic)
        names = [service.name for service in services]
        return turn.interpose(
            Question.TOPIC_SERVICE, services=services_text(turn.business), menu=menu_text(turn.business, names)
        )
    if topic is Topic.PRICE:
        _prices(turn, asked)
    else:
        for service in asked:
            minutes = int(service.duration.total_seconds() // 60)
            turn.say("answer.duration", service=service.name, minutes=minutes)
    ids = " ".join(service.id for service in asked)
    turn.state = replace(turn.state, answered=turn.state.answered | {f"{topic} {ids}"})
    return None


def _prices(turn: Turn, services: list[Service]) -> None:
    priced = [service for service in services if service.price]
    if not priced:
        turn.say("answer.unknown")
    for service in priced:
        turn.say("answer.price", service=service.name, price=service.price)


def _hours(turn: Turn, act: CallerAct) -> None:
    business = turn.business
    if act.date is None or act.date.start is None or not act.date.is_single:
        turn.say("answer.hours", hours=business.hours_text())
        return
    day = spoken_date(act.date.start, business.locale, now=turn.state.now)
    spans = business.spans_on(act.date.start)
    if not spans:
        turn.say("answer.day_closed", day=day)
        return
    opens, closes = business.time_text(spans[0].start), business.time_text(spans[-1].end)
    turn.say("answer.day_open", day=day, opens=opens, closes=closes)


def _from_settings(turn: Turn, act: CallerAct) -> None:
    found = free_answer(turn, act.text)
    if found is None:
        turn.say("answer.unknown")
    else:
        turn.say("answer.free", answer=found)
