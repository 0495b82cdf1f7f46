"""Ear, recogniser and endpointing together, on telephone speech; no frame is slept for."""

import asyncio
from dataclasses import dataclass

import numpy as np
import pytest

from ari_app.audio.endpointing import (
    Endpointer,
    EndpointKind,
    EndpointLimits,
    EndReason,
    PartialFacts,
    StablePartial,
    TurnKind,
)
from ari_app.audio.frames import FRAME_S, RATE_HZ, frames
from ari_app.speech.recogniser import Partial, Transcript
from ari_app.speech.vad import VoiceActivity
from ari_app.speech.vosk_recogniser import VoskRecogniser

CHOICES = ["yes", "no", "yes please", "next tuesday", "tomorrow at ten", "half past three", "the first one", "operator"]
UNFINISHED = ("on the", "um", "at", "next", "the", "half", "half past", "tomorrow at", "and")


@dataclass
class Turn:
    kind: EndpointKind | None
    reason: EndReason | None
    decided_s: float
    transcript: Transcript | None


def facts_of(partial: Partial, stable: StablePartial, now_s: float) -> PartialFacts:
    words = partial.free.replace("[unk]", "").strip()
    return PartialFacts(
        has_words=bool(words),
        is_complete=partial.listed in CHOICES,
        is_unfinished=words.endswith(UNFINISHED),
        stable_s=stable.update(partial.listed or partial.free, now_s),
    )


async def take_turn(recogniser: VoskRecogniser, audio: bytes, kind: TurnKind) -> Turn:
    """Feed audio as a call would; the turn's first ending."""
    stream, activity, endpointer, stable = (
        recogniser.stream(),
        VoiceActivity(),
        Endpointer(EndpointLimits()),
        StablePartial(),
    )
    endpointer.begin(kind)
    await stream.begin(CHOICES)
    try:
        for number, frame in enumerate(frames(audio), start=1):
            stream.feed(frame)
            while stream.lag_s > 0.1:  # noqa: ASYNC110 - the pool's thread is at it
                await asyncio.sleep(0.001)
            now_s = number * FRAME_S
            event = endpointer.push(activity.push(frame), facts_of(stream.partial(), stable, now_s))
            if event is not None and event.kind in {EndpointKind.ENDED, EndpointKind.NO_INPUT}:
                transcript = await stream.finish() if event.kind is EndpointKind.ENDED else None
                return Turn(event.kind, event.reason, now_s, transcript)
        return Turn(None, None, len(audio) / 2 / RATE_HZ, None)
    finally:
        await stream.close()


def ends_s(audio: bytes) -> float:
    """When the sound ends."""
    loud = np.flatnonzero(np.abs(np.frombuffer(audio, "<i2").astype(int)) > 400)
    return int(loud[-1]) / RATE_HZ


@pytest.mark.parametrize("voice", ["flite:awb", "en-us+f4", "en-gb+m5", "en-us+Andy"])
@pytest.mark.parametrize("text", ["yes please", "the first one", "half past three"])
async def test_closed_question_is_answered_soon_after_the_last_word(recogniser, caller_says, voice, text):
    audio = bytes(16000) + caller_says(text, voice, silence_after_s=2.0)
    turn = await take_turn(recogniser, audio, TurnKind.CLOSED)
    assert turn.transcript is not None
    assert turn.transcript.text == text
    assert -0.05 <= turn.decided_s - ends_s(audio) <= 0.6


async def test_open_question_waits_longer_than_a_closed_one(recogniser, caller_says):
    audio = bytes(16000) + caller_says("half past three", "en-us+f4", silence_after_s=2.0)
    closed = await take_turn(recogniser, audio, TurnKind.CLOSED)
    opened = await take_turn(recogniser, audio, TurnKind.OPEN)
    assert opened.decided_s > closed.decided_s + 0.1


async def test_thinking_in_the_middle_of_an_answer_is_waited_for(recogniser, caller_says):
    audio = bytes(16000) + caller_says("tomorrow at", "en-us+f4", silence_after_s=0.8) + caller_says("ten", "en-us+f4")
    turn = await take_turn(recogniser, audio + bytes(64000), TurnKind.OPEN)
    assert turn.transcript is not None
    assert turn.transcript.text == "tomorrow at ten"


def cough() -> bytes:
    length = int(0.3 * RATE_HZ)
    envelope = np.exp(-np.linspace(0, 6, length)) * np.minimum(1, np.linspace(0, 20, length))
    return (np.random.default_rng(5).normal(size=length) * envelope * 9000).astype("<i2").tobytes()


@pytest.mark.parametrize("sound", ["silence", "comfort noise", "click", "cough", "door and hiss", "dtmf"])
async def test_what_is_no_speech_is_no_turn(recogniser, noise, sound):
    at = np.arange(RATE_HZ // 5) / RATE_HZ
    tones = ((np.sin(2 * np.pi * 770 * at) + np.sin(2 * np.pi * 1336 * at)) * 6000).astype("<i2").tobytes()
    audio = {
        "silence": bytes(32000 * 3),
        "comfort noise": noise(3.0, -55),
        "click": bytes(32000) + b"\xff\x7f" * 30 + bytes(64000),
        "cough": bytes(32000) + cough() + bytes(64000),
        "door and hiss": noise(1.0, -50) + noise(0.08, -15) + noise(2.0, -50),
        "dtmf": bytes(32000) + tones + bytes(64000),
    }[sound]
    turn = await take_turn(recogniser, audio, TurnKind.CLOSED)
    assert turn.kind is None


async def test_answer_in_a_noisy_room_is_heard(recogniser, caller_says, noise):
    speech = bytes(16000) + caller_says("yes please", "en-us+f4", silence_after_s=2.0)
    hiss = np.frombuffer(noise(len(speech) / 32000, -45), "<i2")[: len(speech) // 2].astype(int)
    mixed = np.clip(np.frombuffer(speech, "<i2")[: len(hiss)] + hiss, -32768, 32767).astype("<i2").tobytes()
    turn = await take_turn(recogniser, mixed, TurnKind.CLOSED)
    assert turn.transcript is not None
    assert turn.transcript.text == "yes please"
