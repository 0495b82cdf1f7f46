"""The live tests' lab: two Asterisks and a calendar of its own, on ports that nobody else uses."""

import asyncio
import contextlib
import fcntl
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ari_app.asterisk.ari_client import AriClient
from ari_app.config import AriSettings, load_settings
from ari_app.errors import LabError
from ari_app.lab.phone import PhoneBook
from ari_app.lab.places import CHECKOUT, Ports, cache_dir
from ari_app.lab.port_check import is_free
from ari_app.lab.runtime import Lab
from ari_app.speech.vosk_recogniser import VoskRecogniser

OFFSETS = (10_000, 11_000, 13_000, 14_000)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """A fresh lab without a worker, for the whole session."""
    with _claimed_offset() as offset:
        lab = Lab.at(offset=offset)
        asyncio.run(_fresh(lab))
        try:
            yield lab
        finally:
            asyncio.run(lab.down())


@pytest.fixture(scope="session")
def ears() -> Iterator[VoskRecogniser]:
    """The callers' recogniser."""
    recogniser = VoskRecogniser(CHECKOUT / "models/vosk/lab-en-us", threads=1)
    yield recogniser
    recogniser.close()


@pytest.fixture
async def phones(lab: Lab, ears: VoskRecogniser) -> AsyncIterator[PhoneBook]:
    """The lab's phones, nothing ringing, nobody speaking."""
    async with PhoneBook.open(lab, ears) as book:
        yield book


@pytest.fixture
def ari_settings(lab: Lab) -> AriSettings:
    """ARI settings of the lab's PBX."""
    return load_settings(lab.settings_path, lab.settings_environment()).ari


@pytest.fixture
async def pbx(ari_settings: AriSettings) -> AsyncIterator[AriClient]:
    """ARI of the PBX under an application name that no call is offered to.

    A worker killed by an earlier test leaves an empty bridge until one of its name starts: no test is to see another's.
    """
    async with AriClient(ari_settings, application="onlooker") as ari:
        await ari.wait_connected(5)
        for bridge in await ari.bridges():
            if bridge.is_own and not bridge.channels:
                await ari.destroy_bridge(bridge.id)
        yield ari


@pytest.fixture
async def worker(lab: Lab) -> AsyncIterator[Lab]:
    """The lab with its sentinel and one worker, which end with the test."""
    await lab.start_sentinel()
    await lab.start_worker(1)
    try:
        yield lab
    finally:
        await lab.stop("worker-1")
        await lab.stop("sentinel")


QUEUES = """
[front-desk]
strategy = ringall
member => PJSIP/softphone-4

[nobody]
strategy = ringall
joinempty = no
"""
MAILBOX = """
200 => 1234,Front desk
"""


@dataclass(frozen=True, slots=True)
class FrontDesk:
    """A queue with one member (softphone-4), one without, and a mailbox: where [fallback] and the ladder may go on."""

    lab: Lab
    spool: Path
    """Where the mailbox's messages come in."""

    async def fallback_goes_to(self, *, queue: str = "", mailbox: str = "") -> None:
        """Set the dialplan's globals."""
        for name, value in (("FALLBACK_QUEUE", queue), ("FALLBACK_MAILBOX", mailbox)):
            await self.lab.cli(self.lab.pbx, f'dialplan set global {name} "{value}"')

    def messages(self) -> list[Path]:
        return sorted(self.spool.glob("INBOX/*.wav"))


@pytest.fixture
async def front_desk(lab: Lab) -> AsyncIterator[FrontDesk]:
    """The PBX with queues and a mailbox, as an owner would have them; gone again after the test."""
    files = {lab.pbx.etc / "queues.conf": QUEUES, lab.pbx.etc / "voicemail.conf": MAILBOX}
    kept = {path: path.read_text("utf-8") for path in files}
    desk = FrontDesk(lab, lab.pbx.state / "spool/voicemail/default/200")
    shutil.rmtree(desk.spool, ignore_errors=True)
    try:
        for path, text in files.items():
            path.write_text(kept[path] + text, "utf-8")
        await _reread(lab)
        yield desk
    finally:
        for path, text in kept.items():
            path.write_text(text, "utf-8")
        await desk.fallback_goes_to()
        await _reread(lab)


async def _reread(lab: Lab) -> None:
    for module in ("app_queue.so", "app_voicemail.so"):
        await lab.cli(lab.pbx, f"module reload {module}")


class Ami:
    """AMI by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._number = 0

    @classmethod
    @asynccontextmanager
    async def login(cls, port: int, user: str, password: str) -> "AsyncIterator[Ami]":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await reader.readline()
            ami = cls(reader, writer)
            assert "accepted" in await ami.ask({"Action": "Login", "Username": user, "Secret": password})
            yield ami
        finally:
            writer.close()
            await writer.wait_closed()

    async def ask(self, action: dict[str, str]) -> str:
        """The text of the response to this action; events and list entries are passed over."""
        self._number += 1
        lines = [f"{key}: {value}" for key, value in {**action, "ActionID": str(self._number)}.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(5):
            while True:
                text = (await self._reader.readuntil(b"\r\n\r\n")).decode()
                if text.startswith("Response:") and f"ActionID: {self._number}\r\n" in text:
                    return text


@pytest.fixture
def login_ami(lab: Lab) -> Callable[[str], AbstractAsyncContextManager[Ami]]:
    """`async with login_ami("sentinel") as ami`."""
    return lambda user: Ami.login(lab.ports.ami, user, lab.credentials[user])


async def _fresh(lab: Lab) -> None:
    await lab.down()
    lab.forget()
    await lab.up(worker=False)


@contextlib.contextmanager
def _claimed_offset() -> Iterator[int]:
    """A port offset that no other test run has; what a killed run left behind there is ended."""
    for offset in OFFSETS:
        cache_dir().mkdir(parents=True, exist_ok=True)
        with open(cache_dir() / f"lab-{offset}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            asyncio.run(Lab.at(offset=offset).down())
            if all(is_free(protocol, port) for protocol, port in Ports(offset).listening().values()):
                yield offset
                return
    raise LabError(f"no free ports for the live tests at any of the offsets {OFFSETS}")
