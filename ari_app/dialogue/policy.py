"""The conversation's decisions: an event and what is known so far give what is said and done next.

Pure: no clock, no I/O. `begin` opens a call, `step` takes each event after it.
"""

from dataclasses import replace

from ari_app.dialogue import identity, universal
from ari_app.dialogue.acts import (
    ActionFailed,
    AppointmentGone,
    Booked,
    CallbackKept,
    CallerPressed,
    CallerSilent,
    CallerSpoke,
    CallStarted,
    CancelledAppointment,
    Event,
    HandOffFailed,
    HandOffReason,
    Moved,
    OpeningGone,
    OpeningsFound,
    ReturnedFromHuman,
)
from ari_app.dialogue.answers import spoken
from ari_app.dialogue.business import Business
from ari_app.dialogue.keypad import pressed
from ari_app.dialogue.state import Question, State
from ari_app.dialogue.tasks import book, callback, cancel, choosing, gathering, move
from ari_app.dialogue.turn import Outcome, Turn


def begin(business: Business, started: CallStarted) -> Outcome:
    """Greet, say that an automated assistant speaks and how to reach a person, and ask the first question."""
    turn = Turn(
        business,
        State(
            now=started.now,
            number=started.number,
            customer=started.customer,
            appointments=started.appointments,
        ),
    )
    turn.say("greeting", business=business.name)
    if not started.appointments:
        return turn.ask(Question.TASK)
    if not identity.is_shown(turn):
        is_on_file = identity.question_for(business.identity, turn.state) is not Question.IDENTITY_DATE
        return identity.ask(turn) if is_on_file else turn.ask(Question.TASK)
    if started.customer is not None and started.customer.name:
        turn.say("greeting_name", name=started.customer.name)
    choosing.tell(turn)
    return turn.ask(Question.MOVE_OR_NEW)


def step(business: Business, state: State, event: Event) -> Outcome:
    """What is said and done upon `event`; the last act is a Listen, an action or an ending."""
    turn = Turn(business, state)
    match event:
        case CallStarted():
            return begin(business, event)
        case CallerSpoke():
            turn.state = replace(state, now=event.now, turns=state.turns + 1)
            return spoken(turn, event.act, event.heard_clauses)
        case CallerPressed():
            turn.state = replace(state, now=event.now, turns=state.turns + 1)
            return spoken(turn, pressed(business, turn.state, event.digits), None)
        case CallerSilent():
            turn.state = replace(state, now=event.now, turns=state.turns + 1)
            return universal.silent(turn)
        case OpeningsFound():
            return gathering.openings_found(turn, event)
        case Booked():
            return book.booked(turn, event)
        case Moved():
            return move.moved(turn, event)
        case CancelledAppointment():
            return cancel.cancelled(turn, event)
        case OpeningGone():
            return gathering.opening_gone(turn, event)
        case AppointmentGone():
            return move.gone(turn, event)
        case ActionFailed():
            return _failed(turn)
        case CallbackKept():
            return callback.kept(turn, event)
        case HandOffFailed():
            return _not_handed_over(turn)
        case ReturnedFromHuman():
            return _returned(turn, event)


def _failed(turn: Turn) -> Outcome:
    """An action failed: a human; where that was tried and the callback failed too, an apology is all there is."""
    is_callback = turn.state.is_keeping_callback
    turn.state = replace(turn.state, is_keeping_callback=False)
    if turn.state.handoffs_failed and is_callback:
        return turn.end("handoff.impossible")
    if turn.state.handoffs_failed:
        turn.say("handoff.failed")
        return callback.begin(turn)
    return turn.hand_over(HandOffReason.FAILURE)


def _not_handed_over(turn: Turn) -> Outcome:
    """No human could be reached: apologise and promise a callback."""
    turn.state = replace(turn.state, handoffs_failed=turn.state.handoffs_failed + 1, misunderstandings=0, silences=0)
    turn.says.clear()
    turn.say("handoff.failed")
    return callback.begin(turn)


def _returned(turn: Turn, event: ReturnedFromHuman) -> Outcome:
    """A human gave the caller back: what was said stands, the counts begin anew."""
    turn.state = replace(
        turn.state,
        now=event.now,
        task=None,
        before=None,
        misunderstandings=0,
        silences=0,
        stalls=0,
        humans_offered=0,
        handoffs_failed=0,
    )
    turn.say("returned")
    return turn.ask(Question.MORE)
