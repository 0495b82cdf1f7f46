"""Whole calls, real in every part: the demo's three, a call by keypad alone, and callers whom nothing is known of."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ari_app.config import load_settings
from ari_app.lab.diary_check import entries_of
from ari_app.lab.persona import Persona, Rule
from ari_app.lab.phone import PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.lab.scenario import JANE, SCENARIOS, Stage, follow
from ari_app.lab.scripted_caller import converse

pytestmark = pytest.mark.live

HOSTILE_NAME = '"' + 'Rob ${SHELL(id)} ,;&|\\ "quoted" 😀 \t' * 8 + '"'


@pytest.fixture
async def stage(lab: Lab, phones: PhoneBook, tmp_path: Path) -> AsyncIterator[Stage]:
    """A worker that writes its calls' events down."""
    events = tmp_path / "events"
    events.mkdir()
    settings = load_settings(lab.settings_path, lab.settings_environment())
    await lab.start_sentinel()
    await lab.start_worker(1, environ={"ARI_APP_LAB__EVENTS_DIR": str(events)})
    try:
        yield Stage(lab, phones, settings, events, tmp_path, print)
    finally:
        await lab.stop("worker-1")
        await lab.stop("sentinel")


async def test_the_demo_calls_hold_all_at_once(stage: Stage):
    async with asyncio.timeout(170):
        rows = await asyncio.gather(*(scenario.play(stage) for scenario in SCENARIOS))
    assert {row.scenario: row.problems for row in rows} == {"book": (), "move": (), "handoff": ()}
    logged = (stage.lab.folder / "log" / "worker-1.log").read_text("utf-8").lower()
    assert "call.caller" in logged
    assert [words for words in ("half past three", "john", "miller", JANE) if words in logged] == []


async def test_a_stranger_with_a_hostile_name_books_by_keypad_alone(stage: Stage):
    day = stage.now().date() + timedelta(days=14)
    while day.weekday() != 1:
        day += timedelta(days=1)
    persona = Persona(
        "espeak:en-gb+m3",
        (
            Rule(
                ("how can i help you", "what can i do for you", "move or cancel an appointment"), presses="1", times=2
            ),
            Rule(("what would you like to come in for", "what is the appointment for"), presses="1", times=2),
            Rule(("which day would you like", "what day would suit you"), presses=f"{day:%d%m}#", times=2),
            Rule(("what time would you like", "at what time"), presses="1515#", times=2),
            Rule(("your full name", "name once more", "first name and your last name"), presses="1", times=3),
            Rule(("shall i book it", "is that right"), presses="1", times=2),
            Rule(("is there anything else", "can i do anything else"), presses="2", times=2),
        ),
        otherwise=("can you repeat that please",),
    )
    line = stage.phones.line("trunk")
    number = "+447700900555"

    async def act(call):
        await converse(call, persona)

    async with asyncio.timeout(170):
        story = await follow(stage, "keypad", number, line.call("700", caller_id=f"{HOSTILE_NAME} <{number}>"), act)
    booked = await entries_of(stage.lab, stage.settings, number)
    assert [entry.start.strftime("%d%m %H:%M") for entry in booked] == [f"{day:%d%m} 15:15"], story.events
    assert story.states == ["PENDING", "ANSWERED", "DISCONNECTED"]


async def test_a_call_that_is_hung_up_at_once_leaves_nothing_behind(stage: Stage, pbx):
    for wait_s in (0.0, 0.3, 1.5):
        call = await stage.phones.line("softphone-4").call("700")
        await asyncio.sleep(wait_s)
        await call.hang_up()
    deadline_s = time.monotonic() + 10
    left: list[object] = [True]
    while left and time.monotonic() < deadline_s:
        await asyncio.sleep(0.2)
        left = [*await pbx.channels(), *await pbx.bridges()]
    assert left == []
