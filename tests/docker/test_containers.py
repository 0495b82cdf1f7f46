"""The lab in containers holds: the images are built, a call books, and a caller whose app is killed reaches a human.

`make docker-test` is the same with all of the demo's calls. Where no engine can run, this is skipped and says why.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ari_app.lab.places import CHECKOUT, cache_dir

NO_ENGINE = 77
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


def engine_pid() -> int | None:
    """Of the engine that docker/test.sh started, while it runs."""
    try:
        pid = int((cache_dir() / "docker/pid").read_text("utf-8"))
        name = Path(f"/proc/{pid}/comm").read_text("utf-8").strip()
    except (OSError, ValueError):
        return None
    return pid if name == "dockerd" else None


def test_a_call_books_and_a_killed_app_loses_no_caller(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with docker_test(output, "book") as process:
        code = process.wait(LIMIT_S)
    said = output.read_text("utf-8", "replace")
    print(said)
    assert engine_pid() is None
    if code == NO_ENGINE:
        pytest.skip(next(line for line in said.splitlines() if "SKIPPED" in line))
    assert code == 0, said[-4000:]
