import numpy as np
import pytest

from ari_app.audio.frames import RATE_HZ
from ari_app.audio.loudness import CEILING_DBFS, SILENT_DBOV, active_level_dbov, gain_to, with_gain


def tone(length_s: float, level_dbfs: float) -> bytes:
    """A sine of an RMS level."""
    at = np.arange(int(length_s * RATE_HZ)) / RATE_HZ
    return (np.sin(2 * np.pi * 300 * at) * np.sqrt(2) * 32768 * 10 ** (level_dbfs / 20)).astype("<i2").tobytes()


@pytest.mark.parametrize("level_dbfs", [-35.0, -26.0, -20.0])
def test_steady_sound_has_its_rms_level(level_dbfs):
    assert active_level_dbov(tone(2, level_dbfs)) == pytest.approx(level_dbfs, abs=0.5)


def test_pauses_do_not_make_speech_quieter():
    talk = tone(1, -22)
    with_pauses = talk + bytes(5 * 2 * RATE_HZ) + talk
    assert active_level_dbov(with_pauses) == pytest.approx(active_level_dbov(talk), abs=1.2)


def test_faint_line_noise_in_the_pauses_does_not_count():
    rng = np.random.default_rng(1)
    hiss = (rng.normal(size=5 * RATE_HZ) * 20).astype("<i2").tobytes()
    assert active_level_dbov(tone(1, -22) + hiss) == pytest.approx(-22, abs=1.2)


@pytest.mark.parametrize("audio", [b"", b"\x01", bytes(10), bytes(RATE_HZ)])
def test_silence_has_no_level_and_is_left_alone(audio):
    assert active_level_dbov(audio) == SILENT_DBOV
    assert gain_to(-20, audio) == 1.0


@pytest.mark.parametrize("level_dbfs", [-45.0, -30.0, -18.0])
def test_gain_brings_speech_to_the_target(level_dbfs):
    audio = tone(2, level_dbfs)
    levelled = with_gain(audio, gain_to(-20, audio))
    assert active_level_dbov(levelled) == pytest.approx(-20, abs=0.6)


def test_peaks_stay_below_the_ceiling():
    spiky = bytearray(tone(2, -40))
    spiky[1000:1002] = (20000).to_bytes(2, "little", signed=True)
    levelled = np.frombuffer(with_gain(bytes(spiky), gain_to(-20, bytes(spiky))), "<i2")
    assert np.abs(levelled.astype(int)).max() <= 32768 * 10 ** (CEILING_DBFS / 20) + 1


def test_gain_is_bounded_so_that_hiss_is_not_blown_up():
    faint = tone(2, -65)
    assert gain_to(-20, faint, max_gain_db=30) == pytest.approx(10**1.5, rel=0.01)


def test_gain_clips_instead_of_wrapping():
    assert np.frombuffer(with_gain(b"\xff\x7f\x00\x80", 4.0), "<i2").tolist() == [32767, -32768]
