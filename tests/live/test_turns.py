"""Taking turns on real calls: who is interrupted by what, and what is no turn at all."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from ari_app.audio.frames import RATE_HZ
from ari_app.lab.bench.turn_log import CallLog, LogEvent
from ari_app.lab.phone import Call, PhoneBook
from ari_app.lab.runtime import Lab
from ari_app.lab.voices import EASY_VOICE, render, room_noise

pytestmark = pytest.mark.live

BOOK = "i would like to book an appointment"


@pytest.fixture
async def events(lab: Lab, tmp_path: Path) -> AsyncIterator[Path]:
    """A worker, and the folder where it writes down what happens in its calls."""
    folder = tmp_path / "events"
    await lab.start_sentinel()
    await lab.start_worker(1, environ={"ARI_APP_LAB__EVENTS_DIR": str(folder)})
    try:
        yield folder
    finally:
        await lab.stop("worker-1")
        await lab.stop("sentinel")


class Turns:
    """A call and what the worker wrote of it."""

    def __init__(self, call: Call, folder: Path) -> None:
        self.call = call
        self.folder = folder

    @property
    def story(self) -> list[LogEvent]:
        log = CallLog(max(self.folder.glob("*.jsonl")))
        log.refresh()
        return log.events

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.story if event.kind == kind]

    async def asked(self, *text_ids: str, within_s: float = 15.0) -> None:
        """Wait until the agent has said one of these."""
        deadline_s = time.monotonic() + within_s
        while time.monotonic() < deadline_s:
            if any(event.data.get("text_id") in text_ids for event in self.story):
                return
            await asyncio.sleep(0.1)
        said = [event.data.get("text_id", "") for event in self.story if event.kind == "agent"]
        raise AssertionError(f"none of {text_ids} was said, but {said} after {self.texts('caller')}")


@pytest.fixture
async def turns(events: Path, phones: PhoneBook) -> AsyncIterator[Turns]:
    """A caller whom the agent has begun to greet."""
    call = await phones.line("softphone-2").call("700")
    try:
        await call.first_sound(call.answered_s)
        await asyncio.sleep(1.0)
        yield Turns(call, events)
    finally:
        await call.hang_up()


async def test_caller_who_speaks_silences_the_agent_and_is_understood(turns: Turns):
    spoken = await turns.call.play(await render(BOOK, EASY_VOICE))
    heard = turns.call.handset.heard
    assert (heard.last_sound_s(spoken.began_s) or 0.0) < spoken.ended_s - 0.3
    await turns.asked("ask.service", "ask.date")
    assert "take" in turns.texts("barge_in")
    assert "book" in turns.texts("caller")[0]


async def test_okay_and_a_hum_do_not_take_the_turn(turns: Turns):
    await turns.call.play(await render("okay", EASY_VOICE))
    await asyncio.sleep(1.0)
    await turns.call.play(_hum(0.4))
    greeting = await turns.call.hear(silence_s=1.2, within_s=20.0)
    assert "how can i" in greeting.text or "what can i" in greeting.text
    assert "take" not in turns.texts("barge_in")
    assert turns.texts("caller") == []


async def test_agent_gives_way_at_once_and_okay_does_not_silence_it(turns: Turns):
    call, heard = turns.call, turns.call.handset.heard
    spoken = await call.play(await render("okay", EASY_VOICE))
    usual_dbfs = heard.loudest_dbfs(spoken.began_s - 1.0, spoken.began_s)
    assert heard.loudest_dbfs(spoken.began_s + 0.3, spoken.ended_s) < usual_dbfs - 10.0
    assert heard.loudest_dbfs(spoken.began_s + 0.25, spoken.ended_s + 0.1) > -60.0
    await asyncio.sleep(1.0)
    assert heard.loudest_dbfs(spoken.ended_s + 0.4, time.monotonic()) > usual_dbfs - 6.0
    assert turns.texts("barge_in") == ["yield", "resume"]


async def test_talk_without_a_meaning_stops_the_agent_which_then_goes_on_with_its_clause(turns: Turns):
    babble = await render("lorem ipsum dolor sit amet", EASY_VOICE)
    await turns.call.play(babble[::-1][1:] + b"\0")  # backwards
    turns.call.skip_heard()
    greeting = await turns.call.hear(silence_s=1.5, within_s=20.0)
    assert "how can i" in greeting.text or "what can i" in greeting.text
    assert turns.texts("barge_in")[-2:] == ["take", "resume"]
    assert turns.texts("caller") == []


async def test_key_stops_the_agent_and_is_the_answer(turns: Turns):
    await turns.call.press("1")
    await turns.asked("ask.service")
    assert turns.texts("dtmf") == ["1"]


async def test_noise_a_cough_and_a_click_are_no_turn(turns: Turns):
    call = turns.call
    await call.silence(call.answered_s + 1.0, for_s=1.0)
    for sound in (_noise(0.3, -20.0), _noise(2.0, -38.0), _click(), _hum(0.5)):
        await call.play(sound)
        await asyncio.sleep(0.6)
    assert turns.texts("caller") == []
    await call.play(await render(BOOK, EASY_VOICE))
    await turns.asked("ask.service", "ask.date")


async def test_caller_is_not_cut_off_in_the_middle_of_a_date(turns: Turns):
    call = turns.call
    await call.silence(call.answered_s + 1.0, for_s=1.0)
    pause = bytes(2 * int(0.9 * RATE_HZ))
    first = await render("i need a dental cleaning on the", EASY_VOICE)
    await call.play(first + pause + await render("fourth of december", EASY_VOICE))
    await turns.asked("noted", "ask.time", "wish", "problem.full", "ask.offer", within_s=20.0)
    assert len(turns.texts("caller")) == 1
    assert "fourth" in turns.texts("caller")[0]


async def test_what_is_said_before_the_agent_listens_is_not_lost(turns: Turns):
    call = turns.call
    await call.silence(call.answered_s + 1.0, for_s=1.0)
    await call.play(await render("a check up please", EASY_VOICE))
    began_s = await call.first_sound(time.monotonic())
    await call.silence(began_s, for_s=0.6)
    await call.play(await render("next tuesday", EASY_VOICE))
    await turns.asked("ask.time", "ask.offer", within_s=20.0)
    assert len(turns.texts("caller")) == 2


def _noise(length_s: float, dbfs: float) -> bytes:
    return _bytes(room_noise(int(length_s * RATE_HZ)) * 10 ** (dbfs / 20))


def _hum(length_s: float) -> bytes:
    """ "Mm": 120 Hz and its first harmonics, lips closed."""
    at_s = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * 120 * number * at_s) / number**2 for number in (1, 2, 3))
    return _bytes(wave * 0.08 * np.hanning(len(at_s)))


def _click() -> bytes:
    samples = np.zeros(RATE_HZ // 10)
    samples[100:140] = 0.6
    return _bytes(samples)


def _bytes(samples: "np.ndarray[tuple[int], np.dtype[np.floating]]") -> bytes:
    audio = np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()
    return audio + bytes(-len(audio) % 640)
