"""What a conversation knows goes into the journal and comes back the same, wherever a call may stand."""

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ari_app.booking.model import Appointment, AppointmentPart, Opening
from ari_app.call.journal import JournalUnreadable, Standing, from_json, to_json
from ari_app.call.session import taken_up
from ari_app.config import Settings, load_settings
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, business_from
from ari_app.dialogue.policy import begin, step
from ari_app.dialogue.state import State
from ari_app.lab.places import CHECKOUT
from ari_app.understanding.meaning import CallerAct, DateRange, Intent, Preference, TimeRange, YesNo

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 23, 8, 40, tzinfo=LONDON)
WALKS, STEPS = 25, 25


@pytest.fixture(scope="module")
def business() -> Business:
    settings: Settings = load_settings(CHECKOUT / "docker" / "ari_app.toml", {})
    return business_from(settings)


def opening(rng: random.Random) -> Opening:
    start = datetime(2026, 11, 24, 9, tzinfo=LONDON) + timedelta(days=rng.randrange(20), minutes=15 * rng.randrange(30))
    return Opening(start, start + timedelta(minutes=30), "cleaning", ("anna",))


def appointment(rng: random.Random) -> Appointment:
    at = opening(rng)
    part = AppointmentPart("anna", "ari/anna/x.ics", '"etag"')
    return Appointment("u@x", "cleaning", at.start, at.end, ("anna",), "+447700900001", "Maria", parts=(part,))


def said(rng: random.Random) -> CallerAct:
    day = date(2026, 11, 24) + timedelta(days=rng.randrange(20))
    return rng.choice(
        [
            CallerAct(text="book", intents=(Intent.BOOK,)),
            CallerAct(text="move", intents=(Intent.MOVE,)),
            CallerAct(text="cancel", intents=(Intent.CANCEL,)),
            CallerAct(text="cleaning", service="cleaning"),
            CallerAct(text="then", date=DateRange(day, day, excluded=frozenset({day + timedelta(1)}))),
            CallerAct(text="weekdays", date=DateRange(None, None, frozenset({0, 3}))),
            CallerAct(text="ten", time=TimeRange(time(10), time(10), is_approximate=True)),
            CallerAct(text="eight", time_candidates=(time(8), time(20))),
            CallerAct(text="yes", yes_no=YesNo.YES, confidence=rng.choice([1.0, 0.5])),
            CallerAct(text="no", yes_no=YesNo.NO),
            CallerAct(text="first", choice=0),
            CallerAct(text="later", preference=Preference.LATER),
            CallerAct(text="maria jones", name="maria jones"),
            CallerAct(text="call me back", intents=(Intent.CALLBACK,)),
            CallerAct(text="2026-11-24T09:00:00", digits="07700900123"),
            CallerAct(text="mumble"),
        ]
    )


def answer(rng: random.Random, act: a.SystemAct) -> a.Event | None:
    match act:
        case a.Listen():
            return rng.choice([a.CallerSpoke(said(rng), NOW), a.CallerPressed("1", NOW), a.CallerSilent(NOW)])
        case a.FindOpenings():
            found = tuple(opening(rng) for _ in range(rng.randrange(4)))
            return a.OpeningsFound(found, () if found else (opening(rng),))
        case a.Book():
            return rng.choice([a.Booked(appointment(rng)), a.OpeningGone((opening(rng),)), a.ActionFailed("book")])
        case a.Move():
            return rng.choice([a.Moved(appointment(rng), act.appointment), a.AppointmentGone((appointment(rng),))])
        case a.Cancel():
            return a.CancelledAppointment(act.appointment)
        case a.KeepCallback():
            return a.CallbackKept(NOW)
        case a.HandOff():
            return rng.choice([a.HandOffFailed("busy"), a.ReturnedFromHuman(NOW)])
        case _:
            return None


def walked(business: Business, seed: int) -> "list[Standing]":
    """Every standing of one conversation walked at random."""
    rng = random.Random(seed)
    held = tuple(appointment(rng) for _ in range(rng.randrange(3)))
    known = a.Customer("+447700900001", "Maria Jones", 1984, "4711") if rng.random() < 0.5 else None
    state, acts = begin(business, a.CallStarted(NOW, "+447700900001", known, held))
    found = [Standing(state, acts, rng.randrange(3))]
    for _ in range(STEPS):
        event = answer(rng, acts[-1])
        if event is None:
            break
        state, acts = step(business, state, event)
        found.append(Standing(state, acts, rng.randrange(3)))
    return found


def read_back(standing: Standing) -> Standing:
    return from_json(json.loads(json.dumps(to_json(standing))))


@pytest.mark.parametrize("seed", range(WALKS))
def test_any_standing_of_a_conversation_comes_back_the_same(business: Business, seed: int) -> None:
    for standing in walked(business, seed):
        back = read_back(standing)
        assert back == standing
        assert to_json(back) == to_json(standing), "the types and zones too, not only what compares equal"


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_conversation_that_was_taken_up_goes_on_as_it_would_have(business: Business, seed: int) -> None:
    for standing in walked(business, seed):
        back = read_back(standing)
        event = answer(random.Random(seed), standing.system_acts[-1])
        if event is not None:
            assert step(business, back.state, event) == step(business, standing.state, event)


def test_taking_up_says_sorry_and_does_again_what_was_being_done(business: Business) -> None:
    standing = Standing(State(now=NOW), (a.Say("ask.date"), a.Listen(expectation_of(business))))
    state, acts = taken_up(read_back(standing))
    assert state == standing.state
    assert [type(act) for act in acts] == [a.Say, a.Say, a.Listen]
    words = business.texts.render("resumed", {}, variant=0, now=NOW)
    assert words.lower().startswith("sorry")


def expectation_of(business: Business) -> "a.Expectation":
    _state, acts = begin(business, a.CallStarted(NOW, ""))
    listen = acts[-1]
    assert isinstance(listen, a.Listen)
    return listen.expectation


@pytest.mark.parametrize("zone", [LONDON, UTC, ZoneInfo("Europe/Berlin")])
@pytest.mark.parametrize("fold", [0, 1])
def test_a_moment_keeps_its_zone_also_in_the_hour_that_comes_twice(zone: ZoneInfo, fold: int) -> None:
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=zone, fold=fold)
    back = read_back(Standing(replace(State(now=moment)), (a.HangUp(),))).state.now
    assert (back, back.utcoffset(), back.fold) == (moment, moment.utcoffset(), fold if zone is not UTC else back.fold)


def test_a_text_that_looks_like_a_moment_stays_a_text() -> None:
    values = (("what", "2026-11-24T09:00:00+00:00"), ("when", NOW), ("many", (Opening(NOW, NOW, "x", ()),)))
    state = State(now=NOW, values=values)
    back = read_back(Standing(state, (a.HangUp(),))).state
    assert [type(value) for _, value in back.values] == [str, datetime, tuple]
    assert back == state


def test_what_a_later_version_adds_is_passed_over() -> None:
    entry = json.loads(json.dumps(to_json(Standing(State(now=NOW), (a.HangUp(),)))))
    entry["state"]["mood"] = "cheerful"
    assert from_json(entry).state == State(now=NOW)


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"state": None, "acts": [], "keys": 0},
        {"state": {"$": "Nonsense"}, "acts": [], "keys": 0},
        {"state": {"$": "State"}, "acts": [{"$": "HangUp"}], "keys": 0},
        {"state": {"$at": "never"}, "acts": [], "keys": 0},
        {"state": {"odd": 1}, "acts": [], "keys": 0},
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(entry: dict[str, object]) -> None:
    with pytest.raises(JournalUnreadable):
        from_json(entry)
