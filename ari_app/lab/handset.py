"""A phone's mouth and ear: one chan_websocket leg on the caller's Asterisk, each frame kept with its moment.

Unlike the agent's media leg it sends all the time, as a telephone does: speech, or the room (noise, or silence). And it
never drops what it hears.

Moments are a person's: a sample is spoken at the latest when the packet that holds it leaves, and heard from when the
packet that holds it has come. So the time between the two is what that person waits, short of a jitter buffer.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import aiohttp
import numpy as np

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import StasisStart
from ari_app.asterisk.media_turn import end_media, media_turn
from ari_app.asterisk.subscriptions import Subscription
from ari_app.audio.frames import FRAME_BYTES, FRAME_S, RATE_HZ, SILENCE, frames
from ari_app.errors import LabError
from ari_app.lab.timeline import Timeline
from ari_app.lab.voices import room_noise

LEAD_S = 0.24
"""How far ahead of the clock the room is kept; speech goes ahead whole, so that a busy machine doesn't tear it."""
PUMP_S = 0.06
LONGEST_LEAD_S = 15.0
"""Asterisk holds 20 s."""
MESSAGE_FRAMES = 50
NOISE_S = 10
ENTER_S = 3.0


@dataclass(frozen=True, slots=True)
class Spoken:
    """When an utterance left the phone: its first and after its last sample, `time.monotonic()` seconds."""

    began_s: float
    ended_s: float


class Handset:
    """Open by `Handset.open`; put `channel_id` into the bridge with the line."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool], channel_id: str) -> None:
        self.channel_id = channel_id
        self.heard = Timeline()
        self.said = Timeline()
        self.frame_came = asyncio.Event()
        self.digits = ""
        self._socket = socket
        self._marks: dict[str, asyncio.Future[float]] = {}
        self._outgoing = asyncio.Lock()
        self._room = [SILENCE]
        self._sent_until_s = 0.0
        """When Asterisk will have nothing left to send."""
        self._frames_sent = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, ari: AriClient, *, noise_dbfs: float | None = None) -> AsyncIterator["Handset"]:
        """A media channel and its socket; both end with the block. `noise_dbfs`: the room's level, None: silence."""
        async with AsyncExitStack() as stack:
            try:
                socket, channel_id = await stack.enter_async_context(_media(ari))
            except LabError:  # see MediaLeg: Asterisk loses the start of one in some ten thousand
                socket, channel_id = await stack.enter_async_context(_media(ari))
            handset = cls(socket, channel_id)
            if noise_dbfs is not None:
                handset._room = _noise(noise_dbfs)
            tasks = [asyncio.create_task(handset._listen()), asyncio.create_task(handset._pump())]
            try:
                yield handset
            finally:
                await end_tasks(tasks)

    async def say(self, audio: bytes) -> Spoken:
        """Speak s16le mono 16 kHz; returns when its last sample has left. Cancelling falls silent at once.

        Raises LabError where the call ends meanwhile.
        """
        async with self._outgoing:
            began, ended = self._mark(), self._mark()
            try:
                await self._command("FLUSH_MEDIA")
                self._sent_until_s = time.monotonic()
                await self._command("MARK_MEDIA", began)
                await self._send_speech(frames(audio))
                await self._command("MARK_MEDIA", ended)
                began_s = await self._marks[began]
                self._keep_said(audio, began_s)
                ended_s = await self._marks[ended]
            except asyncio.CancelledError:
                await self._fall_silent()
                raise
            finally:
                self._forget(began, ended)
        return Spoken(began_s, ended_s)

    def _keep_said(self, audio: bytes, began_s: float) -> None:
        for index, frame in enumerate(frames(audio)):
            self.said.add(frame, began_s + index * FRAME_S)

    def _mark(self) -> str:
        if self._socket.closed:
            raise LabError("the call has ended: its media socket is closed")
        name = uuid.uuid4().hex[:12]
        self._marks[name] = asyncio.get_running_loop().create_future()
        return name

    def _forget(self, *names: str) -> None:
        for mark in (self._marks.pop(name) for name in names):
            if mark.done() and not mark.cancelled():
                mark.exception()

    async def _send_speech(self, speech: list[bytes]) -> None:
        for at in range(0, len(speech), MESSAGE_FRAMES):
            await asyncio.sleep(max(0.0, self._sent_until_s - time.monotonic() - LONGEST_LEAD_S))
            part = speech[at : at + MESSAGE_FRAMES]
            room = self._room_frames(len(part))
            await self._send([_mixed(frame, noise) for frame, noise in zip(part, room, strict=True)])

    async def _fall_silent(self) -> None:
        self._sent_until_s = 0.0
        with suppress(LabError):
            await self._command("FLUSH_MEDIA")

    async def _listen(self) -> None:
        """Keep each frame with its moment; ends with the socket."""
        rest = b""
        async for message in self._socket:
            now_s = time.monotonic()
            if message.type is aiohttp.WSMsgType.TEXT:
                self._take(message.data, now_s)
            elif message.type is aiohttp.WSMsgType.BINARY:
                rest += message.data
                whole = len(rest) // FRAME_BYTES
                for index in range(whole):
                    frame = rest[index * FRAME_BYTES : (index + 1) * FRAME_BYTES]
                    self.heard.add(frame, now_s - (whole - 1 - index) * FRAME_S)
                rest = rest[whole * FRAME_BYTES :]
                self.frame_came.set()
        for mark in self._marks.values():
            if not mark.done():
                mark.set_exception(LabError("the call ended while the phone was speaking"))

    def _take(self, text: str, now_s: float) -> None:
        event = json.loads(text)
        mark = self._marks.get(str(event.get("correlation_id", "")))
        if event.get("event") == "MEDIA_MARK_PROCESSED" and mark is not None and not mark.done():
            mark.set_result(now_s - FRAME_S)
        elif event.get("event") == "DTMF_END":
            self.digits += str(event.get("digit", ""))

    async def _pump(self) -> None:
        """Keep the room LEAD_S ahead of the clock; ends with the socket."""
        with suppress(LabError):
            while True:
                now_s = time.monotonic()
                self._sent_until_s = max(self._sent_until_s, now_s)
                missing = round((now_s + LEAD_S - self._sent_until_s) / FRAME_S)
                if missing > 0:
                    await self._send(self._room_frames(missing))
                await asyncio.sleep(PUMP_S)

    def _room_frames(self, count: int) -> list[bytes]:
        return [self._room[(self._frames_sent + index) % len(self._room)] for index in range(count)]

    async def _command(self, command: str, correlation_id: str = "") -> None:
        fields = {"command": command} | ({"correlation_id": correlation_id} if correlation_id else {})
        try:
            await self._socket.send_str(json.dumps(fields))
        except (ConnectionError, aiohttp.ClientError) as exc:
            raise LabError("the call has ended: its media socket is closed") from exc

    async def _send(self, audio: list[bytes]) -> None:
        self._frames_sent += len(audio)
        self._sent_until_s += len(audio) * FRAME_S
        try:
            await self._socket.send_bytes(b"".join(audio))
        except (ConnectionError, aiohttp.ClientError) as exc:
            raise LabError("the call has ended: its media socket is closed") from exc


@asynccontextmanager
async def _media(ari: AriClient) -> AsyncIterator[tuple[aiohttp.ClientWebSocketResponse[bool], str]]:
    """A media channel's socket and its id; raises LabError where it does not come up."""
    channel_id = f"handset-{uuid.uuid4().hex[:12]}"
    socket: aiohttp.ClientWebSocketResponse[bool] | None = None
    try:
        with ari.subscribe(channel_id) as events:
            async with media_turn(ari):
                channel = await ari.external_media(channel_id=channel_id)
                url = f"{ari.url}/media/{channel.channelvars.get('MEDIA_WEBSOCKET_CONNECTION_ID', '')}"
                socket = await ari.session.ws_connect(
                    url, protocols=("media",), timeout=aiohttp.ClientWSTimeout(ws_close=1.0), max_msg_size=0
                )
                await _entered(events)
        yield socket, channel_id
    finally:
        await end_media(ari, channel_id, None if socket is None else socket.close)


async def _entered(events: Subscription) -> None:
    """Wait until the media channel is in Stasis, which its socket brings it to: before, no bridge takes it (422)."""
    try:
        async with asyncio.timeout(ENTER_S):
            while not isinstance(await events.get(), StasisStart):
                pass
    except TimeoutError as exc:
        raise LabError(f"the phone's media channel did not come up within {ENTER_S:.0f} s") from exc


async def end_tasks(tasks: "Sequence[asyncio.Task[None]]") -> None:
    """Cancel them, wait for them, and raise what one of them failed with."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


def _noise(dbfs: float) -> list[bytes]:
    samples = room_noise(NOISE_S * RATE_HZ) * (32768 * 10 ** (dbfs / 20))
    return frames(np.clip(samples, -32768, 32767).astype("<i2").tobytes())


def _mixed(speech: bytes, noise: bytes) -> bytes:
    if noise is SILENCE:
        return speech
    both = np.frombuffer(speech, "<i2").astype(np.int32) + np.frombuffer(noise, "<i2")
    return bytes(np.clip(both, -32768, 32767).astype("<i2").tobytes())
