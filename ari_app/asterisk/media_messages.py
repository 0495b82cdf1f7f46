"""What goes over chan_websocket's media socket: facts that come in, commands that go out (JSON control)."""

import json
from dataclasses import dataclass
from enum import StrEnum

MAX_COMMAND_BYTES = 128

Message = str | bytes
"""Text (control) or binary (audio)."""


@dataclass(frozen=True, slots=True)
class MediaStarted:
    """The media socket is ready."""

    channel_id: str
    format: str
    frame_bytes: int
    ptime_ms: int


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """One frame of what the far end says."""

    frame: bytes
    """s16le mono 16 kHz, 640 bytes."""


@dataclass(frozen=True, slots=True)
class MarkReached:
    """All audio sent before the mark has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class MarkDropped:
    """The audio before the mark was flushed; it will never be reached."""

    name: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Asterisk has played up to this position; there may be room to send."""

    played_frames: int


@dataclass(frozen=True, slots=True)
class FlowStopped:
    """MEDIA_XOFF: Asterisk's queue is nearly full; nothing may be sent."""


@dataclass(frozen=True, slots=True)
class FlowResumed:
    """MEDIA_XON: sending may go on."""


@dataclass(frozen=True, slots=True)
class QueueDrained:
    """Asterisk's queue ran empty after REPORT_QUEUE_DRAINED."""


@dataclass(frozen=True, slots=True)
class Flushed:
    """A flush is confirmed."""

    heard_frames: int
    """Position up to which audio was heard; what stood between it and the flush never will be."""


@dataclass(frozen=True, slots=True)
class Status:
    """Asterisk's answer to GET_STATUS."""

    queue_frames: int
    is_full: bool
    is_buffering: bool
    is_paused: bool


@dataclass(frozen=True, slots=True)
class BufferingCompleted:
    """What stood between START and STOP_MEDIA_BUFFERING has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """A key was sent to the media channel."""

    digit: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A message that is no valid one, or Asterisk's ERROR; counted, never fatal."""

    reason: str


MediaEvent = (
    MediaStarted
    | AudioReceived
    | MarkReached
    | MarkDropped
    | Progress
    | FlowStopped
    | FlowResumed
    | QueueDrained
    | Flushed
    | Status
    | BufferingCompleted
    | DigitReceived
    | Fault
)


class Command(StrEnum):
    """What chan_websocket can be told."""

    ANSWER = "ANSWER"
    HANGUP = "HANGUP"
    START_MEDIA_BUFFERING = "START_MEDIA_BUFFERING"
    STOP_MEDIA_BUFFERING = "STOP_MEDIA_BUFFERING"
    MARK_MEDIA = "MARK_MEDIA"
    FLUSH_MEDIA = "FLUSH_MEDIA"
    REPORT_QUEUE_DRAINED = "REPORT_QUEUE_DRAINED"
    PAUSE_MEDIA = "PAUSE_MEDIA"
    CONTINUE_MEDIA = "CONTINUE_MEDIA"
    GET_STATUS = "GET_STATUS"


def encode(command: Command, correlation_id: str = "") -> str:
    """A command as JSON; raises ValueError when Asterisk would ignore it for its length."""
    fields = {"command": command.value} | ({"correlation_id": correlation_id} if correlation_id else {})
    text = json.dumps(fields, separators=(",", ":"))
    if len(text) > MAX_COMMAND_BYTES:
        raise ValueError(f"{command}: {len(text)} bytes, at most {MAX_COMMAND_BYTES}")
    return text
