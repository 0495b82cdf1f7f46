"""A caller on the second Asterisk: places calls, hears, speaks, presses keys, gets texts, answers and declines.

    async with PhoneBook.open(lab) as phones:
        call = await phones.line("softphone-1").call("700")
        heard = await call.hear()
        await call.say("a dental cleaning please")
        await call.hang_up()

Moments are `time.monotonic()` seconds. One PhoneBook at a time drives a lab's phones.
"""

import asyncio
import time
import uuid
import wave
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import SecretStr

from ari_app.asterisk.ari_client import AriClient
from ari_app.asterisk.ari_events import (
    AriConnected,
    ChannelDestroyed,
    ChannelSnapshot,
    ChannelStateChange,
    Event,
    StasisEnd,
    StasisStart,
    TextMessageReceived,
)
from ari_app.audio.frames import FRAME_S, RATE_HZ, level_dbfs
from ari_app.config import AriSettings
from ari_app.errors import AriRefused, LabError, PbxError
from ari_app.lab.credentials import PHONES
from ari_app.lab.handset import Handset, Spoken, end_tasks
from ari_app.lab.places import LOOPBACK
from ari_app.lab.runtime import PHONE_NUMBERS, Lab
from ari_app.lab.timeline import SOUND_DBFS
from ari_app.lab.voices import EASY_VOICE, render
from ari_app.speech.recogniser import Recogniser

APPLICATION = "caller"
TEXTS = "caller-texts"
"""Texts come by a subscription to the endpoints, which brings their channels' events as well: not to APPLICATION, which
has these already."""
CONNECT_S = 10.0
CLEANUP_S = 3.0


class CallFailed(LabError):
    """The call was not answered; `cause` is Asterisk's hangup cause (17 busy, 19 no answer, 21 rejected, ...)."""

    def __init__(self, what: str, cause: int, text: str) -> None:
        super().__init__(f"{what}: {text or 'not answered'} (cause {cause})")
        self.cause = cause


class NothingHeard(LabError):
    """What was waited for did not come in time."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance of the far side."""

    text: str
    began_s: float
    ended_s: float
    """End of its last loud frame; the silence that was waited for came after."""


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A SIP MESSAGE that reached a phone."""

    sender: str
    to: str
    body: str
    at_s: float


@dataclass(eq=False)
class Call:
    """A call that is up, or was."""

    line: "Line"
    channel_id: str
    handset: Handset
    answered_s: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_s: float | None = None
    cause: int | None = None
    """Hangup cause, once ended (16: normal)."""
    _listened_s: float = 0.0
    _close: Callable[[], None] = lambda: None

    async def say(self, text: str, voice: str = EASY_VOICE) -> Spoken:
        """Speak `text`; returns when its last sample has left. Cancelling falls silent at once."""
        return await self.handset.say(await render(text, voice))

    async def play(self, audio: bytes) -> Spoken:
        """Send s16le mono 16 kHz as if it were spoken."""
        return await self.handset.say(audio)

    async def press(self, digits: str, *, between_ms: int = 100, duration_ms: int = 100) -> None:
        """Press keys (RFC 4733), one after the other; returns when the last is let go."""
        await self.line.book.ari.send_dtmf(self.channel_id, digits, between_ms=between_ms, duration_ms=duration_ms)
        await asyncio.sleep(len(digits) * (between_ms + duration_ms) / 1000)

    async def first_sound(self, after_s: float, *, within_s: float = 10.0, dbfs: float = SOUND_DBFS) -> float:
        """Moment of the first sample above `dbfs` after `after_s`; raises NothingHeard, also when the call ends."""
        return await self._until(
            lambda: self.handset.heard.first_sound_s(after_s, dbfs=dbfs), within_s, f"no sound within {within_s:.1f} s"
        )

    async def silence(
        self, after_s: float, *, for_s: float = 0.8, within_s: float = 30.0, dbfs: float = SOUND_DBFS
    ) -> float:
        """Wait until nothing was heard for `for_s`; when the last sound ended (`after_s` where there was none)."""

        def quiet_since() -> float | None:
            last_s = self.handset.heard.last_sound_s(after_s, dbfs=dbfs) or after_s
            return last_s if self.ended.is_set() or time.monotonic() - last_s >= for_s else None

        return await self._until(quiet_since, within_s, f"no silence of {for_s:.1f} s within {within_s:.0f} s")

    async def hear(self, *, silence_s: float = 0.8, within_s: float = 20.0, longest_s: float = 60.0) -> Heard:
        """The far side's next utterance, up to `silence_s` of silence, recognised.

        It may have begun before this was called, but not before the end of the one heard last. Raises NothingHeard.
        """
        began_s = await self.first_sound(self._listened_s, within_s=within_s)
        ended_s = await self.silence(began_s, for_s=silence_s, within_s=longest_s)
        self._listened_s = ended_s
        return Heard(await self.line.book.recognise(self.audio_heard(began_s - 0.2, ended_s + 0.3)), began_s, ended_s)

    def skip_heard(self) -> None:
        """Let `hear` forget what has come so far."""
        self._listened_s = time.monotonic()

    def audio_heard(self, since_s: float, until_s: float) -> bytes:
        """What came from the far side in this stretch, s16le mono 16 kHz."""
        return self.handset.heard.audio(since_s, until_s)

    def level_heard_dbfs(self, since_s: float, until_s: float) -> float:
        """RMS of what came in this stretch; -120 for nothing."""
        return level_dbfs(self.audio_heard(since_s, until_s))

    async def wait_hangup(self, within_s: float = 30.0) -> int:
        """Wait for the far side to hang up; the cause. Raises NothingHeard where it doesn't."""
        try:
            async with asyncio.timeout(within_s):
                await self.ended.wait()
        except TimeoutError as exc:
            raise NothingHeard(f"{self.line.name}: no hang-up within {within_s:.1f} s") from exc
        return self.cause or 0

    async def hang_up(self) -> None:
        """Hang up; returns when the channel is gone. Idempotent."""
        with suppress(PbxError):
            await self.line.book.ari.hangup(self.channel_id)
        await self.wait_hangup(CLEANUP_S)
        self._close()

    def stereo(self) -> bytes:
        """The whole call, s16le 16 kHz stereo: left what this phone said, right what it heard."""
        until_s = self.ended_s or max(time.monotonic(), self.handset.said.end_s)
        sides = [
            np.frombuffer(timeline.audio(self.answered_s, until_s), "<i2")
            for timeline in (self.handset.said, self.handset.heard)
        ]
        return np.stack(sides, axis=1).astype("<i2").tobytes()

    def save_wav(self, path: Path) -> None:
        """Write `stereo` as a WAV file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(self.stereo())

    async def _until(self, found: Callable[[], float | None], within_s: float, failure: str) -> float:
        deadline_s = time.monotonic() + within_s
        while (moment := found()) is None:
            if time.monotonic() > deadline_s:
                raise NothingHeard(f"{self.line.name}: {failure}")
            if self.ended.is_set():
                raise NothingHeard(f"{self.line.name}: the call has ended")
            self.handset.frame_came.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * FRAME_S):
                    await self.handset.frame_came.wait()
        return moment

    def _end(self, cause: int | None) -> None:
        if not self.ended.is_set():
            self.ended_s, self.cause = time.monotonic(), cause
            self.ended.set()


@dataclass(eq=False)
class Ringing:
    """A call that rings at a phone."""

    line: "Line"
    channel: ChannelSnapshot
    rang_s: float
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def caller_number(self) -> str:
        return self.channel.caller.number

    @property
    def caller_name(self) -> str:
        return self.channel.caller.name

    async def answer(self) -> Call:
        """Pick up; raises LabError where the caller has given up meanwhile."""
        return await self.line.book._answer(self)

    async def decline(self) -> None:
        """Refuse: the caller meets a busy phone."""
        with suppress(PbxError):
            await self.line.book.ari.hangup(self.channel.id, "busy")

    async def wait_gone(self, within_s: float = 30.0) -> None:
        """Wait until it stops ringing unanswered."""
        async with asyncio.timeout(within_s):
            await self.gone.wait()


@dataclass(eq=False)
class Line:
    """One registered account."""

    book: "PhoneBook"
    name: str
    rings: asyncio.Queue[Ringing] = field(default_factory=lambda: asyncio.Queue(100))

    @property
    def number(self) -> str:
        """Its caller number at the PBX ("" for the trunk, whose calls bring their own)."""
        return PHONE_NUMBERS.get(self.name, "")

    async def call(
        self,
        extension: str,
        *,
        caller_id: str | None = None,
        codec: str = "ulaw",
        ring_s: float = 30.0,
        noise_dbfs: float | None = None,
        variables: Mapping[str, str] | None = None,
        on_ringing: Callable[[], None] | None = None,
        through: int | None = None,
    ) -> Call:
        """Dial and wait for the answer; raises CallFailed.

        `caller_id` counts on the trunk only ("+447700900123" or `"Jane" <+447700900123>`): a phone has its own.
        `codec`: ulaw, alaw, g722 or opus. `through`: the SIP port of a `LossyLine`. Cancelling hangs up.
        """
        return await self.book._dial(
            self,
            extension,
            caller_id=caller_id or "",
            codec=codec,
            ring_s=ring_s,
            noise_dbfs=noise_dbfs,
            variables=variables,
            on_ringing=on_ringing,
            through=through,
        )

    async def ringing(self, within_s: float = 20.0) -> Ringing:
        """The next call that rings here; raises NothingHeard."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    ringing = await self.rings.get()
                    if not ringing.gone.is_set():
                        return ringing
        except TimeoutError as exc:
            raise NothingHeard(f"{self.name} didn't ring within {within_s:.1f} s") from exc

    def forget_rings(self) -> None:
        """Drop calls that rang and weren't looked at."""
        while not self.rings.empty():
            self.rings.get_nowait()

    async def send_text(self, extension: str, body: str) -> None:
        """Send a SIP MESSAGE from this phone to an extension of the PBX."""
        to = f"pjsip:{self.name}/sip:{extension}@{LOOPBACK}:{self.book.lab.ports.sip}"
        await self.book.ari.send_message(to=to, sender=f"sip:{self.name}@{LOOPBACK}", body=body)


class PhoneBook:
    """All phones of a lab."""

    def __init__(self, lab: Lab, ari: AriClient, recogniser: Recogniser | None) -> None:
        self.lab = lab
        self.ari = ari
        self.texts: list[TextMessage] = []
        """Every text that came, in order."""
        self.calls: list[Call] = []
        """Every call that was answered."""
        self._lines = {name: Line(self, name) for name in PHONES}
        self._lives: set[asyncio.Task[None]] = set()
        """One task per call, from dialling to its end; `open` awaits them."""
        self._recogniser = recogniser
        self._ringing: dict[str, Ringing] = {}
        self._text_came = asyncio.Event()
        self._ready = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, lab: Lab, recogniser: Recogniser | None = None) -> AsyncIterator["PhoneBook"]:
        """Take over the lab's phones; at the end all their calls are hung up. `recogniser` serves `Call.hear`."""
        settings = AriSettings(
            url=f"http://{LOOPBACK}:{lab.ports.caller_http}",
            user="caller",
            password=SecretStr(lab.credentials["caller"]),
        )
        async with AriClient(settings, application=APPLICATION) as ari, AriClient(settings, application=TEXTS) as texts:
            book = cls(lab, ari, recogniser)
            taking = [asyncio.create_task(book._take_calls()), asyncio.create_task(book._take_texts(texts))]
            try:
                await ari.wait_connected(CONNECT_S)
                async with asyncio.timeout(CONNECT_S):
                    await book._ready.wait()
                yield book
            finally:
                await book._hang_up_all()
                await end_tasks(taking)

    def line(self, name: str) -> Line:
        """softphone-1 to softphone-4, scheduling or trunk."""
        try:
            return self._lines[name]
        except KeyError:
            raise LabError(f'there is no phone "{name}": {", ".join(self._lines)}') from None

    async def text(self, to: str, *, after: int = 0, within_s: float = 10.0) -> TextMessage:
        """The first text for a phone's name or a number, from the `after`th on; raises NothingHeard."""
        deadline_s = time.monotonic() + within_s
        while True:
            for message in self.texts[after:]:
                if to in message.to:
                    return message
            self._text_came.clear()
            try:
                async with asyncio.timeout(deadline_s - time.monotonic()):
                    await self._text_came.wait()
            except TimeoutError as exc:
                raise NothingHeard(f"no text for {to} within {within_s:.1f} s") from exc

    async def recognise(self, audio: bytes) -> str:
        """Free recognition of what was heard; "" without a recogniser."""
        if self._recogniser is None:
            return ""
        stream = self._recogniser.stream()
        try:
            await stream.begin()
            stream.feed(audio)
            return (await stream.finish()).text
        finally:
            await stream.close()

    # --- calls

    async def _dial(
        self,
        line: Line,
        extension: str,
        *,
        caller_id: str,
        codec: str,
        ring_s: float,
        noise_dbfs: float | None,
        variables: Mapping[str, str] | None,
        on_ringing: Callable[[], None] | None,
        through: int | None,
    ) -> Call:
        channel_id = f"call-{uuid.uuid4().hex[:12]}"

        async def connect() -> None:
            await self.ari.originate(
                f"PJSIP/{extension}@{line.name}"
                if through is None
                else f"PJSIP/{line.name}/sip:{extension}@{LOOPBACK}:{through}",
                channel_id=channel_id,
                app_args="out",
                caller_id=caller_id,
                timeout_s=max(1, round(ring_s)),
                variables={"PJSIP_MEDIA_OFFER(audio)": f"!all,{codec}", **(variables or {})},
            )

        return await self._connected(line, channel_id, connect, noise_dbfs, on_ringing)

    async def _answer(self, ringing: Ringing) -> Call:
        if ringing.gone.is_set():
            raise LabError(f"{ringing.line.name}: the caller has given up")

        async def connect() -> None:
            await self.ari.answer(ringing.channel.id)

        return await self._connected(ringing.line, ringing.channel.id, connect, None, None, is_in_stasis=True)

    async def _connected(
        self,
        line: Line,
        channel_id: str,
        connect: Callable[[], Coroutine[None, None, None]],
        noise_dbfs: float | None,
        on_ringing: Callable[[], None] | None,
        *,
        is_in_stasis: bool = False,
    ) -> Call:
        """Run the call's life in the book's group; returns once it is answered."""
        answered: asyncio.Future[Call] = asyncio.get_running_loop().create_future()
        life = asyncio.create_task(
            self._live(line, channel_id, connect, noise_dbfs, on_ringing, answered, is_in_stasis),
            name=f"phone-{line.name}",
        )
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        try:
            return await asyncio.shield(answered)
        except asyncio.CancelledError:
            life.cancel()
            raise

    async def _live(
        self,
        line: Line,
        channel_id: str,
        connect: Callable[[], Coroutine[None, None, None]],
        noise_dbfs: float | None,
        on_ringing: Callable[[], None] | None,
        answered: "asyncio.Future[Call]",
        is_in_stasis: bool,
    ) -> None:
        """One call from dialling to its end; what goes wrong before the answer goes to `answered`."""
        bridge_id = f"phone-{uuid.uuid4().hex[:12]}"
        try:
            with self.ari.subscribe(channel_id, bound=1000) as events:
                async with Handset.open(self.ari, noise_dbfs=noise_dbfs) as handset:
                    await self.ari.create_bridge(bridge_id=bridge_id)
                    await self.ari.add_channel(bridge_id, handset.channel_id)
                    call = Call(line, channel_id, handset, 0.0)
                    await connect()
                    if not is_in_stasis:
                        await _answer_of(events, f"{line.name}", on_ringing)
                    call.answered_s = call._listened_s = time.monotonic()
                    with suppress(AriRefused):  # gone already: answered, and hung up at once
                        await self.ari.add_channel(bridge_id, channel_id)
                    self.calls.append(call)
                    answered.set_result(call)
                    async for event in events:
                        if isinstance(event, ChannelDestroyed | StasisEnd):
                            call._end(event.cause if isinstance(event, ChannelDestroyed) else 16)
                            break
        except PbxError as exc:
            _fail(answered, LabError(f"{line.name}: {exc}"))
        except LabError as exc:
            _fail(answered, exc)
        finally:
            if not answered.done():
                answered.cancel()
            await self._clean_up(channel_id, bridge_id)

    async def _clean_up(self, *ids: str) -> None:
        channel_id, bridge_id = ids
        with suppress(PbxError, TimeoutError):
            async with asyncio.timeout(CLEANUP_S):
                with suppress(PbxError):
                    await self.ari.hangup(channel_id)
                await self.ari.destroy_bridge(bridge_id)

    async def _hang_up_all(self) -> None:
        """End every call; those that have been answered end by themselves once hung up, the others are cancelled."""
        for call in self.calls:
            if not call.ended.is_set():
                with suppress(LabError):
                    await call.hang_up()
        lives = list(self._lives)
        if lives:
            await asyncio.wait(lives, timeout=CLEANUP_S if self.calls else 0)
        await end_tasks(lives)

    # --- events

    async def _take_calls(self) -> None:
        with self.ari.subscribe(bound=2000) as events:
            async for event in events:
                match event:
                    case StasisStart(args=("ring", *_)):
                        await self._rings(event)
                    case ChannelDestroyed() | StasisEnd():
                        if ringing := self._ringing.pop(event.channel.id, None):
                            ringing.gone.set()
                    case _:
                        pass

    async def _take_texts(self, ari: AriClient) -> None:
        with ari.subscribe(bound=2000) as events:
            if ari.is_connected:
                await self._subscribe_texts(ari)
            async for event in events:
                match event:
                    case AriConnected():
                        await self._subscribe_texts(ari)
                    case TextMessageReceived(message=message):
                        self.texts.append(TextMessage(message.sender, message.to, message.body, time.monotonic()))
                        self._text_came.set()
                    case _:
                        pass

    async def _rings(self, event: StasisStart) -> None:
        line = self._lines.get(event.channel.name.removeprefix("PJSIP/").rpartition("-")[0])
        if line is None:
            return
        ringing = Ringing(line, event.channel, time.monotonic())
        self._ringing[event.channel.id] = ringing
        with suppress(PbxError):
            await self.ari.ring(event.channel.id)
        if not line.rings.full():
            line.rings.put_nowait(ringing)

    async def _subscribe_texts(self, ari: AriClient) -> None:
        for name in self._lines:
            query = {"eventSource": f"endpoint:PJSIP/{name}"}
            await ari.request("POST", f"/applications/{TEXTS}/subscription", query)
        self._ready.set()


async def _answer_of(events: AsyncIterable[Event], what: str, on_ringing: Callable[[], None] | None) -> None:
    """Wait for the far side's answer; raises CallFailed."""
    async for event in events:
        match event:
            case StasisStart():
                return
            case ChannelStateChange(channel=channel) if channel.state == "Ringing" and on_ringing is not None:
                on_ringing()
            case ChannelDestroyed():
                raise CallFailed(what, event.cause, event.cause_txt)
            case _:
                pass


def _fail(answered: "asyncio.Future[Call]", error: LabError) -> None:
    if not answered.done():
        answered.set_exception(error)
