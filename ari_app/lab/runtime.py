"""The lab as a whole: brought up, looked at, taken down.

async with Lab.running(worker=False) as lab:
    lab.environment()        what a worker, a bench or a test needs to find everything
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ari_app.errors import LabError
from ari_app.lab import port_check
from ari_app.lab.calendar_server import calendar_command, seed_calendars, write_users
from ari_app.lab.configuration import AsteriskInstance, render_caller, render_pbx
from ari_app.lab.credentials import PHONES, Credentials, load_or_make
from ari_app.lab.places import LOOPBACK, Ports, cache_dir, checkout_dir, port_offset
from ari_app.lab.processes import Processes, ProcessRecord
from ari_app.lab.rootfs import AsteriskRoot, require
from ari_app.store import customers
from ari_app.store.customer_file import read_customers
from ari_app.store.database import Database
from ari_app.store.migrate import migrate

Report = Callable[[str], None]
PHONE_NUMBERS = {f"softphone-{n}": f"+44207946010{n}" for n in range(1, 5)} | {"scheduling": "200"}
CALENDAR_USER = "ari"


def _quiet(_: str) -> None:
    """Reports nothing."""


@dataclass(frozen=True)
class Lab:
    """One lab: its folder, ports, passwords and processes."""

    folder: Path
    ports: Ports
    root: AsteriskRoot
    credentials: Credentials
    processes: Processes = field(init=False)
    report: Report = _quiet

    def __post_init__(self) -> None:
        object.__setattr__(self, "processes", Processes(self.folder))

    @classmethod
    def at(cls, *, offset: int | None = None, folder: Path | None = None, report: Report = _quiet) -> "Lab":
        """The lab with this port offset (None: `$ARI_APP_LAB_PORT_OFFSET`); raises LabError without Asterisk."""
        ports = Ports(port_offset() if offset is None else offset)
        folder = folder or cache_dir() / ("lab" if ports.offset == 0 else f"lab-{ports.offset}")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls(folder, ports, require(), load_or_make(folder / "credentials.json"), report=report)

    @classmethod
    @asynccontextmanager
    async def running(
        cls, *, offset: int | None = None, worker: bool = True, fresh: bool = True, report: Report = _quiet
    ) -> AsyncIterator["Lab"]:
        """A lab for the length of a block. `fresh`: without what an earlier one left (calendar, database, logs)."""
        lab = cls.at(offset=offset, report=report)
        await lab.down()
        if fresh:
            lab.forget()
        try:
            await lab.up(worker=worker)
            yield lab
        finally:
            await lab.down()

    # --- parts

    @property
    def pbx(self) -> AsteriskInstance:
        return AsteriskInstance(self.root, self.folder / "pbx")

    @property
    def caller(self) -> AsteriskInstance:
        return AsteriskInstance(self.root, self.folder / "caller")

    @property
    def settings_path(self) -> Path:
        return checkout_dir("docker") / "ari_app.toml"

    @property
    def sentinel_socket(self) -> Path:
        return self.folder / "sentinel.sock"

    def environment(self, worker: int = 1) -> dict[str, str]:
        """Settings of this lab's worker number `worker`, secrets included, over the process's own environment."""
        return {**os.environ, **self.settings_environment(worker)}

    def settings_environment(self, worker: int = 1) -> dict[str, str]:
        """Only what differs from docker/ari_app.toml: addresses, passwords, files."""
        return {
            "ARI_APP_CONFIG": str(self.settings_path),
            "ARI_APP_ARI__URL": f"http://{LOOPBACK}:{self.ports.http}",
            "ARI_APP_ARI__USER": "booking",
            "ARI_APP_ARI__PASSWORD": self.credentials["booking"],
            "ARI_APP_AMI__PORT": str(self.ports.ami),
            "ARI_APP_AMI__USER": "ari_app",
            "ARI_APP_AMI__PASSWORD": self.credentials["ari_app"],
            "ARI_APP_CALDAV__URL": f"http://{LOOPBACK}:{self.ports.caldav}/",
            "ARI_APP_CALDAV__USER": CALENDAR_USER,
            "ARI_APP_CALDAV__PASSWORD": self.credentials["caldav"],
            "ARI_APP_FASTAGI__PORT": str(self.ports.fastagi),
            "ARI_APP_CONSOLE__PORT": str(self.ports.console + worker - 1),
            "ARI_APP_STORE__URL": os.environ.get("ARI_APP_STORE__URL", f"sqlite:///{self.folder / 'ari_app.db'}"),
            "ARI_APP_SENTINEL__SOCKET": str(self.sentinel_socket),
            "ARI_APP_WORKER__NAME": f"booking-{worker}",
        }

    # --- up and down

    async def up(self, *, worker: bool = True) -> None:
        """Start whatever doesn't run, each when the one before is ready; raises LabError with how to mend it."""
        self._require_free_ports()
        await self._start_asterisk("pbx", self.pbx, render_pbx)
        await self._start_asterisk("caller", self.caller, render_caller)
        await self._ready("phones", self._phones_registered, within_s=20, process="caller")
        await self.start_calendar()
        await self.seed_customers()
        if worker:
            await self.start_sentinel()
            await self.start_worker(1)

    async def down(self) -> list[str]:
        """End all that was started, last first; the names of those that ran."""
        names = list(reversed(self.processes.running()))
        for name in names:
            await self.processes.stop(name, within_s=40.0 if name.startswith("worker") else 8.0)
            self.report(f"{name} stopped")
        return names

    def forget(self) -> None:
        """Remove calendar, database and logs of an earlier run; the passwords stay."""
        for path in self.folder.iterdir():
            if path.name == "credentials.json":
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def status(self) -> dict[str, str]:
        """Process -> "running, pid N" or "down"."""
        running = self.processes.running()
        names = dict.fromkeys(["pbx", "caller", "calendar", "sentinel", "worker-1", *running])
        return {name: f"running, pid {running[name].pid}" if name in running else "down" for name in names}

    async def start_sentinel(self) -> ProcessRecord | None:
        """The sentinel, with its own AMI user."""
        if importlib.util.find_spec("ari_app.cli.sentinel") is None:
            return None
        environ = {
            **self.environment(),
            "ARI_APP_AMI__USER": "sentinel",
            "ARI_APP_AMI__PASSWORD": self.credentials["sentinel"],
        }
        record = self.processes.start("sentinel", [sys.executable, "-m", "ari_app", "sentinel"], environ)
        await self._ready("sentinel", self._sentinel_listens, within_s=15)
        return record

    async def start_worker(
        self, number: int = 1, *, environ: Mapping[str, str] | None = None, program: Sequence[str] = ("-m", "ari_app")
    ) -> ProcessRecord:
        """`ari-app serve` as booking-NUMBER, ready to take calls; `environ` goes over this lab's own.

        `program` is what Python runs in place of `ari_app`.
        """
        if importlib.util.find_spec("ari_app.cli.serve") is None:
            raise LabError("this checkout has no `ari-app serve`")
        merged = {**self.environment(number), **(environ or {})}
        name, port = f"worker-{number}", self.ports.console + number - 1
        record = self.processes.start(name, [sys.executable, *program, "serve"], merged)
        await self._ready(name, lambda: _answers_ready(port), within_s=60)
        return record

    async def start_calendar(self) -> ProcessRecord:
        """Radicale with calendar/'s configuration, seeded once."""
        folder, password = self.folder / "calendar", self.credentials["caldav"]
        if (known := self.processes.running().get("calendar")) is not None:
            return known
        write_users(folder, password)
        record = self.processes.start("calendar", calendar_command(folder, self.ports.caldav))
        await self._ready("calendar", lambda: _accepts(self.ports.caldav), within_s=15)
        await seed_calendars(self.ports.caldav, password, date.today())  # noqa: DTZ011 - the machine's own day
        return record

    async def seed_customers(self) -> None:
        """docker/customers.csv into the lab's database."""
        url = self.settings_environment()["ARI_APP_STORE__URL"]
        await asyncio.to_thread(migrate, url)
        data = await asyncio.to_thread((checkout_dir("docker") / "customers.csv").read_bytes)
        now = datetime.now(UTC)
        found = read_customers(data, region="GB", this_year=now.year)
        async with Database(url) as database:
            for _line, customer in found.customers:
                await database.run(partial(customers.upsert, customer=customer, now=now))

    async def stop(self, name: str) -> bool:
        """End one process by name (pbx, caller, calendar, sentinel, worker-N) politely."""
        return await self.processes.stop(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send SIGKILL, SIGSTOP, ... to a process of this lab; raises LabError where it doesn't run."""
        record = self.processes.running().get(name)
        if record is None:
            raise LabError(f"{name} isn't running: ari-app lab status")
        self.processes.send(record, number)

    async def cli(self, instance: AsteriskInstance, command: str) -> str:
        """What Asterisk's console answers; raises LabError where it isn't running."""
        code, text = await _run(instance.cli_command(command))
        if code != 0:
            raise LabError(f"{instance.state.name} doesn't answer its console: {text.strip()[:200]}")
        return text

    def describe(self) -> dict[str, Any]:
        """Every address, user and password, for `--json`."""
        phones = {
            name: {
                "sip": f"sip:{name}@{LOOPBACK}:{self.ports.sip}",
                "user": name,
                "password": self.credentials[name],
                "number": PHONE_NUMBERS.get(name, "any, taken from From"),
            }
            for name in PHONES
        }
        return {
            "folder": str(self.folder),
            "asterisk": self.root.version,
            "processes": self.status(),
            "sip": f"{LOOPBACK}:{self.ports.sip}/udp",
            "rtp": f"{LOOPBACK}:{self.ports.rtp[0]}-{self.ports.rtp[1]}/udp",
            "extensions": {"booking": "700", "scheduling": "200", "echo": "600"},
            "phones": phones,
            "ari": self._login(f"http://{LOOPBACK}:{self.ports.http}", "booking"),
            "ami": {
                "address": f"{LOOPBACK}:{self.ports.ami}",
                "users": {user: self.credentials[user] for user in ("ari_app", "sentinel")},
            },
            "caller_ari": self._login(f"http://{LOOPBACK}:{self.ports.caller_http}", "caller"),
            "caldav": {
                "url": f"http://{LOOPBACK}:{self.ports.caldav}/",
                "user": CALENDAR_USER,
                "password": self.credentials["caldav"],
            },
            "console": f"http://{LOOPBACK}:{self.ports.console}",
            "settings": str(self.settings_path),
            "environment": self.settings_environment(),
        }

    # --- steps

    def _login(self, url: str, user: str) -> dict[str, str]:
        return {"url": url, "user": user, "password": self.credentials[user]}

    def _require_free_ports(self) -> None:
        running = self.processes.running()
        owners = {"pbx": "the PBX", "caller": "the caller", "calendar": "the calendar"}
        ours = tuple(text for name, text in owners.items() if name in running)
        for what, (protocol, port) in self.ports.listening().items():
            if not (ours and what.startswith(ours)):
                port_check.require_free(what, protocol=protocol, port=port)

    async def _start_asterisk(
        self, name: str, instance: AsteriskInstance, render: Callable[..., AsteriskInstance]
    ) -> None:
        if name in self.processes.running():
            return
        instance.log.unlink(missing_ok=True)
        instance.security_log.unlink(missing_ok=True)
        render(self.root, instance.state, ports=self.ports, credentials=self.credentials)
        self.processes.start(name, instance.start_command())
        await self._ready(name, lambda: self._is_booted(instance), within_s=30)

    async def _ready(self, what: str, probe: Any, *, within_s: float, process: str | None = None) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self.processes.ready(process or what, probe, within_s=within_s)
        self.report(f"{what} ready ({loop.time() - started:.1f} s)")

    async def _is_booted(self, instance: AsteriskInstance) -> bool:
        code, text = await _run(instance.cli_command("core waitfullybooted"))
        return code == 0 and "fully booted" in text

    async def _phones_registered(self) -> bool:
        contacts = await self.cli(self.pbx, "pjsip show contacts")
        return all(f"{name}/sip:" in contacts for name in PHONES)

    async def _sentinel_listens(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(self.sentinel_socket))
        except OSError:
            return False
        writer.close()
        return True


async def _run(command: list[str]) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(20):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")


async def _accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


async def _answers_ready(port: int) -> bool:
    """Whether a worker's console says 200 at /ready."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in line
