"""Events fanned out to bounded queues, one per consumer.

When a queue is full its oldest event goes, except those that say that something has ended: they stay up to a
hard limit of four times the bound. What went is counted in `dropped`.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType

from ari_app.asterisk.ari_events import AriConnected, AriDisconnected, Event


class Subscription:
    """One consumer's queue; used as `with ari.subscribe(channel_id) as events`, before the thing is created.

    AriConnected and AriDisconnected come to every subscription. One task reads it at a time.
    """

    def __init__(self, hub: "Subscriptions", subjects: frozenset[str] | None, bound: int) -> None:
        self._hub = hub
        self.subjects = subjects
        """None: every event of the application."""
        self._bound = bound
        self._queue: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self.dropped = 0

    def __enter__(self) -> "Subscription":
        self._hub._add(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take no more events; idempotent."""
        self._hub._remove(self)

    async def get(self) -> Event:
        """The next event; cancelling loses none."""
        while not self._queue:
            self._arrived.clear()
            await self._arrived.wait()
        return self._queue.popleft()

    def get_nowait(self) -> Event | None:
        """The next event if one is there."""
        return self._queue.popleft() if self._queue else None

    async def __aiter__(self) -> AsyncIterator[Event]:
        while True:
            yield await self.get()

    def _put(self, event: Event) -> None:
        if len(self._queue) >= self._bound:
            self._make_room()
        self._queue.append(event)
        self._arrived.set()

    def _make_room(self) -> None:
        for at, event in enumerate(self._queue):
            if not event.is_ending and not isinstance(event, AriConnected | AriDisconnected):
                del self._queue[at]
                self.dropped += 1
                return
        if len(self._queue) >= 4 * self._bound:
            self._queue.popleft()
            self.dropped += 1


class Subscriptions:
    """Who wants which events; `publish` never waits."""

    def __init__(self) -> None:
        self._everything: set[Subscription] = set()
        self._by_subject: dict[str, set[Subscription]] = {}

    def open(self, subjects: Iterable[str] = (), *, bound: int = 256) -> Subscription:
        """A subscription to what concerns any of `subjects` (channel, bridge, playback ids); none named: everything."""
        wanted = frozenset(subjects)
        return Subscription(self, wanted or None, bound)

    def publish(self, event: Event) -> None:
        """Put `event` into the queue of everyone whom it concerns, once."""
        if isinstance(event, AriConnected | AriDisconnected):
            takers = self._everything.union(*self._by_subject.values())
        else:
            takers = self._everything.union(*(self._by_subject.get(subject, ()) for subject in event.subjects))
        for taker in takers:
            taker._put(event)

    @property
    def count(self) -> int:
        """Open subscriptions."""
        return len(self._everything.union(*self._by_subject.values()))

    def _add(self, subscription: Subscription) -> None:
        if subscription.subjects is None:
            self._everything.add(subscription)
            return
        for subject in subscription.subjects:
            self._by_subject.setdefault(subject, set()).add(subscription)

    def _remove(self, subscription: Subscription) -> None:
        self._everything.discard(subscription)
        for subject in subscription.subjects or ():
            takers = self._by_subject.get(subject, set())
            takers.discard(subscription)
            if not takers:
                self._by_subject.pop(subject, None)
