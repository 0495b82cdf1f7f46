"""The systemd units start what exists, with options that exist, and stay closed."""

import re
from pathlib import Path

import click
import pytest

from ari_app.__main__ import cli

UNITS = Path(__file__).parents[2] / "docker" / "systemd"
NAMES = ("ari-app@.service", "ari-app-sentinel.service")


def unit(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_what_is_started_is_a_command_with_these_options(name: str) -> None:
    [line] = unit(name)["ExecStart"]
    program, command, *arguments = line.replace("%i", "1").split()
    assert program.endswith("/bin/ari-app")
    found = cli.get_command(click.Context(cli), command)
    assert found is not None
    found.make_context(command, arguments)


@pytest.mark.parametrize("name", NAMES)
def test_it_comes_back_for_ever_and_gains_nothing(name: str) -> None:
    found = unit(name)
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert found["User"] == ["ari_app"]
    assert found["CapabilityBoundingSet"] == [""]
    for key in ("NoNewPrivileges", "PrivateDevices", "MemoryDenyWriteExecute", "RestrictNamespaces", "ProtectHome"):
        assert found[key] == ["yes"], key
    assert found["ProtectSystem"] == ["strict"]


def test_the_sentinel_reaches_this_machine_only_and_keeps_its_state() -> None:
    found = unit("ari-app-sentinel.service")
    assert found["IPAddressDeny"] == ["any"]
    assert found["IPAddressAllow"] == ["localhost"]
    assert found["RuntimeDirectory"] == ["ari-app"]
    assert found["RuntimeDirectoryPreserve"] == ["yes"]


def test_a_worker_is_given_the_time_to_drain() -> None:
    assert int(unit("ari-app@.service")["TimeoutStopSec"][0]) > 30


def test_no_secret_is_in_a_unit() -> None:
    for path in UNITS.iterdir():
        assert not re.search(r"(?i)(password|secret|token)=(?!\.\.\.)\S", path.read_text()), path.name
