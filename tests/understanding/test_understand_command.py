"""`ari-app understand`: one sentence, or a file of them, as JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ari_app.cli.understand import command
from ari_app.errors import BadInput

KEYS = ["id", "intents", "service", "date", "time", "yes_no"]
NOW = "2026-11-24T09:30"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=False)


def _batch(tmp_path: Path, *records: object) -> list[dict[str, Any]]:
    path = tmp_path / "lines.jsonl"
    path.write_text("\n".join(each if isinstance(each, str) else json.dumps(each) for each in records), "utf-8")
    return [json.loads(line) for line in _run("--batch", str(path)).output.splitlines()]


def _said(text: str, **more: object) -> dict[str, object]:
    return {"id": "a", "now": NOW, "tz": "Europe/London", "text": text, "expect": ["date", "time"], **more}


def test_one_sentence_is_one_line_of_the_batch_shape() -> None:
    result = _run(
        "--now", NOW, "--tz", "Europe/London", "--expect", "service,date,time", "--json", "friday at half three"
    )
    assert json.loads(result.output) == {
        "id": None,
        "intents": [],
        "service": None,
        "date": {"from": "2026-11-27", "to": "2026-11-27"},
        "time": {"from": "15:30", "to": "15:30"},
        "yes_no": None,
    }
    assert result.output.count("\n") == 1


def test_explain_says_why() -> None:
    shown = json.loads(_run("--now", NOW, "--explain", "--json", "not tuesday wednesday").output)
    assert set(KEYS) < set(shown)
    assert shown["corrected"] == ["date"]
    assert any("wednesday" in line for line in shown["why"])


def test_batch_answers_each_line_in_order(tmp_path: Path) -> None:
    out = _batch(tmp_path, _said("tomorrow", id=1), _said("at four", id="b"), _said("nothing much", id=None))
    assert [each["id"] for each in out] == [1, "b", None]
    assert all(list(each) == KEYS for each in out)
    assert out[0]["date"] == {"from": "2026-11-25", "to": "2026-11-25"}
    assert out[1]["time"] == {"from": "16:00", "to": "16:00"}


def test_open_ends_are_null(tmp_path: Path) -> None:
    out = _batch(tmp_path, _said("after five"), _said("before the tenth"), _said("any time"))
    assert out[0]["time"] == {"from": "17:00", "to": None}
    assert out[1]["date"] == {"from": None, "to": "2026-12-09"}
    assert out[2]["time"] is None


@pytest.mark.parametrize(
    "bad",
    [
        "no json",
        "[1, 2]",
        '"text"',
        "{",
        {"id": "x"},
        {"id": "x", "text": 5, "now": NOW},
        {"id": "x", "text": "a", "now": "yesterday"},
        {"id": "x", "text": "a"},
        {"id": "x", "text": "a", "now": NOW, "tz": "Mars/Olympus"},
        {"id": "x", "text": "a", "now": "9999-12-31T10:00"},
        {"id": "x", "text": "a", "now": NOW, "context": 5},
        {"id": "x", "text": "a", "now": NOW, "services": "haircut"},
        {"id": "x", "text": "a", "now": NOW, "services": [5]},
        {"id": "x", "text": "a", "now": NOW, "locale": "tlh"},
        {"id": "x", "text": "a", "now": NOW, "locale": 7},
        {"id": "x", "text": "a", "now": NOW, "expect": 7},
    ],
)
def test_bad_line_gets_an_error_in_its_place_and_the_rest_go_on(tmp_path: Path, bad: object) -> None:
    out = _batch(tmp_path, _said("tomorrow"), bad, _said("tomorrow"))
    assert len(out) == 3
    assert "error" in out[1]
    assert out[0] == out[2]
    assert out[0]["date"] is not None


@pytest.mark.parametrize(
    "text",
    [
        "the week after 9999-12-31",
        "9999-12-31",
        "0001-01-01",
        "99/99/9999",
        "in 99999 years",
        "\ud800 tomorrow",
        "x" * 9999,
    ],
)
def test_no_text_stops_the_batch(tmp_path: Path, text: str) -> None:
    out = _batch(tmp_path, _said(text, id="\ud800"), _said("tomorrow"))
    assert len(out) == 2
    assert out[1]["date"] is not None


def test_bytes_that_are_no_text_do_not_stop_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"\xff\xfe{\n" + json.dumps(_said("tomorrow")).encode() + b"\n")
    out = [json.loads(line) for line in _run("--batch", str(path)).output.splitlines()]
    assert "error" in out[0]
    assert out[1]["date"] is not None


def test_services_may_be_names_or_objects(tmp_path: Path) -> None:
    names = _said("a check up please", expect=["service"], services=["Check up", "Filling"])
    objects = _said(
        "a check up please",
        expect=["service"],
        services=[{"id": "c1", "name": "Dental examination", "synonyms": ["check-up"]}, {"name": "Filling"}],
    )
    out = _batch(tmp_path, names, objects)
    assert [each["service"] for each in out] == ["Check up", "c1"]


def test_context_decides_what_a_yes_is_for(tmp_path: Path) -> None:
    proposal = {"service": "Check up", "date": "2026-11-26", "time": "15:00"}
    confirming = {"prev_system": "Thursday at three?", "confirming": proposal}
    out = _batch(
        tmp_path,
        _said("perfect", context=confirming),
        _said("yes but can we make it four", context=confirming),
        _said("no, wednesday", context=confirming),
        _said("sounds good", context={"offering": [{"date": "2026-11-26", "time": "15:00"}]}),
        _said("do you have anything else", context={"offering": {"date": "2026-11-26", "time": "15:00"}}),
        _said("perfect", context={"prev_system": "You are booked."}),
        _said("that's all", context={"prev_system": "Is there anything else?"}),
        _said("the second one", context={"offering": [{"time": {"from": "15:00"}, "date": "tomorrow"}, {"x": 1}]}),
        _said("yes", context={"asked": ["yes_no"], "confirming": None, "offering": None, "prev_system": None}),
    )
    assert [each["yes_no"] for each in out] == ["yes", None, "no", "yes", None, None, "no", None, "yes"]
    assert out[1]["time"] == {"from": "16:00", "to": "16:00"}
    assert out[4]["intents"] == ["request_alternatives"]


def test_only_the_ten_intents_are_shown(tmp_path: Path) -> None:
    out = _batch(tmp_path, _said("hold on"), _said("never mind"), _said("call me back"))
    assert [each["intents"] for each in out] == [[], [], []]


def test_locale_may_be_given_by_line(tmp_path: Path) -> None:
    out = _batch(tmp_path, _said("4/3", locale="en-US"), _said("4/3"), _said("am vierten März", locale="de-DE"))
    assert [each["date"]["from"] for each in out] == ["2027-04-03", "2027-03-04", "2027-03-04"]


def test_now_is_taken_in_the_zone(tmp_path: Path) -> None:
    out = _batch(tmp_path, _said("today", now="2026-11-24T23:30Z", tz="Asia/Tokyo"))
    assert out[0]["date"]["from"] == "2026-11-25"


def test_missing_file_is_told() -> None:
    with pytest.raises(BadInput, match="no such file"):
        _run("--batch", "/nowhere/at/all.jsonl")


def test_text_and_batch_together_are_wrong_use() -> None:
    assert _run("--batch", "-", "hello").exit_code == 2
    assert _run().exit_code == 2
