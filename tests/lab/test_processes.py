"""Processes: known by pid and start time, ended only if they are still the same, explained when they fail."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ari_app.errors import LabError
from ari_app.lab import port_check
from ari_app.lab.processes import Processes

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path)


async def said_up(processes: Processes, name: str) -> None:
    async def probe() -> bool:
        return processes.last_words(name) == "up"

    await processes.ready(name, probe, within_s=10)


async def test_started_found_by_another_run_and_stopped(processes: Processes, tmp_path: Path) -> None:
    record = processes.start("sleeper", SLEEP)
    await said_up(processes, "sleeper")
    assert processes.start("sleeper", SLEEP) == record, "a running one is left as it is"
    assert Processes(tmp_path).running() == {"sleeper": record}

    assert await processes.stop("sleeper")
    assert processes.running() == {}
    assert not await processes.stop("sleeper")


async def test_one_that_ignores_sigterm_is_killed(processes: Processes) -> None:
    processes.start("stubborn", STUBBORN)
    await said_up(processes, "stubborn")
    assert await processes.stop("stubborn", within_s=0.2)
    assert processes.running() == {}


def test_a_strangers_process_with_a_known_pid_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL) as stranger:
        folder = tmp_path / "processes"
        folder.mkdir()
        record = {"name": "old", "pid": stranger.pid, "start_ticks": 1, "log": ""}
        (folder / "old.json").write_text(json.dumps(record), "utf-8")
        assert processes.running() == {}
        assert not asyncio.run(processes.stop("old"))
        assert stranger.poll() is None
        stranger.kill()


async def test_one_that_dies_while_starting_is_explained_by_its_last_words(processes: Processes) -> None:
    processes.start("broken", [sys.executable, "-c", "print('no such calendar')"])

    async def never() -> bool:
        return False

    with pytest.raises(LabError, match="broken ended while it was starting: no such calendar"):
        await processes.ready("broken", never, within_s=10)


async def test_one_that_is_never_ready_is_told_with_its_log(processes: Processes) -> None:
    processes.start("slow", SLEEP)

    async def never() -> bool:
        return False

    with pytest.raises(LabError, match="slow isn't ready after 0 s"):
        await processes.ready("slow", never, within_s=0.3)
    await processes.stop("slow")


async def test_a_program_that_is_not_there_is_told_in_one_line(processes: Processes) -> None:
    with pytest.raises(LabError, match=r"can't be started .*No such file"):
        processes.start("ghost", ["/nonexistent/program"])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"name": 1, "pid": 2, "start_ticks": 3, "x": 4}'])
def test_a_damaged_record_is_no_process(processes: Processes, tmp_path: Path, text: str) -> None:
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "x.json").write_text(text, "utf-8")
    assert processes.running() == {}


async def test_a_frozen_process_still_counts_as_running_and_can_be_stopped(processes: Processes) -> None:
    record = processes.start("frozen", SLEEP)
    await said_up(processes, "frozen")
    processes.send(record, signal.SIGSTOP)
    assert "frozen" in processes.running()
    assert await processes.stop("frozen", within_s=0.2)


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
async def test_a_busy_port_is_told_with_its_owner(protocol: str, kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if protocol == "tcp":
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            LabError, match=rf"port {port}/{protocol} \(the PBX's SIP\) is taken by .*pid {os.getpid()}"
        ):
            await asyncio.to_thread(port_check.require_free, "the PBX's SIP", protocol=protocol, port=port)
    port_check.require_free("the PBX's SIP", protocol=protocol, port=port)
