import numpy as np
import pytest

from ari_app.audio.resample import StreamResampler, resample


def tone(rate_hz: int, length_s: float = 1.0, hertz: float = 440.0) -> bytes:
    at = np.arange(int(rate_hz * length_s)) / rate_hz
    return (np.sin(2 * np.pi * hertz * at) * 12000).astype("<i2").tobytes()


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 16000), (48000, 16000), (22050, 16000), (16000, 8000)])
def test_stream_gives_the_same_as_the_whole(from_hz, to_hz):
    audio = tone(from_hz)
    stream = StreamResampler(from_hz=from_hz, to_hz=to_hz)
    pieces = [stream.push(audio[at : at + 321]) for at in range(0, len(audio), 321)]
    streamed = np.frombuffer(b"".join([*pieces, stream.flush()]), "<i2").astype(int)
    whole = np.frombuffer(resample(audio, from_hz=from_hz, to_hz=to_hz), "<i2").astype(int)
    assert abs(len(streamed) - len(whole)) <= 2
    common = min(len(streamed), len(whole))
    assert np.abs(streamed[:common] - whole[:common]).max() <= 3, "no click where pieces meet"


def test_length_and_pitch_are_kept():
    audio = np.frombuffer(resample(tone(8000), from_hz=8000, to_hz=16000), "<i2")
    assert len(audio) == 16000
    assert abs(int(np.argmax(np.abs(np.fft.rfft(audio)))) - 440) <= 1


def test_equal_rates_pass_through_and_odd_bytes_wait():
    stream = StreamResampler(from_hz=16000, to_hz=16000)
    assert stream.push(b"\x01\x02\x03") == b"\x01\x02"
    assert stream.push(b"\x04") == b"\x03\x04"
    assert stream.flush() == b""


def test_nothing_gives_nothing():
    assert resample(b"", from_hz=8000, to_hz=16000) == b""
    assert resample(b"\x01", from_hz=8000, to_hz=16000) == b""
    stream = StreamResampler(from_hz=8000, to_hz=16000)
    assert stream.push(b"") == b""
    assert stream.flush() == b""
