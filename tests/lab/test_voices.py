"""Callers' voices: rendered, levelled, kept; noise at the ratio asked for."""

from pathlib import Path

import numpy as np
import pytest

from ari_app.audio.frames import FRAME_BYTES, level_dbfs, seconds
from ari_app.errors import LabError
from ari_app.lab.voices import SPEECH_DBFS, VOICES, render, with_noise


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARI_APP_CACHE", str(tmp_path))


@pytest.mark.parametrize("voice", VOICES)
async def test_each_voice_speaks_at_one_level_and_whole_frames(voice: str, tmp_path: Path) -> None:
    audio = await render("half past three on tuesday", voice)
    assert len(audio) % FRAME_BYTES == 0
    assert 0.8 < seconds(audio) < 4
    assert level_dbfs(audio) == pytest.approx(SPEECH_DBFS, abs=1)
    assert len(list((tmp_path / "voices").iterdir())) == 1
    assert await render("half past three on tuesday", voice) == audio


@pytest.mark.parametrize("voice", ["robot", "espeak:", "espeak:qq+m3", "flite:nobody", "piper:lab"])
async def test_a_wrong_voice_is_told(voice: str) -> None:
    with pytest.raises(LabError):
        await render("hello", voice)


async def test_text_that_looks_like_an_option_is_spoken() -> None:
    for voice in ("espeak:en-gb+m3", "flite:rms"):
        assert seconds(await render("-v hello", voice)) > 0.2


async def test_noise_has_the_ratio_asked_for_and_repeats_by_seed() -> None:
    speech = await render("a dental cleaning please")
    noisy = with_noise(speech, snr_db=10, seed=7)
    assert noisy == with_noise(speech, snr_db=10, seed=7)
    assert noisy != with_noise(speech, snr_db=10, seed=8)
    noise = np.frombuffer(noisy, "<i2").astype(float) - np.frombuffer(speech, "<i2")
    assert level_dbfs(speech) - level_dbfs(noise.astype("<i2").tobytes()) == pytest.approx(10, abs=1)
