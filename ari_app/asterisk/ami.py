"""AMI by panoramisk: is a phone free, how is a queue, where are a phone's contacts; redirect, hang up, originate.

One session that comes back by itself. Every question has a timeout and raises AmiUnavailable; panoramisk's own
reconnect and its queue of unsent actions are not used, as both outlive what they were meant for. Rights needed:
`call` and `reporting`, for `originate` that as well.
"""

import asyncio
import logging
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
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
PING_S = 2.0

_NAME = re.compile(r"[A-Za-z0-9_.+@-]{1,80}")
_SIP_CONTACT = re.compile(r"sips?:[^&|,\s]+")


class DeviceState(StrEnum):
    """What Asterisk knows of a phone."""

    NOT_INUSE = "NOT_INUSE"
    INUSE = "INUSE"
    BUSY = "BUSY"
    RINGING = "RINGING"
    RINGINUSE = "RINGINUSE"
    ONHOLD = "ONHOLD"
    UNAVAILABLE = "UNAVAILABLE"
    INVALID = "INVALID"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class ExtensionState:
    """A hint's state."""

    status: int
    """-1 no hint, -2 removed, 0 idle, 1 in use, 2 busy, 4 unavailable, 8 ringing, 16 on hold; 9 in use and ringing."""
    text: str

    @property
    def has_hint(self) -> bool:
        return self.status >= 0

    @property
    def is_idle(self) -> bool:
        return self.status == 0


@dataclass(frozen=True, slots=True)
class QueueMember:
    """Who answers a queue."""

    interface: str
    status: int
    """1 not in use, 2 in use, 3 busy, 4 invalid, 5 unavailable, 6 ringing, 7 ring in use, 8 on hold, 0 unknown."""
    is_paused: bool

    @property
    def is_free(self) -> bool:
        return self.status == 1 and not self.is_paused


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue now."""

    name: str
    waiting: int
    """Callers in it."""
    hold_s: int
    """Average wait."""
    members: tuple[QueueMember, ...]

    @property
    def has_free_member(self) -> bool:
        return any(member.is_free for member in self.members)


class AmiEvents:
    """A bounded queue of events; when full the oldest goes."""

    def __init__(self, bound: int) -> None:
        self._queue: asyncio.Queue[Mapping[str, str]] = asyncio.Queue(bound)
        self.dropped = 0

    async def get(self) -> Mapping[str, str]:
        """The next event, its header names in lower case; cancelling loses none."""
        return await self._queue.get()

    def _put(self, event: Mapping[str, str]) -> None:
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait(event)


class Ami:
    """One AMI session; `async with Ami(settings.ami) as ami:` starts connecting and doesn't wait for it."""

    def __init__(self, settings: AmiSettings) -> None:
        self._settings = settings
        self._where = f"AMI at {settings.host}:{settings.port}"
        self._manager: Manager | None = None
        self._up = asyncio.Event()
        self._failure = AmiUnavailable(f"{self._where}: not connected yet")
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[tuple[frozenset[str], AmiEvents]] = []

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_connected(), name="ami")
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

    @contextmanager
    def events(self, *names: str, bound: int = 256) -> Iterator[AmiEvents]:
        """Events of these names ("DeviceStateChange"; none: all that AMI sends), across reconnects."""
        entry = (frozenset(name.lower() for name in names), AmiEvents(bound))
        self._listeners.append(entry)
        try:
            yield entry[1]
        finally:
            self._listeners.remove(entry)

    # Questions. All raise AmiUnavailable.

    async def is_available(self, extension: str, context: str, *, device: str = "") -> bool:
        """Whether a phone is registered and idle: by its hint in `context`, without one by `device`.

        `device` "" is PJSIP/<extension>. A phone of which Asterisk can't tell counts as available: ringing will show.
        """
        state = await self.extension_state(extension, context)
        if state.has_hint:
            return state.is_idle
        return await self.device_state(device or f"PJSIP/{extension}") in (DeviceState.NOT_INUSE, DeviceState.UNKNOWN)

    async def extension_state(self, extension: str, context: str) -> ExtensionState:
        """The state of a hint."""
        answer = await self._ask({"Action": "ExtensionState", "Exten": _name(extension), "Context": _name(context)})
        return ExtensionState(_number(answer.status, -1), answer.statustext)

    async def device_state(self, device: str) -> DeviceState:
        """`device` as "PJSIP/200"."""
        technology, _, name = device.partition("/")
        found = await self.variable(f"DEVICE_STATE({_name(technology)}/{_name(name)})")
        return DeviceState(found) if found in DeviceState.__members__ else DeviceState.UNKNOWN

    async def device_states(self) -> dict[str, DeviceState]:
        """All devices that Asterisk knows of (res_manager_devicestate)."""
        answers = await self._ask_list({"Action": "DeviceStateList"})
        return {
            each.device: DeviceState(each.state) if each.state in DeviceState.__members__ else DeviceState.UNKNOWN
            for each in answers
            if each.event == "DeviceStateChange"
        }

    async def contacts(self, endpoint: str) -> list[str]:
        """SIP URIs at which an endpoint's phones are reachable; empty when none is registered.

        By the dialplan function PJSIP_DIAL_CONTACTS, which `reporting` may read; PJSIPShowEndpoint wants `system`.
        """
        found = await self.variable(f"PJSIP_DIAL_CONTACTS({_name(endpoint)})")
        parts = (part.split("/", 2)[-1] for part in found.split("&") if part.startswith("PJSIP/"))
        return [uri for uri in parts if _SIP_CONTACT.fullmatch(uri)]

    async def queue(self, name: str) -> QueueState | None:
        """A queue's state; None: there is no such queue."""
        answers = await self._ask_list({"Action": "QueueStatus", "Queue": _name(name)})
        params = next((each for each in answers if each.event == "QueueParams"), None)
        if params is None:
            return None
        members = tuple(
            QueueMember(each.location, _number(each.status, 0), each.paused == "1")
            for each in answers
            if each.event == "QueueMember"
        )
        return QueueState(name, _number(params.calls, 0), _number(params.holdtime, 0), members)

    async def variable(self, name: str, *, channel: str = "") -> str:
        """A global or channel variable, or a function's value; "" when it has none."""
        wanted = {"Channel": channel} if channel else {}
        answer = await self._ask({"Action": "Getvar", "Variable": name, **wanted}, may_fail=True)
        return answer.value

    # Deeds. All raise AmiUnavailable.

    async def redirect(self, channel: str, *, context: str, extension: str, priority: int = 1) -> None:
        """Send a channel (name or id) elsewhere in the dialplan, out of whatever it is in; raises ChannelGone."""
        where = {"Context": _name(context), "Exten": _name(extension), "Priority": str(priority)}
        await self._on_channel({"Action": "Redirect", "Channel": channel, **where})

    async def hangup(self, channel: str, *, cause: int = 16) -> None:
        """End a channel (name or id); raises ChannelGone."""
        await self._on_channel({"Action": "Hangup", "Channel": channel, "Cause": str(cause)})

    async def originate(
        self,
        endpoint: str,
        *,
        context: str,
        extension: str,
        caller_id: str = "",
        ring_s: float = 30.0,
        variables: Mapping[str, str] | None = None,
    ) -> bool:
        """Ring `endpoint` and send whoever answers into the dialplan; True once answered, False if not.

        `endpoint` must come from settings, never from a caller.
        """
        action: dict[str, str | list[str]] = {
            "Action": "Originate",
            "Channel": endpoint,
            "Context": _name(context),
            "Exten": _name(extension),
            "Priority": "1",
            "CallerID": caller_id,
            "Timeout": str(round(ring_s * 1000)),
            "Async": "true",
            "Variable": [f"{key}={value}" for key, value in (variables or {}).items()],
        }
        answers = await self._answers(action, as_list=True, timeout_s=ring_s + self._settings.timeout_s)
        return answers[-1].response == "Success" and answers[-1].event == "OriginateResponse"

    # The session

    async def _on_channel(self, action: dict[str, str]) -> None:
        answer = (await self._answers(action))[0]
        if answer.success:
            return
        if "does not exist" in answer.message or "No such channel" in answer.message:
            raise ChannelGone(action["Action"], action["Channel"], 404, answer.message)
        raise AmiUnavailable(f"{self._where} refuses {action['Action']}: {answer.message}")

    async def _ask(self, action: dict[str, str], *, may_fail: bool = False) -> "_Message":
        answer = (await self._answers(action))[0]
        if not answer.success and not may_fail:
            raise AmiUnavailable(f"{self._where} refuses {action['Action']}: {answer.message}")
        return answer

    async def _ask_list(self, action: dict[str, str]) -> "list[_Message]":
        answers = await self._answers(action)
        if not answers[0].success:
            raise AmiUnavailable(f"{self._where} refuses {action['Action']}: {answers[0].message}")
        return answers

    async def _answers(
        self, action: Mapping[str, str | list[str]], *, as_list: bool | None = None, timeout_s: float | None = None
    ) -> "list[_Message]":
        if self._manager is None:
            raise AmiUnavailable(str(self._failure))
        clean = {key: _one_line(value) for key, value in action.items() if value}
        future = self._manager.send_action(clean, as_list=as_list)
        return await self._answered(future, str(action["Action"]), timeout_s or self._settings.timeout_s)

    async def _answered(
        self, future: "asyncio.Future[_Message | list[_Message]]", what: str, timeout_s: float
    ) -> "list[_Message]":
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

    async def _keep_connected(self) -> None:
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
            manager.register_event("*", self._take)
            self._manager = manager
            self._up.set()
            log.info("ami.connected", where=self._where)
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
            async with asyncio.timeout(PING_S):
                await lost.wait()
        except TimeoutError:
            try:
                await self._answered(manager.send_action({"Action": "Ping"}), "Ping", self._settings.timeout_s)
            except AmiUnavailable:
                lost.set()

    def _take(self, _manager: Manager, message: "_Message") -> None:
        """Called by panoramisk for each event: only enqueues."""
        event: dict[str, str] | None = None
        for names, queue in self._listeners:
            if not names or message.event.lower() in names:
                event = event or {str(key).lower(): str(value) for key, value in message.items()}
                queue._put(event)


class _Message(Protocol):
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

    def items(self) -> "Iterator[tuple[str, object]]": ...


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


def _name(text: str) -> str:
    """A name of an extension, context, endpoint, queue or technology, and nothing that AMI could read as more."""
    if not _NAME.fullmatch(text):
        raise BadInput(f"{text[:40]!r} is no name that AMI may be given")
    return text


def _one_line(value: str | list[str]) -> str | list[str]:
    if isinstance(value, list):
        return ["".join(char if char.isprintable() else " " for char in each) for each in value]
    return "".join(char if char.isprintable() else " " for char in value)


def _number(text: str, otherwise: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else otherwise
