"""Channels and bridges as things to hold: each verb one ARI request, and what was made here is ended on leaving.

A handle takes its events from its beginning ("subscribe before you create"), so none is missed. That a caller
has hung up comes as CallerHungUp: from `until_gone_raises`, run as a task beside the call's others, and from any verb
on a handle that was made with `is_caller=True`.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from types import TracebackType
from typing import Self

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import (
    OWN_PREFIX,
    AriConnected,
    ChannelDestroyed,
    ChannelDtmfReceived,
    ChannelHangupRequest,
    ChannelSnapshot,
    Dial,
    Event,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
)
from ari_app.asterisk.subscriptions import Subscription
from ari_app.errors import AriRefused, CallEnded, CallerHungUp, ChannelGone, PbxError
from ari_app.logs import get_logger

log = get_logger()

CLEANUP_S = 2.0
LEG_PREFIX = f"{OWN_PREFIX}leg-"
BRIDGE_PREFIX = f"{OWN_PREFIX}bridge-"


class Ending(StrEnum):
    """How a channel ceased to be ours."""

    HUNG_UP = "hung_up"
    LEFT = "left"
    """It lives on outside this application: continued, redirected, moved."""


class DialFailed(PbxError):
    """A dialled phone did not answer; `status` is Asterisk's: BUSY, NOANSWER, CONGESTION, CHANUNAVAIL, CANCEL, ..."""

    def __init__(self, endpoint: str, status: str) -> None:
        super().__init__(f"{endpoint} did not answer: {status}")
        self.endpoint, self.status = endpoint, status


class Channel:
    """One channel; entered with `async with`, which begins (and on leaving ends) its events.

    `hang_up_on_exit`: leaving hangs it up, under its own timeout, unless `keep()` was called.
    """

    def __init__(
        self, ari: AriClient, channel_id: str, *, is_caller: bool = False, hang_up_on_exit: bool = False
    ) -> None:
        self.ari = ari
        self.id = channel_id
        self.is_caller = is_caller
        self._hang_up_on_exit = hang_up_on_exit
        self._events = ari.subscribe(channel_id)
        self._ending: Ending | None = None

    async def __aenter__(self) -> Self:
        self._events.__enter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._events.close()
        if self._hang_up_on_exit and self._ending is not Ending.LEFT:
            await quietly_hang_up(self.ari, self.id)

    def keep(self) -> None:
        """Leave the channel alive on leaving."""
        self._hang_up_on_exit = False

    def subscribe(self, bound: int = 256) -> Subscription:
        """Another queue of this channel's events, for another task: `with channel.subscribe() as events`."""
        return self.ari.subscribe(self.id, bound=bound)

    def digits(self, bound: int = 64) -> "Digits":
        """Keys pressed from `with` on: `with channel.digits() as digits`."""
        return Digits(self.subscribe(bound))

    # Verbs

    async def answer(self) -> None:
        with self._translated():
            await self.ari.answer(self.id)

    async def hangup(self, reason: str = "normal") -> None:
        """Hang up; that it already is so is no error."""
        try:
            await self.ari.hangup(self.id, reason)
        except ChannelGone:
            log.debug("channel.already_gone", channel_id=self.id)

    async def ring(self) -> None:
        with self._translated():
            await self.ari.ring(self.id)

    async def stop_ring(self) -> None:
        with self._translated():
            await self.ari.stop_ring(self.id)

    async def start_moh(self, moh_class: str = "") -> None:
        with self._translated():
            await self.ari.start_moh(self.id, moh_class)

    async def stop_moh(self) -> None:
        with self._translated():
            await self.ari.stop_moh(self.id)

    async def send_dtmf(self, digits: str) -> None:
        with self._translated():
            await self.ari.send_dtmf(self.id, digits)

    async def set_variable(self, name: str, value: str) -> None:
        with self._translated():
            await self.ari.set_variable(self.id, name, value)

    async def variable(self, name: str) -> str:
        """A variable or function; "" when it isn't set."""
        with self._translated():
            return await self.ari.variable(self.id, name)

    async def snapshot(self) -> ChannelSnapshot:
        with self._translated():
            return await self.ari.channel(self.id)

    async def continue_in_dialplan(
        self, *, context: str = "", extension: str = "", priority: int | None = None
    ) -> None:
        """Give the channel back to the dialplan; it is no longer hung up on leaving."""
        with self._translated():
            await self.ari.continue_in_dialplan(self.id, context=context, extension=extension, priority=priority)
        self.keep()

    async def redirect(self, endpoint: str) -> None:
        """Have the phone call `endpoint` itself; it is no longer hung up on leaving."""
        with self._translated():
            await self.ari.redirect(self.id, endpoint)
        self.keep()

    async def play_file(self, media: str) -> None:
        """Have Asterisk play "sound:NAME" and wait for its end; cancelling stops it."""
        playback_id = f"{OWN_PREFIX}playback-{uuid.uuid4()}"
        with self.ari.subscribe(playback_id, self.id, bound=32) as events, self._translated():
            await self.ari.play(self.id, media, playback_id=playback_id)
            try:
                await self._until_played(events, playback_id)
            except asyncio.CancelledError:
                await quietly(self.ari.stop_playback(playback_id), "playback.stop")
                raise

    async def _until_played(self, events: Subscription, playback_id: str) -> None:
        async for event in events:
            if isinstance(event, PlaybackFinished) and event.playback.id == playback_id:
                return
            ending = await self._ending_in(event)
            if ending is not None:
                raise self._ended(ending)

    # Endings

    @property
    def ending(self) -> Ending | None:
        """How it ceased to be ours, once `until_gone` has found that out."""
        return self._ending

    async def until_gone(self) -> Ending:
        """Wait until the channel is no longer ours; one task at a time. Missed events are made up for on reconnect.

        Raises AriUnavailable or AriRefused when that can't be found out.
        """
        while self._ending is None:
            self._ending = await self._ending_in(await self._events.get())
        return self._ending

    async def until_gone_raises(self) -> None:
        """As `until_gone`, for a task group: raises CallerHungUp, or CallEnded when it was taken elsewhere."""
        raise self._ended(await self.until_gone())

    async def _ending_in(self, event: Event) -> Ending | None:
        match event:
            case ChannelDestroyed() | ChannelHangupRequest() if event.channel.id == self.id:
                return Ending.HUNG_UP
            case StasisEnd() if event.channel.id == self.id:
                return Ending.LEFT if await self.ari.channel_exists(self.id) else Ending.HUNG_UP
            case AriConnected():
                return await self._ending_missed()
            case _:
                return None

    async def _ending_missed(self) -> Ending | None:
        try:
            snapshot = await self.ari.channel(self.id)
        except ChannelGone:
            return Ending.HUNG_UP
        running = snapshot.dialplan.app_name
        return Ending.LEFT if running and not running.startswith("Stasis") else None

    def _ended(self, ending: Ending) -> CallEnded:
        if ending is Ending.LEFT:
            return CallEnded(f"channel {self.id} left the application")
        return CallerHungUp(f"channel {self.id} hung up")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """On a caller's handle, ChannelGone is the caller's hanging up."""
        try:
            yield
        except ChannelGone as exc:
            if not self.is_caller:
                raise
            raise CallerHungUp(f"channel {self.id} is gone: {exc}") from exc


class Digits:
    """Keys pressed on a channel, queued from entering on."""

    def __init__(self, events: Subscription) -> None:
        self._events = events

    def __enter__(self) -> Self:
        self._events.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._events.close()

    async def get(self) -> str:
        """The next key: 0-9, *, #, A-D; cancelling loses none."""
        while True:
            event = await self._events.get()
            if isinstance(event, ChannelDtmfReceived):
                return event.digit

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            yield await self.get()


class Bridge:
    """One bridge, from `open_bridge` or, for one that exists, from its id."""

    def __init__(self, ari: AriClient, bridge_id: str) -> None:
        self.ari = ari
        self.id = bridge_id
        self._destroy_on_exit = False

    def keep(self) -> None:
        """Leave the bridge, and whoever talks in it, alive on leaving."""
        self._destroy_on_exit = False

    async def add(self, channel: Channel | str, *, absorb_dtmf: bool = False) -> None:
        """Put a channel in (a media leg's by its `channel_id`); raises ChannelGone, or CallerHungUp for a caller's."""
        with _translated_for(channel):
            await self.ari.add_channel(self.id, _id(channel), absorb_dtmf=absorb_dtmf)

    async def remove(self, channel: Channel | str) -> None:
        """Take a channel out; that it isn't in is no error."""
        try:
            await self.ari.remove_channel(self.id, _id(channel))
        except ChannelGone:
            log.debug("bridge.channel_not_in", bridge_id=self.id)

    async def start_moh(self, moh_class: str = "") -> None:
        await self.ari.start_bridge_moh(self.id, moh_class)

    async def stop_moh(self) -> None:
        await self.ari.stop_bridge_moh(self.id)

    async def channels(self) -> tuple[str, ...]:
        """Ids of who is in; raises ChannelGone when the bridge no longer is."""
        return (await self.ari.bridge(self.id)).channels

    def subscribe(self, bound: int = 256) -> Subscription:
        """Its events: ChannelEnteredBridge, ChannelLeftBridge, BridgeDestroyed."""
        return self.ari.subscribe(self.id, bound=bound)


@asynccontextmanager
async def open_bridge(ari: AriClient, *, kind: str = "mixing", name: str = "") -> AsyncIterator[Bridge]:
    """A new bridge, destroyed on leaving (its channels stay) unless `keep()` was called."""
    bridge = Bridge(ari, f"{BRIDGE_PREFIX}{uuid.uuid4()}")
    bridge._destroy_on_exit = True
    try:
        await ari.create_bridge(bridge_id=bridge.id, kind=kind, name=name)
        yield bridge
    finally:
        if bridge._destroy_on_exit:
            await quietly(ari.destroy_bridge(bridge.id), "bridge.destroy")


@asynccontextmanager
async def dial(
    ari: AriClient,
    endpoint: str,
    *,
    ring_s: float = 20.0,
    caller_name: str = "",
    caller_number: str = "",
    app_args: str = "",
    variables: Mapping[str, str] | None = None,
    originator: Channel | None = None,
    on_created: Callable[[str], None] | None = None,
) -> AsyncIterator[Channel]:
    """Ring `endpoint` ("PJSIP/200") and yield its channel once it has answered; it is hung up on leaving.

    The phone shows `caller_name` and `caller_number`, made harmless. Raises DialFailed when it is busy, away or doesn't
    answer within `ring_s`; cancelling stops the ringing. `endpoint` must come from settings, never from a caller.
    `on_created` gets the channel's id before it rings.
    """
    channel = Channel(ari, f"{LEG_PREFIX}{uuid.uuid4()}", hang_up_on_exit=True)
    if on_created is not None:
        on_created(channel.id)
    async with channel:
        with channel.subscribe() as events:
            try:
                await ari.originate(
                    endpoint,
                    channel_id=channel.id,
                    app_args=app_args,
                    caller_id=shown_caller_id(caller_name, caller_number),
                    timeout_s=max(1, round(ring_s)),
                    variables=variables,
                    originator=originator.id if originator is not None else "",
                )
                async with asyncio.timeout(ring_s):
                    await _until_answered(events, channel.id, endpoint)
            except TimeoutError as exc:
                raise DialFailed(endpoint, "NOANSWER") from exc
            except ChannelGone:
                raise
            except AriRefused as exc:  # an endpoint without a contact can't even be dialled
                raise DialFailed(endpoint, "CHANUNAVAIL") from exc
        yield channel


async def _until_answered(events: Subscription, channel_id: str, endpoint: str) -> None:
    status = ""
    async for event in events:
        match event:
            case StasisStart() if event.channel.id == channel_id:
                return
            case Dial() if event.peer.id == channel_id:
                status = event.dialstatus or status
            case ChannelDestroyed() if event.channel.id == channel_id:
                raise DialFailed(endpoint, _failure(status, event.cause))
            case _:
                pass


_FAILURES = {17: "BUSY", 18: "NOANSWER", 19: "NOANSWER", 20: "CHANUNAVAIL", 21: "BUSY", 34: "CONGESTION"}
"""Q.850 causes."""


def _failure(status: str, cause: int) -> str:
    ended = status not in ("", "RINGING", "PROGRESS", "PROCEEDING", "ANSWER")
    return status if ended else _FAILURES.get(cause, "CHANUNAVAIL")


def shown_caller_id(name: str, number: str) -> str:
    """`"Name" <number>` for a SIP header, from any text: no quotes, brackets, backslashes or control characters."""
    plain = "".join(char if char.isprintable() and char not in '"<>\\' else " " for char in name)
    shown = " ".join(plain.split())[:60]
    digits = "".join(char for char in number if char in "+0123456789*#")[:32]
    return f'"{shown}" <{digits}>' if shown or digits else ""


async def quietly_hang_up(ari: AriClient, channel_id: str) -> None:
    """End a channel while leaving: within 2 s, errors only logged."""
    await quietly(ari.hangup(channel_id), "channel.hangup")


async def quietly(ending: Awaitable[None], what: str) -> None:
    """Await a clean-up within 2 s; that the thing already is gone is well, other failures are logged."""
    try:
        async with asyncio.timeout(CLEANUP_S):
            await ending
    except ChannelGone:
        pass
    except (PbxError, TimeoutError) as exc:
        log.warning("cleanup.failed", what=what, reason=str(exc))


def _id(channel: Channel | str) -> str:
    return channel if isinstance(channel, str) else channel.id


@contextmanager
def _translated_for(channel: Channel | str) -> Iterator[None]:
    if isinstance(channel, Channel):
        with channel._translated():
            yield
    else:
        yield
