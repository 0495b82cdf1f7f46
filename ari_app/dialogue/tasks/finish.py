"""After a task: back to the one that was put aside, else whether there is anything else."""

from dataclasses import replace

from ari_app.dialogue.state import Question, State, Task, Wanted
from ari_app.dialogue.tasks import gathering
from ari_app.dialogue.turn import Outcome, Turn


def finish(turn: Turn) -> Outcome:
    """Close the present task."""
    suspended = turn.state.suspended
    turn.state = replace(turn.state, task=suspended, suspended=None, target=None)
    if suspended is Task.BOOK:
        turn.say("back_to_booking")
        return gathering.advance(turn)
    turn.state = replace(turn.state, task=None)
    return turn.ask(Question.ANYTHING_ELSE)


def cleared(state: State) -> State:
    """Nothing wanted any more."""
    return replace(
        state,
        wanted=Wanted(),
        service_candidates=(),
        time_candidates=(),
        offered=(),
        pool=(),
        refused=frozenset(),
        refusals=0,
        is_widened=False,
        checked=None,
        news=(),
        proposal=None,
        is_read_back=False,
        pending=None,
        before=None,
        queue=(),
    )
