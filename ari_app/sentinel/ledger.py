"""Who holds which channel, and what is owed to them when a worker dies. Pure: time is passed in, nothing is sent.

The rules:

1. Socket closed without good-bye: the worker has `grace_s` to come back. The same process (same run) that comes
   back names its whole list again, and nothing happened. A new process of the same worker is given the former
   one's channels as orphans: those that it names as its own are its own, those that it doesn't within another
   `grace_s` go to [fallback].
2. No beat for `silent_s` on an open socket (frozen, or its event loop blocked): its channels go at once.
3. A good-bye with channels still held: they go at once.
4. Going means: a caller with the agent or waiting for a ringing human is redirected; the ringing leg and media legs
   are hung up; a caller bridged to a human stays, and when either of the two hangs up the other is ended.
5. Whoever names a channel last holds it: what another worker, or the same one later, takes up again is no longer
   owed. A channel that was taken from a silent worker is its own again only after it has said `gone` for it, so that
   a worker that wakes up can't claim callers who are with a human by now.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from ari_app.call.heartbeat_protocol import ChannelState, HeldChannel, Hello


class Death(StrEnum):
    """Why a worker's channels are owed a human."""

    CLOSED = "closed"
    SILENT = "silent"
    LEFT = "left"
    """It said good-bye and still held them."""
    NOT_TAKEN_UP = "not_taken_up"
    """Its next process didn't name them."""


@dataclass(frozen=True, slots=True)
class Owed:
    """A caller to be redirected to [fallback]."""

    channel: HeldChannel
    worker: str
    why: Death
    since_s: float
    """When the worker was last known to live, by the sentinel's monotonic clock."""
    is_restored: bool = False
    """Known only from before the sentinel's own restart: to be checked with Asterisk first."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One worker's end."""

    worker: str
    pid: int
    why: Death
    link: int | None
    """The connection that is still open (SILENT)."""
    owed: tuple[Owed, ...]
    kept: int
    """Callers who stay with their human."""


@dataclass(slots=True)
class Worker:
    """One process of one worker."""

    name: str
    run: str
    pid: int
    link: int | None
    beat_at: float
    due_at: float | None = None
    """Closed, and back until then or dead."""
    is_silent: bool = False
    is_restored: bool = False
    channels: dict[str, HeldChannel] = field(default_factory=dict)


@dataclass(slots=True)
class _Loan:
    channel: HeldChannel
    worker: str
    due_at: float
    is_restored: bool


@dataclass(frozen=True, slots=True)
class Reception:
    """What a worker is answered when it says hello."""

    orphans: tuple[HeldChannel, ...]
    """Its former process's channels, which it may take up."""
    taken: tuple[str, ...]
    """Ids it named but has lost to [fallback] while it was silent."""


class Ledger:
    """The sentinel's whole knowledge. `revision` changes with everything that is worth keeping over a restart."""

    def __init__(self, *, grace_s: float, silent_s: float) -> None:
        self._grace_s = grace_s
        self._silent_s = silent_s
        self._workers: dict[str, Worker] = {}
        """By run."""
        self._loans: dict[str, _Loan] = {}
        self.owed: dict[str, Owed] = {}
        """By channel id, until `settled`."""
        self.chores: dict[str, float] = {}
        """Ids to be hung up, and since when, until `settled`."""
        self.kept: dict[str, str] = {}
        """Pairs that talk on without a worker, each under both ids."""
        self.taken: dict[str, str] = {}
        """Lost by a process that may still live: channel id -> its run."""
        self.revision = 0

    @property
    def workers(self) -> tuple[Worker, ...]:
        return tuple(self._workers.values())

    @property
    def lent(self) -> tuple[Owed, ...]:
        """Orphans that were given back and not yet named; owed should the sentinel end now."""
        return tuple(
            Owed(loan.channel, loan.worker, Death.NOT_TAKEN_UP, loan.due_at, loan.is_restored)
            for loan in self._loans.values()
            if loan.channel.state in (ChannelState.AGENT, ChannelState.RINGING)
        )

    def hello(self, link: int, hello: Hello, now: float) -> Reception:
        """A worker is here, for the first time or again."""
        self.revision += 1
        worker = self._workers.get(hello.run)
        if worker is None:
            worker = self._workers[hello.run] = Worker(hello.worker, hello.run, hello.pid, link, now)
            self._lend_from_the_dead(worker, now)
        worker.link, worker.beat_at, worker.due_at = link, now, None
        worker.is_silent = worker.is_restored = False
        worker.channels.clear()
        for channel in hello.channels:
            self._take_up(worker, channel)
        return Reception(
            orphans=tuple(loan.channel for loan in self._loans.values() if loan.worker == worker.name),
            taken=tuple(each.id for each in hello.channels if self.taken.get(each.id) == worker.run),
        )

    def channel(self, link: int, channel: HeldChannel, now: float) -> None:
        """A worker holds this channel, or it changed."""
        if worker := self._by_link(link, now):
            self._take_up(worker, channel)

    def gone(self, link: int, channel_id: str, now: float) -> None:
        """A channel ended in good order, or an orphan is declined because it has."""
        if worker := self._by_link(link, now):
            self.revision += 1
            worker.channels.pop(channel_id, None)
            if self.taken.get(channel_id) == worker.run:
                del self.taken[channel_id]
            loan = self._loans.get(channel_id)
            if loan is not None and loan.worker == worker.name:
                del self._loans[channel_id]

    def beat(self, link: int, now: float) -> bool:
        """A sign of life; True where it ends a silence that had cost the worker its channels."""
        worker = self._by_link(link, now)
        if worker is None or not worker.is_silent:
            return False
        worker.is_silent = False
        return True

    def bye(self, link: int, now: float) -> Loss | None:
        """A clean end; what is still held is lost at once."""
        worker = self._by_link(link, now)
        if worker is None:
            return None
        del self._workers[worker.run]
        return self._lose(worker, Death.LEFT, now)

    def closed(self, link: int, now: float) -> None:
        """The socket ended without a good-bye (after one, or replaced by a newer one, it means nothing)."""
        for worker in list(self._workers.values()):
            if worker.link == link:
                self.revision += 1
                worker.link, worker.due_at = None, now + self._grace_s
                if not worker.channels:
                    del self._workers[worker.run]

    def hung_up(self, channel_id: str, now: float) -> None:
        """Asterisk says that a channel is no more: nothing is owed to it, and its kept partner is to be ended."""
        if channel_id in self.owed or channel_id in self.chores or channel_id in self.taken:
            self.revision += 1
        self.owed.pop(channel_id, None)
        self.chores.pop(channel_id, None)
        self.taken.pop(channel_id, None)
        partner = self.kept.pop(channel_id, None)
        if partner is not None:
            self.kept.pop(partner, None)
            self.chores[partner] = now
            self.revision += 1

    def due(self, now: float) -> list[Loss]:
        """Workers and loans whose time has run out; their channels are in `owed`, `chores` and `kept` from now on."""
        losses = []
        for worker in list(self._workers.values()):
            if worker.due_at is not None and now >= worker.due_at:
                del self._workers[worker.run]
                losses.append(self._lose(worker, Death.CLOSED, now))
            elif worker.link is not None and not worker.is_silent and now - worker.beat_at > self._silent_s:
                worker.is_silent = True
                losses.append(self._lose(worker, Death.SILENT, now))
        for channel_id, loan in list(self._loans.items()):
            if now >= loan.due_at:
                del self._loans[channel_id]
                former = Worker(loan.worker, "", 0, None, now, is_restored=loan.is_restored)
                former.channels[channel_id] = loan.channel
                losses.append(self._lose(former, Death.NOT_TAKEN_UP, now))
        return losses

    def forgive(self, stall_s: float, now: float) -> None:
        """The sentinel itself stood still this long: nobody is to blame for it."""
        for worker in self._workers.values():
            worker.beat_at = min(worker.beat_at + stall_s, now)
            if worker.due_at is not None:
                worker.due_at += stall_s
        for loan in self._loans.values():
            loan.due_at += stall_s

    def settled(self, channel_id: str) -> None:
        """The redirect or hang-up was done, or turned out to be needless."""
        self.owed.pop(channel_id, None)
        self.chores.pop(channel_id, None)
        self.revision += 1

    def settle_with(self, living: Iterable[str], now: float) -> None:
        """Asterisk's present channels: whatever isn't among them has hung up unseen."""
        present = frozenset(living)
        known = [*self.owed, *self.chores, *self.kept, *self.taken]
        for channel_id in {each for each in known if each not in present}:
            self.hung_up(channel_id, now)
        self.revision += 1

    def restore(self, workers: Iterable[Worker], now: float) -> None:
        """Take over the workers known before the sentinel's restart: they have `silent_s` to come back."""
        for worker in workers:
            worker.link, worker.is_restored, worker.is_silent = None, True, False
            worker.beat_at, worker.due_at = now, now + self._silent_s
            self._workers[worker.run] = worker

    def _by_link(self, link: int, now: float) -> Worker | None:
        for worker in self._workers.values():
            if worker.link == link:
                worker.beat_at = now
                return worker
        return None

    def _take_up(self, worker: Worker, channel: HeldChannel) -> None:
        if self.taken.get(channel.id) == worker.run:
            return
        self.revision += 1
        for other in self._workers.values():
            if other is not worker:
                other.channels.pop(channel.id, None)
        self._loans.pop(channel.id, None)
        self.owed.pop(channel.id, None)
        self.taken.pop(channel.id, None)
        partner = self.kept.pop(channel.id, None)
        if partner is not None:
            self.kept.pop(partner, None)
        worker.channels[channel.id] = channel

    def _lend_from_the_dead(self, heir: Worker, now: float) -> None:
        for former in list(self._workers.values()):
            if former.name == heir.name and former is not heir and former.link is None:
                del self._workers[former.run]
                for channel in former.channels.values():
                    self._loans[channel.id] = _Loan(channel, heir.name, now + self._grace_s, former.is_restored)

    def _lose(self, worker: Worker, why: Death, now: float) -> Loss:
        self.revision += 1
        since_s = worker.beat_at
        owed, kept = [], 0
        for channel in worker.channels.values():
            match channel.state:
                case ChannelState.AGENT | ChannelState.RINGING:
                    owed.append(Owed(channel, worker.name, why, since_s, worker.is_restored))
                    if channel.linked is not None:
                        self.chores[channel.linked] = now
                case ChannelState.MEDIA:
                    self.chores[channel.id] = now
                case ChannelState.HUMAN:
                    kept += 1
                    if channel.linked is not None:
                        self.kept[channel.id], self.kept[channel.linked] = channel.linked, channel.id
        if why is Death.SILENT:
            self.taken.update(dict.fromkeys(worker.channels, worker.run))
        worker.channels.clear()
        self.owed.update({each.channel.id: each for each in owed})
        return Loss(worker.name, worker.pid, why, worker.link, tuple(owed), kept)
