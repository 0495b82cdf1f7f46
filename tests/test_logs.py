"""One event is one line, and nobody's name or number is in it."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from ari_app import logs
from ari_app.logs import LONGEST_TEXT, REMOVED, Redactor, call_bound, get_logger, masked

GARBAGE = "a\nb\r\nc\x1b[31m\u2028\u0085\u202e\x00 😀 \ud800 " + "ü" * 300


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Each test's pipeline is its own."""
    root = logging.getLogger()
    handlers, level, pipeline = list(root.handlers), root.level, structlog.get_config()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**pipeline)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines(capsys)]


def test_an_event_is_one_json_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json=True)
    get_logger().info("call.answered", wait_s=1.25)
    captured = capsys.readouterr()
    assert captured.out == ""
    [line] = captured.err.splitlines()
    event = json.loads(line)
    assert (event["event"], event["wait_s"], event["level"]) == ("call.answered", 1.25, "info")
    assert event["timestamp"].endswith("Z")


def test_what_is_private_is_removed_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json=True)
    get_logger().info("turn.heard", pii_text="my name is jane", turn={"pii_name": "Jane", "n": [{"pii_number": 1}]})
    [line] = lines(capsys)
    assert "jane" not in line.lower()
    event = json.loads(line)
    assert event["pii_text"] == REMOVED
    assert event["turn"] == {"pii_name": REMOVED, "n": [{"pii_number": REMOVED}]}


def test_the_lab_may_show_what_is_private(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json=True, shows_pii=True)
    get_logger().info("turn.heard", pii_text="call +44 7700 900123")
    [event] = events(capsys)
    assert event["pii_text"] == "call +44 7700 900123"


@pytest.mark.parametrize("as_json", [True, False])
def test_garbage_stays_one_line(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    logs.configure("info", json=as_json)
    get_logger().info("call.odd", header=GARBAGE, **{"key\nwith newline": "x"})
    [line] = lines(capsys)
    assert "\x1b[31m" not in line
    line.encode("utf-8")
    if as_json:
        assert json.loads(line)["header"].startswith("a\\nb")


def test_a_very_long_value_is_cut_and_its_length_kept(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json=True)
    get_logger().info("call.odd", header="x" * 50_000)
    [event] = events(capsys)
    assert len(str(event["header"])) < LONGEST_TEXT + 50
    assert "50000 characters" in str(event["header"])


@pytest.mark.parametrize("as_json", [True, False])
def test_an_exceptions_words_can_not_pass_for_another_event(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    logs.configure("info", json=as_json)
    try:
        raise ValueError("no\n2026-01-01T00:00:00Z [info] call.booked for +447700900123")
    except ValueError:
        get_logger().exception("call.failed")
    shown = lines(capsys)
    assert not [line for line in shown if line.startswith("2026-01-01")]
    assert "900123" not in "".join(shown)
    assert "ValueError" in "".join(shown)
    if as_json:
        assert len(shown) == 1


def test_the_call_id_is_on_each_event_of_the_call_and_its_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json=True)
    log = get_logger()

    async def part(name: str) -> None:
        await asyncio.sleep(0)
        log.info("part", name=name)

    async def one_call(call_id: str) -> None:
        with call_bound(call_id=call_id):
            async with asyncio.TaskGroup() as group:
                group.create_task(part(f"{call_id}-media"))
                group.create_task(part(f"{call_id}-turns"))

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(one_call("a"))
            group.create_task(one_call("b"))
        log.info("after")

    asyncio.run(both())
    found = events(capsys)
    assert all(str(event["name"]).startswith(f"{event['call_id']}-") for event in found if "name" in event)
    assert "call_id" not in found[-1]


def test_libraries_go_through_the_same_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", json=True)
    logging.getLogger("some.library").warning("refused\n%s", "+447700900123")
    logging.getLogger("some.library").info("chatter")
    [event] = events(capsys)
    assert event["logger"] == "some.library"
    assert "900123" not in str(event["event"])


def test_the_newest_configuration_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        logs.configure("warning", json=True)
    get_logger().info("hidden")
    get_logger().warning("shown")
    logging.getLogger("some.library").warning("shown")
    assert len(lines(capsys)) == 2


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("from +44 7700 900123 today", "from +***23 today"),
        ("+447700900123", "+***23"),
        ("+1 (415) 555-0132", "+***32"),
        ("07700 900123", "***23"),
        ("(020) 7946 0018", "***18"),
        ("07700900123, please", "***23, please"),
        ("sip:447700900123@192.0.2.1:5060", "sip:***23@192.0.2.1:5060"),
        ("tel:+447700900123", "tel:+***23"),
        ("PJSIP/447700900123-00000001", "PJSIP/***23-00000001"),
        ("Local/07700900123@handoff-0000000a;1", "Local/***23@handoff-0000000a;1"),
    ],
)
def test_a_number_is_masked_to_its_last_two_digits(text: str, hidden: str) -> None:
    assert masked(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "1732301234.12",
        "123e4567-e89b-12d3-a456-426614174000",
        "2026-11-23T14:20:00+00:00",
        "2026-11-23 14:20",
        "192.168.100.200:5060",
        "PJSIP/scheduling-00000001",
        "a9f3c2d41b",
        "200",
        "room 12, 09:00-17:30",
    ],
)
def test_what_is_no_number_is_kept(text: str) -> None:
    assert masked(text) == text


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Unprintable),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), VALUES))
def test_anything_becomes_one_well_formed_json_line(fields: dict[str, object]) -> None:
    shown = json.dumps(Redactor()(None, "info", {**fields, "event": "x"}), allow_nan=False)
    assert len(shown.splitlines()) == 1
    shown.encode("utf-8")


def test_a_value_that_holds_itself_ends() -> None:
    knot: list[object] = []
    knot.append(knot)
    json.dumps(Redactor()(None, "info", {"knot": knot, "event": "x"}))
