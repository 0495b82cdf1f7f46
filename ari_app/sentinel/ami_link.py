"""The sentinel's line to Asterisk: AMI by panoramisk, kept open for good."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from panoramisk import Manager

from ari_app.errors import AmiUnavailable, ChannelGone
from ari_app.logs import get_logger

log = get_logger()
_QUIET = logging.getLogger("panoramisk.sentinel")
_QUIET.setLevel(logging.CRITICAL)
"""What panoramisk would say is said here, once."""

FIRST_RETRY_S = 0.1
LONGEST_RETRY_S = 2.0
PING_S = 1.0


@dataclass(frozen=True, slots=True)
class AmiLogin:
    """Where AMI is and who logs in."""

    host: str
    port: int
    user: str
    password: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """What Asterisk says of one channel (`Status`)."""

    id: str
    name: str
    context: str
    application: str
    bridge: str
    """Id of the bridge it is in; empty: none."""


class AmiLink:
    """One AMI session that comes back by itself, its rights no more than `call` and `reporting`.

    `on_up` and `on_hangup` (a channel's unique id) are called on the event loop and only take note.
    """

    def __init__(self, login: AmiLogin, *, on_up: Callable[[], None], on_hangup: Callable[[str], None]) -> None:
        self._login = login
        self._on_up = on_up
        self._on_hangup = on_hangup
        self._manager: Manager | None = None

    @property
    def is_up(self) -> bool:
        """Whether a session is logged in."""
        return self._manager is not None

    async def run(self) -> None:
        """Connect, stay, connect again; ends only by cancellation."""
        retry_s, said = FIRST_RETRY_S, ""
        while True:
            try:
                await self._one_session()
            except AmiUnavailable as exc:
                if str(exc) != said:
                    said = str(exc)
                    log.warning("sentinel.ami_unavailable", reason=said)
            else:
                retry_s, said = FIRST_RETRY_S, ""
                log.warning("sentinel.ami_lost")
            await asyncio.sleep(retry_s * random.uniform(0.8, 1.2))
            retry_s = min(retry_s * 2, LONGEST_RETRY_S)

    async def redirect(self, channel_id: str, *, context: str, exten: str) -> None:
        """Send a channel to `context`; raises ChannelGone, AmiUnavailable."""
        where = {"Context": context, "Exten": exten, "Priority": "1"}
        await self._on_channel({"Action": "Redirect", "Channel": channel_id, **where})

    async def hang_up(self, channel_id: str) -> None:
        """End a channel, cause 16 (normal clearing); raises ChannelGone, AmiUnavailable."""
        await self._on_channel({"Action": "Hangup", "Channel": channel_id, "Cause": "16"})

    async def channels(self, channel_id: str = "") -> tuple[LiveChannel, ...]:
        """All channels that Asterisk has now, or that one if it is still there; raises AmiUnavailable."""
        wanted = {"Channel": channel_id} if channel_id else {}
        first, *events = await self._answers({"Action": "Status", **wanted})
        if _is_gone(first.message):
            return ()
        if not first.success:
            raise AmiUnavailable(f"Status: {first.message}")
        return tuple(
            LiveChannel(each.uniqueid, each.channel, each.context, each.application, each.bridgeid)
            for each in events
            if each.event == "Status"
        )

    async def _one_session(self) -> None:
        lost = asyncio.Event()
        manager = Manager(
            host=self._login.host,
            port=self._login.port,
            username=self._login.user,
            secret=self._login.password,
            events="call",
            ping_delay=3600,
            log=_QUIET,
            on_disconnect=lambda *_: lost.set(),
        )
        manager.register_event("Hangup", lambda _, event: self._on_hangup(str(event.uniqueid)))
        try:
            await self._log_in(manager)
            self._manager = manager
            log.info("sentinel.ami_up", host=self._login.host, port=self._login.port)
            self._on_up()
            while not lost.is_set():
                await self._ping(manager, lost)
        finally:
            self._manager = None
            _close(manager)

    async def _log_in(self, manager: Manager) -> None:
        where = f"AMI at {self._login.host}:{self._login.port}"
        connecting = manager.connect()
        # panoramisk would call this again by a timer of its own; the waiting between tries is ours.
        manager.connect = _stay_down
        await asyncio.wait([connecting], timeout=self._login.timeout_s)
        if not connecting.done() or connecting.cancelled() or connecting.exception() is not None:
            connecting.remove_done_callback(manager.connection_made)
            connecting.cancel()
            raise AmiUnavailable(f"{where} can't be reached")
        [answer] = await self._answered(manager.authenticated_future, "Login")
        if not answer.success:
            raise AmiUnavailable(f"{where} refuses {self._login.user}: {answer.message}")

    async def _ping(self, manager: Manager, lost: asyncio.Event) -> None:
        """Wait a little or until the session is lost; one that doesn't answer any more is lost too."""
        try:
            async with asyncio.timeout(PING_S):
                await lost.wait()
        except TimeoutError:
            try:
                await self._answered(manager.send_action({"Action": "Ping"}), "Ping")
            except AmiUnavailable:
                manager.protocol.transport.abort()
                lost.set()

    async def _on_channel(self, action: dict[str, str]) -> None:
        answer, *_ = await self._answers(action)
        if _is_gone(answer.message):
            raise ChannelGone(action["Action"], action["Channel"], 404, answer.message)
        if not answer.success:
            raise AmiUnavailable(f"{action['Action']} {action['Channel']}: {answer.message}")

    async def _answers(self, action: dict[str, str]) -> "list[_Message]":
        if self._manager is None:
            raise AmiUnavailable("no AMI session")
        return await self._answered(self._manager.send_action(action), action["Action"])

    async def _answered(self, future: "asyncio.Future[_Message | list[_Message]]", what: str) -> "list[_Message]":
        """The answer, under a timeout; the future is panoramisk's own and is not cancelled with the wait."""
        await asyncio.wait([future], timeout=self._login.timeout_s)
        if not future.done() or future.cancelled():
            raise AmiUnavailable(f"{what}: no answer in {self._login.timeout_s} s")
        answer = future.result()
        return answer if isinstance(answer, list) else [answer]


class _Message(Protocol):
    """What is used of panoramisk's Message; an absent header reads as an empty text."""

    success: bool
    message: str
    event: str
    uniqueid: str
    channel: str
    context: str
    application: str
    bridgeid: str


def _is_gone(text: str) -> bool:
    return "No such channel" in text or "does not exist" in text


def _stay_down() -> None:
    """In place of panoramisk's own reconnect."""


def _close(manager: Manager) -> None:
    """End a session and all its timers."""
    if manager.protocol is not None:
        manager.protocol.factory = None
    manager.close()
