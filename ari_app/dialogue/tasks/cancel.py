"""Cancelling: which appointment, one read-back, and only a yes cancels."""

from dataclasses import replace

from ari_app.dialogue.acts import Cancel, CancelledAppointment
from ari_app.dialogue.describing import appointment_text
from ari_app.dialogue.hearing import heard_before_question
from ari_app.dialogue.state import Question
from ari_app.dialogue.tasks import choosing
from ari_app.dialogue.tasks.book import SURE
from ari_app.dialogue.tasks.finish import finish
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct, Intent, YesNo

_ASKED = frozenset({Intent.CANCEL, Intent.THANKS, Intent.NEVER_MIND})


def advance(turn: Turn) -> Outcome:
    """Up to the read-back."""
    if (first := choosing.need_appointments(turn)) is not None:
        return first
    if (first := choosing.need_target(turn)) is not None:
        return first
    target = turn.state.target
    assert target is not None
    turn.state = replace(turn.state, is_read_back=True)
    return turn.ask(Question.CANCEL, what=appointment_text(turn.business, target), appointment=target)


def answer_cancel(turn: Turn, act: CallerAct, heard_clauses: int | None) -> Outcome | None:
    """Yes cancels, no keeps it; None: it is something else."""
    target = turn.state.target
    if target is None or not _ASKED.issuperset(act.intents):
        return None
    others = tuple(each for each in turn.state.appointments if each.uid != target.uid)
    if act.wants_all and others:
        turn.state = replace(turn.state, queue=others)
        return turn.ask_again(with_keys=False)
    if act.yes_no is YesNo.NO or Intent.NEVER_MIND in act.intents:
        turn.say("done.kept")
        return _next(turn)
    if act.yes_no is not YesNo.YES:
        return None
    if not heard_before_question(turn.business, turn.state, heard_clauses):
        return turn.ask_again(with_keys=False)
    if act.confidence < SURE and turn.state.is_read_back:
        turn.state = replace(turn.state, is_read_back=False)
        return turn.ask_again(with_keys=False)
    return turn.act(Cancel(target))


def cancelled(turn: Turn, event: CancelledAppointment) -> Outcome:
    """What is said is what was in the calendar."""
    gone = event.appointment
    rest = tuple(each for each in turn.state.appointments if each.uid != gone.uid)
    done = None if turn.state.done is not None and turn.state.done.uid == gone.uid else turn.state.done
    turn.state = replace(turn.state, appointments=rest, done=done, undone=gone, target=None, is_read_back=False)
    turn.say("done.cancelled", what=appointment_text(turn.business, gone), appointment=gone)
    return _next(turn)


def _next(turn: Turn) -> Outcome:
    """The next of several that are to be cancelled, each with a read-back of its own."""
    if not turn.state.queue:
        return finish(turn)
    target, *rest = turn.state.queue
    turn.state = replace(turn.state, target=target, queue=tuple(rest))
    return advance(turn)
