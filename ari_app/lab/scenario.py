"""The demo's calls: each is played on the lab by scripted callers, shown live, and checked afterwards.

What the caller was told, what the calendar holds and what the text message says must be the same appointment.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from ari_app.config import Settings
from ari_app.dialogue.business import business_from
from ari_app.lab.diary_check import Entry, entries_of
from ari_app.lab.persona import Persona, Rule
from ari_app.lab.phone import Call, NothingHeard, PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.lab.scripted_caller import converse
from ari_app.prompts.spoken import spoken_date
from ari_app.understanding import interpreter
from ari_app.understanding.meaning import Expectation

Show = Callable[[str], None]

CALLER_VOICE = "espeak:en-gb+m3"
DESK_VOICE = "flite:slt"
JANE = "+442079460123"
"""docker/customers.csv"""
HEARD_DBFS = -45.0
_CALLER_ID, _BRIDGE, _CONCISE_FIELDS = 7, 12, 14
"""Of a line of `core show channels concise` (main/cli.c)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the demo's table; an empty cell has nothing to compare."""

    scenario: str
    told: str = ""
    calendar: str = ""
    text: str = ""
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Stage:
    """What a scenario plays on."""

    lab: Lab
    phones: PhoneBook
    settings: Settings
    events: Path
    recordings: Path
    show: Show
    started_s: float = field(default_factory=time.monotonic)

    @property
    def zone(self) -> ZoneInfo:
        return self.settings.business.zone

    def now(self) -> datetime:
        return datetime.now(self.zone)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One demo call."""

    name: str
    about: str
    play: Callable[[Stage], Awaitable[Row]]


@dataclass(slots=True)
class Story:
    """One call's event log, as the worker wrote it."""

    path: Path
    events: list[dict[str, str]]

    def said(self, *text_ids: str) -> str:
        """The last sentence with one of these ids (or their beginnings)."""
        found = [each["text"] for each in self.events if each.get("text_id", "").startswith(text_ids)]
        return found[-1] if found else ""

    @property
    def states(self) -> list[str]:
        return [each["text"] for each in self.events if each["kind"] == "state"]


async def follow(
    stage: Stage, name: str, number: str, call: Awaitable[Call], act: Callable[[Call], Awaitable[None]]
) -> Story:
    """Place the call from `number`, show it live from the worker's event log, act, and give the log when it is over."""
    known = set(stage.events.glob("*.jsonl"))
    watcher = asyncio.create_task(_show_events(stage, name, number, known))
    try:
        up = await call
        try:
            await act(up)
        finally:
            with suppress(NothingHeard):
                await up.hang_up()
            up.save_wav(stage.recordings / f"{name}.wav")
        async with asyncio.timeout(10):
            return await watcher
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


async def _show_events(stage: Stage, name: str, number: str, known: set[Path]) -> Story:
    """Follow this number's new event log to the call's end."""
    path = await _new_log(stage.events, number, known)
    story = Story(path, [])
    shown = 0
    while True:
        for line in (await asyncio.to_thread(path.read_text, "utf-8")).splitlines()[shown:]:
            shown += 1
            event = json.loads(line)
            story.events.append(event)
            _show(stage.show, event)
            if event["kind"] == "state" and event["text"] == "DISCONNECTED":
                target = stage.recordings / f"{name}.jsonl"
                await asyncio.to_thread(target.write_text, path.read_text("utf-8"), "utf-8")
                return story
        await asyncio.sleep(0.1)


async def _new_log(folder: Path, number: str, known: set[Path]) -> Path:
    while True:
        for path in await asyncio.to_thread(lambda: set(folder.glob("*.jsonl")) - known):
            first, is_whole, _ = (await asyncio.to_thread(path.read_text, "utf-8")).partition("\n")
            if is_whole and json.loads(first)["number"] == number:
                return path
        await asyncio.sleep(0.05)


_SHOWN = {"agent": "agent ", "caller": "caller", "dtmf": "keys  ", "state": "state ", "action": "does  ", "silence": ""}


def _show(show: Show, event: dict[str, str]) -> None:
    if event["kind"] in _SHOWN:
        show(f"  {float(event['at_s']):6.1f} s  {_SHOWN[event['kind']]}  {event['text']}")


# --- the three calls


async def book(stage: Stage) -> Row:
    """An unknown caller books a cleaning, next Tuesday at half past three, over several turns."""
    persona = Persona(
        CALLER_VOICE,
        (
            Rule(("how can i help you", "how can i", "what can i do for you"), "i would like to book an appointment"),
            Rule(("what would you like to come in for", "what is the appointment for"), "a dental cleaning"),
            Rule(("which day would you like", "what day would suit you"), "next tuesday"),
            Rule(("what time would you like", "at what time"), "half past three", times=2),
            Rule(("these times are free", "which would you like", "which suits you"), "the first one"),
            Rule(("shall i book it", "is that right"), "yes please", times=2),
            Rule(("your full name", "first name and last name", "your name"), "john smith", times=2),
            Rule(("is there anything else", "can i do anything else"), "no thank you", times=2),
        ),
        otherwise=("book an appointment", "a dental cleaning", "next tuesday at half past three", "yes please"),
    )
    line = stage.phones.line("softphone-1")
    texts = len(stage.phones.texts)

    async def act(call: Call) -> None:
        await converse(call, persona)

    story = await follow(stage, "book", line.number, line.call("700"), act)
    return await _compare(stage, "book", story, ("done.booked",), line.number, "softphone-1", texts, service="cleaning")


async def move(stage: Stage) -> Row:
    """A seeded customer, greeted by name, moves the appointment to another day."""
    persona = Persona(
        CALLER_VOICE,
        (
            Rule(("may i have your full name", "first name and last name", "your name"), "jane miller", times=2),
            Rule(("would you like to move it", "book a new one", "book another"), "move it please", times=2),
            Rule(("how can i help you", "how can i", "what can i do for you"), "i would like to move my appointment"),
            Rule(("which day would you like", "what day would suit you"), "next wednesday"),
            Rule(("what time would you like", "at what time"), "eleven in the morning", times=2),
            Rule(("these times are free", "which would you like", "which suits you"), "the first one", times=2),
            Rule(("shall i move it", "is that right", "i will move"), "yes", times=3),
            Rule(("is there anything else", "can i do anything else"), "no thank you", times=2),
        ),
        otherwise=("move my appointment", "next wednesday at eleven", "yes"),
    )
    line = stage.phones.line("trunk")
    texts = len(stage.phones.texts)

    async def act(call: Call) -> None:
        await converse(call, persona)

    before = await entries_of(stage.lab, stage.settings, JANE)
    story = await follow(stage, "move", JANE, line.call("700", caller_id=JANE), act)
    row = await _compare(stage, "move", story, ("done.moved",), JANE, "trunk", texts)
    problems = list(row.problems)
    if "Jane" not in " ".join(event["text"] for event in story.events if event["kind"] == "agent"):
        problems.append("the caller was not greeted by name")
    after = await entries_of(stage.lab, stage.settings, JANE)
    if {entry.start for entry in before} & {entry.start for entry in after}:
        problems.append("the old appointment is still there")
    return Row(row.scenario, row.told, row.calendar, row.text, tuple(problems))


_ONLY_THEN = "no i can only come on thursday"
"""calendar/seed: the first Thursday after today is full."""


async def handoff(stage: Stage) -> Row:
    """The wanted day is full: the caller is connected to extension 200, and the two hear each other."""
    persona = Persona(
        CALLER_VOICE,
        (
            Rule(("how can i help you", "how can i", "what can i do for you"), "i need a dental cleaning", times=2),
            Rule(("what would you like to come in for", "what is the appointment for"), "a dental cleaning"),
            Rule(("which day would you like", "what day would suit you"), full_day_words(stage), times=2),
            Rule(("what time would you like", "at what time"), "any time", times=2),
            Rule(("these times are free", "which would you like", "which suits you"), _ONLY_THEN, times=2),
            Rule(("put you through", "a colleague", "connect you"), "yes please", times=2),
        ),
        otherwise=("can you repeat that please", "i need a dental cleaning", _ONLY_THEN, "operator please"),
    )
    line = stage.phones.line("softphone-3")
    desk = stage.phones.line("scheduling")
    desk.forget_rings()
    problems: list[str] = []
    levels: list[str] = []

    async def act(call: Call) -> None:
        talking = asyncio.create_task(converse(call, persona))
        try:
            ringing = await desk.ringing(within_s=90.0)
            talking.cancel()
            stage.show(f"          desk    rings, shows {ringing.caller_name} {ringing.caller_number}")
            human = await ringing.answer()
            await _human_accepts(stage, human)
            for who, speaker, listener, voice in (
                ("desk to caller", human, call, DESK_VOICE),
                ("caller to desk", call, human, CALLER_VOICE),
            ):
                spoken = await speaker.say("hello this is a test of the line, do you hear me", voice)
                level = listener.level_heard_dbfs(spoken.began_s + 0.2, spoken.ended_s)
                levels.append(f"{who} {level:.0f} dBFS")
                if level < HEARD_DBFS:
                    problems.append(f"{who}: nothing heard ({level:.0f} dBFS)")
            problems.extend(await _who_is_in_the_bridge(stage, line.number))
            human.save_wav(stage.recordings / "handoff-desk.wav")
            await human.hang_up()
            await call.wait_hangup(5.0)
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    story = await follow(stage, "handoff", line.number, line.call("700"), act)
    if "CONNECTED" not in story.states:
        problems.append("the call log has no CONNECTED")
    if not story.said("problem.full", "problem.nothing"):
        problems.append("the caller was not told that the day is full")
    made = await entries_of(stage.lab, stage.settings, line.number)
    if made:
        problems.append("something was booked")
    told = story.said("handoff.")
    return Row("handoff", told, "nothing booked" if not made else str(made[0]), "; ".join(levels), tuple(problems))


async def _human_accepts(stage: Stage, human: Call) -> None:
    """Hear the whisper, press 1, and wait until the caller is there."""
    whisper = await human.hear(silence_s=0.5, within_s=10.0)
    stage.show(f"          desk    hears the whisper: {whisper.text}")
    await human.press("1")
    await asyncio.sleep(0.8)


async def _who_is_in_the_bridge(stage: Stage, number: str) -> list[str]:
    """What is wrong with the bridge of the caller of this number: none, or the agent's media leg still in it."""
    text = await stage.lab.cli(stage.lab.pbx, "core show channels concise")
    channels = [fields for line in text.splitlines() if len(fields := line.split("!")) >= _CONCISE_FIELDS]
    bridges = {fields[_BRIDGE] for fields in channels if fields[_CALLER_ID] == number and fields[_BRIDGE]}
    if not bridges:
        return [f"{number} is in no bridge"]
    beside = [fields[0] for fields in channels if fields[_BRIDGE] in bridges]
    return [f"the agent has not left: {name}" for name in beside if name.startswith("WebSocket/")]


def full_day_words(stage: Stage) -> str:
    """The seeded full day (calendar/seed: the first Thursday after today), as the caller says it."""
    today = stage.now().date()
    full = today + timedelta(days=(3 - today.weekday() - 1) % 7 + 1)
    return f"on {spoken_date(full, stage.settings.business.locale, now=stage.now())}"


# --- what was told, held and texted


async def _compare(
    stage: Stage,
    name: str,
    story: Story,
    told_ids: tuple[str, ...],
    number: str,
    phone: str,
    texts_before: int,
    *,
    service: str | None = None,
) -> Row:
    """Told, calendar and text must name the same moment."""
    told = story.said(*told_ids)
    entries = await entries_of(stage.lab, stage.settings, number)
    problems: list[str] = []
    text = ""
    try:
        text = (await stage.phones.text(phone, after=texts_before, within_s=10.0)).body
    except NothingHeard as exc:
        problems.append(str(exc))
    if len(entries) != 1:
        problems.append(f"{len(entries)} appointments in the calendar, not 1")
    held: Entry | None = entries[0] if entries else None
    for what, words in (("told", told), ("text", text)):
        moment = moment_in(stage, words)
        if held is None or moment != held.start.replace(tzinfo=None):
            problems.append(f"{what} {moment}, calendar {held.start if held else 'nothing'}")
    if service and held and held.service != service:
        problems.append(f"booked {held.service}, not {service}")
    return Row(name, told, str(held or "nothing"), text, tuple(problems))


def moment_in(stage: Stage, words: str) -> datetime | None:
    """The date and time that a sentence names, local; None where it names none."""
    business = business_from(stage.settings)
    act = interpreter.interpret(words, Expectation(), business.vocabulary, stage.now(), business.locale)
    if act.date is None or act.time is None or act.date.start is None or act.time.start is None:
        return None
    return datetime.combine(act.date.start, act.time.start)


SCENARIOS = (
    Scenario("book", "an unknown caller books a dental cleaning by voice", book),
    Scenario("move", "a customer, greeted by name, moves an appointment", move),
    Scenario("handoff", "the wanted day is full: connected to extension 200", handoff),
)
