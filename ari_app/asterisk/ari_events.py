"""ARI's events and objects, read from JSON into typed values (Asterisk 22, rest-api/events.json).

Pure: `parse_event` takes one WebSocket message and gives one event. A type this module doesn't know becomes
`UnknownEvent`; what can't be read at all raises `EventUnreadable`, which the reader counts and skips.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from ari_app.errors import PbxError

OWN_PREFIX = "ari-app-"
"""Channels and bridges whose id starts so were made by this application, never by a caller."""


T = TypeVar("T")


class EventUnreadable(PbxError):
    """A message on the event socket that is no ARI event; `reason` quotes none of it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"unreadable ARI event: {reason}")
        self.reason = reason


def _text(value: Any) -> Any:
    """Null, as some fields come, is read as the empty string."""
    return "" if value is None else value


Text = Annotated[str, BeforeValidator(_text)]


class _Value(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class CallerId(_Value):
    """Who a channel says it is; a hint, not identity, and any text at all."""

    name: Text = ""
    number: Text = ""


class DialplanPlace(_Value):
    """Where in the dialplan a channel is."""

    context: Text = ""
    exten: Text = ""
    priority: int = 0
    app_name: Text = ""
    app_data: Text = ""


class ChannelSnapshot(_Value):
    """A channel as ARI shows it."""

    id: str
    name: Text = ""
    state: Text = ""
    caller: CallerId = CallerId()
    connected: CallerId = CallerId()
    dialplan: DialplanPlace = DialplanPlace()
    language: Text = ""
    channelvars: dict[str, Text] = {}
    """Variables that ari.conf's `channelvars` names, and MEDIA_WEBSOCKET_* of a media channel."""

    @property
    def is_own(self) -> bool:
        """True: made by this application (a media leg, an outgoing leg), not a caller."""
        return self.id.startswith(OWN_PREFIX)


class BridgeSnapshot(_Value):
    """A bridge as ARI shows it."""

    id: str
    name: Text = ""
    bridge_type: Text = ""
    technology: Text = ""
    channels: tuple[str, ...] = ()

    @property
    def is_own(self) -> bool:
        return self.id.startswith(OWN_PREFIX)


class EndpointSnapshot(_Value):
    """An endpoint as ARI shows it."""

    technology: str
    resource: str
    state: Text = ""
    channel_ids: tuple[str, ...] = ()


class Playback(_Value):
    """A file playback that Asterisk does itself."""

    id: str
    media_uri: Text = ""
    target_uri: Text = ""
    state: Text = ""


class AriEvent(_Value):
    """What every event has."""

    type: str
    application: Text = ""
    timestamp: Text = ""
    channel: ChannelSnapshot | None = None
    bridge: BridgeSnapshot | None = None

    @property
    def subjects(self) -> frozenset[str]:
        """Ids of the channels, bridges and playbacks that the event is about."""
        return frozenset(thing.id for thing in (self.channel, self.bridge) if thing is not None)

    @property
    def is_ending(self) -> bool:
        """True: its subject has ended or left; never dropped from a full queue."""
        return False


class UnknownEvent(AriEvent):
    """An event of a type that this module has no class for."""


class _OfChannel(AriEvent):
    channel: ChannelSnapshot


class _OfBridge(AriEvent):
    bridge: BridgeSnapshot


class _Ending(AriEvent):
    @property
    def is_ending(self) -> bool:
        return True


class StasisStart(_OfChannel):
    """A channel has entered the application."""

    args: tuple[str, ...] = ()
    replace_channel: ChannelSnapshot | None = None

    @property
    def subjects(self) -> frozenset[str]:
        extra = () if self.replace_channel is None else (self.replace_channel.id,)
        return frozenset((self.channel.id, *extra))


class StasisEnd(_OfChannel, _Ending):
    """A channel has left the application; it may live on in the dialplan."""


class ChannelCreated(_OfChannel):
    """A channel was created."""


class ChannelDestroyed(_OfChannel, _Ending):
    """A channel no longer exists."""

    cause: int = 0
    cause_txt: Text = ""


class ChannelHangupRequest(_OfChannel, _Ending):
    """Somebody hangs the channel up."""

    cause: int | None = None
    soft: bool = False


class ChannelStateChange(_OfChannel):
    """Down, Ring, Ringing, Up, ..."""


class ChannelDtmfReceived(_OfChannel):
    """A key was pressed and let go."""

    digit: str = Field(min_length=1, max_length=1)
    duration_ms: int = 0


class ChannelEnteredBridge(_OfBridge):
    """A channel has joined a bridge."""


class ChannelLeftBridge(_OfBridge, _Ending):
    """A channel has left a bridge."""

    channel: ChannelSnapshot


class BridgeCreated(_OfBridge):
    """A bridge was created."""


class BridgeDestroyed(_OfBridge, _Ending):
    """A bridge no longer exists."""


class Dial(AriEvent):
    """How a dialled channel fares: "" (dialling), RINGING, ANSWER, BUSY, NOANSWER, CANCEL, CONGESTION, CHANUNAVAIL."""

    peer: ChannelSnapshot
    caller: ChannelSnapshot | None = None
    dialstatus: Text = ""
    dialstring: Text = ""

    @property
    def subjects(self) -> frozenset[str]:
        extra = () if self.caller is None else (self.caller.id,)
        return frozenset((self.peer.id, *extra))


class CallBroadcast(_OfChannel):
    """A call is offered to every matching application (StasisBroadcast, Asterisk 22.7+); the first claim has it."""

    caller: Text = ""
    called: Text = ""


class CallClaimed(_OfChannel):
    """An offered call has been claimed by `winner_app`."""

    winner_app: Text = ""


class ChannelVarset(AriEvent):
    """A variable was set; without a channel it is a global one."""

    variable: str
    value: Text = ""


class ChannelCallerId(_OfChannel):
    """A channel's caller id has changed."""

    caller_presentation: int = 0


class ChannelConnectedLine(_OfChannel):
    """A channel's connected line has changed."""


class ChannelDialplan(_OfChannel):
    """A channel runs a dialplan application."""

    dialplan_app: Text = ""
    dialplan_app_data: Text = ""


class ChannelHold(_OfChannel):
    """A channel was put on hold."""

    musicclass: Text = ""


class ChannelUnhold(_OfChannel):
    """A channel is no longer on hold."""


class ChannelTalkingStarted(_OfChannel):
    """Talk detection heard speech."""


class ChannelTalkingFinished(_OfChannel):
    """Talk detection heard the end of speech."""

    duration: int = 0


class ChannelUserevent(AriEvent):
    """A user event, as the dialplan's UserEvent sends."""

    eventname: Text = ""
    userevent: dict[str, object] = {}


class _OfPlayback(AriEvent):
    playback: Playback

    @property
    def subjects(self) -> frozenset[str]:
        kind, _, target = self.playback.target_uri.partition(":")
        return frozenset((self.playback.id, target)) if kind and target else frozenset((self.playback.id,))


class PlaybackStarted(_OfPlayback):
    """A file playback has begun."""


class PlaybackFinished(_OfPlayback, _Ending):
    """A file playback has ended."""


class TextMessageBody(_Value):
    """A SIP MESSAGE or the like."""

    sender: Text = Field("", alias="from")
    to: Text = ""
    body: Text = ""


class TextMessageReceived(AriEvent):
    """A text message came in."""

    message: TextMessageBody


class DeviceState(_Value):
    name: str
    state: Text = ""


class DeviceStateChanged(AriEvent):
    """A device's state has changed."""

    device_state: DeviceState


class EndpointStateChange(AriEvent):
    """An endpoint went online or offline."""

    endpoint: EndpointSnapshot


class ApplicationReplaced(AriEvent):
    """Another client has connected with this application's name; this one's socket gets no more events."""


class ApplicationMoveFailed(_OfChannel):
    """A move to another application failed."""

    destination: Text = ""


@dataclass(frozen=True, slots=True)
class AriConnected:
    """The event socket is up (again): list channels and bridges now, whatever came before may be incomplete."""

    generation: int
    """1 for the first connection, one more for each after."""
    is_ending: bool = False
    subjects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AriDisconnected:
    """The event socket is lost; events are missed until the next AriConnected."""

    generation: int
    reason: str
    is_ending: bool = False
    subjects: frozenset[str] = frozenset()


Event = AriEvent | AriConnected | AriDisconnected

_TYPES: dict[str, type[AriEvent]] = {
    kind.__name__: kind
    for kind in (
        StasisStart, StasisEnd, ChannelCreated, ChannelDestroyed, ChannelHangupRequest, ChannelStateChange,
        ChannelDtmfReceived, ChannelEnteredBridge, ChannelLeftBridge, BridgeCreated, BridgeDestroyed, Dial,
        CallBroadcast, CallClaimed, ChannelVarset, ChannelCallerId, ChannelConnectedLine, ChannelDialplan,
        ChannelHold, ChannelUnhold, ChannelTalkingStarted, ChannelTalkingFinished, ChannelUserevent,
        PlaybackStarted, PlaybackFinished, TextMessageReceived, DeviceStateChanged, EndpointStateChange,
        ApplicationReplaced, ApplicationMoveFailed,
    )
}  # fmt: skip


_CHANNEL = TypeAdapter(ChannelSnapshot)
_CHANNELS = TypeAdapter(list[ChannelSnapshot])
_BRIDGE = TypeAdapter(BridgeSnapshot)
_BRIDGES = TypeAdapter(list[BridgeSnapshot])
_ENDPOINT = TypeAdapter(EndpointSnapshot)
_PLAYBACK = TypeAdapter(Playback)
_FIELDS = TypeAdapter(dict[str, object])
_ROWS = TypeAdapter(list[dict[str, object]])


def parse_event(message: str | bytes) -> AriEvent:
    """Read one message of the event socket; raises EventUnreadable and nothing else."""
    try:
        data = json.loads(message)
    except (ValueError, RecursionError) as exc:
        raise EventUnreadable("no JSON") from exc
    if not isinstance(data, dict):
        raise EventUnreadable(f"a JSON {type(data).__name__}, not an object")
    kind = data.get("type")
    if not isinstance(kind, str) or not kind:
        raise EventUnreadable("no type")
    known = _TYPES.get(kind)
    if known is None:
        return _unknown(kind, data)
    try:
        return known.model_validate(data)
    except ValidationError as exc:
        raise EventUnreadable(f"{kind}: {_first_fault(exc)}") from exc


def parse_channel(data: str | bytes) -> ChannelSnapshot:
    """A channel from a REST answer; raises EventUnreadable."""
    return _validated(_CHANNEL, data)


def parse_channels(data: str | bytes) -> list[ChannelSnapshot]:
    """All channels from a REST answer; raises EventUnreadable."""
    return _validated(_CHANNELS, data)


def parse_bridge(data: str | bytes) -> BridgeSnapshot:
    """A bridge from a REST answer; raises EventUnreadable."""
    return _validated(_BRIDGE, data)


def parse_bridges(data: str | bytes) -> list[BridgeSnapshot]:
    """All bridges from a REST answer; raises EventUnreadable."""
    return _validated(_BRIDGES, data)


def parse_endpoint(data: str | bytes) -> EndpointSnapshot:
    """An endpoint from a REST answer; raises EventUnreadable."""
    return _validated(_ENDPOINT, data)


def parse_playback(data: str | bytes) -> Playback:
    """A playback from a REST answer; raises EventUnreadable."""
    return _validated(_PLAYBACK, data)


def parse_fields(data: str | bytes) -> dict[str, object]:
    """Any JSON object from a REST answer; raises EventUnreadable."""
    return _validated(_FIELDS, data)


def parse_rows(data: str | bytes) -> list[dict[str, object]]:
    """A list of JSON objects from a REST answer; raises EventUnreadable."""
    return _validated(_ROWS, data)


def _unknown(kind: str, data: dict[str, object]) -> UnknownEvent:
    try:
        return UnknownEvent.model_validate(data)
    except ValidationError:
        return UnknownEvent(type=kind)


def _validated(adapter: TypeAdapter[T], data: str | bytes) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError as exc:
        raise EventUnreadable(_first_fault(exc)) from exc


def _first_fault(exc: ValidationError) -> str:
    first = exc.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
