import io
import wave

import numpy as np
import pytest

from ari_app.audio.assets import CallRecorder, load_asset, stereo_wav
from ari_app.audio.frames import RATE_HZ, seconds
from ari_app.audio.loudness import TARGET_DBOV, active_level_dbov
from ari_app.errors import BadInput


def tone(rate_hz: int, length_s: float, level: float = 0.1) -> np.ndarray:
    at = np.arange(int(rate_hz * length_s)) / rate_hz
    return np.sin(2 * np.pi * 400 * at) * level


def wav_file(path, samples, *, rate_hz: int, channels: int = 1, width: int = 2) -> None:
    scaled = np.repeat(samples, channels) * (2 ** (8 * width - 1) - 1)
    if width == 1:
        content = (scaled + 128).astype("u1").tobytes()
    elif width == 3:
        content = b"".join(int(value).to_bytes(3, "little", signed=True) for value in scaled)
    else:
        content = scaled.astype(f"<i{width}").tobytes()
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(content)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "width"),
    [(8000, 1, 2), (16000, 1, 2), (44100, 2, 2), (48000, 2, 3), (22050, 1, 1), (16000, 1, 4)],
)
def test_any_wav_becomes_levelled_mono_16_khz(tmp_path, rate_hz, channels, width):
    path = tmp_path / "greeting.wav"
    wav_file(path, tone(rate_hz, 1.5), rate_hz=rate_hz, channels=channels, width=width)
    audio = load_asset(path)
    assert seconds(audio) == pytest.approx(1.5, abs=0.05)
    assert active_level_dbov(audio) == pytest.approx(TARGET_DBOV, abs=1.0)
    spectrum = np.abs(np.fft.rfft(np.frombuffer(audio, "<i2")))
    assert int(np.argmax(spectrum)) * RATE_HZ / len(np.frombuffer(audio, "<i2")) == pytest.approx(400, abs=5)


def test_loud_and_faint_recordings_come_out_alike(tmp_path):
    levels = []
    for level in (0.02, 0.9):
        path = tmp_path / f"{level}.wav"
        wav_file(path, tone(16000, 2, level), rate_hz=16000)
        levels.append(active_level_dbov(load_asset(path)))
    assert levels[0] == pytest.approx(levels[1], abs=0.5)


def test_dead_air_at_the_ends_is_cut(tmp_path):
    path = tmp_path / "greeting.wav"
    silence = np.zeros(32000)
    wav_file(path, np.concatenate((silence, tone(16000, 1), silence)), rate_hz=16000)
    assert seconds(load_asset(path)) == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("greeting.wav", b"", "no audio that can be read"),
        ("greeting.wav", b"RIFF\x00\x00\x00\x00WAVEgarbage", "no audio that can be read"),
        ("greeting.wav", b"hello" * 100, "no audio that can be read"),
    ],
)
def test_unreadable_recording_is_told_in_one_line(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=told) as caught:
        load_asset(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_missing_silent_and_endless_recordings_are_told(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        load_asset(tmp_path / "none.wav")
    with pytest.raises(BadInput, match="does not exist"):
        load_asset(tmp_path / "none.mp3")
    wav_file(tmp_path / "silent.wav", np.zeros(16000), rate_hz=16000)
    with pytest.raises(BadInput, match="no sound"):
        load_asset(tmp_path / "silent.wav")
    wav_file(tmp_path / "long.wav", np.zeros(8000 * 601), rate_hz=8000)
    with pytest.raises(BadInput, match="at most 600 s"):
        load_asset(tmp_path / "long.wav")


def test_other_formats_say_that_ffmpeg_is_needed(tmp_path, monkeypatch):
    (tmp_path / "greeting.mp3").write_bytes(b"ID3")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="install ffmpeg"):
        load_asset(tmp_path / "greeting.mp3")


def sides(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE_HZ)
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def test_call_is_written_with_the_caller_on_the_left():
    left, right = sides(stereo_wav(b"\x01\x00" * 3, b"\x02\x00" * 5 + b"\x07"))
    assert left.tolist() == [1, 1, 1, 0, 0]
    assert right.tolist() == [2, 2, 2, 2, 2]


def test_recorder_puts_each_side_where_it_sounded():
    recorder = CallRecorder()
    recorder.caller(b"\x01\x00" * RATE_HZ)
    recorder.agent(b"\x02\x00" * RATE_HZ, at_s=0.5)
    recorder.cut_agent(1.0)
    left, right = sides(recorder.wav())
    assert len(left) == RATE_HZ
    assert right[RATE_HZ // 2 - 1] == 0
    assert right[RATE_HZ // 2] == 2
    assert len(right) == RATE_HZ


def test_recorder_has_a_limit():
    recorder = CallRecorder(max_s=1.0)
    for _ in range(5):
        recorder.caller(b"\x01\x00" * RATE_HZ)
    recorder.agent(b"\x02\x00" * 10, at_s=100.0)
    left, _ = sides(recorder.wav())
    assert len(left) == RATE_HZ
