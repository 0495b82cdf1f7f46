"""Every phrase of tests/utterances/*.yaml means exactly what it says beside it."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from ari_app.understanding.interpreter import interpret_text
from ari_app.understanding.meaning import (
    CallerAct,
    DateRange,
    Expectation,
    Offer,
    Proposal,
    ServiceWords,
    Slot,
    TimeRange,
    Vocabulary,
)

FOLDER = Path(__file__).parent.parent / "utterances"
ALWAYS = ("intents", "service", "date", "time", "yes_no", "impossible")
"""Compared whether named or not: what isn't said must not be understood."""


def _cases() -> list[Any]:
    found = []
    for path in sorted(FOLDER.glob("*.yaml")):
        data = yaml.safe_load(path.read_text("utf-8"))
        for case in data["cases"]:
            merged = {**data.get("defaults", {}), **case}
            found.append(pytest.param(merged, id=f"{path.stem}: {merged['say']}"))
    return found


CASES = _cases()


def test_there_are_at_least_five_hundred_phrases() -> None:
    assert len({case.values[0]["say"] for case in CASES}) >= 500


@pytest.mark.parametrize("case", CASES)
def test_phrase_means_what_it_says(case: dict[str, Any]) -> None:
    act = interpret_text(case["say"], _expectation(case), _vocabulary(case), _now(case), case.get("locale", "en-GB"))
    got = _shown(act)
    wanted = {key: case[key] for key in (*got,) if key in case}
    for key in ALWAYS:
        wanted.setdefault(key, [] if key == "intents" else None)
    assert {key: got[key] for key in wanted} == wanted, act.explanation


def _shown(act: CallerAct) -> dict[str, Any]:
    return {
        "intents": [intent.value for intent in act.intents],
        "service": act.service,
        "candidates": sorted(act.service_candidates),
        "unknown": act.unknown_service,
        "date": _date(act.date),
        "weekdays": sorted(act.date.weekdays) if act.date else [],
        "excluded": [day.isoformat() for day in sorted(act.date.excluded)] if act.date else [],
        "time": _time(act.time),
        "approximate": act.time.is_approximate if act.time else False,
        "times": [f"{each:%H:%M}" for each in act.time_candidates],
        "impossible": act.impossible_date,
        "yes_no": act.yes_no.value if act.yes_no else None,
        "choice": act.choice,
        "option": act.option,
        "preference": act.preference.value if act.preference else None,
        "resource": act.resource,
        "any_resource": act.any_resource,
        "name": act.name,
        "letters": act.letters,
        "digits": act.digits,
        "topic": act.topic.value if act.topic else None,
        "rejected": sorted(slot.value for slot in act.rejected),
        "corrected": sorted(slot.value for slot in act.corrected),
        "backchannel": act.is_backchannel,
    }


def _date(value: DateRange | None) -> str | None:
    return None if value is None else _span(value.start, value.end)


def _time(value: TimeRange | None) -> str | None:
    if value is None:
        return None
    return _span(*(f"{each:%H:%M}" if each else None for each in (value.start, value.end)))


def _span(start: object, end: object) -> str:
    return str(start) if start == end and start is not None else f"{start or ''}..{end or ''}"


def _zone(case: dict[str, Any]) -> ZoneInfo:
    return ZoneInfo(case.get("tz", "Europe/London"))


def _now(case: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(case.get("now", "2026-11-24T09:30")).replace(tzinfo=_zone(case))


def _vocabulary(case: dict[str, Any]) -> Vocabulary:
    hours = case.get("hours", "08:00-18:00").split("-")
    return Vocabulary(
        services=tuple(_words(item) for item in case.get("services", [])),
        resources=tuple(_words(item) for item in case.get("resources", [])),
        opens=time.fromisoformat(hours[0]),
        closes=time.fromisoformat(hours[1]),
        names=tuple(case.get("names", [])),
    )


def _words(text: str) -> ServiceWords:
    """ "cleaning: Teeth cleaning, hygienist" """
    identifier, _, names = text.partition(":")
    first, *more = [name.strip() for name in names.split(",")]
    return ServiceWords(identifier.strip(), first, tuple(more))


def _expectation(case: dict[str, Any]) -> Expectation:
    proposal = case.get("confirming")
    talked = case.get("talked")
    return Expectation(
        slots=frozenset(Slot(name) for name in case.get("expect", [])),
        offered=tuple(_offer(text, case) for text in case.get("offered", [])),
        confirming=None
        if proposal is None
        else Proposal(service=case.get("confirming_service"), start=_moment(proposal, case)),
        prompt=case.get("prompt", ""),
        date=None if talked is None else DateRange(*(date.fromisoformat(day) for day in talked.split(".."))),
        previous_start=_moment(case["previous"], case) if "previous" in case else None,
        options=tuple(case.get("options", [])),
    )


def _offer(text: str, case: dict[str, Any]) -> Offer:
    start, _, resource = text.partition(" ")
    return Offer(_moment(start, case), resource or None)


def _moment(text: str, case: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=_zone(case))
