"""The running sentinel: workers on a Unix socket, Asterisk on AMI, the ledger between them."""

import asyncio
import itertools
from contextlib import suppress
from dataclasses import dataclass

from ari_app.call.heartbeat_protocol import (
    Beat,
    Bye,
    FromSentinel,
    Gone,
    HeldChannel,
    Hello,
    ProtocolError,
    Seen,
    StatusAsked,
    Taken,
    Welcome,
    encode,
    from_worker,
)
from ari_app.config import AmiSettings, SentinelSettings
from ari_app.logs import get_logger
from ari_app.sentinel import memory
from ari_app.sentinel.doorway import listen
from ari_app.sentinel.ledger import Death, Ledger, Loss
from ari_app.sentinel.notify import tell_systemd
from ari_app.sentinel.rescue import Rescue
from ari_app.sentinel.status import status_line

log = get_logger()

TICK_S = 0.05
STALL_S = 0.25
"""A tick that comes later than this was the sentinel's own standing still."""
TELL_S = 1.0
"""How often systemd's watchdog is fed."""


@dataclass(slots=True)
class _Link:
    """One connection; `worker` is empty until it has said hello."""

    number: int
    writer: asyncio.StreamWriter
    worker: str = ""

    def send(self, message: FromSentinel) -> None:
        if not self.writer.is_closing():
            self.writer.write(encode(message))


class Sentinel:
    """Watches workers until it is cancelled; what it knows is on disk within a tick."""

    def __init__(self, settings: SentinelSettings, ami: AmiSettings) -> None:
        self._settings = settings
        self._ledger = Ledger(grace_s=settings.grace_s, silent_s=settings.silent_s)
        self._links: dict[int, _Link] = {}
        self._numbers = itertools.count(1)
        self._wake = asyncio.Event()
        self._saved_revision = -1
        self._rescue = Rescue(self._ledger, ami, context=settings.fallback_context, on_change=self._wake.set)

    async def run(self) -> None:
        """Serve; raises BadInput where the socket can't be had. Cancelling saves the state and closes the socket."""
        memory.restore(self._ledger, self._settings.state_path, _now())
        server = await listen(self._settings.socket, self._serve)
        log.info("sentinel.started", socket=self._settings.socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._rescue.keep_connected(), name="ami")
                await self._keep_watch(group)
        finally:
            tell_systemd("STOPPING=1")
            self._save()
            server.close()
            for link in self._links.values():
                link.writer.close()
            self._settings.socket.unlink(missing_ok=True)

    async def _keep_watch(self, group: asyncio.TaskGroup) -> None:
        last = told = _now()
        tell_systemd("READY=1")
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            self._wake.clear()
            now = _now()
            if now - last > STALL_S:
                log.warning("sentinel.stood_still", stall_s=round(now - last, 3))
                self._ledger.forgive(now - last, now)
            last = now
            for loss in self._ledger.due(now):
                self._report(loss)
            self._rescue.start(group)
            self._save()
            if now - told > TELL_S:
                told = now
                tell_systemd("WATCHDOG=1")

    # --- workers

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(next(self._numbers), writer)
        self._links[link.number] = link
        try:
            while line := await reader.readline():
                try:
                    self._hear(link, line)
                except ProtocolError as exc:
                    log.warning("sentinel.garbled", worker=link.worker, reason=str(exc))
        except (OSError, ValueError) as exc:
            log.warning("sentinel.socket_failed", worker=link.worker, reason=str(exc))
        finally:
            del self._links[link.number]
            self._ledger.closed(link.number, _now())
            self._wake.set()
            writer.close()

    def _hear(self, link: _Link, line: bytes) -> None:
        now = _now()
        match from_worker(line):
            case Hello() as hello:
                self._welcome(link, hello, now)
            case HeldChannel() as channel:
                self._ledger.channel(link.number, channel, now)
            case Gone(id=channel_id):
                self._ledger.gone(link.number, channel_id, now)
            case Beat(n=number):
                if self._ledger.beat(link.number, now):
                    log.warning("sentinel.worker_woke", worker=link.worker)
                link.send(Seen(number, self._rescue.redirects))
            case Bye():
                log.info("sentinel.worker_left", worker=link.worker)
                if loss := self._ledger.bye(link.number, now):
                    self._report(loss)
                self._wake.set()
            case StatusAsked():
                up, redirects = self._rescue.is_ami_up, self._rescue.redirects
                link.writer.write(status_line(self._ledger, is_ami_up=up, redirects=redirects, now=now))

    def _welcome(self, link: _Link, hello: Hello, now: float) -> None:
        link.worker = hello.worker
        reception = self._ledger.hello(link.number, hello, now)
        link.send(Welcome(reception.orphans, self._rescue.redirects))
        if reception.taken:
            link.send(Taken(reception.taken))
        log.info(
            "sentinel.worker_here",
            worker=hello.worker,
            pid=hello.pid,
            channels=len(hello.channels),
            orphans=len(reception.orphans),
        )

    def _report(self, loss: Loss) -> None:
        if loss.owed or loss.kept or loss.why is not Death.LEFT:
            log.error(
                "sentinel.worker_lost",
                worker=loss.worker,
                pid=loss.pid,
                why=loss.why.value,
                callers=len(loss.owed),
                with_human=loss.kept,
            )
        if loss.kept:
            self._rescue.compare_soon()
        if loss.link is not None and loss.link in self._links and loss.owed:
            self._links[loss.link].send(Taken(tuple(each.channel.id for each in loss.owed)))

    # --- disk

    def _save(self) -> None:
        if self._ledger.revision == self._saved_revision:
            return
        self._saved_revision = self._ledger.revision
        try:
            memory.save(self._ledger, self._settings.state_path)
        except OSError as exc:
            log.error("sentinel.state_unsaved", path=self._settings.state_path, reason=str(exc))


def _now() -> float:
    return asyncio.get_running_loop().time()
