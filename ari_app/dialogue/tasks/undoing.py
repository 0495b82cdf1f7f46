"""Second thoughts right after something was done: taken back, changed, or asked about.

Who made an appointment in this very call need not show who they are to change it.
"""

from dataclasses import replace

from ari_app.booking.model import Appointment
from ari_app.dialogue.describing import appointment_text
from ari_app.dialogue.state import Question, Task, Wanted
from ari_app.dialogue.tasks import cancel, gathering, move
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.dialogue.wishes import take_wishes
from ari_app.understanding.meaning import CallerAct, DateRange, Intent, TimeRange


def answer(turn: Turn, act: CallerAct) -> Outcome | None:
    """What "is there anything else" was answered with, as far as it concerns what was just done; None: it doesn't."""
    done = turn.state.done
    if done is not None and (outcome := _about_done(turn, act, done)) is not None:
        return outcome
    undone = turn.state.undone
    if undone is None:
        return None
    if act.wants_all and turn.state.appointments:
        turn.state = replace(turn.state, task=Task.CANCEL, target=None)
        return cancel.advance(turn)
    is_regretted = (act.wants_back and not act.intents) or Intent.NEVER_MIND in act.intents
    return _again(turn, undone) if is_regretted and undone.service in turn.business.services else None


def _about_done(turn: Turn, act: CallerAct, done: Appointment) -> Outcome | None:
    intents = set(act.intents) - {Intent.THANKS}
    is_it = act.service in (None, done.service) and act.service_candidates == () and act.unknown_service is None
    is_changed = act.date is not None or act.time is not None
    if not is_it or act.is_for_other or Intent.BOOK in intents:
        return None
    if (Intent.CANCEL in intents and not is_changed) or (Intent.NEVER_MIND in intents and act.wants_back):
        turn.state = replace(turn.state, task=Task.CANCEL, target=done)
        return cancel.advance(turn)
    if Intent.MOVE in intents or (is_changed and not intents and act.preference is None):
        turn.state = replace(turn.state, task=Task.MOVE, target=done)
        turn.state = replace(turn.state, wanted=replace(turn.state.wanted, service=done.service))
        _keep_day(turn, act, done)
        take_wishes(turn, replace(act, service=None, yes_no=None))
        return move.advance(turn)
    if intents & {Intent.ENQUIRE, Intent.REPEAT} and not is_changed:
        turn.say("told.appointment", what=appointment_text(turn.business, done), appointment=done)
        return turn.ask(Question.ANYTHING_ELSE)
    return None


def _keep_day(turn: Turn, act: CallerAct, done: Appointment) -> None:
    """Another time alone is one on the same day, another day alone has the same time."""
    wanted, start = turn.state.wanted, done.start.astimezone(turn.business.zone)
    if act.date is None and act.time is not None:
        wanted = replace(wanted, date=DateRange(start.date(), start.date()))
    if act.time is None and act.date is not None and act.date.is_single:
        at = start.time().replace(tzinfo=None)
        wanted = replace(wanted, time=TimeRange(at, at))
    turn.state = replace(turn.state, wanted=wanted)


def _again(turn: Turn, undone: Appointment) -> Outcome:
    """Book what was cancelled anew: it is looked up, read back, and booked on a yes like any other."""
    start = undone.start.astimezone(turn.business.zone)
    at = start.time().replace(tzinfo=None)
    wanted = Wanted(
        service=undone.service,
        date=DateRange(start.date(), start.date()),
        time=TimeRange(at, at),
        resource=next(iter(undone.resources), None),
    )
    turn.state = replace(turn.state, task=Task.BOOK, undone=None, wanted=wanted)
    return gathering.advance(turn)
