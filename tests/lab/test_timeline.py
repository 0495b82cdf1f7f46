"""The timeline of one direction of a call: moments, sounds, stretches."""

import array

import pytest

from ari_app.audio.frames import FRAME_SAMPLES, SILENCE
from ari_app.lab.timeline import Timeline

LOUD = array.array("h", [8000] * FRAME_SAMPLES).tobytes()


def half_loud(first_sample: int) -> bytes:
    return array.array("h", [0] * first_sample + [8000] * (FRAME_SAMPLES - first_sample)).tobytes()


def test_jitter_of_reading_moves_no_sample() -> None:
    timeline = Timeline()
    for index, late_s in enumerate([0.015, 0.0, 0.012, 0.004, 0.019]):
        timeline.add(LOUD if index == 3 else SILENCE, 100 + index * 0.02 + late_s)
    assert len(timeline.runs) == 1
    assert timeline.first_sound_s(0) == pytest.approx(100.06)
    assert timeline.last_sound_s(0) == pytest.approx(100.08)


def test_the_first_sound_is_exact_to_the_sample() -> None:
    timeline = Timeline()
    timeline.add(SILENCE, 10.0)
    timeline.add(half_loud(160), 10.02)
    assert timeline.first_sound_s(10.0) == pytest.approx(10.03)
    assert timeline.first_sound_s(10.035) is None
    assert timeline.last_sound_s(10.04) is None


def test_a_gap_begins_a_new_run_and_is_silence() -> None:
    timeline = Timeline()
    timeline.add(LOUD, 1.0)
    timeline.add(LOUD, 2.0)
    assert len(timeline.runs) == 2
    audio = timeline.audio(0.99, 2.02)
    assert len(audio) == round(1.03 * 16_000) * 2
    assert audio[:320] == bytes(320)
    assert audio[320:960] == LOUD
    assert audio[960:-640] == bytes(len(audio) - 1600)
    assert audio[-640:] == LOUD


def test_nothing_heard_is_silence_and_no_sound() -> None:
    timeline = Timeline()
    assert timeline.first_sound_s(0) is None
    assert timeline.last_sound_s(0) is None
    assert timeline.audio(5, 5.1) == bytes(3200)
    assert timeline.audio(5, 4) == b""
