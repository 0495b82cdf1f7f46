"""Which of the caller's appointments is meant; nothing of them is said before the caller has shown who they are."""

from dataclasses import replace

from ari_app.booking.model import Appointment
from ari_app.dialogue import identity
from ari_app.dialogue.acts import HandOffReason
from ari_app.dialogue.describing import appointment_text
from ari_app.dialogue.state import Question, Task
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct


def need_appointments(turn: Turn) -> Outcome | None:
    """What has to be asked or said before the number's appointments may be used; None: nothing.

    What was booked in this very call is the caller's own.
    """
    target, done = turn.state.target, turn.state.done
    if target is not None and done is not None and target.uid == done.uid:
        return None
    if not turn.state.appointments:
        turn.say("told.none" if turn.state.number else "told.withheld")
        turn.state = replace(turn.state, task=None, suspended=None)
        return turn.offer_human(HandOffReason.ASKED)
    return None if identity.is_shown(turn) else identity.ask(turn)


def need_target(turn: Turn) -> Outcome | None:
    """Settle which appointment it is; a question where that isn't clear."""
    state = turn.state
    if state.target is not None:
        return None
    if len(state.appointments) == 1:
        turn.state = replace(state, target=state.appointments[0])
        return None
    return turn.ask(Question.WHICH_APPOINTMENT, offers=state.appointments)


def answer_which(turn: Turn, act: CallerAct) -> Appointment | None:
    """The appointment that the answer picks out."""
    appointments = turn.state.appointments
    if act.choice is not None and 0 <= act.choice < len(appointments):
        return appointments[act.choice]
    if act.date is None and act.time is None and act.service is None:
        return None
    fitting = [
        each
        for each in appointments
        if (act.date is None or act.date.contains(each.start.date()))
        and (act.time is None or act.time.start in (None, each.start.time()))
        and act.service in (None, each.service)
    ]
    return fitting[0] if len(fitting) == 1 else None


def take_target(turn: Turn, task: Task, act: CallerAct) -> None:
    """The appointment that is picked out along with the task ("cancel the cleaning"); in a move, days are new."""
    if turn.state.target is not None or task not in (Task.CANCEL, Task.MOVE):
        return
    described = replace(act, choice=None)
    if task is Task.MOVE:
        described = replace(described, date=None, time=None)
    turn.state = replace(turn.state, target=answer_which(turn, described))


def tell(turn: Turn) -> None:
    """Say what the number has booked."""
    appointments = turn.state.appointments
    if len(appointments) == 1:
        turn.say("told.appointment", what=appointment_text(turn.business, appointments[0]), appointment=appointments[0])
    else:
        turn.say("told.appointments", offers=appointments)
