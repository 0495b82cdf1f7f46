import os
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import pytest

from ari_app.speech.phrase_cache import PhraseCache


def cache(directory: Path, *, max_bytes: int = 1_000_000, memory_bytes: int = 64_000_000) -> PhraseCache:
    return PhraseCache(directory, max_bytes=max_bytes, memory_bytes=memory_bytes)


def key(text: str) -> str:
    return PhraseCache.key("voice", text)


def test_phrase_comes_back_from_memory_and_after_a_restart_from_disk(tmp_path):
    first = cache(tmp_path)
    assert first.get(key("hello")) is None
    first.put(key("hello"), b"audio")
    assert first.get(key("hello")) == b"audio"
    assert (first.stats.misses, first.stats.memory_hits, first.stats.disk_hits) == (1, 1, 0)
    second = cache(tmp_path)
    assert second.recall(key("hello")) is None
    assert second.get(key("hello")) == b"audio"
    assert (second.stats.misses, second.stats.memory_hits, second.stats.disk_hits) == (0, 0, 1)
    assert second.recall(key("hello")) == b"audio"


def test_empty_audio_is_an_entry_too(tmp_path):
    cache(tmp_path).put(key("..."), b"")
    assert cache(tmp_path).get(key("...")) == b""


def test_key_tells_voice_text_and_settings_apart_but_not_white_space():
    keys = {
        PhraseCache.key("a", "x"),
        PhraseCache.key("b", "x"),
        PhraseCache.key("a", "y"),
        PhraseCache.key("a", "x", "slow"),
        PhraseCache.key("a", "slow\0x"),
    }
    assert len(keys) == 5
    assert PhraseCache.key("a", " two  words\n") == PhraseCache.key("a", "two words")
    assert PhraseCache.key("a", "\ud800 lone surrogate")


@pytest.mark.parametrize("damage", [b"", b"ariph1\n\0", b"garbage" * 20])
def test_corrupt_entry_is_removed_and_counted(tmp_path, damage):
    cache(tmp_path).put(key("hello"), b"audio" * 100)
    (path,) = tmp_path.glob("*/*.pcm")
    path.write_bytes(damage)
    reopened = cache(tmp_path)
    assert reopened.get(key("hello")) is None
    assert reopened.stats.corrupt == 1
    assert not path.exists()
    reopened.put(key("hello"), b"again")
    assert cache(tmp_path).get(key("hello")) == b"again"


def test_one_changed_byte_is_noticed(tmp_path):
    cache(tmp_path).put(key("hello"), b"audio" * 100)
    (path,) = tmp_path.glob("*/*.pcm")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert cache(tmp_path).get(key("hello")) is None


def test_entry_under_another_name_is_not_played(tmp_path):
    opened = cache(tmp_path)
    opened.put(key("hello"), b"audio")
    opened.put(key("bye"), b"other")
    paths = {path.stem: path for path in tmp_path.glob("*/*.pcm")}
    paths[key("bye")].write_bytes(paths[key("hello")].read_bytes())
    assert cache(tmp_path).get(key("bye")) is None


def test_disk_is_bounded_and_the_least_recently_used_goes_first(tmp_path):
    opened = cache(tmp_path, max_bytes=50_000, memory_bytes=10_000)
    for number in range(4):
        opened.put(key(str(number)), bytes(10_000))
    an_hour_ago = time.time() - 3600
    for path in tmp_path.glob("*/*.pcm"):
        os.utime(path, (an_hour_ago, an_hour_ago))
    assert cache(tmp_path).get(key("0")) is not None, "a use makes it young"
    opened.put(key("4"), bytes(10_000))
    reopened = cache(tmp_path)
    assert key("0") in reopened
    assert key("4") in reopened
    assert opened.stats.evicted >= 1
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.pcm")) <= 50_000


def test_memory_is_bounded(tmp_path):
    opened = cache(tmp_path, max_bytes=10_000_000, memory_bytes=30_000)
    for number in range(10):
        opened.put(key(str(number)), bytes(10_000))
    assert opened.stats.memory_bytes <= 30_000
    assert opened.recall(key("9")) is not None
    assert opened.recall(key("0")) is None
    assert opened.get(key("0")) is not None


def test_unwritable_place_costs_the_disk_not_the_speech(tmp_path):
    place = tmp_path / "file"
    place.write_text("in the way")
    opened = cache(place / "below")
    opened.put(key("hello"), b"audio")
    assert opened.get(key("hello")) == b"audio"
    assert opened.stats.write_failures == 1


def test_leftovers_of_dead_processes_are_cleared_and_fresh_ones_left_alone(tmp_path):
    folder = tmp_path / "ab"
    folder.mkdir()
    old, fresh = folder / ".abc.old", folder / ".abc.fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache(tmp_path)
    assert not old.exists()
    assert fresh.exists()


def _hammer(directory: str, seed: int) -> int:
    opened = PhraseCache(Path(directory), max_bytes=200_000, memory_bytes=20_000)
    wrong = 0
    for number in range(200):
        text = str((number * seed) % 40)
        audio = opened.get(key(text))
        if audio is None:
            opened.put(key(text), text.encode() * 5000)
        elif audio != text.encode() * 5000:
            wrong += 1
    return wrong + opened.stats.corrupt


def test_workers_share_one_cache_without_ever_reading_half_an_entry(tmp_path):
    with get_context("spawn").Pool(2) as pool:
        assert pool.starmap(_hammer, [(str(tmp_path), 3), (str(tmp_path), 7)]) == [0, 0]


def test_threads_share_one_cache(tmp_path):
    opened = cache(tmp_path, max_bytes=100_000, memory_bytes=30_000)
    wrong: list[str] = []

    def work(seed: int) -> None:
        for number in range(200):
            text = str((number * seed) % 30)
            audio = opened.get(key(text))
            if audio is None:
                opened.put(key(text), text.encode() * 3000)
            elif audio != text.encode() * 3000:
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (3, 7, 11, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert opened.stats.memory_bytes <= 30_000
