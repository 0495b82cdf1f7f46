"""The same conversations on a real calendar: what Radicale holds afterwards is what the caller was told.

Every script of `tests/dialogues` that says what the calendar holds in the end, and needs no staged misfortune.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import caldav
import pytest
import yaml

from ari_app.booking.build import build_service
from ari_app.booking.model import Appointment, BookingRequest, Opening
from ari_app.call.actions import Actions
from ari_app.clock import FixedClock
from ari_app.config import Settings
from ari_app.dialogue import acts as a
from ari_app.dialogue.business import Business, business_from, vocabulary_for
from ari_app.dialogue.policy import begin, step
from ari_app.lab.bench.servers import CalendarServer, calendar_server
from ari_app.store.database import Database
from ari_app.store.migrate import migrate
from ari_app.understanding.interpreter import interpret

FOLDER = Path(__file__).parent.parent / "dialogues"
STAGED = {"full", "failing", "snatched", "busy"}
SCRIPTS = [
    pytest.param(script, id=f"{file.stem}: {script['name']}")
    for file in sorted(FOLDER.glob("*.yaml"))
    for script in yaml.safe_load(file.read_text("utf-8"))
    if "holds" in script.get("then", {}) and not STAGED & set(script)
]
NUMBER = "+447700900001"


@pytest.fixture(scope="module")
def radicale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CalendarServer]:
    with calendar_server("radicale", tmp_path_factory.mktemp("radicale")) as server:
        yield server


@pytest.fixture
def practice(radicale: CalendarServer, tmp_path: Path) -> Iterator[Callable[[dict], tuple[Settings, caldav.DAVClient]]]:
    """Settings whose calendars are new and empty on the server."""
    with caldav.DAVClient(radicale.url, username=radicale.user, password=radicale.password) as client:

        def make(tables: dict) -> tuple[Settings, caldav.DAVClient]:
            home = f"{radicale.user}/{uuid4().hex[:8]}"
            url = f"sqlite:///{tmp_path / 'store.db'}"
            migrate(url)
            resources = [{**each, "calendar": f"{home}-{each['id']}/"} for each in tables["resources"]]
            caldav_settings = {
                "url": radicale.url,
                "user": radicale.user,
                "password": radicale.password,
                "timeout_s": 5,
                "poll_s": 60,
            }
            settings = Settings.model_validate(
                {
                    **tables,
                    "resources": resources,
                    "caldav": caldav_settings,
                    "store": {"url": url},
                    "callbacks": {"calendar": f"{home}-callbacks/"},
                }
            )
            for path in [*(each["calendar"] for each in resources), settings.callbacks.calendar]:
                client.mkcalendar(f"{radicale.url}{path}")
            return settings, client

        yield make


@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_calendar_holds_what_was_told(
    script: dict, practice: Callable, english_tables: dict, german_tables: dict, maria: a.Customer, now: datetime
) -> None:
    tables = german_tables if script.get("business") == "german" else english_tables
    settings, client = practice(tables)
    asks = script.get("asks", False)
    business = business_from(settings)
    business = replace(business, identity=script.get("identity", "name"), asks_name=asks, asks_number=asks)
    clock = FixedClock(now.astimezone(business.zone))
    async with Database(settings.store.url) as database, build_service(settings, database, clock) as booking:
        for index, text in enumerate(script.get("appointments", [])):
            await booking.book(
                BookingRequest(f"seed-{index}", _opening(business, text), NUMBER, "Maria Jones"), clock.at
            )
        number = "" if script.get("caller") == "withheld" else NUMBER
        customer = maria if script.get("caller") == "maria" else None
        upcoming = await booking.appointments_of(number, clock.at) if number else ()

        async def hand_over(act: a.HandOff) -> a.Event | None:
            return None if script.get("human", True) else a.HandOffFailed("no_answer")

        actions = Actions(
            call_id=uuid4().hex,
            number=number,
            name=customer.name if customer else "",
            database=database,
            booking=booking,
            catalogue=business.texts,
            clock=clock,
            callback_settings=settings.callbacks,
            hand_over=hand_over,
            note=lambda *_, **__: None,
            next_key=lambda: f"{uuid4()}",
        )
        told = await _play(script, business, actions, a.CallStarted(clock.at, number, customer, upcoming))
    held = _held(client, settings, business)
    assert held == sorted(text.split(" ", 1)[1] for text in script["then"]["holds"])
    seeds = {text.split(" ", 1)[1] for text in script.get("appointments", [])}
    assert {f"{each.start:%Y-%m-%d %H:%M}" for each in told} | seeds >= set(held)


async def _play(script: dict, business: Business, actions: Actions, started: a.CallStarted) -> list[Appointment]:
    """The turns of the script; the appointments that the caller was told of as booked or moved."""
    turns = iter(script["turns"])
    told: list[Appointment] = []
    vocabulary = vocabulary_for(business, started.customer)
    state, system_acts = begin(business, started)
    while True:
        says = [each for each in system_acts if isinstance(each, a.Say)]
        told += [
            value
            for say in says
            if say.text_id in ("done.booked", "done.moved")
            for _, value in say.values
            if isinstance(value, Appointment)
        ]
        match system_acts[-1]:
            case a.HangUp():
                return told
            case a.Listen(expectation):
                turn = next(turns, None)
                if turn is None:
                    return told
                said = (business.texts.render(each.text_id, each.values, each.variant, started.now) for each in says)
                heard = replace(expectation, prompt=" ".join(said))
                event = _event(turn, heard, vocabulary, business, started.now)
            case act:
                result = await actions.act(act, state)
                if result is None:
                    return told
                event = result
        state, system_acts = step(business, state, event)


def _event(turn: dict, expectation, vocabulary, business: Business, now: datetime) -> a.Event:
    if "press" in turn:
        return a.CallerPressed(str(turn["press"]), now)
    if "silence" in turn:
        return a.CallerSilent(now)
    act = interpret(turn["c"], expectation, vocabulary, now, business.locale)
    return a.CallerSpoke(
        replace(act, confidence=turn.get("confidence", act.confidence)), now, turn.get("heard_clauses")
    )


def _held(client: caldav.DAVClient, settings: Settings, business: Business) -> list[str]:
    """The starts of all events, read by plain caldav with none of our code."""
    starts = []
    for resource in settings.resources:
        for event in client.calendar(url=f"{settings.caldav.url}{resource.calendar}").events():
            start = event.icalendar_component["DTSTART"].dt.astimezone(business.zone)
            starts.append(f"{start:%Y-%m-%d %H:%M}")
    return sorted(starts)


def _opening(business: Business, text: str) -> Opening:
    service_id, day, at = text.split()
    start = datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=business.zone)
    service = business.services[service_id]
    return Opening(start, start + timedelta(minutes=30), service_id, tuple(group[0] for group in service.groups))
