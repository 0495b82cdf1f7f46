"""Any sequence of caller acts, any answers of the desk: what must hold whatever happens."""

import os
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ari_app.booking.model import Appointment, Opening
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business
from ari_app.dialogue.policy import begin, step
from ari_app.dialogue.state import CALLBACK_QUESTIONS, Identity, Question, State
from ari_app.understanding.meaning import (
    CallerAct,
    DateRange,
    Intent,
    Preference,
    Slot,
    TimeRange,
    Topic,
    YesNo,
)

EXAMPLES = int(os.environ.get("ARI_APP_WALKS", "80"))
MAX_WITHOUT_PROGRESS = 3
HUMAN_QUESTIONS = {Question.HUMAN, Question.NO_OPENINGS}
SERVICES = ["cleaning", "checkup", "filling"]
TODAY = date(2026, 11, 23)

days = st.integers(-3, 130).map(lambda each: TODAY + timedelta(days=each))
date_ranges = st.one_of(
    days.map(lambda day: DateRange(day, day)),
    st.tuples(days, st.integers(0, 14)).map(lambda pair: DateRange(pair[0], pair[0] + timedelta(days=pair[1]))),
    st.frozensets(st.integers(0, 6), max_size=3).map(lambda weekdays: DateRange(None, None, weekdays)),
)
times = st.tuples(st.integers(0, 23), st.sampled_from([0, 13, 15, 30, 45])).map(lambda pair: time(*pair))
time_ranges = st.one_of(
    st.tuples(times, st.booleans()).map(lambda pair: TimeRange(pair[0], pair[0], pair[1])),
    times.map(lambda at: TimeRange(at, None)),
    times.map(lambda at: TimeRange(None, at)),
    st.just(TimeRange(None, None)),
)


def maybe(strategy: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), st.none(), strategy)


caller_acts = st.builds(
    CallerAct,
    text=st.sampled_from(["", "er", "maria jones", "what the hell", "is there parking", "nine o'clock"]),
    intents=st.lists(
        st.sampled_from([intent for intent in Intent if intent is not Intent.OPERATOR]), max_size=2, unique=True
    ).map(tuple),
    service=maybe(st.sampled_from([*SERVICES, "nonsense"])),
    unknown_service=maybe(st.just("haircut")),
    service_candidates=st.sampled_from([(), (), (), ("cleaning", "filling")]),
    date=maybe(date_ranges),
    time=maybe(time_ranges),
    time_candidates=st.sampled_from([(), (), (), (time(8), time(20))]),
    impossible_date=maybe(st.just("the thirty first of february")),
    yes_no=maybe(st.sampled_from(YesNo)),
    choice=maybe(st.integers(0, 4)),
    preference=maybe(st.sampled_from(Preference)),
    resource=maybe(st.sampled_from(["anna", "patel", "nobody"])),
    name=maybe(st.sampled_from(["maria jones", "bob"])),
    digits=maybe(st.sampled_from(["1984", "4711", "07700900123", "3"])),
    topic=maybe(st.sampled_from(Topic)),
    rejected=st.frozensets(st.sampled_from([Slot.DATE, Slot.TIME, Slot.SERVICE, Slot.RESOURCE]), max_size=1),
    confidence=st.sampled_from([1.0, 1.0, 1.0, 0.6, 0.2]),
    is_for_other=st.sampled_from([False, False, False, True]),
    is_backchannel=st.sampled_from([False, False, False, True]),
)
simple_acts = st.sampled_from(
    [
        CallerAct(text="yes", yes_no=YesNo.YES),
        CallerAct(text="no", yes_no=YesNo.NO),
        CallerAct(text="book", intents=(Intent.BOOK,)),
        CallerAct(text="move", intents=(Intent.MOVE,)),
        CallerAct(text="cancel", intents=(Intent.CANCEL,)),
        CallerAct(text="when", intents=(Intent.ENQUIRE,)),
        CallerAct(text="call me back", intents=(Intent.CALLBACK,)),
        CallerAct(text="the first", choice=0),
        CallerAct(text="cleaning", service="cleaning"),
        CallerAct(text="maria jones", name="maria jones"),
        CallerAct(
            text="ten tomorrow",
            date=DateRange(TODAY + timedelta(1), TODAY + timedelta(1)),
            time=TimeRange(time(10), time(10)),
        ),
        CallerAct(text="mumble"),
    ]
)


class Walk(RuleBasedStateMachine):
    """One call, walked at random."""

    business: Business
    appointment: Appointment

    @initialize(
        number=st.sampled_from(["+447700900001", ""]),
        is_known=st.booleans(),
        appointments=st.integers(0, 2),
        identity=st.sampled_from(["none", "name", "birth_year", "pin"]),
        asks=st.booleans(),
        offers=st.integers(1, 3),
    )
    def ring(self, number: str, is_known: bool, appointments: int, identity: str, asks: bool, offers: int) -> None:
        base = type(self).business
        self.business = replace(base, identity=identity, asks_name=asks, asks_number=asks, offers=offers)
        self.now = datetime(2026, 11, 23, 8, 40, tzinfo=self.business.zone)
        held = tuple(
            replace(self.appointment, uid=f"uid-{index}", start=self.appointment.start + timedelta(days=index))
            for index in range(appointments)
        )
        self.held = held if number else ()
        customer = a.Customer(number, "Maria Jones", 1984, "4711") if is_known and number else None
        self.words = ""
        self.story: list[str] = []
        self.without_progress = 0
        self.standings: set[object] = set()
        self.asked: tuple[a.Listen, list[a.Say]]
        """The open question and what was said before it; what was read back before a "hold on" stands through it."""
        self.event: a.Event = a.CallStarted(self.now, number, customer, held if number else ())
        self._take(*begin(self.business, self.event))

    def _take(self, state: State, system_acts: Sequence[a.SystemAct]) -> None:
        assert system_acts
        *says, last = system_acts
        assert all(isinstance(each, a.Say) for each in says), system_acts
        assert not isinstance(last, a.Say), system_acts
        self.state, self.last = state, last
        spoken = [
            self.business.texts.render(each.text_id, each.values, each.variant, self.now)
            for each in says
            if isinstance(each, a.Say)
        ]
        if self.business.identity != "none" and state.identity is not Identity.PASSED:
            told = [value for each in says if isinstance(each, a.Say) for _, value in each.values]
            assert not any(each in told or self.held in told for each in self.held), f"told to a stranger: {spoken}"
        words = " ".join(spoken)
        self.story.append(f"{_shown(self.event)}\n    -> {words} [{state.question}] {type(last).__name__}")
        if words:
            assert words != self.words, f"twice running: {words}"
            self.words = words
        if isinstance(last, a.Book | a.Move | a.Cancel):
            self._was_agreed_to(last)
        if isinstance(last, a.Listen):
            self._moves_on(state, last)
            said = [each for each in says if isinstance(each, a.Say)]
            is_pause = bool(said) and said[-1].text_id == "hold"
            self.asked = (last, [*self.asked[1], *said] if is_pause else said)

    def _was_agreed_to(self, act: a.Book | a.Move | a.Cancel) -> None:
        """The last thing before it: a read-back of exactly this, and a yes."""
        listen, says = self.asked
        thing = act.opening if isinstance(act, a.Book | a.Move) else act.appointment
        read_back = [value for say in says for _, value in say.values]
        assert thing in read_back, f"{act} without its read-back: {says}"
        confirming = listen.expectation.confirming
        assert confirming is not None
        assert confirming.start == thing.start
        match self.event:
            case a.CallerSpoke(said):
                assert said.yes_no is YesNo.YES
                assert said.confidence >= 0.4
            case a.CallerPressed(digits):
                assert digits == "1"
            case _:
                raise AssertionError(f"{act} upon {self.event}")

    def _moves_on(self, state: State, listen: a.Listen) -> None:
        if isinstance(self.event, a.CallerSpoke) and Intent.HOLD_ON in self.event.act.intents:
            return
        known = (state.task, state.suspended, state.wanted, state.target, state.identity, state.done, state.answered)
        contact = (state.contact_name, state.contact_number, state.contact_settled, state.contact_tries)
        half_known = (state.service_candidates, state.time_candidates, contact)
        standing = (state.question, listen.expectation, state.values, state.refused, known, half_known)
        self.without_progress = 0 if standing not in self.standings else self.without_progress + 1
        if state.question in HUMAN_QUESTIONS or isinstance(self.event, a.HandOffFailed | a.ReturnedFromHuman):
            self.without_progress = 0
        self.standings.add(standing)
        assert self.without_progress <= MAX_WITHOUT_PROGRESS, "going round in circles:\n" + "\n".join(self.story)

    def _step(self, event: a.Event) -> None:
        self.event = event
        self._take(*step(self.business, self.state, event))

    @precondition(lambda self: isinstance(self.last, a.Listen))
    @rule(
        act=st.one_of(caller_acts, simple_acts, simple_acts, simple_acts),
        heard=st.sampled_from([None, None, None, 0, 2]),
    )
    def speaks(self, act: CallerAct, heard: int | None) -> None:
        self._step(a.CallerSpoke(act, self.now, heard))

    @precondition(lambda self: isinstance(self.last, a.Listen))
    @rule(
        digits=st.one_of(
            st.sampled_from(["1", "2", "3", "9", "*", "", "2411", "1530"]), st.text("123456789*#", max_size=6)
        )
    )
    def presses(self, digits: str) -> None:
        self._step(a.CallerPressed(digits, self.now))

    @precondition(lambda self: isinstance(self.last, a.Listen))
    @rule()
    def is_silent(self) -> None:
        self._step(a.CallerSilent(self.now))

    @precondition(lambda self: isinstance(self.last, a.FindOpenings))
    @rule(data=st.data())
    def finds(self, data: st.DataObject) -> None:
        service = self.last.wish.service if isinstance(self.last, a.FindOpenings) else ""
        found = data.draw(st.lists(_openings(self.business, service), max_size=5)) if data.draw(st.booleans()) else []
        nearest = data.draw(st.lists(_openings(self.business, service), max_size=4))
        reason = data.draw(st.sampled_from(["", "closed", "holiday Christmas Day", "past", "horizon", "hours", "odd"]))
        self._step(a.OpeningsFound(tuple(found), () if found else tuple(nearest), reason, data.draw(st.booleans())))

    @precondition(lambda self: isinstance(self.last, a.Book | a.Move))
    @rule(outcome=st.sampled_from(["done", "done", "gone", "nothing left", "changed", "failed"]))
    def books(self, outcome: str) -> None:
        act = self.last
        assert isinstance(act, a.Book | a.Move)
        opening = act.opening
        made = replace(
            self.appointment,
            uid=f"made-{self.state.turns}",
            service=opening.service,
            start=opening.start,
            end=opening.end,
        )
        match outcome:
            case "gone" | "nothing left":
                later = replace(opening, start=opening.start + timedelta(hours=1), end=opening.end + timedelta(hours=1))
                self._step(a.OpeningGone((later,) if outcome == "gone" else ()))
            case "failed":
                self._step(a.ActionFailed("book"))
            case "changed" if isinstance(act, a.Move):
                self._step(a.AppointmentGone((made,)))
            case _ if isinstance(act, a.Move):
                self._step(a.Moved(made, act.appointment))
            case _:
                self._step(a.Booked(made))

    @precondition(lambda self: isinstance(self.last, a.Cancel))
    @rule(outcome=st.sampled_from(["done", "changed", "failed"]))
    def cancels(self, outcome: str) -> None:
        act = self.last
        assert isinstance(act, a.Cancel)
        match outcome:
            case "done":
                self._step(a.CancelledAppointment(act.appointment))
            case "changed":
                self._step(a.AppointmentGone(()))
            case _:
                self._step(a.ActionFailed("cancel"))

    @precondition(lambda self: isinstance(self.last, a.KeepCallback))
    @rule(is_kept=st.booleans())
    def keeps_callback(self, is_kept: bool) -> None:
        self._step(a.CallbackKept(self.now) if is_kept else a.ActionFailed("callback"))

    @precondition(lambda self: isinstance(self.last, a.HandOff))
    @rule(is_back=st.booleans())
    def human_is_missed(self, is_back: bool) -> None:
        self._step(a.HandOffFailed("no_answer") if not is_back else a.ReturnedFromHuman(self.now))

    @precondition(lambda self: isinstance(self.last, a.HangUp))
    @rule()
    def is_over(self) -> None:
        """Nothing follows a hang-up."""

    @invariant()
    def a_human_is_one_word_away(self) -> None:
        if not isinstance(getattr(self, "last", None), a.Listen):
            return
        for event in (
            a.CallerSpoke(CallerAct(text="operator", intents=(Intent.OPERATOR,)), self.now),
            a.CallerPressed("0", self.now),
        ):
            last = step(self.business, self.state, event)[1][-1]
            if self.state.handoffs_failed < 2:
                assert isinstance(last, a.HandOff)
            else:
                assert isinstance(last, a.KeepCallback | a.HangUp)

    def teardown(self) -> None:
        """Whatever went before: a caller who is never understood and a desk that always fails come to an end."""
        if not hasattr(self, "last"):
            return
        for event in (a.CallerSpoke(CallerAct(text="mumble"), self.now), a.CallerSilent(self.now)):
            assert _comes_to_an_end(self.business, self.state, self.last, event)


def _comes_to_an_end(business: Business, state: State, last: a.SystemAct, event: a.Event) -> bool:
    for _ in range(40):
        match last:
            case a.HangUp():
                return True
            case a.HandOff():
                result: a.Event = a.HandOffFailed("no_answer")
            case a.Listen():
                result = event
            case _:
                result = a.ActionFailed("it")
        state, system_acts = step(business, state, result)
        last = system_acts[-1]
    return False


def _shown(event: a.Event) -> str:
    """What an event brings, without what it leaves blank."""
    if not isinstance(event, a.CallerSpoke):
        return repr(event)[:120]
    names = [each.name for each in fields(CallerAct)]
    said = {name: getattr(event.act, name) for name in names if getattr(event.act, name) != getattr(CallerAct(), name)}
    return f"said {said}"


def _openings(business: Business, service: str) -> st.SearchStrategy[Opening]:
    def opening(pair: tuple[int, int]) -> Opening:
        start = datetime(2026, 11, 24, 9, 0, tzinfo=business.zone) + timedelta(days=pair[0], minutes=15 * pair[1])
        resources = tuple(group[0] for group in business.services[service].groups)
        return Opening(start, start + timedelta(minutes=30), service, resources)

    return st.tuples(st.integers(0, 20), st.integers(0, 30)).map(opening)


@pytest.mark.parametrize("language", ["english", "german"])
def test_any_walk_ends_well(language: str, request: pytest.FixtureRequest, cleaning_on_friday: Appointment) -> None:
    business: Business = request.getfixturevalue("english")
    if language == "german":
        business = replace(business, language="de", locale="de-DE")
    walk = type("WalkOfOneBusiness", (Walk,), {"business": business, "appointment": cleaning_on_friday})
    case = walk.TestCase
    case.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],
    )
    case("runTest").debug()


def test_a_turn_cap_ends_even_a_call_that_always_brings_something_new(english: Business) -> None:
    now = datetime(2026, 11, 23, 8, 40, tzinfo=english.zone)
    state, system_acts = begin(english, a.CallStarted(now, "+447700900001"))
    for index in range(400):
        last = system_acts[-1]
        if isinstance(last, a.HandOff):
            assert state.question not in CALLBACK_QUESTIONS
            return
        if isinstance(last, a.FindOpenings):
            start = datetime(2026, 11, 24, 9, tzinfo=english.zone) + timedelta(days=index)
            found = Opening(start, start + timedelta(minutes=30), last.wish.service, ("anna",))
            state, system_acts = step(english, state, a.OpeningsFound((found,), ()))
            continue
        day = now.date() + timedelta(days=index)
        act = CallerAct(text="and then", service=SERVICES[index % 3], date=DateRange(day, day))
        state, system_acts = step(english, state, a.CallerSpoke(act, now))
    pytest.fail("it never ended")
