"""The event log as the bench reads it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ari_app.lab.bench.turn_log import STEPS, CallLog

BEGIN = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


def line(at_s: float, kind: str, text: str = "", **data: str) -> bytes:
    at = (BEGIN + timedelta(seconds=at_s)).isoformat()
    return json.dumps({"at": at, "at_s": at_s, "kind": kind, "text": text, **data}).encode() + b"\n"


def written(path: Path, *lines: bytes) -> CallLog:
    path.write_bytes(b"".join(lines))
    log = CallLog(path)
    log.refresh()
    return log


def test_gap_is_taken_apart_into_steps_that_add_up(tmp_path):
    log = written(
        tmp_path / "call.jsonl",
        line(1.0, "agent", "Shall I book it?", text_id="ask.readback"),
        line(5.33, "caller", "yes", wait_s="0.200", flush_s="0.030", decide_s="0.0100"),
        line(5.43, "result", "Booked"),
        line(5.44, "agent", "It is booked.", text_id="done.booked"),
        line(5.45, "gap", "closed", gap_s="0.320", wait_s="0.200"),
    )
    began_s = BEGIN.timestamp()
    kind, steps = log.breakdown(began_s + 5.0, began_s + 5.5)
    assert kind == "closed"
    assert sum(getattr(steps, step) for step in STEPS) == pytest.approx(0.5, abs=1e-3)
    assert steps.way_in_s == pytest.approx(0.09, abs=1e-3)
    assert steps.calendar_s == pytest.approx(0.1, abs=1e-3)
    assert steps.way_out_s == pytest.approx(0.05, abs=1e-3)


def test_gap_with_two_answers_in_it_is_not_guessed_at(tmp_path):
    answers = [line(2.0 + each, "caller", "yes") for each in (0.0, 0.2)]
    log = written(tmp_path / "call.jsonl", *answers, line(2.4, "gap", "closed"))
    assert log.breakdown(BEGIN.timestamp() + 2.0, BEGIN.timestamp() + 3.0) is None


def test_line_that_is_half_written_is_read_when_it_is_whole(tmp_path):
    path = tmp_path / "call.jsonl"
    whole = line(1.0, "agent", "Which day would you like?", text_id="ask.date")
    log = written(path, line(0.0, "state", "ANSWERED"), whole[:20])
    assert log.question == ""
    with path.open("ab") as file:
        file.write(whole[20:])
    log.refresh()
    assert log.question == "ask.date"
    assert not log.is_over


def test_log_that_is_not_there_yet_is_empty(tmp_path):
    log = CallLog(tmp_path / "none.jsonl")
    log.refresh()
    assert log.events == []
