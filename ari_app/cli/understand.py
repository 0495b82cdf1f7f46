"""`ari-app understand`: what a sentence means, as JSON; one sentence or a file of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

import click

from ari_app.errors import BadInput
from ari_app.understanding.interpreter import interpret_text
from ari_app.understanding.meaning import (
    CallerAct,
    DateRange,
    Expectation,
    Intent,
    Offer,
    Proposal,
    ServiceWords,
    Slot,
    TimeRange,
    Vocabulary,
)

SHOWN = (
    Intent.BOOK,
    Intent.MOVE,
    Intent.CANCEL,
    Intent.ENQUIRE,
    Intent.QUESTION,
    Intent.REQUEST_ALTERNATIVES,
    Intent.OPERATOR,
    Intent.REPEAT,
    Intent.GOODBYE,
    Intent.THANKS,
)
ALIASES = {
    "intent": Slot.TASK,
    "confirm": Slot.YES_NO,
    "confirmation": Slot.YES_NO,
    "yesno": Slot.YES_NO,
    "yes/no": Slot.YES_NO,
    "offer": Slot.CHOICE,
    "select": Slot.CHOICE,
    "day": Slot.DATE,
    "number": Slot.DIGITS,
    "person": Slot.RESOURCE,
}
DEFAULT_ZONE = "Europe/London"


@click.command(
    epilog='Example: ari-app understand --now 2026-11-24T09:30 --expect date,time --json "a week on tuesday"'
)
@click.argument("text", nargs=-1)
@click.option("--now", "now_text", help="The moment it is said, ISO; default: now.")
@click.option("--tz", "zone_name", default=DEFAULT_ZONE, show_default=True, help="The business's time zone.")
@click.option("--expect", default="", help="What was asked: service,date,time,yes_no,choice,name,digits,task,resource.")
@click.option("--locale", help="How words are read: en-GB, en-US, de-DE, ...; default: English of the zone's region.")
@click.option("--services", default="", help="Services offered, by name, split by commas.")
@click.option("--prompt", default="", help="The agent's last words.")
@click.option("--batch", type=click.Path(dir_okay=False), help="A JSON-lines file, `-` for standard input.")
@click.option("--explain", is_flag=True, help="All that was understood, and why.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
def command(
    text: tuple[str, ...],
    now_text: str | None,
    zone_name: str,
    expect: str,
    locale: str | None,
    services: str,
    prompt: str,
    batch: str | None,
    explain: bool,
    as_json: bool,
) -> None:
    """Tell what TEXT means to the agent."""
    if batch is not None:
        if text:
            raise click.UsageError("give TEXT or --batch, not both")
        with (
            click.open_file(batch, encoding="utf-8", errors="replace")
            if batch == "-" or Path(batch).exists()
            else (_no_file(batch)) as lines
        ):
            understand_lines(lines, locale=locale)
        return
    if not text:
        raise click.UsageError("give a TEXT, or --batch FILE")
    record: dict[str, Any] = {
        "now": now_text or datetime.now(_zone(zone_name)).isoformat(),
        "tz": zone_name,
        "text": " ".join(text),
        "expect": [part for part in expect.split(",") if part.strip()],
        "context": {"prev_system": prompt},
        "services": [part.strip() for part in services.split(",") if part.strip()],
    }
    act = understand(record, locale=locale)
    shown = described(None, act)
    if explain:
        shown.update(_details(act))
    click.echo(json.dumps(shown, ensure_ascii=False, indent=None if as_json else 2))


def _no_file(path: str) -> TextIO:
    raise BadInput(f"{path}: no such file; give a JSON-lines file, or - for standard input")


def understand_lines(lines: Iterable[str], *, locale: str | None) -> None:
    """One object out for each line in, in order; a bad line's place holds its `error`."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        click.echo(json.dumps(understood_line(line, number, locale=locale)))


def understood_line(line: str, number: int, *, locale: str | None) -> dict[str, Any]:
    """What goes out for one line."""
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as exc:
        return {"id": None, "error": f"line {number}: no JSON: {exc}"}
    if not isinstance(record, dict):
        return {"id": None, "error": f"line {number}: not an object"}
    given_id = record.get("id")
    try:
        return described(given_id, understand(record, locale=locale))
    except BadInput as exc:
        return {"id": given_id, "error": f"line {number}: {exc}"}


def understand(record: Mapping[str, Any], *, locale: str | None) -> CallerAct:
    """The act that one record's text means; BadInput names the key that is wrong."""
    text = record.get("text")
    if not isinstance(text, str):
        raise BadInput('"text" must be a string')
    zone = _zone(record.get("tz") or DEFAULT_ZONE)
    now = _moment(record.get("now"), zone)
    said_in = record.get("locale") or locale or _locale_of(zone)
    if not isinstance(said_in, str):
        raise BadInput('"locale" must be a string such as "en-GB"')
    context = record.get("context") or {}
    if not isinstance(context, dict):
        raise BadInput('"context" must be an object')
    vocabulary = Vocabulary(services=_services(record.get("services")))
    expectation = _expectation(record.get("expect"), context, zone, now, said_in)
    return _as_chosen(interpret_text(text, expectation, vocabulary, now, said_in), expectation, now)


def _as_chosen(act: CallerAct, expectation: Expectation, now: datetime) -> CallerAct:
    """ "A wednesday" is the coming one, and one of several offers that was picked is the day and time wanted."""
    is_asked = Intent.QUESTION in act.intents
    if (
        not is_asked
        and act.date is not None
        and act.date.start is None
        and act.date.end is None
        and len(act.date.weekdays) == 1
    ):
        days = (now.date() + timedelta(days=ahead) for ahead in range(1, 8))
        coming = next(day for day in days if act.date.contains(day))
        act = replace(act, date=DateRange(coming, coming))
    if act.choice is None or len(expectation.offered) < 2:
        return act
    start = expectation.offered[act.choice].start
    at = start.time().replace(tzinfo=None)
    return replace(act, date=DateRange(start.date(), start.date()), time=TimeRange(at, at))


def described(given_id: object, act: CallerAct) -> dict[str, Any]:
    """The act in the batch's form."""
    return {
        "id": given_id,
        "intents": [intent.value for intent in SHOWN if intent in act.intents],
        "service": act.service,
        "date": _dates(act.date),
        "time": _times(act.time),
        "yes_no": act.yes_no.value if act.yes_no else None,
    }


def _details(act: CallerAct) -> dict[str, Any]:
    return {
        "all_intents": [intent.value for intent in act.intents],
        "topic": act.topic,
        "unknown_service": act.unknown_service,
        "service_candidates": list(act.service_candidates),
        "weekdays": sorted(act.date.weekdays) if act.date else [],
        "excluded": sorted(day.isoformat() for day in act.date.excluded) if act.date else [],
        "time_candidates": [f"{each:%H:%M}" for each in act.time_candidates],
        "impossible_date": act.impossible_date,
        "choice": act.choice,
        "option": act.option,
        "preference": act.preference,
        "resource": act.resource,
        "name": act.name,
        "letters": act.letters,
        "digits": act.digits,
        "rejected": sorted(act.rejected),
        "corrected": sorted(act.corrected),
        "backchannel": act.is_backchannel,
        "why": list(act.explanation),
    }


def _dates(value: DateRange | None) -> dict[str, str | None] | None:
    if value is None or (value.start is None and value.end is None):
        return None
    return {
        "from": value.start.isoformat() if value.start else None,
        "to": value.end.isoformat() if value.end else None,
    }


def _times(value: TimeRange | None) -> dict[str, str | None] | None:
    if value is None or (value.start is None and value.end is None):
        return None
    return {
        "from": f"{value.start:%H:%M}" if value.start else None,
        "to": f"{value.end:%H:%M}" if value.end else None,
    }


# --- reading the record -----------------------------------------------------------------------------------------


def _zone(name: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (KeyError, ValueError, OSError) as exc:
        raise BadInput(f'"{name}" is no time zone: write one like "Europe/London"') from exc


AMERICAN_ZONES = frozenset(
    f"America/{city}"
    for city in ("New_York", "Detroit", "Chicago", "Denver", "Boise", "Phoenix", "Los_Angeles", "Anchorage", "Juneau")
) | {"Pacific/Honolulu"}


def _locale_of(zone: ZoneInfo) -> str:
    """In which English "3/4" is read where nobody says."""
    return "en-US" if zone.key in AMERICAN_ZONES or zone.key.startswith("US/") else "en-GB"


def _moment(value: object, zone: ZoneInfo) -> datetime:
    if value is None:
        raise BadInput('"now" is missing: write one like "2026-11-24T09:30"')
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as exc:
        raise BadInput(f'"now": "{value}" is no moment: write one like "2026-11-24T09:30"') from exc
    if not 1900 <= found.year <= 2200:
        raise BadInput(f'"now": {found.year} is no year of a caller: write a moment between 1900 and 2200')
    return found.replace(tzinfo=zone) if found.tzinfo is None else found.astimezone(zone)


def _services(value: object) -> tuple[ServiceWords, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadInput('"services" must be a list of names or of objects with id, name and synonyms')
    return tuple(_service(item) for item in value)


def _service(item: object) -> ServiceWords:
    if isinstance(item, str):
        return ServiceWords(item, item)
    if isinstance(item, Mapping) and ("id" in item or "name" in item):
        name = str(item.get("name") or item.get("id"))
        synonyms = item.get("synonyms") or ()
        if isinstance(synonyms, str):
            synonyms = (synonyms,)
        if not isinstance(synonyms, Sequence):
            raise BadInput('"services": "synonyms" must be a list of names')
        return ServiceWords(str(item.get("id") or name), name, tuple(map(str, synonyms)))
    raise BadInput('"services" must be a list of names or of objects with id, name and synonyms')


def _expectation(expect: object, context: Mapping[str, Any], zone: ZoneInfo, now: datetime, locale: str) -> Expectation:
    slots = _slots(expect, "expect") | _slots(context.get("asked"), "context.asked")
    prompt = context.get("prev_system")
    proposal = _proposal(context.get("confirming"), zone, now, locale)
    offered = _offers(context.get("offering"), zone, now, locale)
    if proposal is not None or len(offered) == 1:
        slots |= {Slot.YES_NO}
    return Expectation(
        slots=slots,
        offered=offered,
        confirming=proposal,
        prompt=prompt if isinstance(prompt, str) else "",
    )


def _slots(value: object, key: str) -> frozenset[Slot]:
    if value is None:
        return frozenset()
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Sequence):
        raise BadInput(f'"{key}" must be a list of slots')
    known = {slot.value: slot for slot in Slot} | ALIASES
    names = (str(item).strip().lower() for item in items)
    return frozenset(known[name] for name in names if name in known)


def _proposal(value: object, zone: ZoneInfo, now: datetime, locale: str) -> Proposal | None:
    if not isinstance(value, Mapping) or not value:
        return None
    service = value.get("service")
    return Proposal(
        service=str(service) if service else None,
        start=_start(value, zone, now, locale),
        resource=str(value["resource"]) if value.get("resource") else None,
    )


def _offers(value: object, zone: ZoneInfo, now: datetime, locale: str) -> tuple[Offer, ...]:
    """One offer or several; one without date and time (a service, a place) still is something to say yes to."""
    items = [value] if isinstance(value, Mapping) else value
    if not isinstance(items, Sequence) or isinstance(items, str):
        return ()
    found = [
        (_start(item, zone, now, locale), item.get("resource")) for item in items if isinstance(item, Mapping) and item
    ]
    return tuple(Offer(start, str(resource) if resource else None) for start, resource in found if start is not None)


def _start(value: Mapping[str, Any], zone: ZoneInfo, now: datetime, locale: str) -> datetime | None:
    """Date and time of a proposal: ISO, or words; None where either is missing."""
    if value.get("start"):
        try:
            return _moment(value["start"], zone)
        except BadInput:
            return None
    day = _day(value.get("date"), now, locale)
    clock = _clock(value.get("time"), now, locale)
    return None if day is None or clock is None else datetime.combine(day, clock, zone)


def _day(value: object, now: datetime, locale: str) -> date | None:
    text = _text(value)
    with suppress(ValueError):
        return date.fromisoformat(text)
    act = _small(text, Slot.DATE, now, locale)
    return act.date.start if act is not None and act.date is not None else None


def _clock(value: object, now: datetime, locale: str) -> time | None:
    text = _text(value)
    with suppress(ValueError):
        return time.fromisoformat(text).replace(tzinfo=None) if ":" in text else _said_clock(text, now, locale)
    return _said_clock(text, now, locale)


def _said_clock(text: str, now: datetime, locale: str) -> time | None:
    act = _small(text, Slot.TIME, now, locale)
    return act.time.start if act is not None and act.time is not None else None


def _text(value: object) -> str:
    """A value, or the beginning of a stretch."""
    if isinstance(value, Mapping):
        value = value.get("from")
    return value.strip() if isinstance(value, str) else ""


def _small(text: str, slot: Slot, now: datetime, locale: str) -> CallerAct | None:
    if not text:
        return None
    return interpret_text(text, Expectation(slots=frozenset({slot})), Vocabulary(), now, locale)
