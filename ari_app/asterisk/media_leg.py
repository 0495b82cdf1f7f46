"""Mouth and ear on a call: a media channel of Asterisk's and our socket to it, around `MediaProtocol`.

`async with MediaLeg.open(ari) as leg:` makes the channel and ends it whatever happens. Audio is s16le mono 16 kHz. Put
`leg.channel_id` into the bridge before playing: what is played to an unbridged media channel nobody hears.
"""

import asyncio
import time
import uuid
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Self, TypeVar

import aiohttp
from yarl import URL

from ari_app.asterisk.ari_client import PING_SHARE, AriClient
from ari_app.asterisk.ari_events import OWN_PREFIX, StasisStart
from ari_app.asterisk.handles import CLEANUP_S
from ari_app.asterisk.link import Link, LinkLost
from ari_app.asterisk.media_messages import (
    AudioReceived,
    Fault,
    FlowResumed,
    FlowStopped,
    Flushed,
    MarkDropped,
    MarkReached,
    MediaEvent,
    MediaStarted,
    Progress,
    Status,
)
from ari_app.asterisk.media_protocol import LEAD_FRAMES, Counters, MediaProtocol
from ari_app.asterisk.media_turn import end_media, media_turn
from ari_app.asterisk.plays import Chunks, Mark, Outcome, Play, Played
from ari_app.asterisk.subscriptions import Subscription
from ari_app.errors import AriAppError, AriUnavailable, MediaClosed
from ari_app.logs import get_logger

log = get_logger()

INBOUND_FRAMES = 250
"""5 s of unread inbound audio are kept; then the oldest frame goes for each new one, so that lateness stays bounded."""
PREFETCH_FRAMES = 100
"""The next chunk is asked for when less than 2 s wait to be sent."""
FLUSH_ANSWER_S = 0.5
START_S = 1.0
"""A media channel is there within 20 ms, on a busy machine 300. Asterisk 22.10 loses the start of one in some ten
thousand: after so long another is made, once."""
MEDIA_PREFIX = f"{OWN_PREFIX}media-"

T = TypeVar("T")

__all__ = ["MEDIA_PREFIX", "Mark", "MediaLeg", "Outcome", "Play", "Played"]


class MediaLeg:
    """One media channel with its socket, from `MediaLeg.open`."""

    def __init__(self, link: Link, channel_id: str, *, lead_frames: int = LEAD_FRAMES) -> None:
        self.channel_id = channel_id
        self.frames_dropped = 0
        """Inbound frames that nobody read in time."""
        self._link = link
        self._protocol = MediaProtocol(lead_frames)
        self._inbound: deque[bytes] = deque()
        self._heard_something = asyncio.Event()
        self._tick = asyncio.Event()
        """Set and replaced whenever Asterisk has played more, or the leg ended."""
        self._started = asyncio.Event()
        self._outbox: deque[str | bytes] = deque()
        self._turn = asyncio.Lock()
        self._plays: dict[Play, asyncio.Task[None]] = {}
        self._last_play: Play | None = None
        self._marks: dict[str, Mark] = {}
        self._mark_serial = 0
        self._flushes: deque[asyncio.Future[int]] = deque()
        self._statuses: deque[asyncio.Future[Status]] = deque()
        self._end: str | None = None
        self._is_closing = False
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, ari: AriClient, *, lead_frames: int = LEAD_FRAMES) -> AsyncIterator[Self]:
        """Make a media channel and connect to it; on exit both are gone, also when opening was cancelled.

        Raises AriUnavailable, AriRefused (chan_websocket isn't loaded) and MediaClosed.
        """
        within_s = ari.settings.request_timeout_s
        async with AsyncExitStack() as stack:
            try:
                leg = await stack.enter_async_context(cls._made(ari, lead_frames, min(START_S, within_s)))
            except _NotStarted:
                log.warning("media.not_started")
                leg = await stack.enter_async_context(cls._made(ari, lead_frames, within_s))
            yield leg

    @classmethod
    @asynccontextmanager
    async def _made(cls, ari: AriClient, lead_frames: int, within_s: float) -> AsyncIterator[Self]:
        channel_id = f"{MEDIA_PREFIX}{uuid.uuid4()}"
        leg: Self | None = None
        try:
            with ari.subscribe(channel_id, bound=16) as events:
                async with media_turn(ari):
                    media = await ari.external_media(channel_id=channel_id)
                    link = await _connect(ari, media.channelvars.get("MEDIA_WEBSOCKET_CONNECTION_ID", ""))
                    leg = cls(link, channel_id, lead_frames=lead_frames)
                    leg._begin()
                    await leg._ready(events, ari, within_s)
            yield leg
        finally:
            await end_media(ari, channel_id, None if leg is None else leg.close)

    # Ear

    async def frames(self) -> AsyncIterator[bytes]:
        """What the far end says, as 640-byte frames, from the oldest unread; one reader at a time.

        When 5 s are unread the oldest frame is dropped (`frames_dropped`). None come while the far end sends none: a
        two-party bridge passes on what it gets, so time without frames counts as silence. Ends when the leg is closed
        by us; raises MediaClosed when the socket is lost.
        """
        while True:
            while self._inbound:
                yield self._inbound.popleft()
            if self._end is not None:
                if self._is_closing:
                    return
                raise MediaClosed(self._end)
            self._heard_something.clear()
            await self._heard_something.wait()

    @property
    def unread_frames(self) -> int:
        """Inbound frames waiting to be read."""
        return len(self._inbound)

    # Mouth

    def play(self, chunks: Chunks) -> Play:
        """Play audio as it comes, after what already plays; chunks may be of any length, with `Mark`s between them.

        At most `lead_frames` (0.8 s) are ahead in Asterisk; the next chunk is asked for when less than 2 s wait here.
        An async generator is closed when the play ends. Raises MediaClosed.
        """
        self._must_be_open()
        play = Play(self._protocol)
        task = asyncio.create_task(self._pump(play, chunks), name="media-play")
        self._plays[play] = task
        self._last_play = play
        task.add_done_callback(lambda done: self._pumped(play, done))
        return play

    async def say(self, chunks: Chunks) -> Played:
        """Play and wait until it was heard; cancelling cuts it short (at once, for the caller)."""
        play = self.play(chunks)
        try:
            return await play.wait()
        except asyncio.CancelledError:
            await self._flush_quietly()
            raise

    def heard_s(self) -> float:
        """Seconds of the newest play that were really played."""
        return self._last_play.heard_s() if self._last_play is not None else 0.0

    @property
    def is_playing(self) -> bool:
        """True: a play is being made, sent or heard."""
        return any(not play.is_done for play in self._plays)

    def new_mark(self, name: str) -> Mark:
        """A mark to be yielded between the chunks of a play."""
        return Mark(name)

    async def mark(self, name: str) -> Mark:
        """A mark after all audio queued so far. Raises MediaClosed."""
        self._must_be_open()
        mark = Mark(name)
        self._queue_mark(mark)
        await self._send_due()
        return mark

    async def flush(self) -> float:
        """Stop all plays now; returns the seconds of the newest one that were heard. Does nothing when nothing plays.

        Their waiters and marks are resolved as FLUSHED. Cancelled after its first step, the flush still takes place.
        """
        self._must_be_open()
        stopped = [play for play in self._plays if not play.is_done]
        for play in stopped:
            play._is_stopped = True
            self._plays[play].cancel()
        if not stopped and self._protocol.is_idle:
            return self.heard_s()
        position = self._protocol.played_frames(_now_s())
        try:
            position = await self._confirmed_flush()
        except TimeoutError:
            log.warning("media.flush_unanswered")
        finally:
            for play in stopped:
                play._cut = position
                play._end_with(None)
        return self.heard_s()

    async def drained(self) -> None:
        """Wait until nothing is left to be heard. Raises MediaClosed."""
        await self._until(lambda: not self.is_playing and self._protocol.is_idle)

    async def pause(self) -> None:
        """Silence; what is queued waits. Raises MediaClosed."""
        self._must_be_open()
        await self._send(self._protocol.pause(_now_s()))

    async def resume(self) -> None:
        """Go on after `pause`. Raises MediaClosed."""
        self._must_be_open()
        await self._send(self._protocol.resume(_now_s()))

    async def level(self, factor: float) -> None:
        """Play on `factor` times as loud, from the next frame on; nothing is lost or repeated. Raises MediaClosed."""
        self._must_be_open()
        await self._send(self._protocol.change_level(factor, _now_s()))

    async def status(self) -> Status:
        """Asterisk's own account of its queue. Raises MediaClosed, also when no answer comes."""
        self._must_be_open()
        answer: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
        self._statuses.append(answer)
        await self._send(self._protocol.ask_status())
        try:
            async with asyncio.timeout(FLUSH_ANSWER_S):
                return await answer
        except TimeoutError as exc:
            raise MediaClosed("no answer to GET_STATUS") from exc

    @property
    def counters(self) -> Counters:
        """Frames in and out, XOFFs, flushes, faults."""
        return self._protocol.counters

    @property
    def is_open(self) -> bool:
        return self._end is None

    async def close(self) -> None:
        """End the socket and every waiter; the media channel ends with it. Idempotent; `open` calls it."""
        self._is_closing = True
        self._fail("closed")
        tasks = [*self._tasks, *self._plays.values()]
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=CLEANUP_S)
        finally:
            await self._link.close()

    # Sending

    async def _pump(self, play: Play, chunks: Chunks) -> None:
        failure: AriAppError | None = None
        async with self._turn:
            play._begin = self._protocol.queued_frames
            try:
                await self._queue_chunks(chunks)
            except MediaClosed:
                raise
            except AriAppError as exc:
                failure = exc
            self._protocol.end_audio()
            play._end = self._protocol.queued_frames
        end = play._end
        await self._until(lambda: self._protocol.gone_frames >= end)
        if failure is not None:
            raise failure

    async def _queue_chunks(self, chunks: Chunks) -> None:
        async with aclosing(_one_by_one(chunks)) as each:
            async for chunk in each:
                if isinstance(chunk, Mark):
                    self._queue_mark(chunk)
                else:
                    self._protocol.queue_audio(chunk)
                await self._until(lambda: self._protocol.pending_frames <= PREFETCH_FRAMES)

    def _queue_mark(self, mark: Mark) -> None:
        self._mark_serial += 1
        key = str(self._mark_serial)
        self._marks[key] = mark
        self._protocol.queue_mark(key)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Send what may be sent until `condition` holds."""
        while True:
            self._must_be_open()
            tick = self._tick
            await self._send_due()
            if condition():
                return
            await tick.wait()

    async def _send_due(self) -> None:
        await self._send(self._protocol.outgoing(_now_s()))

    async def _send(self, messages: list[str | bytes]) -> None:
        """Send in order, whoever is cancelled meanwhile: a message leaves the outbox and is written in one step."""
        self._outbox.extend(messages)
        try:
            while self._outbox:
                message = self._outbox.popleft()
                if isinstance(message, str):
                    await self._link.send_text(message)
                else:
                    await self._link.send_bytes(message)
        except LinkLost as exc:
            self._fail(exc.reason)
            raise MediaClosed(exc.reason) from exc

    async def _confirmed_flush(self) -> int:
        """Flush, and the position up to which audio was heard; raises TimeoutError, MediaClosed."""
        confirmed: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._flushes.append(confirmed)
        await self._send(self._protocol.flush(_now_s()))
        async with asyncio.timeout(FLUSH_ANSWER_S):
            return await confirmed

    def _announce(self) -> None:
        self._tick.set()
        self._tick = asyncio.Event()

    def _pumped(self, play: Play, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            play._end_with(task.exception())
        self._plays.pop(play, None)
        self._announce()

    async def _flush_quietly(self) -> None:
        """Cut short while being cancelled, briefly."""
        try:
            async with asyncio.timeout(CLEANUP_S):
                await self.flush()
        except (MediaClosed, TimeoutError):
            log.debug("media.flush_failed")

    # Receiving

    def _begin(self) -> None:
        self._tasks = [
            asyncio.create_task(self._read(), name="media-reader"),
            asyncio.create_task(self._ping(), name="media-pings"),
        ]

    async def _ready(self, events: Subscription, ari: AriClient, within_s: float) -> None:
        """Wait until audio can flow: MEDIA_START here, StasisStart there."""
        try:
            async with asyncio.timeout(within_s):
                await self._started.wait()
                self._must_be_open()
                while not isinstance(await events.get(), StasisStart):
                    pass
        except TimeoutError as exc:
            raise _NotStarted(ari.url, "the media channel did not start in time") from exc

    async def _ping(self) -> None:
        try:
            await self._link.keep_alive()
        except LinkLost as exc:
            self._fail(exc.reason)

    async def _read(self) -> None:
        try:
            async for message in self._link.messages():
                for event in self._protocol.feed(message, _now_s()):
                    self._take(event)
        except LinkLost as exc:
            self._fail(exc.reason)
        except MediaClosed as exc:
            self._fail(str(exc))

    def _take(self, event: MediaEvent) -> None:
        match event:
            case AudioReceived(frame):
                if len(self._inbound) >= INBOUND_FRAMES:
                    self._inbound.popleft()
                    self.frames_dropped += 1
                self._inbound.append(frame)
                self._heard_something.set()
            case MarkReached(name):
                self._resolve_mark(name, Outcome.HEARD)
            case MarkDropped(name):
                self._resolve_mark(name, Outcome.FLUSHED)
            case Flushed(heard_frames):
                if self._flushes:
                    _settle(self._flushes.popleft(), heard_frames)
            case Status():
                if self._statuses:
                    _settle(self._statuses.popleft(), event)
            case Progress() | FlowResumed():
                self._announce()
            case MediaStarted():
                self._started.set()
            case Fault(reason):
                log.warning("media.fault", reason=reason)
            case FlowStopped():
                log.info("media.xoff")
            case _:
                pass

    def _resolve_mark(self, key: str, outcome: Outcome) -> None:
        mark = self._marks.pop(key, None)
        if mark is not None:
            mark._resolve(outcome)

    # Ending

    def _fail(self, reason: str) -> None:
        """The socket is gone: tell everyone who waits; idempotent."""
        if self._end is not None:
            return
        self._end = reason
        if not self._is_closing:
            log.warning("media.closed", reason=reason)
        for event in self._protocol.abandon():
            self._take(event)
        for mark in list(self._marks.values()):
            mark._resolve(Outcome.FLUSHED)
        self._marks.clear()
        for play, task in list(self._plays.items()):
            play._cut = self._protocol.played_frames(_now_s())
            play._end_with(MediaClosed(reason))
            task.cancel()
        for flush in self._flushes:
            _refuse(flush, reason)
        for question in self._statuses:
            _refuse(question, reason)
        self._flushes.clear()
        self._statuses.clear()
        self._outbox.clear()
        self._started.set()
        self._heard_something.set()
        self._announce()

    def _must_be_open(self) -> None:
        if self._end is not None:
            raise MediaClosed(self._end)


def _now_s() -> float:
    return time.monotonic()


def _settle(waiter: asyncio.Future[T], value: T) -> None:
    if not waiter.done():
        waiter.set_result(value)


def _refuse(waiter: asyncio.Future[T], reason: str) -> None:
    if not waiter.done():
        waiter.set_exception(MediaClosed(reason))


async def _one_by_one(chunks: Chunks) -> AsyncGenerator[bytes | Mark, None]:
    """Chunks from either kind of iterable; a generator is closed with it."""
    if isinstance(chunks, AsyncGenerator):
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk
    elif isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


class _NotStarted(AriUnavailable):
    """Asterisk made the media channel, and it never came up."""


async def _connect(ari: AriClient, connection_id: str) -> Link:
    url = URL(f"{ari.url}/media/{connection_id}")
    timeout = aiohttp.ClientWSTimeout(ws_close=1.0)
    try:
        async with asyncio.timeout(ari.settings.request_timeout_s):
            socket = await ari.session.ws_connect(
                url, protocols=("media",), autoping=False, max_msg_size=0, timeout=timeout
            )
    except (aiohttp.ClientError, OSError, TimeoutError) as exc:
        raise MediaClosed(f"no media socket at {url}: {type(exc).__name__}") from exc
    return Link(socket, interval_s=ari.settings.ping_s * PING_SHARE, write_s=ari.settings.request_timeout_s)
