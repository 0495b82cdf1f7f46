"""The way to an opening: service, day and time in any order, a look at the calendar, offers, the read-back.

Booking and moving both go it; only the read-back's words and what a yes does differ.
"""

from dataclasses import replace
from datetime import timedelta

from ari_app.booking.model import Opening
from ari_app.dialogue import contact
from ari_app.dialogue.acts import FindOpenings, HandOffReason, OpeningGone, OpeningsFound
from ari_app.dialogue.describing import menu_text, opening_text, services_text, wish_text
from ari_app.dialogue.offers import select
from ari_app.dialogue.searching import exact_match, widened, wish_of
from ari_app.dialogue.state import Question, State, Task
from ari_app.dialogue.turn import Outcome, Turn

MAX_REFUSALS = 3
_REASONS = ("closed", "past", "horizon", "hours", "between")
APART = timedelta(hours=1)
"""What is offered after a refusal lies so far from what was refused, where there is such."""


def advance(turn: Turn) -> Outcome:
    """Ask for the next thing that is missing; nothing missing: look for openings.

    The days are looked at before a time is asked for: nobody names a time on a day that has none.
    """
    if turn.state.wanted.service is None and len(turn.business.services) == 1:
        only = next(iter(turn.business.services))
        turn.state = replace(turn.state, wanted=replace(turn.state.wanted, service=only))
    state, business = turn.state, turn.business
    if state.service_candidates:
        names = [business.service_name(service) for service in state.service_candidates]
        return turn.ask(Question.SERVICE_WHICH, options=business.texts.joined(names), menu=menu_text(business, names))
    if state.wanted.service is None:
        names = [service.name for service in business.services.values()]
        ask = turn.ask_listing if any(say.text_id == "problem.unknown_service" for say in turn.says) else turn.ask
        return ask(Question.SERVICE, services=services_text(business), menu=menu_text(business, names))
    if state.time_candidates:
        said = [business.time_text(each.start) for each in state.time_candidates if each.start is not None]
        return turn.ask(Question.TIME_WHICH, options=business.texts.joined(said))
    if state.proposal is not None:
        return propose(turn, state.proposal)
    if state.offered:
        return turn.ask(Question.OFFER, offers=state.offered)
    if state.wanted.date is None and not state.wanted.is_earliest:
        return turn.ask(Question.DATE)
    if _lacks_time(state) and state.checked == state.wanted.date:
        return turn.ask(Question.TIME)
    turn.state = state = replace(state, checked=state.wanted.date)
    return turn.act(FindOpenings(wish_of(business, state)))


def openings_found(turn: Turn, event: OpeningsFound) -> Outcome:
    """Read back what was wished for, or offer what comes nearest, with the reason."""
    state = turn.state
    if state.wanted.service is None:
        return advance(turn)
    fitting = _fresh(state, event.fitting)
    if fitting and state.is_widened:
        return offer(turn, fitting)
    if _lacks_time(state) and len({each.start for each in fitting}) > turn.business.offers:
        return turn.ask(Question.TIME)
    if fitting:
        wished = exact_match(state.wanted, fitting)
        if wished is not None:
            return propose(turn, wished)
        if event.is_wish_taken:
            _explain(turn, event)
        is_vague = state.wanted.time is None or not state.wanted.time.is_point
        return offer(turn, fitting, is_spread=is_vague)
    if not state.is_widened:
        _explain(turn, event)
    return _offer_nearest(turn, event.nearest)


def opening_gone(turn: Turn, event: OpeningGone) -> Outcome:
    """Somebody was faster: say so and offer what is nearest, on the same call."""
    turn.say("problem.gone")
    state = turn.state
    gone = frozenset({state.proposal.start}) if state.proposal is not None else frozenset()
    turn.state = replace(state, proposal=None, is_read_back=False, is_widened=False, refused=state.refused | gone)
    if state.wanted.service is None:
        return advance(turn)
    return _offer_nearest(turn, event.nearest)


def offer(turn: Turn, openings: tuple[Opening, ...], *, is_spread: bool = False) -> Outcome:
    """A question with the best of `openings` in it; a single one is read back at once."""
    business = turn.business
    chosen = select(openings, business.offers, business.texts.confusable, is_spread=is_spread)
    starts = {each.start for each in chosen}
    rest = tuple(each for each in openings if each.start not in starts)
    turn.state = replace(turn.state, offered=chosen, pool=rest, proposal=None, is_read_back=False)
    if len(chosen) == 1:
        return propose(turn, chosen[0])
    return turn.ask(Question.OFFER, offers=chosen)


def propose(turn: Turn, opening: Opening) -> Outcome:
    """The one read-back before a booking; a yes to it is the only thing that books."""
    turn.drop_news()
    turn.state = replace(turn.state, proposal=opening, offered=(), is_read_back=False)
    if turn.state.task is not Task.MOVE:
        if (unknown := contact.missing(turn)) is not None:
            return contact.ask(turn, unknown)
        contact.confirm_name(turn)
    turn.state = replace(turn.state, is_read_back=True)
    question = Question.READBACK_MOVE if turn.state.task is Task.MOVE else Question.READBACK
    return turn.ask(question, what=opening_text(turn.business, opening), opening=opening)


def alternatives(turn: Turn) -> Outcome:
    """What was offered is refused: the next ones of what was found, else what shall be different."""
    state = turn.state
    declined = {each.start for each in state.offered}
    if state.proposal is not None:
        declined.add(state.proposal.start)
    turn.state = state = replace(
        state,
        refused=state.refused | declined,
        offered=(),
        proposal=None,
        is_read_back=False,
        refusals=state.refusals + 1,
    )
    if state.refusals >= MAX_REFUSALS:
        turn.state = replace(state, refusals=0)
        return turn.offer_human(HandOffReason.NO_OPENINGS)
    rest = _fresh(state, state.pool)
    elsewhere = tuple(each for each in rest if all(abs(each.start - start) >= APART for start in state.refused))
    return offer(turn, elsewhere or rest, is_spread=True) if rest else turn.ask(Question.CHANGE)


def _offer_nearest(turn: Turn, nearest: tuple[Opening, ...]) -> Outcome:
    """The nearest openings; none: one wider look; still none: say so and offer a human."""
    state = turn.state
    found = _fresh(state, nearest)
    if found:
        is_other_day = state.wanted.date is None or not state.wanted.date.contains(found[0].start.date())
        return offer(turn, found, is_spread=is_other_day)
    if not turn.state.is_widened:
        turn.state = replace(turn.state, is_widened=True)
        return turn.act(FindOpenings(widened(turn.business, turn.state)))
    turn.say("problem.nothing")
    return turn.offer_human(HandOffReason.NO_OPENINGS)


def _explain(turn: Turn, event: OpeningsFound) -> None:
    """The wish as it was understood, and why it can't be."""
    turn.drop_news()
    if wish := wish_text(turn.business, turn.state):
        turn.say("wish", wish=wish)
    kind, _, name = event.closed_reason.partition(" ")
    kind = kind.rstrip(":")
    if kind == "holiday" and name.strip():
        turn.say("problem.holiday", holiday=name.strip())
    elif kind == "past" and _is_today(turn.state):
        turn.say("problem.past_time")
    elif kind in _REASONS:
        turn.say(f"problem.{kind}")
    elif kind == "holiday":
        turn.say("problem.closed")
    else:
        turn.say("problem.taken" if event.is_wish_taken else "problem.full")


def _lacks_time(state: State) -> bool:
    return state.wanted.time is None and not state.wanted.is_earliest


def _is_today(state: State) -> bool:
    return state.wanted.date is not None and state.wanted.date.contains(state.now.date())


def _fresh(state: State, openings: tuple[Opening, ...]) -> tuple[Opening, ...]:
    """Those that can be booked for what is wanted and weren't refused."""
    return tuple(
        each
        for each in openings
        if each.start not in state.refused
        and each.service == state.wanted.service
        and state.wanted.without not in each.resources
    )
