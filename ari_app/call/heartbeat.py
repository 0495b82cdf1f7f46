"""A worker's heartbeat to the sentinel, so that its callers reach a human when it dies.

    async with Heartbeat(settings.sentinel, settings.worker.name) as heartbeat:
        heartbeat.channel("PJSIP/trunk-00000001", "1732301234.7", state=ChannelState.AGENT)
        ...
        heartbeat.gone("1732301234.7")

Where no sentinel runs, or it stops answering, everything goes on: the list is kept here and sent whole when the
sentinel is back. No call ever waits for it.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Self

from ari_app import metrics
from ari_app.call.heartbeat_protocol import (
    LONGEST_LINE,
    Beat,
    Bye,
    ChannelState,
    FromWorker,
    Gone,
    HeldChannel,
    Hello,
    ProtocolError,
    Seen,
    Taken,
    Welcome,
    as_token,
    encode,
    from_sentinel,
)
from ari_app.config import SentinelSettings
from ari_app.logs import get_logger

log = get_logger()

MOST_UNSENT_BYTES = 256 * 1024
RETRY_S = 0.2
GOODBYE_S = 0.3


class Heartbeat:
    """Beats from the event loop that it was entered on, and tells the sentinel which channels this worker holds.

    `on_orphans` gets the channels of this worker's former process where the sentinel still holds them: name each
    with `channel` within grace_s to keep it, else it goes to [fallback]. `on_taken` gets the ids of channels that the
    sentinel took away while this process was silent: their calls are with a human now; call `gone` when each ended.
    Both are called on the event loop and must return at once.
    """

    def __init__(
        self,
        settings: SentinelSettings,
        worker: str,
        *,
        on_orphans: Callable[[tuple[HeldChannel, ...]], None] | None = None,
        on_taken: Callable[[tuple[str, ...]], None] | None = None,
    ) -> None:
        self._settings = settings
        self._worker = as_token(worker)
        self._run = secrets.token_hex(8)
        self._on_orphans = on_orphans or _ignore
        self._on_taken = on_taken or _ignore
        self._held: dict[str, HeldChannel] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._answered_at = 0.0
        self._is_watched = False

    @property
    def is_watched(self) -> bool:
        """Whether the sentinel answers."""
        return self._is_watched

    def channel(self, name: str, channel_id: str, *, state: ChannelState, linked: str | None = None) -> None:
        """Hold this channel, or say that it changed; returns at once."""
        held = HeldChannel(as_token(channel_id), as_token(name), state, None if linked is None else as_token(linked))
        if self._held.get(held.id) != held:
            self._held[held.id] = held
            self._send(held)

    def gone(self, channel_id: str) -> None:
        """This channel hung up or went elsewhere in good order; unknown ids are told too (an orphan declined)."""
        self._held.pop(as_token(channel_id), None)
        self._send(Gone(as_token(channel_id)))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live(), name="heartbeat")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say good-bye; channels still held then (other than with a human) go to [fallback] at once."""
        task, self._task = self._task, None
        self._send(Bye())
        try:
            if self._writer is not None:
                async with asyncio.timeout(GOODBYE_S):
                    await self._writer.drain()
        except (OSError, TimeoutError):
            log.warning("sentinel.goodbye_unsent")
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat(), name="heartbeat-beat")
            group.create_task(self._keep_connected(), name="heartbeat-connect")

    async def _beat(self) -> None:
        number = 0
        now_s = asyncio.get_running_loop().time
        while True:
            if self._writer is not None:
                self._send(Beat(number))
                number += 1
                if now_s() - self._answered_at > 2 * self._settings.silent_s:
                    self._writer.transport.abort()
            await asyncio.sleep(self._settings.heartbeat_s)

    async def _keep_connected(self) -> None:
        while True:
            reason = "closed"
            try:
                await self._one_connection()
            except (OSError, ValueError) as exc:
                reason = str(exc) or type(exc).__name__
            self._set_watched(False, reason=reason)
            await asyncio.sleep(RETRY_S)

    async def _one_connection(self) -> None:
        async with asyncio.timeout(self._settings.silent_s):
            reader, writer = await asyncio.open_unix_connection(self._settings.socket, limit=LONGEST_LINE)
        try:
            writer.write(encode(Hello(self._worker, os.getpid(), self._run, tuple(self._held.values()))))
            self._answered_at = asyncio.get_running_loop().time()
            self._writer = writer
            await self._read(reader)
        finally:
            self._writer = None
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._answered_at = asyncio.get_running_loop().time()
            try:
                message = from_sentinel(line)
            except ProtocolError as exc:
                log.warning("sentinel.garbled", reason=str(exc))
                continue
            match message:
                case Welcome(orphans=orphans, redirects=redirects):
                    self._set_watched(True)
                    metrics.SENTINEL_REDIRECTS.set(redirects)
                    if orphans:
                        log.info("sentinel.orphans", channels=[each.id for each in orphans])
                        asyncio.get_running_loop().call_soon(self._on_orphans, orphans)
                case Seen(redirects=redirects):
                    metrics.SENTINEL_REDIRECTS.set(redirects)
                case Taken(ids=ids):
                    log.warning("sentinel.taken", channels=ids)
                    asyncio.get_running_loop().call_soon(self._on_taken, ids)

    def _send(self, message: FromWorker) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self._writer.transport.abort()
            return
        self._writer.write(encode(message))

    def _set_watched(self, is_watched: bool, *, reason: str = "") -> None:
        if is_watched and not self._is_watched:
            log.info("sentinel.watching", socket=self._settings.socket)
        elif self._is_watched and not is_watched:
            log.warning("sentinel.absent", socket=self._settings.socket, reason=reason)
        self._is_watched = is_watched
        metrics.SENTINEL_CONNECTED.set(is_watched)


def _ignore(_: object) -> None:
    """Nobody asked to be told."""
