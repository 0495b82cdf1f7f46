"""The tone by which a caller's phone knows that it is the human who is heard, not music and not the agent."""

import numpy as np

from ari_app.audio.frames import RATE_HZ

TONE_HZ = 1_000
TONE_S = 0.8
WINDOW_S = 0.1
LEVEL = 8_000
QUIETEST_DBFS = -40.0
PURE = 0.7
"""Share of a window's energy at the tone, from which on it is the tone."""


def tone() -> bytes:
    """The tone, s16le mono 16 kHz."""
    moments = np.arange(round(TONE_S * RATE_HZ)) / RATE_HZ
    return bytes((LEVEL * np.sin(2 * np.pi * TONE_HZ * moments)).astype("<i2").tobytes())


def holds_tone(audio: bytes) -> bool:
    """Whether the tone is in there for at least two windows."""
    length = round(WINDOW_S * RATE_HZ)
    samples = np.frombuffer(audio[: len(audio) // (2 * length) * 2 * length], "<i2").astype(float).reshape(-1, length)
    moments = np.arange(length) / RATE_HZ
    wave = np.exp(-2j * np.pi * TONE_HZ * moments)
    energy = (samples**2).sum(axis=1)
    at_tone = 2 * np.abs(samples @ wave) ** 2 / length
    is_loud = energy / length > (32768 * 10 ** (QUIETEST_DBFS / 20)) ** 2
    return int((is_loud & (at_tone > PURE * energy)).sum()) >= 2
