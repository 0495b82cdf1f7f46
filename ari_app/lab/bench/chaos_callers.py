"""The chaos bench's people: callers with different plans, and a desk that answers every phone.

Times are `time.monotonic()` seconds.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from sqlalchemy import Connection, select

from ari_app.errors import AriAppError, LabError, StoreUnavailable
from ari_app.lab.bench.chaos_tone import holds_tone, tone
from ari_app.lab.bench.chaos_verdict import Lived, Outcome, outcome_of
from ari_app.lab.bench.turn_log import CallLog
from ari_app.lab.bench.turn_script import Script
from ari_app.lab.phone import Call, CallFailed, Line, NothingHeard, Ringing
from ari_app.lab.timeline import longest_quiet_s
from ari_app.lab.voices import render
from ari_app.store.database import Database
from ari_app.store.schema import calls

NUMBER = "+44207946{:04d}"
PATIENCE_S = 75.0
"""Whoever has reached nothing after this hangs up."""
QUESTION_OVER_S = 0.5
GREETINGS = 4
DONE = frozenset({"Booked", "Moved", "CancelledAppointment"})


@dataclass(slots=True)
class Caller:
    """One call, as it was lived."""

    number: str
    plan: str
    """book, operator, silent or leaves."""
    call: Call | None = None
    """Once answered."""
    ended_s: float | None = None
    rang_s: list[float] = field(default_factory=list)
    """When a human's phone rang for this caller."""
    with_human: asyncio.Event = field(default_factory=asyncio.Event)
    """The caller's phone has heard the human."""
    heard_human_s: float | None = None
    human_left_s: float | None = None
    has_left: bool = False
    """By the caller's own plan, or out of patience."""
    worker: str = ""
    log: CallLog | None = None
    trouble: str = ""

    @property
    def is_up(self) -> bool:
        return self.ended_s is None

    def last_events(self, number: int = 8) -> list[str]:
        """The end of the worker's log of this call: what went wrong is read from there."""
        events = self.log.events[-number:] if self.log is not None else []
        return [f"{event.at_s:.2f} {event.kind} {event.text} {event.data}" for event in events]

    def standing(self) -> str:
        """What the worker was at when it was last heard of: the key for "killed at every state"."""
        if self.log is None:
            return "claimed"
        self.log.refresh()
        for event in reversed(self.log.events):
            match event.kind:
                case "agent":
                    return event.data.get("text_id", "")
                case "caller" | "dtmf":
                    return "deciding"
                case "action":
                    return event.text
                case "state":
                    return event.text.lower()
        return "claimed"

    def lived(self) -> Lived:
        """What to judge the call by, once it has ended."""
        ended_s = self.ended_s or time.monotonic()
        return Lived(
            is_answered=self.call is not None,
            is_ended_by_caller=self.has_left,
            dead_air_s=self.dead_air_s,
            has_heard_human=self.with_human.is_set(),
            line_up_after_human_s=ended_s - self.human_left_s if self.human_left_s is not None else 0.0,
            is_told_booked=self._is_told(DONE, "done."),
            is_told_callback=self._is_told(frozenset({"CallbackKept"}), "done.callback"),
        )

    def outcome(self) -> Outcome:
        return outcome_of(self.lived())

    @property
    def dead_air_s(self) -> float:
        """The longest stretch in which this phone neither heard nor said anything, before a human was heard."""
        if self.call is None:
            return 0.0
        until_s = self.heard_human_s or self.call.ended_s or self.ended_s or time.monotonic()
        return longest_quiet_s(self.call.answered_s, until_s, self.call.handset.heard, self.call.handset.said)

    def _is_told(self, results: frozenset[str], text_id: str) -> bool:
        """Whether a sentence with this id followed one of these results."""
        is_done = False
        for event in self.log.events if self.log is not None else ():
            is_done = is_done or (event.kind == "result" and event.text in results)
            if is_done and event.kind == "agent" and event.data.get("text_id", "").startswith(text_id):
                return True
        return False


@dataclass(slots=True)
class Town:
    """All callers and the desk."""

    line: Line
    desk: Line
    database: Database
    events: Path
    random: Random
    callers: dict[str, Caller] = field(default_factory=dict)
    seconds_with_human: float = 3.0

    @property
    def up(self) -> list[Caller]:
        """Those whose call is up now."""
        return [caller for caller in self.callers.values() if caller.is_up]

    async def call(self, number: int) -> None:
        """One caller, from dialling to the end."""
        plan = self.random.choices(("book", "operator", "silent", "leaves"), (62, 22, 6, 10))[0]
        caller = Caller(NUMBER.format(number), plan)
        self.callers[caller.number] = caller
        try:
            async with asyncio.timeout(PATIENCE_S):
                call = caller.call = await self.line.call("700", caller_id=caller.number, ring_s=PATIENCE_S)
                try:
                    await self._live(call, caller, number)
                finally:
                    with suppress(LabError):
                        await call.hang_up()
        except TimeoutError:
            caller.has_left = True
            caller.trouble = "out of patience"
        except (CallFailed, NothingHeard, LabError) as exc:
            caller.trouble = str(exc)
        finally:
            caller.ended_s = time.monotonic()
            if caller.log is not None:
                caller.log.refresh()

    async def _live(self, call: Call, caller: Caller, number: int) -> None:
        """Talk as planned until a human has the call, then wait for its end."""
        tasks = [
            asyncio.create_task(self._talk(call, caller, number)),
            asyncio.create_task(caller.with_human.wait()),
            asyncio.create_task(call.ended.wait()),
        ]
        try:
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
            if not call.ended.is_set():
                await call.ended.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _talk(self, call: Call, caller: Caller, number: int) -> None:
        """Cancelled when a human takes over or the call ends."""
        await self._find_log(caller)
        if caller.plan == "leaves":
            await asyncio.sleep(self.random.uniform(1.0, 18.0))
            caller.has_left = True
            await call.hang_up()
            return
        script, since_s = Script(number), call.answered_s
        while caller.plan != "silent" and caller.log is not None:
            with suppress(NothingHeard):
                began_s = await call.first_sound(since_s, within_s=15.0)
                await call.silence(began_s, for_s=QUESTION_OVER_S, within_s=40.0)
            caller.log.refresh()
            words = "operator" if caller.plan == "operator" else script.answer(caller.log.question) or "operator"
            spoken = await call.play(await render(words, script.voice))
            since_s = spoken.ended_s

    async def _find_log(self, caller: Caller) -> None:
        """Learn the worker's id of the call; nobody may have claimed it."""
        for _ in range(60):
            found = None
            with suppress(StoreUnavailable):
                found = await self.database.read(lambda conn: _newest(conn, caller.number))
            if found is not None:
                caller.worker = found[1]
                caller.log = CallLog(self.events / f"{found[0]}.jsonl")
                return
            await asyncio.sleep(0.05)

    # The desk

    async def answer_phones(self) -> None:
        """Answer every ring at the desk until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                try:
                    ringing = await self.desk.ringing(within_s=3600.0)
                except NothingHeard:
                    continue
                group.create_task(self._help(ringing))

    async def _help(self, ringing: Ringing) -> None:
        caller = self.callers.get(ringing.caller_number)
        if caller is None:
            return
        caller.rang_s.append(ringing.rang_s)
        await asyncio.sleep(self.random.uniform(0.3, 1.2))
        if (call := await _picked_up(ringing)) is None:
            return
        with suppress(AriAppError):
            try:
                await asyncio.sleep(0.8)
                await call.press("1")
                if await _greets(call, caller):
                    with suppress(NothingHeard):
                        await call.wait_hangup(self.seconds_with_human)
                    caller.human_left_s = time.monotonic()
            finally:
                await call.hang_up()


async def _picked_up(ringing: Ringing) -> Call | None:
    """The call, once answered; None where the caller has given up meanwhile."""
    answering = asyncio.create_task(ringing.answer())
    try:
        await asyncio.wait({answering})
    finally:
        answering.cancel()
    return None if answering.cancelled() or answering.exception() is not None else answering.result()


async def _greets(call: Call, caller: Caller) -> bool:
    """Speak to the caller, more than once if need be; whether it came to their phone, however late."""
    picked_up_s = time.monotonic()
    for _ in range(GREETINGS):
        await asyncio.sleep(0.7)
        if call.ended.is_set():
            return False
        spoken = await call.play(tone())
        await asyncio.sleep(0.3)
        if caller.call is not None and holds_tone(caller.call.audio_heard(picked_up_s, time.monotonic())):
            caller.heard_human_s = spoken.began_s
            caller.with_human.set()
            return True
    return False


def _newest(conn: Connection, number: str) -> tuple[str, str] | None:
    query = select(calls.c.call_id, calls.c.worker).where(calls.c.number == number).order_by(calls.c.started.desc())
    row = conn.execute(query).first()
    return None if row is None else (str(row.call_id), str(row.worker))
