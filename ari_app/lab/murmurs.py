"""Sounds of a listener who wants nothing: words from a caller's voice, a hum and a cough made here."""

import numpy as np

from ari_app.audio.frames import FRAME_BYTES, RATE_HZ
from ari_app.lab.voices import Samples, render, room_noise

MURMURS = ("okay", "mm-hm", "right", "cough")


async def murmur(name: str, voice: str) -> bytes:
    """s16le mono 16 kHz of one of MURMURS."""
    match name:
        case "mm-hm":
            return _bytes(_hum())
        case "cough":
            return _bytes(_cough())
        case _:
            return await render(name, voice)


def _hum() -> Samples:
    """Lips closed, two syllables, the second higher: a low pitch and its first harmonics."""
    parts = []
    for pitch_hz, length_s in ((115, 0.18), (0, 0.05), (135, 0.24)):
        at_s = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
        wave = sum(np.sin(2 * np.pi * pitch_hz * number * at_s) / number**2 for number in (1, 2, 3))
        parts.append(wave * 0.1 * np.hanning(len(at_s)))
    return np.concatenate(parts).astype(np.float32)


def _cough() -> Samples:
    """Two bursts of noise that begin suddenly and die away."""
    burst = room_noise(int(0.22 * RATE_HZ), seed=7) * np.exp(-np.arange(int(0.22 * RATE_HZ)) / (0.06 * RATE_HZ))
    silence = np.zeros(int(0.08 * RATE_HZ), np.float32)
    return np.concatenate([burst * 0.12, silence, burst * 0.08]).astype(np.float32)


def _bytes(samples: Samples) -> bytes:
    audio = np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()
    return audio + bytes(-len(audio) % FRAME_BYTES)
