"""Frames: s16le mono 16 kHz, 20 ms = 320 samples = 640 bytes, the unit of everything that is heard or said."""

import array
import sys

RATE_HZ = 16_000
PTIME_MS = 20
FRAME_SAMPLES = RATE_HZ * PTIME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2
FRAME_S = PTIME_MS / 1000
SILENCE = bytes(FRAME_BYTES)


def seconds(audio: bytes) -> float:
    """Length of s16le mono 16 kHz audio in seconds."""
    return len(audio) / (2 * RATE_HZ)


def frames(audio: bytes) -> list[bytes]:
    """Split into whole frames, the last one padded with silence."""
    cut = [audio[at : at + FRAME_BYTES] for at in range(0, len(audio), FRAME_BYTES)]
    if cut and len(cut[-1]) < FRAME_BYTES:
        cut[-1] = cut[-1] + bytes(FRAME_BYTES - len(cut[-1]))
    return cut


def level_dbfs(audio: bytes) -> float:
    """RMS level, 0 = full scale; -120 for silence or nothing. An odd last byte is ignored."""
    samples = array.array("h", audio[: len(audio) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    if not samples:
        return -120.0
    from math import log10, sqrt

    rms = sqrt(sum(sample * sample for sample in samples) / len(samples))
    return 20 * log10(rms / 32768) if rms else -120.0
