"""`ari-app talk`: the conversation by keyboard, on a real calendar."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import caldav
import pytest
from click.testing import CliRunner, Result

from ari_app.cli.talk import command
from ari_app.errors import BadInput
from ari_app.lab.bench.servers import calendar_server

SETTINGS = """
[business]
name = "Bright Street Dental"
hours = {{ mon = ["09:00-17:30"], tue = ["09:00-17:30"], wed = ["09:00-17:30"] }}
[[services]]
id = "cleaning"
name = "dental cleaning"
synonyms = ["cleaning"]
resources = ["anna"]
[[resources]]
id = "anna"
name = "Anna"
calendar = "ari/anna/"
[caldav]
url = "{url}"
user = "{user}"
password = "{password}"
timeout_s = 5
[callbacks]
calendar = "ari/callbacks/"
[store]
url = "sqlite:///{store}"
"""


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Callable[..., Result]]:
    with (
        calendar_server("radicale", tmp_path / "radicale") as server,
        caldav.DAVClient(server.url, username=server.user, password=server.password) as client,
    ):
        for name in ("anna", "callbacks"):
            client.mkcalendar(f"{server.url}ari/{name}/")
        path = tmp_path / "ari_app.toml"
        store = tmp_path / "store.db"
        path.write_text(
            SETTINGS.format(url=server.url, user=server.user, password=server.password, store=store), "utf-8"
        )

        def run(lines: list[str], *options: str) -> Result:
            words = ["--config", str(path), "--now", "2026-11-23T08:40", "--caller", "+442079460123", *options]
            return CliRunner().invoke(command, words, input="".join(f"{line}\n" for line in lines))

        yield run


def test_a_call_by_keyboard_books_in_the_calendar_and_is_found_by_the_next(talk: Callable[..., Result]) -> None:
    first = talk(["a cleaning tomorrow at ten", "jane miller", "yes", "no thanks"], "--explain")
    assert first.exit_code == 0, first.output
    assert "= service: cleaning" in first.output
    assert "Jane Miller" in first.output
    assert "It is booked" in first.output
    assert "Goodbye" in first.output
    second = talk(["i want to move my appointment", "jane miller", "/2511", "/1100", "/1"], "--json")
    told = [json.loads(line) for line in second.output.splitlines()]
    assert "Moved" in [each["text"] for each in told if each["who"] == "result"]
    assert told[-1] == {"who": "caller", "text": "(hangs up)"}


def test_a_hand_over_shows_what_the_human_would_hear(talk: Callable[..., Result]) -> None:
    result = talk(["a cleaning please", "operator"])
    assert "the scheduling extension hears: A call, wants to book, dental cleaning, asked for a person" in result.output


def test_nobody_home_leads_to_a_kept_callback(talk: Callable[..., Result]) -> None:
    result = talk(["operator", "yes", "any time"], "--nobody-home")
    assert "CallbackKept" in result.output
    assert "We will call you back by" in result.output


def test_a_moment_that_is_none_is_named(talk: Callable[..., Result]) -> None:
    assert isinstance(talk([], "--now", "teatime").exception, BadInput)
