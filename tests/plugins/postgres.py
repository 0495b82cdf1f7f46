"""A PostgreSQL of the tests' own: its cluster in a temporary folder, on a free loopback port, started once."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

_UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class PostgresCluster:
    """A running server; `create_database` gives a fresh, empty database's URL."""

    folder: Path
    binaries: Path
    port: int

    def create_database(self) -> str:
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._dsn(name)

    def restart(self) -> None:
        """Stop at once (sessions are cut) and start again."""
        self.control("restart", "-m", "immediate")

    def control(self, *words: str) -> None:
        command = [str(self.binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "60", *words]
        run_unprivileged(command, log=self.folder / "log")

    def _dsn(self, name: str) -> str:
        return f"postgresql://tester@127.0.0.1:{self.port}/{name}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """The session's PostgreSQL server."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="ari-app-postgres-"))
    cluster = PostgresCluster(folder, binaries, _free_port())
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, _UNPRIVILEGED)
        initdb = [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", "tester", "-A", "trust", "-E", "UTF8"]
        run_unprivileged([*initdb, "--no-locale", "-N"])
        with (folder / "data" / "postgresql.conf").open("a") as config:
            config.write(
                f"port = {cluster.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n"
            )
        cluster.control("start", "-l", str(folder / "log"))
        yield cluster
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            cluster.control("stop", "-m", "immediate")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: PostgresCluster) -> str:
    """A fresh, empty PostgreSQL database."""
    return postgres.create_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    cluster: PostgresCluster = request.getfixturevalue("postgres")
    return cluster.create_database()


def run_unprivileged(command: list[str], log: Path | None = None) -> None:
    """Run a PostgreSQL command, which refuses to run as root; fail with what it said."""
    as_user = {"user": _UNPRIVILEGED} if os.geteuid() == 0 else {}
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", **as_user)
        if done.returncode:
            said.seek(0)
            server = log.read_text("utf-8", "replace")[-1000:] if log is not None and log.exists() else ""
            pytest.fail(f"{command[0]} failed: {said.read()}{server}", pytrace=False)


def _binaries() -> Path:
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    found = str(packaged[-1]) if packaged else shutil.which("initdb")
    if found is None:
        pytest.fail("PostgreSQL is not installed: run `make setup`, or apt-get install postgresql", pytrace=False)
    return Path(found).parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
