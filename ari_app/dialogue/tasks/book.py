"""Booking: what is done on a yes, and answers to the questions on the way there."""

from collections.abc import Sequence
from dataclasses import replace

from ari_app.booking.model import Opening
from ari_app.dialogue import contact
from ari_app.dialogue.acts import Book, Booked, HandOffReason, Move
from ari_app.dialogue.describing import appointment_text
from ari_app.dialogue.hearing import heard_before_question, heard_only_first_offer
from ari_app.dialogue.state import Question, Task
from ari_app.dialogue.tasks.finish import cleared, finish
from ari_app.dialogue.tasks.gathering import advance, alternatives, propose
from ari_app.dialogue.turn import Outcome, Turn
from ari_app.dialogue.wishes import take_wishes
from ari_app.understanding.meaning import CallerAct, DateRange, Intent, Slot, TimeRange, YesNo

SURE = 0.7
"""Confidence from which a yes counts at once; below it is asked for again."""

_GOING_ON = frozenset({Intent.BOOK, Intent.MOVE, Intent.THANKS, Intent.REQUEST_ALTERNATIVES})


def booked(turn: Turn, event: Booked) -> Outcome:
    """What is said is what the calendar returned."""
    appointment = event.appointment
    upcoming = tuple(sorted((*turn.state.appointments, appointment), key=lambda each: each.start))
    state = contact.finished(cleared(turn.state))
    turn.state = replace(state, done=appointment, undone=None, appointments=upcoming)
    turn.say("done.booked", what=appointment_text(turn.business, appointment), appointment=appointment)
    if turn.business.sends_texts and turn.state.reach:
        turn.say("done.text_message")
    return finish(turn)


def answer_readback(turn: Turn, act: CallerAct, heard_clauses: int | None) -> Outcome | None:
    """Yes books, no asks what to change; None: it is something else, as "yes but make it four"."""
    proposal = turn.state.proposal
    is_yes = act.yes_no is YesNo.YES
    if proposal is not None and not act.intents and contact.corrects_name(turn, act):
        return turn.ask_again(with_keys=False)
    allowed = _GOING_ON | {Intent.GOODBYE} if is_yes else _GOING_ON
    is_more = is_yes and act.is_for_other  # "yes, and one for my husband at eleven" changes nothing of this one
    if proposal is None or not allowed.issuperset(act.intents) or (differs(act, proposal) and not is_more):
        return None
    if Intent.REQUEST_ALTERNATIVES in act.intents:
        return alternatives(turn)
    if act.yes_no is YesNo.NO:
        turn.state = replace(turn.state, refused=turn.state.refused | {proposal.start})
        return turn.ask(Question.CHANGE)
    if not is_yes:
        return None
    if not heard_before_question(turn.business, turn.state, heard_clauses):
        return turn.ask_again(with_keys=False)
    if act.confidence < SURE and turn.state.is_read_back:
        turn.state = replace(turn.state, is_read_back=False)
        return turn.ask_again(with_keys=False)
    return commit(turn, proposal)


def commit(turn: Turn, opening: Opening) -> Outcome:
    """Do it; reached only from a yes to the read-back of this opening."""
    if turn.state.task is Task.MOVE and turn.state.target is not None:
        return turn.act(Move(turn.state.target, opening))
    return turn.act(Book(opening, contact.name_of(turn), turn.state.contact_number))


def answer_offer(turn: Turn, act: CallerAct, heard_clauses: int | None) -> Outcome | None:
    """One of the offers, none of them, or None: something else was said."""
    offered = turn.state.offered
    if not offered or not _GOING_ON.issuperset(act.intents):
        return None
    if act.choice is not None and 0 <= act.choice < len(offered):
        return propose(turn, offered[act.choice])
    is_naming = names_something(act)
    named = named_openings(act, offered) if is_naming else offered
    if is_naming and len(named) == 1:
        return propose(turn, named[0])
    if act.yes_no is YesNo.YES and len(named) == len(offered):
        if heard_only_first_offer(turn.business, turn.state, heard_clauses):
            return propose(turn, offered[0])
        turn.say("problem.choose")
        return turn.ask_again(with_keys=False)
    if is_naming and named:
        return turn.ask_again(with_keys=False)
    if is_naming and _insists(turn, act):
        turn.say("problem.full")
        return turn.offer_human(HandOffReason.NO_OPENINGS)
    if is_naming or act.preference is not None or act.rejected:
        return None
    if act.yes_no is YesNo.NO or Intent.REQUEST_ALTERNATIVES in act.intents:
        return alternatives(turn)
    return None


def answer_change(turn: Turn, act: CallerAct) -> Outcome | None:
    """Which slot to change, where only its name was said."""
    slots = (Slot.DATE, Slot.TIME, Slot.SERVICE)
    if not (act.date or act.time or act.service) and act.choice is not None and 0 <= act.choice < len(slots):
        return _open_again(turn, slots[act.choice])
    if names_something(act) or act.preference is not None or not _GOING_ON.issuperset(act.intents):
        return None
    if Intent.REQUEST_ALTERNATIVES in act.intents:
        return alternatives(turn)
    if act.yes_no is YesNo.NO:
        return turn.offer_human(HandOffReason.NO_OPENINGS)
    return None


def names_something(act: CallerAct) -> bool:
    """The act says what an appointment should be like."""
    return bool(
        act.service
        or act.service_candidates
        or act.unknown_service
        or act.date
        or act.impossible_date
        or act.time
        or act.time_candidates
        or act.resource
    )


def differs(act: CallerAct, opening: Opening) -> bool:
    """The act asks for something that `opening` isn't; its own words said back are no change."""
    if act.preference is not None or act.rejected or act.impossible_date or act.unknown_service:
        return True
    if act.service_candidates or (act.time_candidates and opening.start.time() not in act.time_candidates):
        return True
    is_other_service = act.service is not None and act.service != opening.service
    is_other_resource = act.resource is not None and act.resource not in opening.resources
    return is_other_service or is_other_resource or not _contains(act, opening)


def named_openings(act: CallerAct, offered: Sequence[Opening]) -> tuple[Opening, ...]:
    """Those of `offered` that the act's words pick out."""
    if act.impossible_date or act.unknown_service or act.service_candidates:
        return ()
    return tuple(
        each
        for each in offered
        if _contains(act, each)
        and act.service in (None, each.service)
        and (act.resource is None or act.resource in each.resources)
        and (not act.time_candidates or each.start.time() in act.time_candidates)
    )


def _contains(act: CallerAct, opening: Opening) -> bool:
    day, at = opening.start.date(), opening.start.time()
    if act.date is not None and not act.date.contains(day):
        return False
    return act.time is None or act.time.contains(at)


def _insists(turn: Turn, act: CallerAct) -> bool:
    """What is named is what is wanted already, and what was offered isn't it: the same offers again would corner."""
    trial = Turn(turn.business, turn.state)
    return bool(act.date or act.time) and take_wishes(trial, act) and trial.state.wanted == turn.state.wanted


def _open_again(turn: Turn, slot: Slot) -> Outcome:
    state, wanted = turn.state, turn.state.wanted
    if state.proposal is not None:
        day, at = state.proposal.start.date(), state.proposal.start.time()
        wanted = replace(wanted, date=DateRange(day, day), time=TimeRange(at, at))
    match slot:
        case Slot.DATE:
            wanted = replace(wanted, date=None, is_earliest=False)
        case Slot.TIME:
            wanted = replace(wanted, time=None, is_earliest=False)
        case _:
            wanted = replace(wanted, service=None)
    turn.state = replace(state, wanted=wanted, proposal=None, is_read_back=False, offered=(), pool=())
    return advance(turn)
