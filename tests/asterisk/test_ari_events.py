"""ARI's JSON becomes typed events; garbage becomes one typed error."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ari import bridge, channel

from ari_app.asterisk import ari_events as ev
from ari_app.errors import PbxError


def text(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, "application": "booking", "timestamp": "2026-01-01T00:00:00", **fields})


def test_stasis_start_carries_channel_and_arguments() -> None:
    event = ev.parse_event(text("StasisStart", args=["200"], channel=channel("1.1", name='J "X" \n😀')))
    assert isinstance(event, ev.StasisStart)
    assert event.args == ("200",)
    assert event.channel.caller.name == 'J "X" \n😀'
    assert event.subjects == {"1.1"}
    assert not event.is_ending


@pytest.mark.parametrize("kind", ["StasisEnd", "ChannelDestroyed", "ChannelHangupRequest"])
def test_endings_of_a_channel_are_endings(kind: str) -> None:
    event = ev.parse_event(text(kind, channel=channel("1.1"), cause=16, cause_txt="Normal Clearing", soft=True))
    assert type(event).__name__ == kind
    assert event.is_ending


def test_leaving_a_bridge_concerns_channel_and_bridge() -> None:
    event = ev.parse_event(text("ChannelLeftBridge", channel=channel("1.1"), bridge=bridge("b")))
    assert isinstance(event, ev.ChannelLeftBridge)
    assert event.subjects == {"1.1", "b"}


def test_a_dialled_phone_and_its_caller_both_hear_of_the_dial() -> None:
    event = ev.parse_event(text("Dial", peer=channel("p"), caller=channel("c"), dialstatus="BUSY"))
    assert isinstance(event, ev.Dial)
    assert event.dialstatus == "BUSY"
    assert event.subjects == {"p", "c"}


def test_a_broadcast_call_is_offered_by_its_channel() -> None:
    event = ev.parse_event(text("CallBroadcast", channel=channel("1.1"), caller="+44", called="700"))
    assert isinstance(event, ev.CallBroadcast)
    assert event.subjects == {"1.1"}


def test_a_global_variable_has_no_channel() -> None:
    event = ev.parse_event(text("ChannelVarset", variable="X", value="1"))
    assert isinstance(event, ev.ChannelVarset)
    assert event.channel is None


def test_a_playback_concerns_its_channel_too() -> None:
    playback = {"id": "p", "media_uri": "sound:x", "target_uri": "channel:1.1", "state": "done", "language": "en"}
    event = ev.parse_event(text("PlaybackFinished", playback=playback))
    assert event.subjects == {"p", "1.1"}


def test_null_names_are_empty_names() -> None:
    made = channel("1.1") | {"caller": {"name": None, "number": None}}
    assert ev.parse_channel(json.dumps(made)).caller.name == ""


def test_an_unknown_type_is_an_unknown_event_even_when_its_parts_are_odd() -> None:
    event = ev.parse_event('{"type": "FromTheFuture", "channel": 5}')
    assert isinstance(event, ev.UnknownEvent)
    assert event.type == "FromTheFuture"
    known_parts = ev.parse_event(text("FromTheFuture", channel=channel("1.1")))
    assert known_parts.subjects == {"1.1"}


@pytest.mark.parametrize(
    "message",
    [
        "",
        "{",
        "null",
        "[1]",
        "5",
        "{}",
        '{"type": 5}',
        '{"type": "StasisStart"}',
        '{"type": "StasisStart", "channel": {"id": 5}}',
        '{"type": "ChannelDtmfReceived", "digit": "", "channel": {"id": "1"}}',
        "[" * 100_000,
        b"\xff\xfe\x00",
        b'{"type": "\xff"}',
    ],
)
def test_garbage_is_one_typed_error(message: str | bytes) -> None:
    with pytest.raises(ev.EventUnreadable) as caught:
        ev.parse_event(message)
    assert isinstance(caught.value, PbxError)


@given(st.one_of(st.text(), st.binary()))
def test_no_message_raises_anything_else(message: str | bytes) -> None:
    with contextlib.suppress(ev.EventUnreadable):
        ev.parse_event(message)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(
    st.sampled_from(["StasisStart", "StasisEnd", "Dial", "ChannelVarset", "BridgeDestroyed", "PlaybackFinished", "X"]),
    st.dictionaries(st.sampled_from(["channel", "bridge", "args", "peer", "caller", "playback", "value"]), json_values),
)
def test_no_odd_event_raises_anything_else(kind: str, fields: dict[str, object]) -> None:
    try:
        event = ev.parse_event(json.dumps({"type": kind, **fields}))
    except ev.EventUnreadable:
        return
    assert isinstance(event.subjects, frozenset)


def test_what_we_made_is_told_from_a_caller() -> None:
    assert ev.ChannelSnapshot(id=f"{ev.OWN_PREFIX}media-1").is_own
    assert not ev.ChannelSnapshot(id="1795375237.1").is_own
