"""Moving an appointment: which one, then the way of a booking for its service."""

from dataclasses import replace

from ari_app.booking.model import Appointment
from ari_app.dialogue.acts import AppointmentGone, HandOffReason, Moved
from ari_app.dialogue.describing import appointment_text
from ari_app.dialogue.state import Question, State
from ari_app.dialogue.tasks import choosing, gathering
from ari_app.dialogue.tasks.finish import cleared, finish
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.dialogue.wishes import searched_anew


def advance(turn: Turn) -> Outcome:
    """The next thing to ask for, up to the read-back."""
    if (first := choosing.need_appointments(turn)) is not None:
        return first
    if (first := choosing.need_target(turn)) is not None:
        return first
    target = turn.state.target
    if target is None or target.service not in turn.business.services:
        turn.say("problem.not_mine")
        turn.state = replace(turn.state, task=None, target=None)
        return turn.offer_human(HandOffReason.ASKED)
    _want_like(turn, target)
    return gathering.advance(turn)


def moved(turn: Turn, event: Moved) -> Outcome:
    """What is said is what the calendar returned."""
    appointment = event.appointment
    others = [each for each in turn.state.appointments if each.uid not in (event.previous.uid, appointment.uid)]
    turn.state = replace(
        cleared(turn.state),
        done=appointment,
        appointments=tuple(sorted((*others, appointment), key=lambda each: each.start)),
    )
    turn.say("done.moved", what=appointment_text(turn.business, appointment), appointment=appointment)
    if turn.business.sends_texts and turn.state.number:
        turn.say("done.text_message")
    return finish(turn)


def gone(turn: Turn, event: AppointmentGone) -> Outcome:
    """Staff changed the appointment meanwhile: say so, and what there is now."""
    turn.say("problem.changed")
    turn.state = replace(_without_target(turn.state), appointments=event.now_holds)
    if event.now_holds:
        choosing.tell(turn)
        return turn.ask(Question.MOVE_OR_NEW)
    return turn.ask(Question.MORE)


def _want_like(turn: Turn, target: Appointment) -> None:
    """The moved appointment stays with its service, and with its person unless another is named."""
    wanted = turn.state.wanted
    if wanted.service == target.service:
        return
    person = next(iter(target.resources), None)
    service = target.service or ""
    if wanted.resource is None and person in turn.business.resources_of(service):
        wanted = replace(wanted, resource=person)
    turn.state = replace(
        searched_anew(turn.state), wanted=replace(wanted, service=target.service), service_candidates=()
    )


def _without_target(state: State) -> State:
    return replace(cleared(state), task=None, suspended=None, target=None)
