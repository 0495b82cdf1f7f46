"""The lab's processes: each in its own session, known by pid and start time, ended only if it is still the same.

A record of each stands as JSON in the lab's folder, so that `lab down` ends what another `lab up` began.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ari_app.errors import LabError

_children: set[int] = set()
"""Those this very process started: only they are reaped here."""

STOP_S = 8.0
"""How long a process may take to end after SIGTERM before it is killed."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that was started: `start_ticks` (since boot) tells it from a later one with the same pid."""

    name: str
    pid: int
    start_ticks: int
    log: str


class Processes:
    """The processes of one lab."""

    def __init__(self, folder: Path) -> None:
        self._records = folder / "processes"
        self._logs = folder / "log"

    def running(self) -> dict[str, ProcessRecord]:
        """Those that live, by name, in the order they were started."""
        found = []
        for path in self._records.glob("*.json"):
            record = _read(path)
            if record is not None and _is_alive(record):
                found.append(record)
        return {record.name: record for record in sorted(found, key=lambda record: (record.start_ticks, record.pid))}

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str] | None = None) -> ProcessRecord:
        """Start `command`; its output goes to NAME.log. One that runs already is left as it is."""
        if record := self.running().get(name):
            return record
        self._records.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        log = self._logs / f"{name}.log"
        opened = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        files = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), opened, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        try:
            pid = os.posix_spawn(command[0], list(command), environ or os.environ, file_actions=files, setsid=True)
        except OSError as exc:
            raise LabError(f"{name} can't be started ({command[0]}: {exc.strerror}): run `make setup`") from exc
        _children.add(pid)
        record = ProcessRecord(name, pid, _start_ticks(pid) or 0, str(log))
        (self._records / f"{name}.json").write_text(json.dumps(asdict(record)), "utf-8")
        return record

    async def ready(self, name: str, probe: Callable[[], Awaitable[bool]], *, within_s: float) -> None:
        """Wait until `probe` holds; raises LabError with the log's last line if it ends first or time is up."""
        deadline = time.monotonic() + within_s
        while not await probe():
            record = self.running().get(name)
            if record is None:
                raise LabError(f"{name} ended while it was starting: {self.last_words(name)}")
            if time.monotonic() > deadline:
                raise LabError(
                    f"{name} isn't ready after {within_s:.0f} s: {self.last_words(name)} (log: {record.log})"
                )
            await asyncio.sleep(0.05)

    async def stop(self, name: str, *, within_s: float = STOP_S) -> bool:
        """End it: SIGTERM, then SIGKILL. False where it didn't run. Cancelling leaves it dying."""
        record = self.running().get(name)
        if record is not None:
            self.send(record, signal.SIGTERM)
            deadline = time.monotonic() + within_s
            while _is_alive(record):
                if time.monotonic() > deadline:
                    self.send(record, signal.SIGKILL)
                await asyncio.sleep(0.02)
        (self._records / f"{name}.json").unlink(missing_ok=True)
        return record is not None

    def send(self, record: ProcessRecord, number: signal.Signals) -> None:
        """A signal, if the process is still the one that was started."""
        if _is_alive(record):
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid, number)

    def last_words(self, name: str) -> str:
        """The last line of its log that says something."""
        try:
            lines = (self._logs / f"{name}.log").read_text("utf-8", "replace").splitlines()
        except OSError:
            return "it left no log"
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "its log is empty")


def _read(path: Path) -> ProcessRecord | None:
    try:
        return ProcessRecord(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _is_alive(record: ProcessRecord) -> bool:
    if record.pid in _children:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(record.pid, os.WNOHANG)[0]:
                _children.discard(record.pid)
    return _start_ticks(record.pid) == record.start_ticks


def _start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None for a process that is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])
