"""One AMI session by panoramisk that comes back by itself, and the two deeds that bring a caller elsewhere.

Every question has a timeout and raises AmiUnavailable; panoramisk's own reconnect and its queue of unsent actions are
not used, as both outlive what they were meant for. What the worker asks stands on it (`ami`), and the sentinel's own
small line (`sentinel.ami_link`).
"""

import asyncio
import logging
import random
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self

from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from ari_app.config import AmiSettings
from ari_app.errors import AmiUnavailable, BadInput, ChannelGone
from ari_app.logs import get_logger

log = get_logger()
_QUIET = logging.getLogger("panoramisk.ari_app")
_QUIET.setLevel(logging.CRITICAL)
"""What panoramisk would log is logged here, once."""

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0

_NAME = re.compile(r"[A-Za-z0-9_.+@-]{1,80}")


class AmiMessage(Protocol):
    """What is used of panoramisk's Message; an absent header reads as an empty text."""

    success: bool
    response: str
    message: str
    event: str
    value: str
    status: str
    statustext: str
    device: str
    state: str
    location: str
    paused: str
    calls: str
    holdtime: str
    uniqueid: str
    channel: str
    context: str
    application: str
    bridgeid: str

    def items(self) -> Iterator[tuple[str, object]]: ...


class AmiSession:
    """`async with` starts connecting and doesn't wait for it; or run `keep_connected` in a group of one's own.

    `events` is AMI's mask ("on", "call"); a session that doesn't answer a ping every `ping_s` is lost.
    """

    def __init__(self, settings: AmiSettings, *, events: str = "on", ping_s: float = 2.0) -> None:
        self._settings = settings
        self._events_mask = events
        self._ping_s = ping_s
        self._where = f"AMI at {settings.host}:{settings.port}"
        self._manager: Manager | None = None
        self._up = asyncio.Event()
        self._failure = AmiUnavailable(f"{self._where}: not connected yet")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.keep_connected(), name="ami")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    @property
    def is_connected(self) -> bool:
        return self._manager is not None

    async def wait_connected(self, timeout_s: float | None = None) -> None:
        """Wait until logged in; after `timeout_s` raises AmiUnavailable with what stood in the way."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError as exc:
            raise self._failure from exc

    # Deeds. Both raise ChannelGone, AmiUnavailable.

    async def redirect(self, channel: str, *, context: str, extension: str, priority: int = 1) -> None:
        """Send a channel (name or id) elsewhere in the dialplan, out of whatever it is in; raises ChannelGone."""
        where = {"Context": as_name(context), "Exten": as_name(extension), "Priority": str(priority)}
        await self._on_channel({"Action": "Redirect", "Channel": channel, **where})

    async def hangup(self, channel: str, *, cause: int = 16) -> None:
        """End a channel (name or id); raises ChannelGone."""
        await self._on_channel({"Action": "Hangup", "Channel": channel, "Cause": str(cause)})

    # For those that stand on it

    def _logged_in(self) -> None:
        """Called on the event loop at each log-in; only takes note."""

    def _take(self, message: AmiMessage) -> None:
        """Called on the event loop for each event; only takes note."""

    async def _on_channel(self, action: dict[str, str]) -> list[AmiMessage]:
        first, *others = await self._answers(action)
        if first.success:
            return others
        if "does not exist" in first.message or "No such channel" in first.message:
            raise ChannelGone(action["Action"], action.get("Channel", ""), 404, first.message)
        raise AmiUnavailable(f"{self._where} refuses {action['Action']}: {first.message}")

    async def _ask(self, action: dict[str, str], *, may_fail: bool = False) -> AmiMessage:
        answer = (await self._answers(action))[0]
        if not answer.success and not may_fail:
            raise AmiUnavailable(f"{self._where} refuses {action['Action']}: {answer.message}")
        return answer

    async def _ask_list(self, action: dict[str, str]) -> list[AmiMessage]:
        answers = await self._answers(action)
        if not answers[0].success:
            raise AmiUnavailable(f"{self._where} refuses {action['Action']}: {answers[0].message}")
        return answers

    async def _answers(
        self, action: Mapping[str, str | list[str]], *, as_list: bool | None = None, timeout_s: float | None = None
    ) -> list[AmiMessage]:
        if self._manager is None:
            raise AmiUnavailable(str(self._failure))
        clean = {key: _one_line(value) for key, value in action.items() if value}
        future = self._manager.send_action(clean, as_list=as_list)
        return await self._answered(future, str(action["Action"]), timeout_s or self._settings.timeout_s)

    async def _answered(
        self, future: "asyncio.Future[AmiMessage | list[AmiMessage]]", what: str, timeout_s: float
    ) -> list[AmiMessage]:
        """The answer within `timeout_s`; the future is panoramisk's own and isn't cancelled with the wait."""
        manager = self._manager
        await asyncio.wait([future], timeout=timeout_s)
        if not future.done():
            if manager is not None and manager is self._manager:
                _abort(manager)
            raise AmiUnavailable(f"{self._where}: no answer to {what} in {timeout_s:g} s")
        if future.cancelled():
            raise AmiUnavailable(f"{self._where}: the session ended during {what}")
        answer = future.result()
        return answer if isinstance(answer, list) else [answer]

    async def keep_connected(self) -> None:
        """Connect, stay, connect again; ends only by cancellation."""
        failures = 0
        while True:
            try:
                await self._one_session()
                failures = 0
                self._failure = AmiUnavailable(f"{self._where}: connection lost")
                log.warning("ami.lost", where=self._where)
            except AmiUnavailable as exc:
                if str(exc) != str(self._failure):
                    log.warning("ami.unavailable", reason=str(exc))
                self._failure = exc
                failures += 1
            longest = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** min(failures, 10))
            await asyncio.sleep(longest * random.uniform(0.5, 1.0))

    async def _one_session(self) -> None:
        """Connect, log in and stay until the connection is lost."""
        lost = asyncio.Event()
        manager = await self._connected(lost)
        try:
            [answer] = await self._answered(manager.authenticated_future, "Login", self._settings.timeout_s)
            if not answer.success:
                raise AmiUnavailable(f"{self._where} refuses {self._settings.user}: {answer.message}")
            manager.register_event("*", lambda _, message: self._take(message))
            self._manager = manager
            self._up.set()
            log.info("ami.connected", where=self._where)
            self._logged_in()
            while not lost.is_set():
                await self._stay(manager, lost)
        finally:
            self._manager = None
            self._up.clear()
            _close(manager)

    async def _connected(self, lost: asyncio.Event) -> Manager:
        settings, loop = self._settings, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(settings.timeout_s):
                made = await loop.create_connection(AMIProtocol, settings.host, settings.port)
        except (OSError, TimeoutError) as exc:
            raise AmiUnavailable(f"{self._where} can't be reached: {type(exc).__name__}") from exc
        manager = Manager(
            username=settings.user,
            secret=settings.password.get_secret_value(),
            events=self._events_mask,
            ping_delay=3600,
            loop=loop,
            log=_QUIET,
            on_disconnect=lambda *_: lost.set(),
        )
        manager.connect = _stay_down
        connection: asyncio.Future[tuple[asyncio.BaseTransport, object]] = loop.create_future()
        connection.set_result(made)
        manager.connection_made(connection)
        return manager

    async def _stay(self, manager: Manager, lost: asyncio.Event) -> None:
        """Wait a little or until the connection is lost; a peer that doesn't answer a ping is lost too."""
        try:
            async with asyncio.timeout(self._ping_s):
                await lost.wait()
        except TimeoutError:
            try:
                await self._answered(manager.send_action({"Action": "Ping"}), "Ping", self._settings.timeout_s)
            except AmiUnavailable:
                lost.set()


def _stay_down(*_arguments: object) -> None:
    """In place of panoramisk's own reconnect."""


def _abort(manager: Manager) -> None:
    """Drop a connection that no longer answers; its session then ends."""
    if manager.protocol is not None:
        manager.protocol.transport.abort()


def _close(manager: Manager) -> None:
    """End a session with its timers; nothing is kept to be sent again."""
    if manager.protocol is not None:
        manager.protocol.factory = None
    manager.close()


def as_name(text: str) -> str:
    """A name of an extension, context, endpoint, queue or technology, and nothing that AMI could read as more."""
    if not _NAME.fullmatch(text):
        raise BadInput(f"{text[:40]!r} is no name that AMI may be given")
    return text


def _one_line(value: str | list[str]) -> str | list[str]:
    if isinstance(value, list):
        return ["".join(char if char.isprintable() else " " for char in each) for each in value]
    return "".join(char if char.isprintable() else " " for char in value)
