"""Whole conversations as text, out of `tests/dialogues/*.yaml`: real interpreter, real policy, real openings."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from ari_app.booking.model import Appointment
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, vocabulary_for
from ari_app.understanding.interpreter import interpret
from ari_app.understanding.meaning import CallerAct

FOLDER = Path(__file__).parent.parent / "dialogues"
SCRIPTS = [
    pytest.param(script, id=f"{file.stem}: {script['name']}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for script in yaml.safe_load(file.read_text("utf-8"))
]
NUMBER = "+447700900001"
MARIA = a.Customer(NUMBER, "Maria Jones", birth_year=1984, pin="4711")
EVERY_KEY = {
    "name", "business", "caller", "identity", "appointments", "busy", "full", "failing", "snatched", "human", "turns",
    "then", "offers", "asks", "misunderstandings",
}  # fmt: skip


@dataclass
class Played:
    """A conversation that was played to its end."""

    call: "object"
    transcript: list[str]


def test_there_are_enough_of_them() -> None:
    assert len(SCRIPTS) >= 60
    assert len({script.id for script in SCRIPTS}) == len(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_conversation(script: dict, english: Business, german: Business, new_desk: Callable, start: Callable) -> None:
    assert set(script) <= EVERY_KEY, set(script) - EVERY_KEY
    business = _business(script, german if script.get("business") == "german" else english)
    desk = new_desk(business)
    appointments = [_appointment(business, text, index) for index, text in enumerate(script.get("appointments", []))]
    _prepare(desk, script, business)
    caller = script.get("caller", "unknown")
    customer = MARIA if caller == "maria" else None
    call = start(desk, number="" if caller == "withheld" else NUMBER, customer=customer, appointments=appointments)
    transcript = [f"A: {call.words[-1]}"]
    try:
        for turn in script["turns"]:
            _play(call, turn, business, customer, transcript)
        _check(script.get("then", {}), call, desk, appointments)
        _was_never_said_twice_running(call.words)
    except AssertionError as exc:
        pytest.fail("\n".join([*transcript, f"   {exc}"]), pytrace=False)


def _play(call, turn: dict, business: Business, customer: a.Customer | None, transcript: list[str]) -> None:
    [(kind, given)] = [(key, turn[key]) for key in ("c", "press", "silence") if key in turn]
    transcript.append(f"C: {given}")
    match kind:
        case "c":
            vocabulary = vocabulary_for(business, customer)
            expectation = replace(call.listening.expectation, prompt=call.words[-1])
            act = interpret(given, expectation, vocabulary, call.desk.now, business.locale)
            if "confidence" in turn:
                act = replace(act, confidence=turn["confidence"])
            transcript.append(f"   {_shown(act)}")
            call.says(act, heard=turn.get("heard_clauses"))
        case "press":
            call.presses(str(given))
        case "silence":
            call.is_silent()
    transcript.append(f"A: {call.words[-1]}   [{call.state.question}]")
    if "q" in turn:
        assert call.ending is None, f"wanted {turn['q']}, the call is over: {call.ending}"
        assert call.state.question == turn["q"], f"wanted {turn['q']}, asked {call.state.question}"
    for piece in turn.get("heard", []):
        assert piece.casefold() in call.words[-1].casefold(), f"not heard: {piece}"
    for piece in turn.get("unheard", []):
        assert piece.casefold() not in call.words[-1].casefold(), f"heard: {piece}"


def _check(then: dict, call, desk, before: list[Appointment]) -> None:
    held = {
        f"{each.service} {each.start:%Y-%m-%d %H:%M}" for each in desk.appointments if each.name != "Somebody Faster"
    }
    held -= {f"{each.service} {each.start:%Y-%m-%d %H:%M}" for each in desk.blockers}
    if "holds" in then:
        assert held == set(then["holds"]), f"the calendar holds {held}"
    if "ends" in then:
        assert _ending(call) == then["ends"], f"it ended with {_ending(call)}"
    for text_id in then.get("said", []):
        assert text_id in {say.text_id for say in call.said}, f"never said {text_id}"
    for text_id in then.get("unsaid", []):
        assert text_id not in {say.text_id for say in call.said}, f"said {text_id}"
    if "booked_for" in then:
        booked = [f"{act.name} {act.number}".strip() for act in desk.done if isinstance(act, a.Book)]
        assert booked == then["booked_for"], f"booked for {booked}"
    if "callback" in then:
        kept = [act for act in desk.done if isinstance(act, a.KeepCallback)]
        assert [act.number for act in kept] == [then["callback"]], f"callbacks {kept}"
    if "turns" in then:
        assert call.state.turns <= then["turns"], f"took {call.state.turns} turns"


def _shown(act: CallerAct) -> str:
    """The fields that were understood."""
    blank = CallerAct()
    names = [each.name for each in fields(act) if each.name not in ("text", "explanation")]
    return ", ".join(f"{name}={getattr(act, name)!r}" for name in names if getattr(act, name) != getattr(blank, name))


def _ending(call) -> str:
    match call.ending:
        case a.HandOff(reason):
            return f"human {reason}"
        case a.HangUp():
            return "goodbye"
    return "open"


def _was_never_said_twice_running(words: list[str]) -> None:
    for first, second in itertools.pairwise(words):
        assert not first or first != second, f"said twice running: {first}"


def _business(script: dict, business: Business) -> Business:
    changed = replace(business, identity=script.get("identity", business.identity))
    changed = replace(changed, asks_name=script.get("asks", False), asks_number=script.get("asks", False))
    changed = replace(changed, offers=script.get("offers", changed.offers))
    return replace(changed, max_misunderstandings=script.get("misunderstandings", changed.max_misunderstandings))


def _prepare(desk, script: dict, business: Business) -> None:
    for index, text in enumerate(script.get("busy", [])):
        desk.block(_appointment(business, text, 100 + index))
    for each in script.get("full", []):
        first, _, last = str(each).partition("..")
        day, end = date.fromisoformat(first), date.fromisoformat(last or first)
        while day <= end:
            desk.full_days.add(day)
            day += timedelta(days=1)
    desk.failing |= set(script.get("failing", []))
    desk.snatched = script.get("snatched", 0)
    desk.is_human_there = script.get("human", True)


def _appointment(business: Business, text: str, index: int) -> Appointment:
    """ "cleaning 2026-11-27 10:30"."""
    service_id, day, at = text.split()
    start = datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=ZoneInfo(str(business.zone)))
    service = business.services[service_id]
    resources = tuple(group[0] for group in service.groups)
    return Appointment(f"seed-{index}", service_id, start, start + service.duration, resources, NUMBER, "Maria Jones")
