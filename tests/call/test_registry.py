import asyncio
from datetime import UTC, datetime

import pytest

from ari_app.call.registry import WATCHER_EVENTS, CallEvent, LiveCall, Registry
from ari_app.store.schema import CallState

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def live_call(name: str) -> LiveCall:
    return LiveCall(name, "+442079460101", f"channel-{name}", NOW, 0.0)


def event(call_id: str, n: int) -> CallEvent:
    return CallEvent(call_id, NOW, float(n), "agent", f"text {n}")


def test_a_worker_at_its_capacity_has_no_room():
    registry = Registry(2)
    registry.add(live_call("a"))
    assert registry.has_room
    registry.add(live_call("b"))
    assert not registry.has_room


def test_a_call_that_talks_to_a_human_takes_no_room():
    registry = Registry(1)
    call = live_call("a")
    registry.add(call)
    call.state = CallState.CONNECTED
    assert registry.has_room


def test_a_draining_worker_has_no_room():
    registry = Registry(5)
    registry.is_draining = True
    assert not registry.has_room


def test_events_stay_with_their_call():
    registry = Registry(1)
    call = live_call("a")
    registry.add(call)
    registry.publish(event("a", 1))
    registry.publish(event("other", 2))
    assert [each.text for each in call.events] == ["text 1"]


def test_a_watcher_that_does_not_keep_up_loses_the_oldest_events():
    registry = Registry(1)
    with registry.watch() as events:
        for n in range(WATCHER_EVENTS + 10):
            registry.publish(event("a", n))
        assert events.qsize() == WATCHER_EVENTS
        assert events.get_nowait().text == "text 10"


async def test_wait_empty_ends_with_the_last_call():
    registry = Registry(2)
    registry.add(live_call("a"))
    registry.add(live_call("b"))
    registry.remove("a")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await registry.wait_empty()
    registry.remove("b")
    await registry.wait_empty()
