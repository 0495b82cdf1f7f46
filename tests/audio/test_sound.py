import numpy as np
import pytest

from ari_app.audio.frames import FRAME_BYTES, RATE_HZ, frames
from ari_app.audio.sound import is_speechlike, sound_of

AT = np.arange(RATE_HZ // 2) / RATE_HZ


def harmonics(shares: list[float], pitch_hz: float = 120.0) -> bytes:
    wave = sum(share * np.sin(2 * np.pi * pitch_hz * (order + 1) * AT) for order, share in enumerate(shares))
    return (np.asarray(wave) * 4000).astype("<i2").tobytes()


def test_hum_is_told_from_a_vowel():
    hum = harmonics([1, 0.7, 0.25, 0.08, 0.02])
    vowel = harmonics([1, 0.9, 0.8, 0.9, 0.9, 1.0, 0.8, 0.5, 0.4, 0.5, 0.4, 0.3])
    assert all(sound is not None and sound.is_hum for sound in map(sound_of, frames(hum)))
    assert all(is_speechlike(frame) for frame in frames(vowel))


def test_noise_has_no_pitch():
    noise = (np.random.default_rng(3).normal(size=RATE_HZ) * 2000).astype("<i2").tobytes()
    judged = [sound for sound in map(sound_of, frames(noise)) if sound is not None]
    assert sum(not sound.is_speechlike for sound in judged) > 0.7 * len(judged)
    assert np.mean([sound.periodicity for sound in judged]) < 0.4


@pytest.mark.parametrize("frame", [b"", b"\x01", bytes(10), bytes(FRAME_BYTES), bytes([1, 0]) * 320])
def test_silence_tells_nothing(frame):
    assert sound_of(frame) is None
    assert is_speechlike(frame)


def test_constant_offset_is_no_sound():
    sound = sound_of((8000).to_bytes(2, "little") * 320)
    assert sound is not None
    assert np.isfinite([sound.high_share, sound.flatness, sound.periodicity]).all()
