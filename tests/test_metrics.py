"""What an operator may ask about is there, and a blocked event loop shows."""

import asyncio
import re
import time

import pytest

from ari_app import metrics

ASKED = (
    "ari_app_turn_gap_seconds",
    "ari_app_stt_lag_seconds",
    "ari_app_tts_first_audio_seconds",
    "ari_app_phrase_cache_total",
    "ari_app_media_xoff_total",
    "ari_app_frames_dropped_total",
    "ari_app_loop_blocked_seconds",
    "ari_app_loop_blocks_total",
    "ari_app_loop_overruns_total",
    "ari_app_calls_total",
    "ari_app_calls_live",
    "ari_app_bookings_total",
    "ari_app_sms_total",
    "ari_app_ari_reconnects_total",
    "ari_app_sentinel_redirects",
    "ari_app_callbacks_overdue",
)


def value(name: str, **labels: str) -> float:
    found = metrics.REGISTRY.get_sample_value(name, labels)
    return 0.0 if found is None else found


def test_everything_asked_for_is_exposed_with_a_help_line() -> None:
    text = metrics.exposition().decode()
    for name in ASKED:
        assert re.search(rf"^# HELP {name} \S", text, re.MULTILINE), name


def test_turn_gaps_are_told_apart_by_kind() -> None:
    before = value("ari_app_turn_gap_seconds_count", kind="closed")
    metrics.TURN_GAP.labels("closed").observe(0.31)
    metrics.TURN_GAP.labels("open").observe(0.8)
    assert value("ari_app_turn_gap_seconds_count", kind="closed") == before + 1


def test_every_name_is_ours() -> None:
    names = [family.name for family in metrics.REGISTRY.collect()]
    assert names
    assert all(name.startswith("ari_app_") for name in names)


async def test_a_blocked_loop_is_counted_and_timed() -> None:
    blocks, seconds = value("ari_app_loop_blocks_total"), value("ari_app_loop_blocked_seconds_sum")
    async with metrics.loop_watched():
        await asyncio.sleep(0.03)
        time.sleep(0.15)  # noqa: ASYNC251 - the block that is to be seen
        await asyncio.sleep(0.03)
    assert value("ari_app_loop_blocks_total") > blocks
    assert value("ari_app_loop_blocked_seconds_sum") - seconds > 0.13


async def test_work_of_the_loop_itself_is_told_from_waiting_for_a_core() -> None:
    blocks, overruns = value("ari_app_loop_blocks_total"), value("ari_app_loop_overruns_total")
    async with metrics.loop_watched():
        await asyncio.sleep(0.03)
        time.sleep(0.15)  # noqa: ASYNC251 - asleep: no work
        await asyncio.sleep(0.03)
        assert value("ari_app_loop_blocks_total") > blocks
        assert value("ari_app_loop_overruns_total") == overruns
        until_s = time.thread_time() + 0.15
        while time.thread_time() < until_s:
            pass
        await asyncio.sleep(0.03)
    assert value("ari_app_loop_overruns_total") == overruns + 1


async def test_a_free_loop_is_not() -> None:
    blocks = value("ari_app_loop_blocks_total")
    async with metrics.loop_watched(blocked_s=0.5):
        await asyncio.sleep(0.1)
    assert value("ari_app_loop_blocks_total") == blocks


async def test_the_watch_ends_with_its_body() -> None:
    with pytest.raises(KeyError):
        async with metrics.loop_watched():
            raise KeyError
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "loop-watch"]
