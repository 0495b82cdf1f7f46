"""chan_websocket's media socket as a pure state machine: bytes and JSON in, facts out; audio in, messages out.

No I/O and no clock: time is passed in, in seconds. Written after chan_websocket.c of Asterisk 22.10:

- MEDIA_START comes first, as text; audio is binary, s16le mono 16 kHz, 20 ms = 640 bytes a frame.
- Asterisk takes one frame from its queue every 20 ms, queues 1,000 at most, sends MEDIA_XOFF at 900 and MEDIA_XON below
  800, and ignores binary messages in silence while it holds 1,000.
- A tail shorter than a frame is lost outside START/STOP_MEDIA_BUFFERING: here every message is whole frames, the tail
  is kept until more comes or `end_audio` pads it with silence.
- A command is at most 128 bytes, a message less than 65,500.
- FLUSH_MEDIA drops the queued audio and also the queued mark notices: their waiters are told by us.
- Asterisk answers in order, so STATUS asked just before FLUSH_MEDIA says exactly how many frames were not heard.

What was heard is known from marks of our own ("ticks"), one every 100 ms; between two of them the clock is trusted,
but never beyond the next tick that hasn't come back. Ticks also pace the sending: no more than `lead_frames` are
ever on their way or in Asterisk's queue, so a flush is cheap and XOFF is far away.

Loudness can change within what Asterisk already holds: it is taken back (STATUS, FLUSH_MEDIA), and what wasn't heard is
sent again at the new level, at the same positions. That takes one exchange with Asterisk, less than a frame.

Positions are counted in frames since the socket opened.
"""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from ari_app.asterisk.media_messages import (
    AudioReceived,
    BufferingCompleted,
    Command,
    DigitReceived,
    Fault,
    FlowResumed,
    FlowStopped,
    Flushed,
    MarkDropped,
    MarkReached,
    MediaEvent,
    MediaStarted,
    Message,
    Progress,
    QueueDrained,
    Status,
    encode,
)
from ari_app.audio.frames import FRAME_BYTES, FRAME_S, PTIME_MS
from ari_app.audio.loudness import faded
from ari_app.errors import MediaClosed

QUEUE_FRAMES = 1000
MAX_MESSAGE_BYTES = 65_500
TICK_FRAMES = 5
"""A tick every 100 ms of audio."""
LEAD_FRAMES = 40
"""0.8 s."""
MESSAGE_FRAMES = MAX_MESSAGE_BYTES // FRAME_BYTES
FORMAT = "slin16"


@dataclass(slots=True)
class Counters:
    """What went through one media socket."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_malformed: int = 0
    """Inbound bytes that were half a sample."""
    xoffs: int = 0
    flushes: int = 0
    faults: int = 0
    frames_flushed: int = 0


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark that waits for its turn; `name` None: a tick."""

    name: str | None


@dataclass(frozen=True, slots=True)
class _SentMark:
    """A mark on its way."""

    serial: int
    position: int
    name: str | None


@dataclass(slots=True)
class _Flush:
    """A flush on its way: what was sent, and which marks were set, before it."""

    position: int
    serial: int
    unsent: tuple[str, ...]
    """Names of marks that never were sent."""
    heard_frames: int | None = None
    """Where an audio queue that was taken back before it already told."""


@dataclass(frozen=True, slots=True)
class _TakeBack:
    """Audio on its way back from Asterisk's queue, to be sent again at another level."""

    position: int
    serial: int


class MediaProtocol:
    """The state of one media socket. The messages a method gives are to be sent, all and in order."""

    def __init__(self, lead_frames: int = LEAD_FRAMES) -> None:
        if not 2 * TICK_FRAMES <= lead_frames < QUEUE_FRAMES:
            raise ValueError(f"lead_frames is {lead_frames}: at least {2 * TICK_FRAMES}, less than {QUEUE_FRAMES}")
        self.lead_frames = lead_frames
        self.started: MediaStarted | None = None
        self.counters = Counters()
        self.is_flowing = True
        """False between MEDIA_XOFF and MEDIA_XON."""
        self.is_paused = False
        self.sent_frames = 0
        """Position of the end of what was sent."""
        self._gone = 0
        """Position up to which Asterisk is known to hold nothing more."""
        self._anchor = (0, 0.0)
        """Position and time from which the clock is trusted."""
        self._inbound = b""
        self._tail = b""
        self._pending: deque[bytes | _Mark] = deque()
        self._pending_frames = 0
        self._since_tick = 0
        self._serial = 0
        self._marks: deque[_SentMark] = deque()
        self._asked: deque[_Flush | _TakeBack | None] = deque()
        """What each STATUS to come is for: a flush, a change of level, or (None) a plain question."""
        self._kept: deque[bytes] = deque(maxlen=lead_frames)
        """The newest frames sent, as they were before the level was applied."""
        self.level = 1.0
        """Factor of what is sent from now on."""
        self._level_now = 1.0
        """Factor at the end of the frame sent last."""

    # From Asterisk

    def feed(self, message: Message, now_s: float) -> list[MediaEvent]:
        """Take one message; raises MediaClosed only for a media format that can't be used."""
        if isinstance(message, bytes):
            return list(self._audio(message))
        try:
            fields = json.loads(message)
        except (ValueError, RecursionError):
            return [self._fault("text that is no JSON")]
        if not isinstance(fields, dict):
            return [self._fault("JSON that is no object")]
        return self._control(fields, now_s)

    def _audio(self, message: bytes) -> list[AudioReceived]:
        even = len(message) & ~1
        self.counters.bytes_malformed += len(message) - even
        self._inbound += message[:even]
        whole = len(self._inbound) // FRAME_BYTES * FRAME_BYTES
        frames = [AudioReceived(self._inbound[at : at + FRAME_BYTES]) for at in range(0, whole, FRAME_BYTES)]
        self._inbound = self._inbound[whole:]
        self.counters.frames_in += len(frames)
        return frames

    def _control(self, fields: dict[str, Any], now_s: float) -> list[MediaEvent]:
        match fields.get("event"):
            case "MEDIA_START":
                return [self._start(fields)]
            case "MEDIA_XOFF":
                self.is_flowing = False
                self.counters.xoffs += 1
                return [FlowStopped()]
            case "MEDIA_XON":
                self.is_flowing = True
                return [FlowResumed()]
            case "MEDIA_MARK_PROCESSED":
                return self._mark_processed(fields.get("correlation_id"), now_s)
            case "MEDIA_BUFFERING_COMPLETED":
                return [BufferingCompleted(str(fields.get("correlation_id", "")))]
            case "QUEUE_DRAINED":
                return [QueueDrained()]
            case "STATUS":
                return self._status(fields, now_s)
            case "DTMF_END":
                return [DigitReceived(str(fields.get("digit", "")))]
            case "ERROR":
                return [self._fault(str(fields.get("error_text", "ERROR")))]
            case other:
                return [self._fault(f"unknown event {str(other)[:40]!r}")]

    def _start(self, fields: dict[str, Any]) -> MediaStarted:
        started = MediaStarted(
            channel_id=str(fields.get("channel_id", "")),
            format=str(fields.get("format", "")),
            frame_bytes=_number(fields.get("optimal_frame_size")),
            ptime_ms=_number(fields.get("ptime")),
        )
        if (started.format, started.frame_bytes, started.ptime_ms) != (FORMAT, FRAME_BYTES, PTIME_MS):
            raise MediaClosed(
                f"media is {started.format or 'nothing'}, {started.frame_bytes} bytes per {started.ptime_ms} ms, "
                f"not {FORMAT}, {FRAME_BYTES} per {PTIME_MS}"
            )
        self.started = started
        return started

    def _mark_processed(self, correlation_id: object, now_s: float) -> list[MediaEvent]:
        serial = _number(correlation_id)
        if not any(mark.serial == serial for mark in self._marks):
            return [self._fault("a mark that was never set, or twice")]
        events: list[MediaEvent] = []
        while self._marks and self._marks[0].serial <= serial:  # in order: an earlier one has passed as well
            mark = self._marks.popleft()
            self._gone = max(self._gone, mark.position)
            if mark.name is not None:
                events.append(MarkReached(mark.name))
        self._anchor = (self._gone, now_s)
        return [*events, Progress(self._gone)]

    def _status(self, fields: dict[str, Any], now_s: float) -> list[MediaEvent]:
        status = Status(
            queue_frames=max(0, _number(fields.get("queue_length"))),
            is_full=bool(fields.get("queue_full")),
            is_buffering=bool(fields.get("bulk_media")),
            is_paused=bool(fields.get("media_paused")),
        )
        asked = self._asked.popleft() if self._asked else None
        match asked:
            case _Flush():
                return self._confirm(asked, status.queue_frames, now_s)
            case _TakeBack():
                return self._take_back(asked, status.queue_frames, now_s)
            case None:
                return [status]

    def _take_back(self, asked: _TakeBack, queue_frames: int, now_s: float) -> list[MediaEvent]:
        """Put what was not heard at the front of what is to be sent; a flush that came meanwhile drops it instead."""
        heard = max(self._gone, asked.position - queue_frames)
        flush = next((each for each in self._asked if isinstance(each, _Flush)), None)
        if flush is not None:
            flush.heard_frames = heard
            return []
        events: list[MediaEvent] = []
        again: list[_SentMark] = []
        while self._marks and self._marks[0].serial <= asked.serial:
            mark = self._marks.popleft()
            if mark.position > heard:
                again.append(mark)
            elif mark.name is not None:
                events.append(MarkReached(mark.name))
        frames = list(self._kept)[len(self._kept) - (asked.position - heard) :] if asked.position > heard else []
        for position in range(asked.position, heard, -1):
            while again and again[-1].position == position:
                self._pending.appendleft(_Mark(again.pop().name))
            self._pending.appendleft(frames[position - heard - 1])
            self._kept.pop()
        self._pending_frames += len(frames)
        self.sent_frames = self._gone = heard
        self._anchor = (heard, now_s)
        return [*events, Progress(heard)]

    def _confirm(self, flush: _Flush, queue_frames: int, now_s: float) -> list[MediaEvent]:
        heard = max(self._gone, flush.position - queue_frames if flush.heard_frames is None else flush.heard_frames)
        self.counters.frames_flushed += max(0, flush.position - heard)
        events: list[MediaEvent] = []
        while self._marks and self._marks[0].serial <= flush.serial:
            mark = self._marks.popleft()
            if mark.name is not None:
                events.append(MarkDropped(mark.name))
        events += [MarkDropped(name) for name in flush.unsent]
        if self._gone < flush.position:
            self._gone = flush.position
            self._anchor = (flush.position, now_s)
        return [*events, Flushed(heard), Progress(self._gone)]

    # To Asterisk

    def queue_audio(self, audio: bytes) -> None:
        """Take audio to be sent, of any length; what is shorter than a frame waits for more."""
        audio = self._tail + audio
        whole = len(audio) // FRAME_BYTES * FRAME_BYTES
        self._tail = audio[whole:]
        for at in range(0, whole, FRAME_BYTES):
            self._queue_frame(audio[at : at + FRAME_BYTES])

    def end_audio(self) -> None:
        """Nothing more follows for now: the tail is padded with silence to a frame, the end gets a tick."""
        if self._tail:
            self._queue_frame(self._tail + bytes(FRAME_BYTES - len(self._tail)))
            self._tail = b""
        if self._since_tick:
            self._queue_tick()

    def queue_mark(self, name: str) -> None:
        """Set a mark after all that was queued; a tail waits on its far side. MarkReached or MarkDropped follows."""
        self._pending.append(_Mark(name))

    @property
    def pending_frames(self) -> int:
        """Frames queued here, not sent yet."""
        return self._pending_frames

    @property
    def queued_frames(self) -> int:
        """Position of the end of what was queued."""
        return self.sent_frames + self._pending_frames

    @property
    def gone_frames(self) -> int:
        """Position up to which Asterisk is known to hold nothing more: played or flushed."""
        return self._gone

    @property
    def room_frames(self) -> int:
        """Frames that may be sent now."""
        if not self.is_flowing:
            return 0
        if self._is_coming_back:
            return 0
        flushed = max((flush.position for flush in self._asked if isinstance(flush, _Flush)), default=0)
        return max(0, self.lead_frames - (self.sent_frames - max(self._gone, flushed)))

    @property
    def _is_coming_back(self) -> bool:
        return any(isinstance(each, _TakeBack) for each in self._asked)

    @property
    def is_idle(self) -> bool:
        """True: all that was queued has been sent, and has left Asterisk's queue."""
        return not self._pending and self._gone >= self.sent_frames

    def outgoing(self, now_s: float) -> list[Message]:
        """What may be sent now, as messages of whole frames and marks between them."""
        if self.played_frames(now_s) >= self.sent_frames:
            self._anchor = (self.sent_frames, now_s)
        if self._is_coming_back:  # what comes back goes first
            return []
        messages: list[Message] = []
        frames: list[bytes] = []
        room = self.room_frames
        while self._pending:
            item = self._pending[0]
            if isinstance(item, _Mark):
                if frames:
                    messages.append(b"".join(frames))
                    frames = []
                messages.append(self._set_mark(item))
            elif not room:
                break
            else:
                frames.append(self._at_level(item))
                self._kept.append(item)
                room -= 1
                self.sent_frames += 1
                self._pending_frames -= 1
            self._pending.popleft()
        if frames:
            messages.append(b"".join(frames))
        self.counters.frames_out = self.sent_frames
        return messages

    def flush(self, now_s: float) -> list[Message]:
        """Drop all that is queued, here and in Asterisk; Flushed and each mark's MarkDropped follow with the STATUS."""
        unsent = tuple(item.name for item in self._pending if isinstance(item, _Mark) and item.name is not None)
        self._pending.clear()
        self._pending_frames = 0
        self._tail = b""
        self._since_tick = 0
        self.counters.flushes += 1
        self._anchor = (self.played_frames(now_s), now_s)
        self._asked.append(_Flush(self.sent_frames, self._serial, unsent))
        return [encode(Command.GET_STATUS), encode(Command.FLUSH_MEDIA)]

    def change_level(self, factor: float, now_s: float) -> list[Message]:
        """Play on `factor` times as loud as queued, what Asterisk holds included; the change takes one frame."""
        if factor == self.level:
            return []
        self.level = factor
        if self._is_coming_back or self.played_frames(now_s) >= self.sent_frames:
            return []
        self._anchor = (self.played_frames(now_s), now_s)
        self._asked.append(_TakeBack(self.sent_frames, self._serial))
        return [encode(Command.GET_STATUS), encode(Command.FLUSH_MEDIA)]

    def ask_status(self) -> list[Message]:
        """Status follows."""
        self._asked.append(None)
        return [encode(Command.GET_STATUS)]

    def pause(self, now_s: float) -> list[Message]:
        """Silence from now on; nothing is dropped."""
        self._anchor = (self.played_frames(now_s), now_s)
        self.is_paused = True
        return [encode(Command.PAUSE_MEDIA)]

    def resume(self, now_s: float) -> list[Message]:
        """Go on after `pause`."""
        self.is_paused = False
        self._anchor = (self._anchor[0], now_s)
        return [encode(Command.CONTINUE_MEDIA)]

    def abandon(self) -> list[MediaEvent]:
        """The socket is gone: every mark that was set will never be reached."""
        names = [mark.name for mark in self._marks if mark.name is not None]
        names += [name for flush in self._asked if isinstance(flush, _Flush) for name in flush.unsent]
        names += [item.name for item in self._pending if isinstance(item, _Mark) and item.name is not None]
        self._marks.clear()
        self._asked.clear()
        self._pending.clear()
        self._pending_frames = 0
        return [MarkDropped(name) for name in names]

    def played_frames(self, now_s: float) -> int:
        """Position up to which audio was played, as well as it can be known; never ahead of a tick still out."""
        position, at_s = self._anchor
        if self.is_paused:
            return position
        ceiling = min((mark.position for mark in self._marks), default=self.sent_frames)
        by_clock = position + int((now_s - at_s) / FRAME_S + 1e-6)
        return max(self._gone, position, min(ceiling, self.sent_frames, by_clock))

    def _at_level(self, frame: bytes) -> bytes:
        before, self._level_now = self._level_now, self.level
        return frame if before == self.level == 1.0 else faded(frame, before, self.level)

    def _queue_frame(self, frame: bytes) -> None:
        self._pending.append(frame)
        self._pending_frames += 1
        self._since_tick += 1
        if self._since_tick == TICK_FRAMES:
            self._queue_tick()

    def _queue_tick(self) -> None:
        self._pending.append(_Mark(None))
        self._since_tick = 0

    def _set_mark(self, mark: _Mark) -> str:
        self._serial += 1
        self._marks.append(_SentMark(self._serial, self.sent_frames, mark.name))
        return encode(Command.MARK_MEDIA, str(self._serial))

    def _fault(self, reason: str) -> Fault:
        self.counters.faults += 1
        return Fault(reason)


def _number(value: object) -> int:
    """An int from JSON, or one written as text; 0 for anything else."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return 0
