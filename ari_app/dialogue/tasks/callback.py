"""A promised callback: on which number, and when."""

from dataclasses import replace

from ari_app.dialogue.acts import CallbackKept
from ari_app.dialogue.contact import has_number, normalised
from ari_app.dialogue.describing import date_text, time_text
from ari_app.dialogue.state import Question, Task
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct, Intent, YesNo


def begin(turn: Turn) -> Outcome:
    """Ask for the number, or whether the one that called is right."""
    turn.state = replace(turn.state, task=Task.CALLBACK, before=None)
    number = turn.state.callback_number or turn.state.reach
    if not number:
        return turn.ask(Question.CALLBACK_NUMBER)
    turn.state = replace(turn.state, callback_number=number)
    return turn.ask(Question.CALLBACK_NUMBER_OK, number=number)


def answer_number_ok(turn: Turn, act: CallerAct) -> Outcome | None:
    """Yes keeps the number, another number replaces it."""
    if has_number(act):
        return answer_number(turn, act)
    if act.yes_no is YesNo.YES:
        return turn.ask(Question.CALLBACK_TIME)
    if act.yes_no is YesNo.NO:
        turn.state = replace(turn.state, callback_number="")
        return turn.ask(Question.CALLBACK_NUMBER)
    return None


def answer_number(turn: Turn, act: CallerAct) -> Outcome | None:
    """A number is read back before it counts."""
    if not has_number(act):
        return None
    number = normalised(act.digits or "", turn.business.country)
    turn.state = replace(turn.state, callback_number=number)
    return turn.ask(Question.CALLBACK_NUMBER_OK, number=number)


def answer_time(turn: Turn, act: CallerAct) -> Outcome | None:
    """Whatever is said about when goes to the desk in the caller's words."""
    pieces = []
    if act.date is not None:
        pieces.append(date_text(turn.business, turn.state, act.date))
    if act.time is not None and (act.time.start is not None or act.time.end is not None):
        pieces.append(time_text(turn.business, act.time))
    if Intent.NEVER_MIND in act.intents:
        return None
    is_courtesy = bool({Intent.GOODBYE, Intent.THANKS} & set(act.intents))
    is_any = (
        is_courtesy or act.time is not None or act.any_resource or act.yes_no is not None or act.preference is not None
    )
    if not pieces and not is_any and not act.text.strip():
        return None
    turn.state = replace(turn.state, callback_preferred=", ".join(pieces))
    return turn.settle_callback(", ".join(pieces) or ("" if is_any else act.text.strip()))


def kept(turn: Turn, event: CallbackKept) -> Outcome:
    """Say what was promised, never an hour beside the one that the caller asked for, and goodbye."""
    if turn.state.callback_preferred:
        turn.say("noted", what=turn.state.callback_preferred)
        turn.say("done.callback")
    elif event.due is not None:
        turn.say("done.callback_due", due=event.due)
    else:
        turn.say("done.callback")
    return turn.end("goodbye")
