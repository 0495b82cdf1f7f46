import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import piper
import pytest

from ari_app.audio.frames import RATE_HZ, seconds
from ari_app.audio.loudness import TARGET_DBOV, active_level_dbov
from ari_app.errors import ModelMissing, SpeechError, SynthesisFailed
from ari_app.speech.clauses import END_PAUSE_S, SENTENCE_PAUSE_S
from ari_app.speech.phrase_cache import PhraseCache
from ari_app.speech.piper_synthesiser import PiperSynthesiser

OFFER = "Good morning, this is the practice. I can offer you Tuesday at half past three. Would that suit you?"


@pytest.fixture
def synthesiser(lab_voice, tmp_path) -> Iterator[PiperSynthesiser]:
    loaded = PiperSynthesiser(lab_voice, PhraseCache(tmp_path / "phrases", max_bytes=50_000_000))
    yield loaded
    loaded.close()


def read_config(voice: Path) -> dict:
    return json.loads(Path(f"{voice}.json").read_text("utf-8"))


def loudest(audio: bytes) -> int:
    return int(np.abs(np.frombuffer(audio, "<i2").astype(np.int32)).max()) if audio else 0


async def test_speaks_clause_by_clause(synthesiser):
    pieces = [piece async for piece in synthesiser.speak(OFFER)]
    assert len(pieces) == len(synthesiser.clauses(OFFER)) == 3
    assert " ".join(synthesiser.clauses(OFFER)) == OFFER
    assert b"".join(pieces) == await synthesiser.render(OFFER)


async def test_what_is_spoken_can_be_understood(synthesiser, recogniser):
    audio = await synthesiser.render("tomorrow at half past three")
    stream = recogniser.stream()
    await stream.begin(["tomorrow at half past three", "today at four"])
    stream.feed(audio)
    assert (await stream.finish()).text == "tomorrow at half past three"
    await stream.close()


async def test_first_clause_comes_before_the_last_is_made(synthesiser):
    long = " ".join(f"This is sentence number {number} of a very long announcement." for number in range(1, 13))
    made_when_first_came = None
    async for _ in synthesiser.speak(long):
        if made_when_first_came is None:
            made_when_first_came = synthesiser.stats.made
    assert made_when_first_came is not None
    assert made_when_first_came < 7


async def test_nothing_is_synthesised_twice(synthesiser):
    made = synthesiser.stats.made
    await asyncio.gather(*(synthesiser.render("What can I do for you?") for _ in range(10)))
    await synthesiser.render("What can I do for you?")
    assert synthesiser.stats.made == made + 1


async def test_cached_clause_is_there_at_once(synthesiser):
    await synthesiser.render(OFFER)
    started = time.perf_counter()
    async for _ in synthesiser.speak(OFFER):
        break
    assert time.perf_counter() - started < 0.02


async def test_cache_outlives_the_process(lab_voice, tmp_path):
    for expected in (1, 0):
        loaded = PiperSynthesiser(lab_voice, PhraseCache(tmp_path, max_bytes=50_000_000))
        made = loaded.stats.made
        await loaded.render("See you soon.")
        assert loaded.stats.made == made + expected
        loaded.close()


async def test_corrupt_cache_entry_is_made_again(lab_voice, tmp_path):
    first = PiperSynthesiser(lab_voice, PhraseCache(tmp_path, max_bytes=50_000_000))
    audio = await first.render("See you soon.")
    first.close()
    for path in tmp_path.glob("*/*.pcm"):
        path.write_bytes(path.read_bytes()[:-100])
    second = PiperSynthesiser(lab_voice, PhraseCache(tmp_path, max_bytes=50_000_000))
    assert await second.render("See you soon.") == audio
    assert second.cache.stats.corrupt == 1
    second.close()


async def test_pace_is_part_of_the_key_and_changes_the_length(lab_voice, tmp_path):
    lengths = []
    for scale in (1.0, 1.5):
        loaded = PiperSynthesiser(lab_voice, PhraseCache(tmp_path, max_bytes=50_000_000), length_scale=scale)
        lengths.append(seconds(await loaded.render("See you on Tuesday at half past three.")))
        loaded.close()
    assert lengths[1] > 1.25 * lengths[0]


async def test_clauses_begin_and_end_without_dead_air_or_click(synthesiser):
    pieces = [piece async for piece in synthesiser.speak(OFFER)]
    for piece, pause_s in zip(pieces, (SENTENCE_PAUSE_S, SENTENCE_PAUSE_S, END_PAUSE_S), strict=True):
        assert loudest(piece[: RATE_HZ // 10]) > 300, "speech begins within 50 ms"
        assert loudest(piece[:2]) < 200
        pause_bytes = 2 * int(pause_s * RATE_HZ)
        assert loudest(piece[-pause_bytes:]) == 0
        spoken = piece[:-pause_bytes]
        assert loudest(spoken[-2:]) < 200, "faded out, not cut"
        assert loudest(spoken[-RATE_HZ // 4 :]) > 100, "no long tail of silence"


async def test_level_is_the_same_for_all_and_nothing_clips(synthesiser):
    levels = []
    for text in (OFFER, "Your appointment is on Thursday.", "I have booked a dental cleaning for you."):
        audio = await synthesiser.render(text)
        levels.append(active_level_dbov(audio))
        assert loudest(audio) < 32767 * 0.9
    assert max(levels) - min(levels) < 3
    assert sum(levels) / len(levels) == pytest.approx(TARGET_DBOV, abs=1.5)


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "\u200b", "\x00\x07", "[[", "—"])
async def test_text_without_words_gives_no_audio_and_no_error(synthesiser, text):
    assert await synthesiser.render(text) == b""
    assert [piece async for piece in synthesiser.speak(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "Mr. O'Neil-[[haxx]]-Smith",
        "Zoë Brontë 日本",
        "a" * 300,
        "50 % & more <b>",
        "😀 hello",
        "line\nbreak\ttab\x1b[0m",
    ],
)
async def test_odd_text_is_spoken(synthesiser, text):
    assert seconds(await synthesiser.render(text)) > 0.2


async def test_raw_phonemes_are_not_let_through(synthesiser):
    assert await synthesiser.render("hello [[həlˈoʊ]]") == await synthesiser.render("hello həlˈoʊ")


async def test_prerender_tells_progress_and_counts_what_was_new(synthesiser):
    steps: list[tuple[int, int]] = []
    texts = ["Hello there.", "Goodbye now.", "Hello there."]
    assert await synthesiser.prerender(texts, lambda done, total: steps.append((done, total))) == 2
    assert steps == [(1, 2), (2, 2)]
    assert await synthesiser.prerender(texts) == 0


async def test_cancelled_speech_still_goes_to_the_cache(synthesiser):
    text = "This sentence is spoken to somebody who has just hung up the telephone."
    made = synthesiser.stats.made
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await synthesiser.render(text)
    async with asyncio.timeout(5):
        while synthesiser.stats.made == made:  # noqa: ASYNC110 - the job is a thread's, nobody waits for it
            await asyncio.sleep(0.01)
    assert synthesiser.stats.made == made + 1
    assert seconds(await synthesiser.render(text)) > 1
    assert synthesiser.stats.made == made + 1


async def test_abandoned_speech_frees_the_generator(synthesiser):
    speech = synthesiser.speak(OFFER)
    assert await anext(speech)
    await speech.aclose()
    assert seconds(await synthesiser.render("Still here.")) > 0.3


async def test_closed_synthesiser_says_so(lab_voice, tmp_path):
    loaded = PiperSynthesiser(lab_voice, PhraseCache(tmp_path, max_bytes=50_000_000))
    loaded.close()
    loaded.close()
    with pytest.raises(SynthesisFailed, match="closed"):
        await loaded.render("Hello.")


async def test_voice_of_another_rate_is_brought_to_16_khz(lab_voice, tmp_path):
    shutil.copy(lab_voice, tmp_path / "fast.onnx")
    config = read_config(lab_voice)
    config["audio"]["sample_rate"] = 22050
    (tmp_path / "fast.onnx.json").write_text(json.dumps(config), "utf-8")
    native = PiperSynthesiser(lab_voice, PhraseCache(tmp_path / "a", max_bytes=10_000_000))
    other = PiperSynthesiser(tmp_path / "fast.onnx", PhraseCache(tmp_path / "b", max_bytes=10_000_000))
    text = "See you on Tuesday at half past three."
    ratio = seconds(await other.render(text)) / seconds(await native.render(text))
    assert ratio == pytest.approx(16000 / 22050, rel=0.06), "the same samples, played as 22.05 kHz"
    native.close()
    other.close()


def test_missing_or_broken_voice_is_named(tmp_path):
    with pytest.raises(ModelMissing, match=r"models pull en_XX-none"):
        PiperSynthesiser(tmp_path / "en_XX-none.onnx", PhraseCache(tmp_path / "c", max_bytes=10_000_000))
    (tmp_path / "bad.onnx").write_bytes(b"not a network")
    (tmp_path / "bad.onnx.json").write_text("{}")
    with pytest.raises(SpeechError, match=r"bad\.onnx"):
        PiperSynthesiser(tmp_path / "bad.onnx", PhraseCache(tmp_path / "c", max_bytes=10_000_000))


async def test_clauses_that_hang_leave_the_others_threads_and_are_made_anew(lab_voice, tmp_path, monkeypatch):
    loaded = PiperSynthesiser(lab_voice, PhraseCache(tmp_path, max_bytes=50_000_000), threads=2, hangs_s=1.0)
    is_hanging, let_go = threading.Event(), threading.Event()
    synthesize = piper.PiperVoice.synthesize

    def hang(voice: piper.PiperVoice, *arguments: object) -> object:
        if is_hanging.is_set():
            let_go.wait(60)
        return synthesize(voice, *arguments)

    monkeypatch.setattr(piper.PiperVoice, "synthesize", hang)
    texts = ["What can I do for you?", "See you soon."]
    try:
        is_hanging.set()
        asked = [asyncio.create_task(loaded.render(text)) for text in texts]
        done, _ = await asyncio.wait(asked, timeout=1.5)
        assert not done, "both threads hang"
        is_hanging.clear()
        for text in (*texts, "Good morning."):
            assert await asyncio.wait_for(loaded.render(text), 10)
        let_go.set()
        assert all(await asyncio.wait_for(asyncio.gather(*asked), 10)), "what comes back late does no harm"
        assert not loaded._making
    finally:
        let_go.set()
        loaded.close()
