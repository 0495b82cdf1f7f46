"""The lab in containers holds: the images are built, a call books, and a caller whose app is killed reaches a human.

`make docker-test` is the same with all of the demo's calls. Where no engine can run, this is skipped and says why.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ari_app.lab.places import CHECKOUT, cache_dir

NO_ENGINE = 77
INTERRUPTED = 130
LIMIT_S = 900.0
"""Some four minutes on two quiet cores."""
CLEAN_UP_S = 120.0


@contextmanager
def docker_test(output: Path, *calls: str) -> Iterator[subprocess.Popen[bytes]]:
    """`docker/test.sh`, which takes down whatever it has started however it is ended."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "docker/test.sh", *calls],
            cwd=CHECKOUT, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(CLEAN_UP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def what_is_left() -> list[str]:
    """The engine that docker/test.sh started, its containers' processes, its mounts."""
    engine = str(cache_dir() / "docker")
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    found = [mount for mount in mounts if mount.startswith(engine + "/")]
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            command = process.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            found += [command] if engine + "/" in command else []
    return found


def test_a_call_books_and_a_killed_app_loses_no_caller(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with docker_test(output, "book") as process:
        code = process.wait(LIMIT_S)
    said = output.read_text("utf-8", "replace")
    print(said)
    assert what_is_left() == []
    skip_without_engine(said, code)
    assert code == 0, said[-4000:]


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with docker_test(output) as process:
        deadline_s = time.monotonic() + LIMIT_S
        while "; building" not in output.read_text("utf-8", "replace") and process.poll() is None:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        code = process.poll()
    skip_without_engine(output.read_text("utf-8", "replace"), code)
    assert code is None, "it ended before it was interrupted"
    assert process.returncode == INTERRUPTED
    assert what_is_left() == []


@pytest.mark.parametrize("code", [None, 0, 1, INTERRUPTED])
def test_only_a_missing_engine_is_skipped_and_by_its_own_line(code: int | None) -> None:
    said = "[  1 s] an engine\ndocker-test: SKIPPED, not passed: no engine can start\n"
    assert why_there_is_no_engine(said, code) is None
    assert why_there_is_no_engine(said, NO_ENGINE) == "docker-test: SKIPPED, not passed: no engine can start"
    with pytest.raises(AssertionError):
        why_there_is_no_engine("it says nothing", NO_ENGINE)


def skip_without_engine(said: str, code: int | None) -> None:
    """The one thing that a machine may lack; everything else that goes wrong is a failure."""
    why = why_there_is_no_engine(said, code)
    if why is not None:
        pytest.skip(why)


def why_there_is_no_engine(said: str, code: int | None) -> str | None:
    """The script's one line for it; None: there is an engine, whatever else went wrong."""
    if code != NO_ENGINE:
        return None
    why = [line for line in said.splitlines() if line.startswith("docker-test: SKIPPED, not passed: ")]
    assert len(why) == 1, said
    return why[0]
