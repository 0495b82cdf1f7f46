"""What a turn changes in what the caller wants."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from ari_app.booking.model import Opening
from ari_app.dialogue import identity
from ari_app.dialogue.describing import date_text, time_text
from ari_app.dialogue.searching import moved
from ari_app.dialogue.state import State, Wanted
from ari_app.dialogue.turn import Turn
from ari_app.understanding.meaning import CallerAct, DateRange, Preference, Slot, TimeRange

ALL_DAYS = frozenset(range(7))
MORNING = time(9)
NOON = time(12)
ANY_DAY, ANY_TIME = DateRange(None, None), TimeRange(None, None)


def take_wishes(turn: Turn, act: CallerAct) -> bool:
    """Fill the slots that the act names, keep the others; whether anything in it concerned an appointment.

    What can't be (no such day, a day gone by, a service that isn't offered) is told and leaves its slot as it was.
    """
    before = turn.state
    act = _without_careless(act, before.wanted)
    taken = [
        _take_rejected(turn, act),
        _take_service(turn, act),
        _take_resource(turn, act),
        _take_date(turn, act),
        _take_time(turn, act),
        _take_preference(turn, act),
    ]
    if turn.state.wanted != before.wanted:
        turn.state = replace(searched_anew(turn.state), wanted=_kept_from_proposal(before, turn.state.wanted, act))
    return any(taken)


def _without_careless(act: CallerAct, wanted: Wanted) -> CallerAct:
    """ "I don't mind" fills what is still open; a day or time that was said stays."""
    if act.date != ANY_DAY or act.time != ANY_TIME or (wanted.date is None and wanted.time is None):
        return act
    day = act.date if wanted.date is None else None
    return replace(act, date=day, time=act.time if wanted.time is None else None)


def prefer(turn: Turn, preference: Preference, offered: Sequence[Opening]) -> None:
    """A wish told against what was offered: anything later, another day, the earliest."""
    state = turn.state
    wanted = state.wanted
    days = frozenset(each.start.date() for each in offered)
    match preference:
        case Preference.EARLIEST:
            wanted = replace(wanted, is_earliest=True)
        case Preference.OTHER_DAY:
            single = {wanted.date.start} if wanted.date is not None and wanted.date.is_single else set()
            excluded = wanted.excluded | days | frozenset(day for day in single if day is not None)
            kept = None if single else wanted.date
            wanted = replace(wanted, date=kept or DateRange(None, None), excluded=excluded, is_earliest=False)
        case Preference.LATER if offered:
            wanted = _after(wanted, max(offered).start, is_one_day=len(days) == 1)
        case Preference.EARLIER if offered:
            wanted = _before(wanted, min(offered).start, is_one_day=len(days) == 1)
        case Preference.LATER | Preference.EARLIER:
            wanted = _shifted(wanted, preference)
        case Preference.SAME_TIME if identity.is_shown(turn):
            previous = state.target or (state.appointments[0] if state.appointments else None)
            if previous is not None:
                at = previous.start.time()
                wanted = replace(wanted, time=TimeRange(at, at), is_earliest=False)
    turn.state = replace(searched_anew(state), wanted=wanted)


def _take_rejected(turn: Turn, act: CallerAct) -> bool:
    if act.refused_resource in turn.business.resources:
        wanted = turn.state.wanted
        resource = None if wanted.resource == act.refused_resource else wanted.resource
        turn.state = replace(
            turn.state, wanted=replace(wanted, without=act.refused_resource, resource=act.resource or resource)
        )
    if not act.rejected:
        return act.refused_resource is not None
    state, wanted = turn.state, turn.state.wanted
    refused = act.refused_date
    if Slot.DATE in act.rejected and act.date is None and refused is not None and refused.weekdays:
        kept = wanted.date if wanted.date is not None and not wanted.date.is_single else DateRange(None, None)
        left = (kept.weekdays or ALL_DAYS) - refused.weekdays
        wanted = replace(wanted, date=replace(kept, weekdays=left), is_earliest=False)
        turn.tell(date_text(turn.business, state, DateRange(None, None, weekdays=left)))
    elif Slot.DATE in act.rejected and act.date is None:
        days = {state.proposal.start.date()} if state.proposal else {each.start.date() for each in state.offered}
        if not days and wanted.date is not None and wanted.date.is_single and wanted.date.start is not None:
            days = {wanted.date.start}
        wanted = replace(wanted, date=None, is_earliest=False, excluded=wanted.excluded | days)
    if Slot.TIME in act.rejected and act.time is None:
        wanted = replace(wanted, time=_the_rest(act.refused_time), is_earliest=False)
        if wanted.time is not None:
            turn.tell(time_text(turn.business, wanted.time))
    if Slot.SERVICE in act.rejected and act.service is None:
        wanted = replace(wanted, service=None)
    if Slot.RESOURCE in act.rejected and act.resource is None:
        wanted = replace(wanted, resource=None)
    turn.state = replace(turn.state, wanted=wanted)
    return True


def _the_rest(refused: TimeRange | None) -> TimeRange | None:
    """ "Not in the morning": after it; of a refused point or one in the midst of the day nothing follows."""
    if refused is None or refused.is_point:
        return None
    if refused.end is not None and (refused.start is None or refused.start <= MORNING):
        return TimeRange(refused.end, None)
    return TimeRange(None, refused.start, excludes_end=True)


def _take_service(turn: Turn, act: CallerAct) -> bool:
    if act.service in turn.business.services:
        if act.service != turn.state.wanted.service:
            turn.tell(turn.business.service_name(act.service))
        wanted = replace(turn.state.wanted, service=act.service)
        if wanted.resource and wanted.resource not in turn.business.resources_of(act.service or ""):
            wanted = replace(wanted, resource=None)
        turn.state = replace(turn.state, wanted=wanted, service_candidates=())
        return True
    known = tuple(service for service in act.service_candidates if service in turn.business.services)
    if len(known) > 1:
        turn.state = replace(turn.state, service_candidates=known, wanted=replace(turn.state.wanted, service=None))
        return True
    if act.unknown_service:
        turn.say("problem.unknown_service", words=act.unknown_service)
        return True
    return False


def _take_resource(turn: Turn, act: CallerAct) -> bool:
    wanted = turn.state.wanted
    if act.any_resource:
        turn.state = replace(turn.state, wanted=replace(wanted, resource=None))
        return True
    if act.resource is None or act.resource not in turn.business.resources:
        return False
    person = turn.business.resource_name(act.resource)
    if wanted.service and act.resource not in turn.business.resources_of(wanted.service):
        turn.say("problem.resource", person=person)
        return True
    if act.resource != wanted.resource:
        turn.tell(person)
    turn.state = replace(turn.state, wanted=replace(wanted, resource=act.resource))
    return True


def _take_date(turn: Turn, act: CallerAct) -> bool:
    if act.date is None:
        if act.impossible_date:
            turn.say("problem.impossible_date", words=act.impossible_date)
            turn.state = replace(turn.state, wanted=replace(turn.state.wanted, date=None))
        return act.impossible_date is not None
    wished = _soonest(act.date, turn.state.now.date())
    if wished.end is not None and wished.end < turn.state.now.date():
        turn.say("problem.past")
        turn.state = replace(turn.state, wanted=replace(turn.state.wanted, date=None))
        return True
    wanted = turn.state.wanted
    if wished != wanted.date:
        turn.tell(date_text(turn.business, turn.state, wished))
    is_earliest = wanted.is_earliest and wanted.time is None
    wanted = replace(wanted, date=wished, is_earliest=is_earliest, excluded=_still_excluded(wanted, wished))
    turn.state = replace(turn.state, wanted=wanted)
    return True


def _take_time(turn: Turn, act: CallerAct) -> bool:
    if act.time is not None:
        if act.time != turn.state.wanted.time:
            turn.tell(time_text(turn.business, act.time))
        wanted = replace(turn.state.wanted, time=act.time, is_earliest=False)
        turn.state = replace(turn.state, wanted=wanted, time_candidates=())
        return True
    if len(act.time_candidates) > 1:
        readings = tuple(TimeRange(at, at) for at in act.time_candidates)
        turn.state = replace(turn.state, time_candidates=readings, wanted=replace(turn.state.wanted, time=None))
        return True
    return False


def _take_preference(turn: Turn, act: CallerAct) -> bool:
    if act.preference is None:
        return False
    state = turn.state
    offered = (state.proposal,) if state.proposal is not None else state.offered
    prefer(turn, act.preference, offered)
    return True


def _kept_from_proposal(before: State, wanted: Wanted, act: CallerAct) -> Wanted:
    """A correction changes its slot: the rest stays as it was read back or offered, not as it was first wished."""
    if act.preference is not None or act.rejected:
        return wanted
    proposal = before.proposal
    if proposal is not None:
        day, at = proposal.start.date(), proposal.start.time()
        if act.date is None:
            wanted = replace(wanted, date=DateRange(day, day))
        if act.time is None and not wanted.is_earliest:
            wanted = replace(wanted, time=TimeRange(at, at))
        return wanted
    days = {each.start.date() for each in before.offered}
    if act.date is None and act.time is not None and len(days) == 1:
        day = days.pop()
        return replace(wanted, date=DateRange(day, day))
    return wanted


def searched_anew(state: State) -> State:
    """Another wish: nothing found for the old one counts any more."""
    return replace(
        state,
        offered=(),
        pool=(),
        refused=frozenset(),
        proposal=None,
        is_read_back=False,
        is_widened=False,
        checked=None,
    )


def _soonest(wished: DateRange, today: date) -> DateRange:
    """ "On thursday", with nothing else said, is the next one; of several weekdays each is the next one."""
    if wished.start is not None or wished.end is not None or not wished.weekdays or len(wished.weekdays) > 2:
        return wished
    tomorrow = today + timedelta(days=1)
    if len(wished.weekdays) == 1:
        day = tomorrow + timedelta(days=(next(iter(wished.weekdays)) - tomorrow.weekday()) % 7)
        return wished if day in wished.excluded else DateRange(day, day)
    return replace(wished, start=tomorrow, end=today + timedelta(days=7))


def _still_excluded(wanted: Wanted, named: DateRange) -> frozenset[date]:
    """A day named on its own is wanted after all."""
    return frozenset() if named.is_single else wanted.excluded


def _after(wanted: Wanted, last: datetime, *, is_one_day: bool) -> Wanted:
    if is_one_day:
        later = TimeRange(moved(last.time(), timedelta(minutes=1)), None)
        return replace(wanted, date=DateRange(last.date(), last.date()), time=later, is_earliest=False)
    following = last.date() + timedelta(days=1)
    return replace(wanted, date=DateRange(following, None), is_earliest=False)


def _before(wanted: Wanted, first: datetime, *, is_one_day: bool) -> Wanted:
    if is_one_day:
        earlier = TimeRange(None, moved(first.time(), -timedelta(minutes=1)))
        return replace(wanted, date=DateRange(first.date(), first.date()), time=earlier, is_earliest=False)
    return replace(wanted, date=DateRange(None, first.date() - timedelta(days=1)), is_earliest=False)


def _shifted(wanted: Wanted, preference: Preference) -> Wanted:
    """ "Later" with nothing on offer: than the time that was wished for; with none, in the other half of the day."""
    if wanted.time is None or (wanted.time.start is None and wanted.time.end is None):
        half = TimeRange(NOON, None) if preference is Preference.LATER else TimeRange(None, NOON, excludes_end=True)
        return replace(wanted, time=half, is_earliest=False)
    if wanted.time.start is None:
        return wanted
    if preference is Preference.LATER:
        return replace(wanted, time=TimeRange(moved(wanted.time.end or wanted.time.start, timedelta(minutes=1)), None))
    return replace(wanted, time=TimeRange(None, moved(wanted.time.start, -timedelta(minutes=1))))
