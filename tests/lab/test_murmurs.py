import pytest

from ari_app.audio.frames import FRAME_BYTES, frames, level_dbfs, seconds
from ari_app.audio.sound import is_speechlike
from ari_app.lab.murmurs import murmur


@pytest.mark.parametrize("name", ["mm-hm", "cough"])
async def test_hum_and_cough_are_as_long_and_as_loud_as_a_word(name):
    audio = await murmur(name, "")
    assert len(audio) % FRAME_BYTES == 0
    assert 0.3 < seconds(audio) < 0.8
    assert -40 < level_dbfs(audio) < -15


async def test_hum_is_made_with_closed_lips():
    loud = [frame for frame in frames(await murmur("mm-hm", "")) if level_dbfs(frame) > -40]
    assert sum(is_speechlike(frame) for frame in loud) <= len(loud) // 4
