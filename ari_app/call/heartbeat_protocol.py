"""What a worker and the sentinel say to each other: JSON objects, one a line, over a Unix stream socket.

    worker                                          sentinel
    hello   {worker, pid, run, channels}     ->
                                             <-     welcome {orphans, redirects}
    channel {id, name, state, linked}        ->     added or changed
    gone    {id}                             ->     no longer the worker's business
    beat    {n}                              ->     from the worker's event loop, every heartbeat_s
                                             <-     seen {n, redirects}
                                             <-     taken {ids}   silent for too long: these went to [fallback]
    bye     {}                               ->     a clean end
    status  {}                               ->     (instead of hello) asks for one line of status, as a mapping

Each line carries its kind as `t`. `run` is new for each process, so that a worker that comes back on a new socket
(same run: the whole list is in its hello) isn't taken for one that was started anew. Lines that don't parse are
refused with ProtocolError; unknown kinds are too, unknown keys aren't. Pure, and imports nothing heavy: the
sentinel is to stay small.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

LONGEST_LINE = 1 << 20
_TOKEN = re.compile(r"[\x21-\x7e]{1,250}")
"""Channel names and ids, worker names: printable ASCII without spaces, so nothing can end an AMI header."""


class ProtocolError(ValueError):
    """A line that isn't the protocol's."""


class ChannelState(StrEnum):
    """Who a channel is with, which decides what becomes of it when its worker dies."""

    AGENT = "agent"
    """A caller with the agent: redirected to [fallback]."""
    RINGING = "ringing"
    """A caller who waits while `linked`, a human's phone, rings or hears the whisper: redirected, `linked` hung up."""
    HUMAN = "human"
    """A caller in one bridge with `linked`, a human: both stay; when one hangs up the sentinel ends the other."""
    MEDIA = "media"
    """The worker's own media leg (chan_websocket): hung up."""


@dataclass(frozen=True, slots=True)
class HeldChannel:
    """One channel that a worker answers for."""

    id: str
    """Asterisk's unique id."""
    name: str
    state: ChannelState
    linked: str | None = None
    """Unique id of the human's leg (RINGING, HUMAN)."""


@dataclass(frozen=True, slots=True)
class Hello:
    worker: str
    pid: int
    run: str
    channels: tuple[HeldChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class Gone:
    id: str


@dataclass(frozen=True, slots=True)
class Beat:
    n: int


@dataclass(frozen=True, slots=True)
class Bye:
    pass


@dataclass(frozen=True, slots=True)
class StatusAsked:
    pass


@dataclass(frozen=True, slots=True)
class Welcome:
    orphans: tuple[HeldChannel, ...] = ()
    """Channels of this worker's former process: named as its own within grace_s, or they go to [fallback]."""
    redirects: int = 0
    """Callers brought to [fallback] since the sentinel started."""


@dataclass(frozen=True, slots=True)
class Seen:
    n: int
    redirects: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    ids: tuple[str, ...]


FromWorker = Hello | HeldChannel | Gone | Beat | Bye | StatusAsked
FromSentinel = Welcome | Seen | Taken
_KINDS: dict[type, str] = {
    Hello: "hello",
    HeldChannel: "channel",
    Gone: "gone",
    Beat: "beat",
    Bye: "bye",
    StatusAsked: "status",
    Welcome: "welcome",
    Seen: "seen",
    Taken: "taken",
}


def encode(message: FromWorker | FromSentinel) -> bytes:
    """One line, its newline included."""
    return json.dumps({"t": _KINDS[type(message)], **asdict(message)}, separators=(",", ":")).encode() + b"\n"


def from_worker(line: bytes) -> FromWorker:
    """Parse what a worker said; raise ProtocolError."""
    fields = _fields(line)
    match fields.get("t"):
        case "hello":
            return Hello(
                worker=_token(fields, "worker"),
                pid=_number(fields, "pid"),
                run=_token(fields, "run"),
                channels=_channels(fields, "channels"),
            )
        case "channel":
            return held_channel(fields)
        case "gone":
            return Gone(_token(fields, "id"))
        case "beat":
            return Beat(_number(fields, "n"))
        case "bye":
            return Bye()
        case "status":
            return StatusAsked()
        case kind:
            raise ProtocolError(f"unknown kind {kind!r:.60}")


def from_sentinel(line: bytes) -> FromSentinel:
    """Parse what the sentinel said; raise ProtocolError."""
    fields = _fields(line)
    match fields.get("t"):
        case "welcome":
            return Welcome(_channels(fields, "orphans"), _number(fields, "redirects"))
        case "seen":
            return Seen(_number(fields, "n"), _number(fields, "redirects"))
        case "taken":
            ids = fields.get("ids")
            if not isinstance(ids, list):
                raise ProtocolError("ids is no list")
            return Taken(tuple(_token({"id": item}, "id") for item in ids))
        case kind:
            raise ProtocolError(f"unknown kind {kind!r:.60}")


def held_channel(fields: Mapping[str, object]) -> HeldChannel:
    """A channel out of its mapping (as `dataclasses.asdict` gives it); raise ProtocolError."""
    try:
        state = ChannelState(str(fields.get("state")))
    except ValueError as exc:
        raise ProtocolError(f"state is {fields.get('state')!r:.60}") from exc
    linked = None if fields.get("linked") is None else _token(fields, "linked")
    return HeldChannel(_token(fields, "id"), _token(fields, "name"), state, linked)


def is_token(text: str) -> bool:
    """Whether `text` may stand as a name or id: printable ASCII, no spaces, at most 250 characters."""
    return _TOKEN.fullmatch(text) is not None


def as_token(text: str) -> str:
    """`text`, or the nearest to it that may stand as a name."""
    return text if is_token(text) else re.sub(r"[^\x21-\x7e]", "_", text)[:250] or "_"


def _fields(line: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("no JSON") from exc
    if not isinstance(fields, dict):
        raise ProtocolError("no JSON object")
    return fields


def _channels(fields: Mapping[str, object], key: str) -> tuple[HeldChannel, ...]:
    items = fields.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ProtocolError(f"{key} is no list of objects")
    return tuple(held_channel(item) for item in items)


def _token(fields: Mapping[str, object], key: str) -> str:
    value = fields.get(key)
    if not isinstance(value, str) or not is_token(value):
        raise ProtocolError(f"{key} is {value!r:.60}")
    return value


def _number(fields: Mapping[str, object], key: str) -> int:
    value = fields.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise ProtocolError(f"{key} is {value!r:.60}")
    return value
