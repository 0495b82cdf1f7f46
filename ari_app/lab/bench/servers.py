"""Throw-away servers for measuring: Radicale, Xandikos and PostgreSQL, each on a free loopback port in a new folder."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ari_app.errors import LabError
from ari_app.lab.places import LOOPBACK, checkout_dir

USER = "ari"
PASSWORD = "bench"
_UNPRIVILEGED = "nobody"
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class CalendarServer:
    """A CalDAV server that is up; `ari` may make calendars below `ari/`."""

    kind: str
    url: str
    folder: Path
    pid: int
    user: str = USER
    password: str = PASSWORD

    def rss_mb(self) -> float:
        """Resident memory of the server."""
        return rss_mb(self.pid)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A PostgreSQL that is up."""

    url: str
    control: tuple[str, ...]
    """`pg_ctl` with all that says which cluster."""

    def stop(self) -> None:
        """End it at once: every session is cut. Raises LabError."""
        _as_user([*self.control, "-m", "immediate", "stop"])

    def start(self) -> None:
        """Start it, and recover what the stop cut short; raises LabError."""
        _as_user([*self.control, "start"])


@contextlib.contextmanager
def calendar_server(kind: str, folder: Path) -> Iterator[CalendarServer]:
    """Radicale or Xandikos, ended when the block ends; raises LabError."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = _radicale(folder, port) if kind == "radicale" else _xandikos(folder, port)
    log = folder / "server.log"
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            _wait_for(port, process, log)
            yield CalendarServer(kind, f"http://{LOOPBACK}:{port}/", folder, process.pid)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


@contextlib.contextmanager
def database_url(kind: str, folder: Path) -> Iterator[str]:
    """A store of this kind, empty: a SQLite file, or a PostgreSQL cluster of its own; raises LabError."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'store.db'}"
        return
    with postgres_server(folder / "postgres") as server:
        yield server.url


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def rss_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def machine() -> dict[str, object]:
    """What a figure was measured on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    return {"cpu": model, "cores": os.cpu_count() or 0, "python": sys.version.split()[0]}


def _radicale(folder: Path, port: int) -> list[str]:
    users = folder / "users"
    users.write_text((checkout_dir("calendar") / "users").read_text("utf-8").replace("@PASSWORD@", PASSWORD), "utf-8")
    return [
        *(sys.executable, "-m", "radicale", "--config", str(checkout_dir("calendar") / "radicale.conf")),
        *("--server-hosts", f"{LOOPBACK}:{port}", "--rights-file", str(checkout_dir("calendar") / "rights")),
        *("--auth-htpasswd-filename", str(users), "--storage-filesystem-folder", str(folder / "collections")),
        *("--logging-level", "error"),
    ]


def _xandikos(folder: Path, port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "xandikos", "serve", "-d", str(folder / "collections"), "--defaults"),
        *("-l", LOOPBACK, "-p", str(port), "--current-user-principal", f"/{USER}/"),
        *("--state-dir", str(folder / "state"), "--no-detect-systemd"),
    ]


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL cluster of its own in `folder`, which is made; raises LabError."""
    binaries = _postgres_binaries()
    folder.mkdir(mode=0o755)
    port = free_port()
    try:
        if os.geteuid() == 0:
            for parent in [folder, *folder.parents]:
                if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o011)
            shutil.chown(folder, _UNPRIVILEGED)
        data, log = str(folder / "data"), str(folder / "log")
        _as_user([str(binaries / "initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "-N"])
        options = f"-p {port} -c listen_addresses={LOOPBACK} -c unix_socket_directories=''"
        _as_user([str(binaries / "pg_ctl"), "-D", data, "-w", "-t", "60", "-l", log, "-o", options, "start"])
        control = (str(binaries / "pg_ctl"), "-D", data, "-w", "-t", "60", "-l", log, "-o", options)
        yield PostgresServer(f"postgresql://{USER}@{LOOPBACK}:{port}/postgres", control)
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            _as_user([str(binaries / "pg_ctl"), "-D", str(folder / "data"), "-w", "-m", "immediate", "stop"])


def _postgres_binaries() -> Path:
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = str(packaged[-1]) if packaged else shutil.which("initdb")
    if found is None:
        raise LabError("PostgreSQL is not installed: apt-get install postgresql")
    return Path(found).parent


def _as_user(command: Sequence[str]) -> None:
    """Run a PostgreSQL command, which refuses to run as root."""
    user = _UNPRIVILEGED if os.geteuid() == 0 else None
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, cwd="/", user=user
    )
    if done.returncode:
        raise LabError(f"{command[0]} failed: {done.stderr.decode('utf-8', 'replace').strip()[-300:]}")


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex((LOOPBACK, port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise LabError(f"the calendar server did not start: {log.read_text('utf-8', 'replace')[-300:]}")


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
