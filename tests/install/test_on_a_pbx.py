"""Installed into a stock Asterisk 22 and a FreePBX-like one, and booted: callers reach the agent, or else a human."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from click.testing import Result

from ari_app.install.contents import SENTINEL_ENV, SETTINGS, WORKER_ENV
from ari_app.lab.configuration import moved_ports, render_caller
from ari_app.lab.credentials import PHONES
from ari_app.lab.phone import PhoneBook
from ari_app.lab.places import CHECKOUT, Ports
from ari_app.lab.port_check import is_free
from ari_app.lab.runtime import Lab
from ari_app.speech.vosk_recogniser import VoskRecogniser

pytestmark = pytest.mark.live

OFFSETS = (16_000, 17_000, 18_000)
PARTS = ("worker-1", "sentinel", "calendar", "caller", "pbx")


class OnPremises:
    """A PBX of somebody's own with ari_app beside it; the phones are the lab's."""

    def __init__(self, prefix: Path, lab: Lab, contexts: str) -> None:
        self.prefix, self.lab, self.contexts = prefix, lab, contexts

    @property
    def etc(self) -> Path:
        return self.prefix / "etc/asterisk"

    def configure(self) -> None:
        """The admin's own part: ports, phones. Nothing of it is ari_app's."""
        state, ports = self.lab.pbx.state, self.lab.ports
        for name in ("keys", "lib", "db", "spool", "run", "log/cdr-csv"):
            (state / name).mkdir(parents=True, exist_ok=True)
        (state / "etc").symlink_to(self.etc)
        template = (CHECKOUT / "ari_app/lab/asterisk.conf.template").read_text("utf-8")
        root = self.lab.root
        text = template.format(etc=self.etc, state=state, modules=root.modules, data=root.data)
        (self.etc / "asterisk.conf").write_text(text, "utf-8")
        secrets = "\n".join(f"[{name}-auth](+)\npassword = {self.lab.credentials[name]}\n" for name in PHONES)
        pjsip = (CHECKOUT / "asterisk-config/pjsip.conf").read_text("utf-8").partition('#include "secrets')[0]
        pjsip = pjsip.replace("context = phones", f"context = {self.contexts}")
        (self.etc / "pjsip.conf").write_text(moved_ports(pjsip, ports) + secrets, "utf-8")
        rtp = f"[general]\nrtpstart={ports.rtp[0]}\nrtpend={ports.rtp[1]}\n"
        (self.etc / "rtp.conf").write_text(rtp, "utf-8")
        for path in (*self.etc.glob("http*.conf"), *self.etc.glob("manager*.conf")):
            text = path.read_text("utf-8").replace(";bindport=8088", "bindport=8088")
            path.write_text(moved_ports(text, ports), "utf-8")

    def environment(self) -> dict[str, str]:
        """What systemd gives the worker and the sentinel, and where this machine's lab differs from a server."""
        environ = dict(os.environ)
        for name in (WORKER_ENV, SENTINEL_ENV):
            lines = (self.prefix / name).read_text("utf-8").splitlines()
            environ |= dict(line.split("=", 1) for line in lines)
        return environ | {
            "ARI_APP_CALDAV__URL": f"http://127.0.0.1:{self.lab.ports.caldav}/",
            "ARI_APP_CALDAV__PASSWORD": self.lab.credentials["caldav"],
            "ARI_APP_SPEECH__RECOGNISER": "lab-en-us",
            "ARI_APP_SPEECH__VOICE": "en_US-lab-low",
            "ARI_APP_CONSOLE__PORT": str(self.lab.ports.console),
            "ARI_APP_STORE__URL": f"sqlite:///{self.lab.folder / 'ari_app.db'}",
            "ARI_APP_SENTINEL__SOCKET": str(self.lab.sentinel_socket),
        }

    async def start(self) -> None:
        """Boot it, register the phones, start what the units start."""
        lab = self.lab
        lab.processes.start("pbx", lab.pbx.start_command())
        await lab.processes.ready("pbx", lambda: self._says("core waitfullybooted", "fully booted"), within_s=60)
        render_caller(lab.root, lab.caller.state, ports=lab.ports, credentials=lab.credentials)
        lab.processes.start("caller", lab.caller.start_command())
        await lab.processes.ready(
            "caller", lambda: self._says("pjsip show contacts", *(f"{name}/sip:" for name in PHONES)), within_s=30
        )
        await lab.start_calendar()
        program = [sys.executable, "-m", "ari_app"]
        settings = ["--config", str(self.prefix / SETTINGS)]
        lab.processes.start("sentinel", [*program, "sentinel", *settings], self.environment())
        await lab.processes.ready("sentinel", self._sentinel_listens, within_s=20)
        lab.processes.start("worker-1", [*program, "serve", *settings, "--name", "booking-1"], self.environment())
        await lab.processes.ready("worker-1", self._is_ready, within_s=60)

    async def _says(self, command: str, *expected: str) -> bool:
        process = await asyncio.create_subprocess_exec(
            *self.lab.pbx.cli_command(command), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        output, _ = await process.communicate()
        return all(each in output.decode() for each in expected)

    async def _sentinel_listens(self) -> bool:
        return self.lab.sentinel_socket.exists()

    async def _is_ready(self) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.lab.ports.console}/ready") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def running(site: OnPremises) -> AsyncIterator[PhoneBook]:
    """The site up, its phones in hand."""
    ears = VoskRecogniser(CHECKOUT / "models/vosk/lab-en-us", threads=1)
    try:
        await site.start()
        async with PhoneBook.open(site.lab, ears) as phones:
            yield phones
    finally:
        ears.close()
        for part in PARTS:
            await site.lab.stop(part)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Ports, passwords and processes for one site."""
    for offset in OFFSETS:
        if all(is_free(protocol, port) for protocol, port in Ports(offset).listening().values()):
            return Lab.at(offset=offset, folder=tmp_path / "site")
    raise AssertionError(f"no free ports at any of the offsets {OFFSETS}")


@pytest.mark.parametrize(("kind", "context"), [("stock", "phones"), ("freepbx", "from-internal")])
async def test_callers_reach_the_agent_and_without_it_a_human(
    request: pytest.FixtureRequest, lab: Lab, install: Callable[..., Result], kind: str, context: str
) -> None:
    site = OnPremises(request.getfixturevalue(kind), lab, context)
    site.configure()
    if kind == "stock":
        with (site.etc / "extensions.conf").open("a", encoding="utf-8") as file:
            file.write("\n[phones]\nexten => 200,1,Dial(PJSIP/scheduling,20)\n")
    choices = ["--dial", "PJSIP/scheduling", "--fastagi-port", str(lab.ports.fastagi)]
    install(site.prefix, *choices, *(["--context", context] if kind == "stock" else []), "--apply")
    async with running(site) as phones:
        call = await phones.line("softphone-1").call("700")
        greeting = await call.hear(within_s=15)
        assert "automated assistant" in greeting.text
        await call.press("0")
        human = await (await phones.line("scheduling").ringing(within_s=15)).answer()
        await human.hang_up()
        await call.hang_up()

        stranded = await phones.line("softphone-1").call("700")
        await stranded.hear(within_s=15)
        lab.signal("worker-1", signal.SIGKILL)
        human = await (await phones.line("scheduling").ringing(within_s=10)).answer()
        assert not stranded.ended.is_set()
        await human.hang_up()
