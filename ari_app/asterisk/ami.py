"""AMI by panoramisk: is a phone free, how is a queue, where are a phone's contacts; redirect, hang up, originate.

Every question has a timeout and raises AmiUnavailable. Rights needed: `call` and `reporting`, for `originate` that as
well.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from ari_app.asterisk.ami_session import AmiMessage, AmiSession, as_name
from ari_app.config import AmiSettings

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


class Ami(AmiSession):
    """The worker's AMI session; `async with Ami(settings.ami) as ami:` starts connecting and doesn't wait for it."""

    def __init__(self, settings: AmiSettings) -> None:
        super().__init__(settings)
        self._listeners: list[tuple[frozenset[str], AmiEvents]] = []

    @contextmanager
    def events(self, *names: str, bound: int = 256) -> Iterator[AmiEvents]:
        """Events of these names ("DeviceStateChange"; none: all that AMI sends), across reconnects."""
        entry = (frozenset(name.lower() for name in names), AmiEvents(bound))
        self._listeners.append(entry)
        try:
            yield entry[1]
        finally:
            self._listeners.remove(entry)

    def _take(self, message: AmiMessage) -> None:
        event: dict[str, str] | None = None
        for names, queue in self._listeners:
            if not names or message.event.lower() in names:
                event = event or {str(key).lower(): str(value) for key, value in message.items()}
                queue._put(event)

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
        answer = await self._ask({"Action": "ExtensionState", "Exten": as_name(extension), "Context": as_name(context)})
        return ExtensionState(_number(answer.status, -1), answer.statustext)

    async def device_state(self, device: str) -> DeviceState:
        """`device` as "PJSIP/200"."""
        technology, _, name = device.partition("/")
        found = await self.variable(f"DEVICE_STATE({as_name(technology)}/{as_name(name)})")
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
        found = await self.variable(f"PJSIP_DIAL_CONTACTS({as_name(endpoint)})")
        parts = (part.split("/", 2)[-1] for part in found.split("&") if part.startswith("PJSIP/"))
        return [uri for uri in parts if _SIP_CONTACT.fullmatch(uri)]

    async def queue(self, name: str) -> QueueState | None:
        """A queue's state; None: there is no such queue."""
        answers = await self._ask_list({"Action": "QueueStatus", "Queue": as_name(name)})
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
            "Context": as_name(context),
            "Exten": as_name(extension),
            "Priority": "1",
            "CallerID": caller_id,
            "Timeout": str(round(ring_s * 1000)),
            "Async": "true",
            "Variable": [f"{key}={value}" for key, value in (variables or {}).items()],
        }
        answers = await self._answers(action, as_list=True, timeout_s=ring_s + self._settings.timeout_s)
        return answers[-1].response == "Success" and answers[-1].event == "OriginateResponse"


def _number(text: str, otherwise: int) -> int:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else otherwise
