"""One turn of the caller: what holds anywhere first, then the open question's answers, then everything else."""

from dataclasses import replace

from ari_app.dialogue import contact, identity, universal
from ari_app.dialogue.acts import HandOffReason
from ari_app.dialogue.describing import act_text
from ari_app.dialogue.state import (
    CALLBACK_QUESTIONS,
    CONTACT_QUESTIONS,
    IDENTITY_QUESTIONS,
    READBACKS,
    Identity,
    Question,
    Task,
)
from ari_app.dialogue.switching import has_content, reopen, resume, switch, task_of
from ari_app.dialogue.tasks import book, callback, cancel, choosing, enquire, gathering, undoing
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.dialogue.wishes import take_wishes
from ari_app.understanding.meaning import CallerAct, Intent, Topic, YesNo

HEARD_WELL = 0.7
"""From here what was understood is confirmed in passing, by the next question."""
HEARD_BADLY = 0.4
"""Below here it is asked for again; between the two it is asked about."""


_ASKED_ABOUT = frozenset(
    {Question.HEARD, Question.CANCEL, Question.HUMAN, Question.NO_OPENINGS, *CALLBACK_QUESTIONS, *CONTACT_QUESTIONS}
)


def spoken(turn: Turn, act: CallerAct, heard_clauses: int | None) -> Outcome:
    """The caller said something, or pressed keys that mean it."""
    if Intent.OPERATOR in act.intents:
        return turn.hand_over(HandOffReason.ASKED)
    if Intent.HOLD_ON in act.intents and Intent.QUESTION not in act.intents:
        turn.state = replace(turn.state, silences=0)
        return universal.hold_on(turn)
    if act.is_backchannel and act.yes_no is None and not has_content(act):
        return turn.listen_quietly()
    if Intent.REPEAT in act.intents and has_content(act):
        act = replace(act, intents=tuple(each for each in act.intents if each is not Intent.REPEAT))
    if act.confidence < HEARD_BADLY and turn.state.question is not Question.CONTACT_NAME:
        return universal.misunderstood(turn)
    said = turn.state
    turn.state = replace(said, silences=0)
    if Intent.REPEAT in act.intents:
        return universal.repeat(turn)
    if act.confidence < HEARD_WELL and (doubt := _ask_about(turn, act)) is not None:
        return doubt
    turn.state = replace(turn.state, misunderstandings=0)
    if turn.state.question not in IDENTITY_QUESTIONS | CONTACT_QUESTIONS | READBACKS:
        contact.take_name(turn, act)
    outcome = _answer(turn, act, heard_clauses)
    if outcome is None:
        outcome = _anything(turn, act)
    if outcome is None:
        turn.state = replace(turn.state, misunderstandings=said.misunderstandings)
        return universal.misunderstood(turn)
    return outcome


def _answer(turn: Turn, act: CallerAct, heard_clauses: int | None) -> Outcome | None:
    """The open question's own answers; None: the act is none of them."""
    match turn.state.question:
        case Question.READBACK | Question.READBACK_MOVE:
            return book.answer_readback(turn, act, heard_clauses)
        case Question.OFFER:
            return book.answer_offer(turn, act, heard_clauses)
        case Question.CHANGE:
            return book.answer_change(turn, act)
        case Question.CANCEL:
            return cancel.answer_cancel(turn, act, heard_clauses) or _instead_of_cancelling(turn, act)
        case Question.MOVE_OR_NEW:
            return _move_or_new(turn, act)
        case Question.WHICH_APPOINTMENT:
            return _which_appointment(turn, act)
        case Question.SERVICE_WHICH:
            return _nth_service(turn, act)
        case Question.TIME_WHICH:
            return _nth_time(turn, act)
        case Question.TOPIC_SERVICE:
            return _topic_service(turn, act)
        case Question.HEARD:
            return _heard(turn, act, heard_clauses)
        case Question.HUMAN | Question.NO_OPENINGS:
            return _human(turn, act)
        case Question.ANYTHING_ELSE:
            return _anything_else(turn, act)
        case Question.CALLBACK_NUMBER_OK:
            return _unless_another_task(turn, act) or callback.answer_number_ok(turn, act)
        case Question.CALLBACK_NUMBER:
            return _unless_another_task(turn, act) or callback.answer_number(turn, act)
        case Question.CALLBACK_TIME:
            return _unless_another_task(turn, act) or callback.answer_time(turn, act)
        case question if question in IDENTITY_QUESTIONS:
            return _identity(turn, act)
        case question if question in CONTACT_QUESTIONS:
            return _contact(turn, act)
    return None


def _anything(turn: Turn, act: CallerAct) -> Outcome | None:
    """What can be said under any question: another task, a question, a wish, a goodbye."""
    if Intent.NEVER_MIND in act.intents:
        return universal.never_mind(turn)
    if _is_question(act):
        return _question(turn, act)
    is_yes = act.yes_no is YesNo.YES
    if Intent.GOODBYE in act.intents and not is_yes and not has_content(replace(act, yes_no=None)):
        return universal.goodbye(turn)
    task = task_of(act)
    if act.is_urgent and "urgent" not in dict(turn.state.said):
        turn.say("urgent")
    if task is Task.CALLBACK:
        return callback.begin(turn)
    if task is None and turn.state.task is None and _is_only_about_the_past(turn, act):
        return None
    is_wish = take_wishes(turn, act)
    if task is not None:
        _switch_to(turn, task, act)
        return resume(turn)
    if is_wish:
        if turn.state.task not in (Task.BOOK, Task.MOVE):
            switch(turn, Task.BOOK)
        return resume(turn)
    if Intent.REQUEST_ALTERNATIVES in act.intents and turn.state.task in (Task.BOOK, Task.MOVE):
        return gathering.alternatives(turn) if turn.state.wanted.service else None
    if Intent.THANKS in act.intents and turn.state.task is None:
        return turn.ask(Question.ANYTHING_ELSE)
    if enquire.free_answer(turn, act.text) is not None:
        return _question(turn, replace(act, topic=Topic.OTHER))
    return None


def _is_question(act: CallerAct) -> bool:
    """ "Do you have anything on thursday" is a wish, "are you open on thursday" isn't."""
    if act.topic in (Topic.SERVICES, Topic.OTHER) and (book.names_something(act) or act.preference is not None):
        return False
    return Intent.QUESTION in act.intents or act.topic is not None


def _is_only_about_the_past(turn: Turn, act: CallerAct) -> bool:
    """ "I was there yesterday" is no wish."""
    is_past = act.date is not None and act.date.end is not None and act.date.end < turn.state.now.date()
    return is_past and act.service is None and act.resource is None and act.time is None


def _question(turn: Turn, act: CallerAct) -> Outcome:
    """Answer, then come back to the question that stands open."""
    if turn.state.wanted.service is None and act.service in turn.business.services:
        turn.state = replace(turn.state, wanted=replace(turn.state.wanted, service=act.service))
    if (asked := enquire.answer(turn, act)) is not None:
        return asked
    if Intent.BOOK in act.intents and act.service is not None and turn.state.task is None:
        switch(turn, Task.BOOK)
        return resume(turn)
    return reopen(turn)


def _move_or_new(turn: Turn, act: CallerAct) -> Outcome | None:
    task = task_of(act)
    if task is None and act.choice is not None and 0 <= act.choice < len(_MOVE_OR_NEW):
        task = _MOVE_OR_NEW[act.choice]
    if task is None and act.yes_no is YesNo.NO and not book.names_something(act):
        return turn.ask(Question.ANYTHING_ELSE)
    if task is None and act.yes_no is YesNo.YES and not book.names_something(act) and act.preference is None:
        return turn.ask_again(with_keys=False)
    if task is None and (book.names_something(act) or act.preference is not None) and act.service is None:
        task = Task.MOVE
    if task is None or task is Task.CALLBACK:
        return None
    take_wishes(turn, replace(act, service=None) if task is Task.MOVE else act)
    _switch_to(turn, task, act)
    return resume(turn)


_MOVE_OR_NEW = (Task.MOVE, Task.BOOK, Task.CANCEL)


def _which_appointment(turn: Turn, act: CallerAct) -> Outcome | None:
    is_all = act.wants_all and turn.state.task is Task.CANCEL
    target = choosing.answer_which(turn, act) if not is_all else None
    if is_all:
        target, *rest = turn.state.appointments
        turn.state = replace(turn.state, queue=tuple(rest))
    if target is None and act.yes_no is YesNo.YES and not book.names_something(act) and not act.intents:
        return turn.ask_again(with_keys=False)
    if target is None:
        return None
    turn.state = replace(turn.state, target=target)
    return resume(turn)


def _nth_service(turn: Turn, act: CallerAct) -> Outcome | None:
    candidates = turn.state.service_candidates
    if act.wants_all and candidates:  # one after the other: "is there anything else" comes after the first
        act = replace(act, service=None, choice=0)
    if act.service is not None or act.choice is None or not 0 <= act.choice < len(candidates):
        return None
    take_wishes(turn, replace(act, service=candidates[act.choice], choice=None))
    return resume(turn)


def _nth_time(turn: Turn, act: CallerAct) -> Outcome | None:
    candidates = turn.state.time_candidates
    if act.time is not None or act.choice is None or not 0 <= act.choice < len(candidates):
        return None
    take_wishes(turn, replace(act, time=candidates[act.choice], choice=None))
    return resume(turn)


def _topic_service(turn: Turn, act: CallerAct) -> Outcome | None:
    if act.service is None:
        return None
    asked = enquire.answer_topic_service(turn, act)
    return asked if asked is not None else reopen(turn)


def _identity(turn: Turn, act: CallerAct) -> Outcome | None:
    """The answer to who the caller is; it may carry the wish along ("Jones, I want to move it")."""
    task = task_of(act)
    right = identity.check(turn, act) if Intent.QUESTION not in act.intents else None
    if right:
        identity.passed(turn, act)
        if task is None and act.refused_date is not None and act.date is not None:
            task = Task.MOVE  # "Jones, I can't make friday, can we do monday instead"
        if task is not None:
            take_wishes(turn, replace(act, name=None, digits=None))
            _switch_to(turn, task, act)
        if turn.state.task is not None:
            return resume(turn)
        choosing.tell(turn)
        return turn.ask(Question.MOVE_OR_NEW)
    is_declined = act.yes_no is YesNo.NO or Intent.NEVER_MIND in act.intents
    if task is Task.BOOK or (is_declined and not act.name):
        turn.state = replace(turn.state, identity=Identity.DECLINED, task=None if task is None else turn.state.task)
        return turn.ask(Question.MORE) if task is None else None
    if act.intents or right is None or (turn.state.question is Question.IDENTITY_NAME and _is_a_wish(turn, act)):
        return None if task is None or task is Task.CALLBACK else _remember(turn, act, task)
    return identity.failed(turn)


def _contact(turn: Turn, act: CallerAct) -> Outcome | None:
    """Name or number for the booking, then its read-back."""
    answered = contact.answer(turn, act)
    return resume(turn) if isinstance(answered, bool) else answered


def _remember(turn: Turn, act: CallerAct, task: Task) -> Outcome:
    """A task before the name: kept, and the name asked for again."""
    take_wishes(turn, act)
    _switch_to(turn, task, act)
    turn.drop_news()
    turn.say("identity.gladly")
    return reopen(turn)


def _switch_to(turn: Turn, task: Task, act: CallerAct) -> None:
    """Another task, with the appointment that was picked out along with it."""
    choosing.take_target(turn, task, act)
    switch(turn, task)


def _is_a_wish(turn: Turn, act: CallerAct) -> bool:
    """Not a name at all: what the caller wants, or a bare yes to being asked."""
    name = (act.name or "").casefold()
    is_service = any(
        name in {phrase.casefold() for phrase in (words.name, *words.synonyms)}
        for words in turn.business.vocabulary.services
        if words.id == act.service
    )
    if act.letters or (name and not is_service):
        return False
    return book.names_something(act) or act.preference is not None or act.yes_no is YesNo.YES


def _instead_of_cancelling(turn: Turn, act: CallerAct) -> Outcome | None:
    """Neither yes nor no but a day or a time: the other appointment that has it, or where this one is moved to."""
    target = turn.state.target
    is_other = act.date is not None or act.time is not None
    if target is None or not is_other or act.service is not None or act.intents or act.yes_no is not None:
        return None
    named = choosing.answer_which(turn, act)
    if named is not None:
        if named.uid == target.uid:
            return turn.ask_again(with_keys=False)
        turn.state = replace(turn.state, target=named)
        return resume(turn)
    take_wishes(turn, act)
    switch(turn, Task.MOVE)
    return resume(turn)


def _human(turn: Turn, act: CallerAct) -> Outcome | None:
    """Whether a human shall help."""
    if book.names_something(act) or act.preference is not None or act.intents:
        return None
    if act.yes_no is YesNo.YES:
        return turn.hand_over(turn.state.handoff_reason)
    if act.yes_no is not YesNo.NO:
        return None
    if turn.state.question is Question.NO_OPENINGS and turn.state.task is not None:
        return turn.ask(Question.CHANGE)
    if turn.state.task is None:
        return turn.ask(Question.MORE)
    return resume(turn)


def _anything_else(turn: Turn, act: CallerAct) -> Outcome | None:
    if (outcome := undoing.answer(turn, act)) is not None:
        return outcome
    if task_of(act) is not None or book.names_something(act) or act.topic is not None:
        return None
    closing = {Intent.THANKS, Intent.GOODBYE, Intent.NEVER_MIND}
    if act.yes_no is YesNo.NO or (closing & set(act.intents) and act.yes_no is None):
        return universal.goodbye(turn)
    if act.yes_no is YesNo.YES:
        return turn.ask(Question.MORE)
    return None


def _unless_another_task(turn: Turn, act: CallerAct) -> Outcome | None:
    """Instead of being called back the caller would rather go on here."""
    task = task_of(act)
    if task is None or task is Task.CALLBACK:
        return None
    take_wishes(turn, act)
    turn.state = replace(turn.state, task=None)
    switch(turn, task)
    return resume(turn)


def _ask_about(turn: Turn, act: CallerAct) -> Outcome | None:
    """Heard with little confidence: ask whether it was that; None where the next question shows it anyway."""
    if turn.state.question in _ASKED_ABOUT or turn.state.question in IDENTITY_QUESTIONS:
        return None
    what = act_text(turn.business, turn.state, act)
    if not what:
        return None
    turn.state = replace(turn.state, pending=act)
    return turn.interpose(Question.HEARD, what=what)


def _heard(turn: Turn, act: CallerAct, heard_clauses: int | None) -> Outcome | None:
    """Yes takes what was heard; anything new is taken instead of it."""
    pending = turn.state.pending
    if pending is None:
        return None
    if act.yes_no is None and not has_content(act):
        return None
    turn.restore()
    turn.state = replace(turn.state, pending=None)
    if act.yes_no is YesNo.YES and not book.names_something(act):
        return spoken(turn, replace(pending, confidence=1.0), None)
    if act.yes_no is YesNo.NO and not book.names_something(act) and task_of(act) is None:
        return universal.misunderstood(turn)
    joined = replace(act, yes_no=None, confidence=1.0)
    if act.yes_no is YesNo.YES:
        joined = _joined(pending, joined)
    return spoken(turn, joined, None)


def _joined(pending: CallerAct, act: CallerAct) -> CallerAct:
    """What was heard first, with what was said on top of it."""
    return replace(
        pending,
        service=act.service or pending.service,
        date=act.date or pending.date,
        time=act.time or pending.time,
        resource=act.resource or pending.resource,
        confidence=1.0,
    )
