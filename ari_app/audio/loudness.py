"""Loudness of speech as telephony measures it: the active speech level, after ITU-T P.56 method B.

Pauses don't count: a sentence with a long silence in it is as loud as its words are. Measured on the envelope in steps
of 1 ms (P.56 smooths each sample; the difference is below 0.1 dB for speech), 0 dBov = full scale square wave.
"""

import numpy as np
from numpy.typing import NDArray

from ari_app.audio.frames import RATE_HZ

TARGET_DBOV = -20.0
"""Where greetings and voices are brought: well above line noise, with room for peaks."""
CEILING_DBFS = -1.0
MARGIN_DB = 15.9
HANGOVER_STEPS = 200
SMOOTHING_S = 0.03
SILENT_DBOV = -100.0
_STEP = RATE_HZ // 1000

Samples = NDArray[np.int16]


def samples_of(audio: bytes) -> Samples:
    """s16le bytes as samples; an odd last byte is ignored."""
    return np.frombuffer(audio[: len(audio) & ~1], dtype="<i2")


def active_level_dbov(audio: bytes) -> float:
    """Active speech level of s16le mono 16 kHz audio; SILENT_DBOV where nothing is active."""
    samples = samples_of(audio).astype(np.float64) / 32768
    whole = samples[: len(samples) // _STEP * _STEP].reshape(-1, _STEP)
    if not len(whole):
        return SILENT_DBOV
    energy = float((whole**2).sum())
    if energy <= 0:
        return SILENT_DBOV
    envelope = _smoothed(_smoothed(np.abs(whole).mean(axis=1)))
    before: tuple[float, float] | None = None
    for exponent in range(1, 16):
        threshold = 2.0**-exponent
        active = _active_steps(envelope, threshold) * _STEP
        if not active:
            continue
        level = float(10 * np.log10(energy / active))
        excess = level - float(20 * np.log10(threshold)) - MARGIN_DB
        if excess >= 0:
            return level if before is None else _between(before, (level, excess))
        before = level, excess
    return before[0] if before is not None else SILENT_DBOV


def gain_to(target_dbov: float, audio: bytes, *, max_gain_db: float = 30.0) -> float:
    """Factor that brings speech to `target_dbov` without a peak above the ceiling; 1.0 for silence."""
    level = active_level_dbov(audio)
    if level <= SILENT_DBOV:
        return 1.0
    peak = float(np.abs(samples_of(audio).astype(np.float64)).max()) / 32768
    wanted = 10 ** (min(target_dbov - level, max_gain_db) / 20)
    return float(min(wanted, 10 ** (CEILING_DBFS / 20) / peak))


def with_gain(audio: bytes, factor: float) -> bytes:
    """`audio` times `factor`, clipped at full scale."""
    scaled = np.rint(samples_of(audio).astype(np.float64) * factor)
    return np.clip(scaled, -32768, 32767).astype("<i2").tobytes()


def faded(frame: bytes, from_factor: float, to_factor: float) -> bytes:
    """A frame whose level goes evenly from one factor to the other: a step would click."""
    samples = samples_of(frame)
    scaled = samples * np.linspace(from_factor, to_factor, len(samples), dtype=np.float32)
    return np.clip(np.rint(scaled), -32768, 32767).astype("<i2").tobytes()


def _between(before: tuple[float, float], after: tuple[float, float]) -> float:
    """The level where the excess over the margin is nil, between two thresholds."""
    share = -before[1] / (after[1] - before[1])
    return before[0] + (after[0] - before[0]) * share


def _smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    keep = float(np.exp(-1 / (SMOOTHING_S * 1000)))
    smoothed = np.empty_like(values)
    state = 0.0
    for index, value in enumerate(values):
        state = keep * state + (1 - keep) * float(value)
        smoothed[index] = state
    return smoothed


def _active_steps(envelope: NDArray[np.float64], threshold: float) -> int:
    """Steps at which the envelope is above the threshold or was within the hangover."""
    above = np.flatnonzero(envelope >= threshold)
    if not len(above):
        return 0
    gaps = np.diff(above)
    tail = min(HANGOVER_STEPS, len(envelope) - 1 - int(above[-1]))
    return int(np.minimum(gaps, HANGOVER_STEPS).sum()) + 1 + tail
