"""Which task the caller is being helped with: to another one and back, with what was said kept."""

from dataclasses import replace

from ari_app.dialogue.state import Question, Task
from ari_app.dialogue.tasks import book, callback, cancel, enquire, gathering, move
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.understanding.meaning import CallerAct, Intent

TASKS = {
    Intent.CANCEL: Task.CANCEL,
    Intent.MOVE: Task.MOVE,
    Intent.CALLBACK: Task.CALLBACK,
    Intent.ENQUIRE: Task.ENQUIRE,
    Intent.BOOK: Task.BOOK,
}
"""In the order in which one wins where several are named."""


def resume(turn: Turn) -> Outcome:
    """Go on with the present task."""
    match turn.state.task:
        case Task.BOOK:
            return gathering.advance(turn)
        case Task.MOVE:
            return move.advance(turn)
        case Task.CANCEL:
            return cancel.advance(turn)
        case Task.ENQUIRE:
            return enquire.advance(turn)
        case Task.CALLBACK:
            return callback.begin(turn)
    return turn.ask(Question.MORE if turn.state.done is not None else Question.TASK)


def reopen(turn: Turn) -> Outcome:
    """Ask the open question again."""
    question = turn.state.question
    if question is Question.TASK:
        question = Question.MORE
    elif question is Question.SERVICE and turn.state.wanted.service is not None:
        return resume(turn)
    return turn.ask(question, **dict(turn.state.values))


def switch(turn: Turn, task: Task) -> None:
    """Another task: what was said stays; a booking under way is come back to after a short one."""
    state = turn.state
    if state.task is task:
        return
    is_short = task in (Task.CANCEL, Task.ENQUIRE)
    is_under_way = state.task is Task.BOOK and not state.wanted.is_blank
    suspended = Task.BOOK if is_short and is_under_way else None
    if state.task is Task.MOVE and task is Task.BOOK:
        state = replace(state, target=None, wanted=replace(state.wanted, resource=None))
    if {state.task, task} == {Task.BOOK, Task.MOVE}:
        state = replace(state, offered=(), proposal=None, is_read_back=False)
    turn.state = replace(state, task=task, suspended=suspended, before=None, pending=None)


def task_of(act: CallerAct) -> Task | None:
    """The task that an act names; where it names several, the one that changes more."""
    return next((task for intent, task in TASKS.items() if intent in act.intents), None)


def has_content(act: CallerAct) -> bool:
    """The act says more than a courtesy."""
    return bool(
        task_of(act)
        or act.yes_no
        or act.choice is not None
        or act.option
        or act.preference
        or act.digits
        or act.name
        or book.names_something(act)
    )
