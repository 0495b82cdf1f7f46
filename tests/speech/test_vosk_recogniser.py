import asyncio
import itertools
import threading
import time
from pathlib import Path

import pytest
import vosk

from ari_app.audio.frames import frames, seconds
from ari_app.errors import ModelMissing, SpeechError
from ari_app.speech.recogniser import Partial, Transcript
from ari_app.speech.vosk_recogniser import VoskRecogniser, VoskStream

LAB_MODEL = Path(__file__).parents[2] / "models" / "vosk" / "lab-en-us"
PHRASES = ["yes", "no", "yes please", "next tuesday", "tomorrow at ten", "half past three", "operator"]


async def hear(stream: VoskStream, audio: bytes, phrases: list[str] | None = None) -> Transcript:
    await stream.begin(phrases or [])
    for frame in frames(audio):
        stream.feed(frame)
        await asyncio.sleep(0)
    return await stream.finish()


@pytest.mark.parametrize("voice", ["flite:awb", "en-us+f4", "en-gb+m5", "en-us+Andy"])
@pytest.mark.parametrize("text", ["yes please", "half past three", "tomorrow at ten"])
async def test_phrase_list_hears_unseen_voices_over_a_telephone(recogniser, caller_says, voice, text):
    stream = recogniser.stream()
    transcript = await hear(stream, caller_says(text, voice), PHRASES)
    assert transcript.text == text
    assert transcript.readings[0].is_phrase_list
    assert [word.text for word in transcript.readings[0].words] == text.split()
    await stream.close()


async def test_free_recognition_stands_beside_the_phrase_list(recogniser, caller_says):
    stream = recogniser.stream()
    transcript = await hear(stream, caller_says("i would like a dental cleaning please", "en-us+f4"), PHRASES)
    assert "dental cleaning" in transcript.text
    assert not transcript.readings[0].is_phrase_list, "what the list can't say comes after what was said"
    await stream.close()


async def test_without_phrases_only_free_recognition_reads(recogniser, caller_says):
    stream = recogniser.stream()
    transcript = await hear(stream, caller_says("next tuesday"))
    assert [reading.is_phrase_list for reading in transcript.readings] == [False]
    await stream.close()


async def test_word_times_count_from_the_utterance_not_from_the_streams_life(recogniser, caller_says):
    stream = recogniser.stream()
    audio = caller_says("half past three")
    for _ in range(3):
        transcript = await hear(stream, audio, PHRASES)
        for reading in transcript.readings:
            assert 0 <= reading.words[0].start_s < 0.6
            assert reading.words[-1].end_s <= seconds(audio) + 0.1
    await stream.close()


async def test_partial_grows_while_the_caller_speaks(recogniser, caller_says):
    stream = recogniser.stream()
    await stream.begin(PHRASES)
    seen: list[Partial] = []
    for frame in frames(caller_says("half past three", silence_after_s=0.2)):
        stream.feed(frame)
        await asyncio.sleep(0.01)
        if not seen or stream.partial() != seen[-1]:
            seen.append(stream.partial())
    assert "half past three" in {partial.listed for partial in seen}
    assert all(later.audio_s >= sooner.audio_s for sooner, later in itertools.pairwise(seen))
    assert any(partial.free.startswith("half") for partial in seen[:-1])
    await stream.finish()
    await stream.close()


async def test_partial_of_a_new_utterance_is_empty_at_once(recogniser, caller_says):
    stream = recogniser.stream()
    await stream.begin(PHRASES)
    for frame in frames(caller_says("half past three")):
        stream.feed(frame)
    await asyncio.sleep(0.05)
    await stream.begin(PHRASES)
    assert stream.partial() == Partial("", "", 0.0)
    await asyncio.sleep(0.3)
    assert stream.partial().free == "", "the abandoned utterance doesn't leak into the next one"
    assert (await hear(stream, caller_says("yes please"), PHRASES)).text == "yes please"
    await stream.close()


async def test_silence_noise_and_nothing_give_no_reading(recogniser, noise):
    stream = recogniser.stream()
    for audio in (b"", bytes(32000), noise(1.0, -50), bytes(12 * 32000)):
        assert (await hear(stream, audio, ["yes", "no"])).readings == ()
    await stream.close()


async def test_speech_outside_the_phrase_list_is_marked_or_left_out(recogniser, caller_says):
    stream = recogniser.stream()
    transcript = await hear(stream, caller_says("my name is miller", "en-us+f4"), ["yes", "no"])
    assert not transcript.readings[0].is_phrase_list
    for reading in transcript.readings:
        if reading.is_phrase_list:
            assert "[unk]" in reading.text
            assert reading.confidence < 1
    await stream.close()


async def test_phrases_with_unknown_words_are_dropped_and_counted(recogniser, caller_says):
    stream = recogniser.stream()
    transcript = await hear(stream, caller_says("yes please"), ["Yes Please", "zzyzx road", "", "  "])
    assert transcript.text == "yes please"
    assert recogniser.stats.phrases_dropped == 1
    assert recogniser.known_phrases(["yes", "yes", "YES"]) == ("yes",)
    await stream.close()


async def test_list_of_unknown_phrases_only_still_hears_freely(recogniser, caller_says):
    stream = recogniser.stream()
    assert (await hear(stream, caller_says("yes please"), ["zzyzx"])).text == "yes please"
    await stream.close()


def test_knows_tells_vocabulary(recogniser):
    assert recogniser.knows("tuesday")
    assert recogniser.knows("Tuesday")
    assert not recogniser.knows("zzyzx")
    assert not recogniser.knows("")
    assert not recogniser.knows("next tuesday")


async def test_flush_is_fast(recogniser, caller_says):
    stream = recogniser.stream()
    await hear(stream, caller_says("half past three"), PHRASES)
    waits = []
    for _ in range(8):
        await stream.begin(PHRASES)
        for frame in frames(caller_says("half past three", silence_after_s=0.2)):
            stream.feed(frame)
            await asyncio.sleep(0.002)
        while stream.lag_s > 0.1:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        started = time.perf_counter()
        await stream.finish()
        waits.append(time.perf_counter() - started)
    assert sorted(waits)[len(waits) // 2] < 0.15, waits
    await stream.close()


async def test_streams_run_side_by_side_and_keep_apart(recogniser, caller_says):
    texts = ["yes please", "half past three", "next tuesday", "tomorrow at ten", "operator"] * 2
    streams = [recogniser.stream() for _ in texts]
    heard = await asyncio.gather(
        *(hear(stream, caller_says(text, "en-us+f4"), PHRASES) for stream, text in zip(streams, texts, strict=True))
    )
    assert [transcript.text for transcript in heard] == texts
    assert recogniser.stats.streams_open == len(texts)
    await asyncio.gather(*(stream.close() for stream in streams))
    assert recogniser.stats.streams_open == 0


async def test_lag_is_bounded_drops_the_oldest_and_is_counted(caller_says):
    slow = VoskRecogniser(LAB_MODEL, threads=1, max_lag_s=1.0)
    stream = slow.stream()
    await stream.begin(PHRASES)
    for _ in range(10):
        stream.feed(bytes(32000))
    stream.feed(caller_says("half past three"))
    assert stream.lag_s <= 2.1, "what is queued, and the step in work"
    assert stream.dropped_s == pytest.approx(slow.stats.dropped_s)
    assert stream.dropped_s > 5
    await stream.finish()
    await stream.close()
    slow.close()


async def test_cancelled_finish_loses_one_utterance_and_nothing_else(recogniser, caller_says):
    stream = recogniser.stream()
    await stream.begin(PHRASES)
    for frame in frames(caller_says("half past three")):
        stream.feed(frame)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await stream.finish()
    assert (await hear(stream, caller_says("yes please"), PHRASES)).text == "yes please"
    await stream.close()


async def test_audio_between_utterances_is_ignored(recogniser, caller_says):
    stream = recogniser.stream()
    stream.feed(caller_says("half past three"))
    transcript = await hear(stream, caller_says("yes please"), PHRASES)
    stream.feed(caller_says("half past three"))
    assert stream.lag_s == 0
    assert transcript.text == "yes please"
    await stream.close()


async def test_odd_number_of_bytes_does_no_harm(recogniser, caller_says):
    stream = recogniser.stream()
    await stream.begin(PHRASES)
    audio = caller_says("half past three")
    for at in range(0, len(audio), 333):
        stream.feed(audio[at : at + 333])
    stream.feed(b"\x01")
    assert (await stream.finish()).text == "half past three"
    await stream.close()


async def test_misuse_is_told(recogniser):
    stream = recogniser.stream()
    with pytest.raises(SpeechError, match="without begin"):
        await stream.finish()
    await stream.close()
    await stream.close()
    with pytest.raises(SpeechError, match="closed"):
        await stream.begin()


async def test_closed_recogniser_fails_its_streams_instead_of_hanging(caller_says):
    model = VoskRecogniser(LAB_MODEL, threads=1)
    stream = model.stream()
    await stream.begin(PHRASES)
    model.close()
    model.close()
    stream.feed(caller_says("yes please"))
    with pytest.raises(SpeechError):
        await stream.finish()
    await stream.close()
    with pytest.raises(SpeechError, match="closed"):
        model.stream()


def test_missing_or_broken_model_is_named(tmp_path, capfd):
    with pytest.raises(ModelMissing, match=r"models pull nothing-here"):
        VoskRecogniser(tmp_path / "nothing-here")
    broken = tmp_path / "broken"
    (broken / "am").mkdir(parents=True)
    with pytest.raises(SpeechError, match="broken"):
        VoskRecogniser(broken)
    capfd.readouterr()


async def test_recognisers_are_given_back_and_used_again(recogniser, caller_says):
    first = recogniser.stream()
    await hear(first, caller_says("yes please"), PHRASES)
    await first.close()
    second = recogniser.stream()
    assert (await hear(second, caller_says("half past three"), PHRASES)).text == "half past three"
    await second.close()


async def test_streams_that_hang_leave_the_others_threads(caller_says, monkeypatch):
    is_hanging, let_go = threading.Event(), threading.Event()
    final_result = vosk.KaldiRecognizer.FinalResult

    def hang(kaldi: vosk.KaldiRecognizer) -> str:
        if is_hanging.is_set():
            let_go.wait(60)
        return final_result(kaldi)

    monkeypatch.setattr(vosk.KaldiRecognizer, "FinalResult", hang)
    model = VoskRecogniser(LAB_MODEL, threads=1)
    audio = caller_says("half past three")
    try:
        meanwhile = model.stream()
        for _ in range(3):
            stream = model.stream()
            is_hanging.set()
            for wait in (hear(stream, audio, PHRASES), stream.close()):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(wait, 2.0)
            is_hanging.clear()
            assert (await asyncio.wait_for(hear(meanwhile, audio, PHRASES), 10)).text == "half past three"
        await meanwhile.close()
    finally:
        let_go.set()
        model.close()
