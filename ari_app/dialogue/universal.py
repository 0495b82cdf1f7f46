"""What may happen under any question: silence, words not understood, "operator", "hold on", "say that again"."""

from dataclasses import replace

from ari_app.dialogue.acts import HandOffReason
from ari_app.dialogue.state import CALLBACK_QUESTIONS, Question
from ari_app.dialogue.tasks.finish import cleared
from ari_app.dialogue.turn import MAX_TURNS, Outcome, Turn

_CLOSING = frozenset({Question.ANYTHING_ELSE})


def silent(turn: Turn) -> Outcome:
    """A gentle prompt, a shorter one, then a human; after all is done, goodbye."""
    silences = turn.state.silences + 1
    turn.state = replace(turn.state, silences=silences)
    if turn.state.question is Question.CALLBACK_TIME:
        return turn.settle_callback()
    if turn.state.question in _CLOSING and silences > 1:
        return goodbye(turn)
    if silences > turn.business.reprompts:
        return turn.hand_over(HandOffReason.NO_INPUT)
    if silences == 1:
        turn.say("still_there")
        return turn.ask_again(with_keys=False)
    return turn.ask_again(with_keys=True, keys_only=True)


def misunderstood(turn: Turn) -> Outcome:
    """Ask again in other words, by the keypad on the last try, then a human."""
    count = turn.state.misunderstandings + 1
    turn.state = replace(turn.state, misunderstandings=count)
    if count >= turn.business.max_misunderstandings:
        return turn.hand_over(HandOffReason.MISUNDERSTOOD)
    turn.say("sorry")
    return turn.ask_again(with_keys=count == turn.business.max_misunderstandings - 1)


def hold_on(turn: Turn) -> Outcome:
    """Wait a minute in silence under the same question."""
    if turn.state.turns >= MAX_TURNS:
        return turn.hand_over(HandOffReason.LOOP)
    turn.say("hold")
    return turn.listen(no_input_s=turn.business.hold_on_s)


def repeat(turn: Turn) -> Outcome:
    """Say the question again, in other words, with all that it is about."""
    turn.say("repeat")
    return turn.ask_again(with_keys=False)


def never_mind(turn: Turn) -> Outcome:
    """Drop what was being done; nothing is changed by it."""
    turn.state = replace(cleared(turn.state), task=None, suspended=None, target=None)
    turn.say("dropped")
    return turn.ask(Question.ANYTHING_ELSE)


def goodbye(turn: Turn) -> Outcome:
    """Last words that are true: what was booked, or that nothing was changed."""
    if turn.state.question in CALLBACK_QUESTIONS and turn.state.callback_number:
        return turn.settle_callback()
    if turn.state.done is not None:
        return turn.end("goodbye_booked", appointment=turn.state.done)
    if turn.state.task is not None and turn.state.question not in _CLOSING:
        return turn.end("goodbye_nothing")
    return turn.end("goodbye")
