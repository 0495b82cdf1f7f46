"""What the chaos bench does to a running lab.

kill -9 at every state of a call; freeze (SIGSTOP); cut a worker's line to Asterisk, or let it go dead; take the ARI
user away and give it back; make the calendar hang; restart PostgreSQL.
"""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from ari_app.errors import LabError
from ari_app.lab.bench.chaos_callers import Caller, Town
from ari_app.lab.bench.chaos_line import Line
from ari_app.lab.bench.servers import PostgresServer
from ari_app.lab.configuration import replaced_ari_password
from ari_app.lab.runtime import Lab

FREEZE_S = 5.0
DEAD_LINE_S = 7.0
CALENDAR_AWAY_S = 6.0
ARI_USER_AWAY_S = 4.0
STORE_AWAY_S = 2.0
ROUND_S = 120.0
"""In a long run each of the deeds beside kills is done once in about this time."""
MUST_RING_WITHIN_S = 5.0
NEW_STATE_S = 10.0
CONNECTED = frozenset({"connected", "disconnected"})

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Death:
    """One caller's loss of the worker, and what was being done just then."""

    caller: Caller
    at_s: float
    how: str
    """kill, freeze, cut, dead_line or ari_user_away."""
    standing: str

    @property
    def rang_after_s(self) -> float | None:
        """Seconds until a human's phone rang; None: it didn't (any more)."""
        return next((rang_s - self.at_s for rang_s in self.caller.rang_s if rang_s >= self.at_s), None)

    @property
    def must_ring(self) -> bool:
        """With a human already, or gone before anybody could be rung: there is nobody to ring for."""
        ended_s = self.caller.ended_s
        return self.standing not in CONNECTED and not (ended_s is not None and ended_s - self.at_s < 1.0)

    @property
    def is_unrung(self) -> bool:
        """The caller waited, and no human's phone rang: late or never."""
        waited_until_s = self.caller.ended_s or time.monotonic()
        has_waited = waited_until_s - self.at_s > MUST_RING_WITHIN_S
        return self.must_ring and has_waited and (self.rang_after_s or MUST_RING_WITHIN_S) >= MUST_RING_WITHIN_S


@dataclass(slots=True)
class Deeds:
    """Trouble for a running lab with its workers."""

    lab: Lab
    town: Town
    workers: Mapping[int, Mapping[str, str]]
    """Number -> environment."""
    lines: Mapping[int, Line]
    """Number -> what stands between this worker and Asterisk."""
    postgres: PostgresServer | None
    """The workers' database, where it is one that can be restarted."""
    random: Random
    report: Report
    deaths: list[Death] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)
    _ready: set[int] = field(default_factory=set)

    async def start_workers(self) -> None:
        """All at once; raises LabError."""
        async with asyncio.TaskGroup() as group:
            for number in self.workers:
                group.create_task(self._start(number))

    async def run(self, seconds: float, *, every_s: tuple[float, float] = (4.0, 8.0)) -> None:
        """Kills all the while; each of the other deeds at its share of each round."""
        began_s = time.monotonic()
        others = self._schedule(seconds)
        async with asyncio.TaskGroup() as group:
            while (passed_s := time.monotonic() - began_s) < seconds:
                await asyncio.sleep(self.random.uniform(*every_s))
                if others and passed_s > others[0][0]:
                    await others.pop(0)[1]()
                    continue
                if (number := await self._victim()) is not None:
                    await self.kill(number)
                    group.create_task(self._start(number))

    def _schedule(self, seconds: float) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
        """Second -> deed, in order."""
        deeds = [self.freeze, self.cut, self.calendar_away, self.dead_line]
        if self.postgres is not None:
            deeds = [self.freeze, self.ari_user_away, self.cut, self.store_away, self.calendar_away, self.dead_line]
        rounds = max(1, round(seconds / ROUND_S))
        each_s = seconds / rounds / (len(deeds) + 1)
        return [
            (index * seconds / rounds + (place + 1) * each_s, deed)
            for index in range(rounds)
            for place, deed in enumerate(deeds)
        ]

    async def kill(self, number: int) -> None:
        """kill -9, in the middle of whatever it does."""
        self._ready.discard(number)
        self._note_deaths("kill", number)
        self.lab.signal(f"worker-{number}", signal.SIGKILL)
        await self.lab.stop(f"worker-{number}")

    async def freeze(self) -> None:
        """SIGSTOP, and on again: by then its callers are with a human."""
        number = self._busiest()
        self._note_deaths("freeze", number)
        await self._stopped(f"worker-{number}", FREEZE_S)

    async def cut(self) -> None:
        """Every connection to Asterisk of a worker ends."""
        number = self._busiest()
        self._note_deaths("cut", number)
        self.lines[number].cut()

    async def dead_line(self) -> None:
        """Packets of a worker to and from Asterisk are lost, and nobody is told."""
        number = self._busiest()
        self._note_deaths("dead_line", number)
        async with self.lines[number].dead():
            await asyncio.sleep(DEAD_LINE_S)
        self.lines[number].cut()

    async def ari_user_away(self) -> None:
        """Asterisk's ARI user is gone and back with another password meanwhile: nobody's request or socket is taken."""
        self._note_deaths("ari_user_away", *self.workers)
        try:
            with replaced_ari_password(self.lab.pbx, "booking"):
                await self._reload_ari()
                for line in self.lines.values():
                    line.cut()
                await asyncio.sleep(ARI_USER_AWAY_S)
        finally:
            await self._reload_ari()

    async def _stopped(self, name: str, for_s: float) -> None:
        self.lab.signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(for_s)
        finally:
            self.lab.signal(name, signal.SIGCONT)

    async def _reload_ari(self) -> None:
        await self.lab.cli(self.lab.pbx, "module reload res_ari.so")

    async def store_away(self) -> None:
        """PostgreSQL is stopped at once, and started again."""
        assert self.postgres is not None
        self.done["store_away"] += 1
        self.report("PostgreSQL restarts")
        await asyncio.to_thread(self.postgres.stop)
        try:
            await asyncio.sleep(STORE_AWAY_S)
        finally:
            await asyncio.to_thread(self.postgres.start)

    async def calendar_away(self) -> None:
        """The CalDAV server takes requests and doesn't answer."""
        self.done["calendar_away"] += 1
        self.report("calendar away")
        await self._stopped("calendar", CALENDAR_AWAY_S)

    def times_to_ring(self, *ways: str) -> list[float]:
        """Seconds from each death to the ring, of those that had to ring and did."""
        found = (death.rang_after_s for death in self.deaths if death.how in ways and death.must_ring)
        return sorted(after_s for after_s in found if after_s is not None)

    def unrung(self, *ways: str) -> list[Death]:
        """Deaths after which a caller waited without hearing of a human."""
        return [death for death in self.deaths if death.how in ways and death.is_unrung]

    def _note_deaths(self, how: str, *numbers: int) -> None:
        self.done[how] += 1
        now_s = time.monotonic()
        names = {f"booking-{number}" for number in numbers}
        struck = [caller for caller in self.town.up if caller.worker in names and caller.log is not None]
        for caller in struck:
            standing = caller.standing()
            if standing != "disconnected":
                self.deaths.append(Death(caller, now_s, how, standing))
                if how == "kill":
                    self.killed_at[standing] += 1
        self.report(f"{how} {', '.join(names)}: {', '.join(each.standing() for each in struck) or 'no calls'}")

    async def _victim(self) -> int | None:
        """The worker with a call in a state that none was killed at so far; after a while, at which fewest were."""
        until_s = time.monotonic() + NEW_STATE_S
        while True:
            found = [
                (self.killed_at[caller.standing()], self.random.random(), int(caller.worker.rpartition("-")[2]))
                for caller in self.town.up
                if caller.worker and int(caller.worker.rpartition("-")[2]) in self._ready
            ]
            is_enough = len(self._ready) > 1
            if found and is_enough and min(found)[0] == 0:
                return min(found)[2]
            if time.monotonic() > until_s:
                return min(found)[2] if found and is_enough else None
            await asyncio.sleep(0.1)

    def _busiest(self) -> int:
        ready = sorted(self._ready) or [1]
        return max(ready, key=lambda number: sum(each.worker == f"booking-{number}" for each in self.town.up))

    async def _start(self, number: int) -> None:
        for attempt in range(3):
            try:
                await self.lab.start_worker(number, environ=self.workers[number])
            except LabError as exc:
                self.report(f"booking-{number} didn't start: {exc}")
                if attempt == 2:
                    raise
            else:
                self._ready.add(number)
                return
