"""Callers' voices for the speech tests: synthesisers whose voices the lab recogniser never heard, over a telephone."""

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ari_app.audio.frames import RATE_HZ
from ari_app.audio.resample import resample
from ari_app.speech.vosk_recogniser import VoskRecogniser

MODELS = Path(__file__).parents[2] / "models"
Speaker = Callable[..., bytes]


@cache
def _spoken(text: str, voice: str) -> bytes:
    """`voice`: "flite:awb" or an espeak-ng voice."""
    if voice.startswith("flite:"):
        command = ["flite", "-voice", voice.removeprefix("flite:"), "-t", text, "-o", "/dev/stdout"]
    else:
        command = ["espeak-ng", "-v", voice, "--stdout", text]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    start = content.index(b"data") + 8
    rate_hz = int.from_bytes(content[24:28], "little")
    return resample(content[start:], from_hz=rate_hz, to_hz=RATE_HZ)


def through_telephone(audio: bytes) -> bytes:
    """8 kHz, G.711 mu-law and back."""
    narrow = np.frombuffer(resample(audio, from_hz=RATE_HZ, to_hz=8000), "<i2").astype(np.float64) / 32768
    companded = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    code = np.rint(companded * 127) / 127
    expanded = np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255
    return resample((expanded * 32767).astype("<i2").tobytes(), from_hz=8000, to_hz=RATE_HZ)


@pytest.fixture(scope="session")
def caller_says() -> Speaker:
    def say(text: str, voice: str = "flite:awb", *, silence_after_s: float = 0.0) -> bytes:
        return through_telephone(_spoken(text, voice)) + bytes(2 * int(silence_after_s * RATE_HZ))

    return say


@pytest.fixture
def recogniser() -> Iterator[VoskRecogniser]:
    loaded = VoskRecogniser(MODELS / "vosk" / "lab-en-us", threads=2)
    yield loaded
    loaded.close()


@pytest.fixture(scope="session")
def lab_voice() -> Path:
    return MODELS / "piper" / "en_US-lab-low.onnx"


@pytest.fixture(scope="session")
def noise() -> Callable[[float, float], bytes]:
    """White noise of a length in seconds and a level in dBFS."""

    def make(length_s: float, level_dbfs: float) -> bytes:
        samples = np.random.default_rng(7).normal(size=int(length_s * RATE_HZ)) * 32768 * 10 ** (level_dbfs / 20)
        return np.clip(samples, -32768, 32767).astype("<i2").tobytes()

    return make
