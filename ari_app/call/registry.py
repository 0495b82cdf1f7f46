"""The calls of this worker as they are now, and a stream of what happens in them.

Watchers (the console, the lab's event log) get each CallEvent through a bounded queue; a watcher that doesn't
keep up loses the oldest events and never slows a call.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from ari_app.store.schema import CallState

WATCHER_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One thing that happened. `kind`: state, agent, caller, dtmf, silence, action, result, barge_in, note."""

    call_id: str
    at: datetime
    at_s: float
    """Seconds since the call arrived."""
    kind: str
    text: str
    data: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class LiveCall:
    """One call; changed only by its own session."""

    call_id: str
    number: str
    channel_id: str
    arrived: datetime
    arrived_s: float
    """On the monotonic clock."""
    name: str = ""
    state: CallState = CallState.PENDING
    keys: int = 0
    """Booking keys used so far: each wish to book, move or cancel has one of its own."""
    events: list[CallEvent] = field(default_factory=list)


class Registry:
    """All live calls of one worker. Who changes a call's state says so with `changed`."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.calls: dict[str, LiveCall] = {}
        self.is_draining = False
        self._watchers: set[asyncio.Queue[CallEvent]] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._unserved = asyncio.Event()
        self._unserved.set()

    @property
    def has_room(self) -> bool:
        """Whether this worker may claim another call; one that talks to a human costs nothing and isn't counted."""
        talking = sum(call.state is not CallState.CONNECTED for call in self.calls.values())
        return not self.is_draining and talking < self.capacity

    def add(self, call: LiveCall) -> None:
        self.calls[call.call_id] = call
        self.changed()

    def remove(self, call_id: str) -> None:
        self.calls.pop(call_id, None)
        self.changed()

    def changed(self) -> None:
        """A call came, went, or is with somebody else now."""
        _set(self._empty, not self.calls)
        _set(self._unserved, all(call.state is CallState.CONNECTED for call in self.calls.values()))

    async def wait_empty(self) -> None:
        """Wait until no call is left."""
        await self._empty.wait()

    async def wait_only_humans(self) -> None:
        """Wait until no caller is with the agent: those that are left talk to a human."""
        await self._unserved.wait()

    def publish(self, event: CallEvent) -> None:
        """Keep the event with its call and hand it to every watcher."""
        if call := self.calls.get(event.call_id):
            call.events.append(event)
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[CallEvent]]:
        """A queue of everything that happens from now on."""
        queue: asyncio.Queue[CallEvent] = asyncio.Queue(WATCHER_EVENTS)
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)


def _set(event: asyncio.Event, is_set: bool) -> None:
    if is_set:
        event.set()
    else:
        event.clear()
