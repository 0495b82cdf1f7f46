"""One of the bench's callers: calls, answers by script, and keeps what it measured at its own ear.

It knows what was asked from the worker's event log, not by recognising it, so that the machine's cores serve the side
that is measured. Times of its own are `time.monotonic()` seconds.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from ari_app.errors import LabError
from ari_app.lab.bench.turn_log import Breakdown, CallLog
from ari_app.lab.bench.turn_script import CUT_IN, Script
from ari_app.lab.murmurs import murmur
from ari_app.lab.phone import Call, CallFailed, Line, NothingHeard
from ari_app.lab.timeline import SOUND_DBFS
from ari_app.lab.voices import render
from ari_app.store.database import Database
from ari_app.store.schema import calls

QUESTION_OVER_S = 0.55
"""Silence after which the caller takes the agent to have finished."""
ANSWER_WITHIN_S = 8.0
CUT_IN_AFTER_S = (1.2, 2.0, 2.8, 3.6)
LOG_LATE_S = 1.0
LOWER_DB = 14.0
"""The agent has given way when it stays so far below its loudest of the second before, or is silent."""
MAX_TURNS = 16
NUMBER = "+44207946{:04d}"
FIRST_NUMBER = 1000


@dataclass(frozen=True, slots=True)
class MeasuredTurn:
    """One answer of the agent."""

    kind: str
    """closed or open."""
    question: str
    gap_s: float
    """From the caller's last sample to the agent's first, both at the caller's phone."""
    breakdown: Breakdown


@dataclass(frozen=True, slots=True)
class Prompt:
    """Something the agent was left to say in full: what it was, and how long it sounded."""

    texts: tuple[str, ...]
    sounded_s: float


@dataclass(frozen=True, slots=True)
class SpokenOver:
    """A prompt that a murmur went into."""

    murmur: str
    prompt: Prompt | None
    """None where the agent gave its turn away for it."""


@dataclass(slots=True)
class Measured:
    """What the callers went through, together."""

    turns: list[MeasuredTurn] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)
    barge_ins_s: list[float] = field(default_factory=list)
    """From the caller's first sample to the agent's last, at the caller's ear."""
    yields_s: list[float] = field(default_factory=list)
    """From the caller's first sample to the agent's last at its usual level."""
    cut_ins_ignored: int = 0
    spoken_over: list[SpokenOver] = field(default_factory=list)
    unanswered: int = 0
    untold: int = 0
    """Turns whose log entries could not be told apart."""
    calls: int = 0
    completed: int = 0
    failed: list[str] = field(default_factory=list)
    talked_s: float = 0.0


@dataclass(slots=True)
class TurnCaller:
    """Calls again and again until `until_s`."""

    line: Line
    database: Database
    events: Path
    codec: str
    through: int | None
    measured: Measured
    next_number: Callable[[], int]
    until_s: float

    async def run(self) -> None:
        while time.monotonic() < self.until_s:
            number = self.next_number()
            try:
                await self._one_call(Script(number), NUMBER.format(FIRST_NUMBER + number))
            except (CallFailed, NothingHeard, LabError) as exc:
                self.measured.failed.append(str(exc))
                await asyncio.sleep(0.5)

    async def _one_call(self, script: Script, number: str) -> None:
        call = await self.line.call("700", caller_id=number, codec=self.codec, through=self.through)
        self.measured.calls += 1
        try:
            log = CallLog(self.events / f"{await self._call_id(number)}.jsonl")
            await self._talk(call, log, script)
        finally:
            self.measured.talked_s += (call.ended_s or time.monotonic()) - call.answered_s
            await call.hang_up()

    async def _call_id(self, number: str) -> str:
        """The worker's id of the call from this number; raises LabError where it has none."""
        newest = select(calls.c.call_id).where(calls.c.number == number).order_by(calls.c.started.desc())
        for _ in range(40):
            found = await self.database.read(lambda conn: conn.execute(newest).scalars().first())
            if found is not None:
                return str(found)
            await asyncio.sleep(0.05)
        raise LabError(f"the worker knows no call from {number}")

    async def _talk(self, call: Call, log: CallLog, script: Script) -> None:
        began_s = await call.first_sound(call.answered_s, within_s=ANSWER_WITHIN_S)
        if script.does_cut_in:
            cut_in = await self._cut_in(call, script, began_s)
            began_s = await self._answered(call, log, *cut_in) or began_s
        else:
            await self._murmur(call, log, script, began_s)
        if not script.is_short:
            await self._book(call, log, script, began_s)
        else:
            self.measured.completed += 1

    async def _book(self, call: Call, log: CallLog, script: Script, began_s: float) -> None:
        """Answer questions until the agent says goodbye."""
        for _ in range(MAX_TURNS):
            if time.monotonic() > self.until_s:  # with fewer calls than were asked for nothing is to be measured
                break
            over_s = await call.silence(began_s, for_s=QUESTION_OVER_S, within_s=40.0)
            question = await self._asked(log, since_s=began_s)
            if call.ended.is_set() or log.is_over or question.startswith("goodbye"):
                break
            self._keep_prompt(log, began_s, over_s)
            words = script.answer(question)
            if words is None:
                self.measured.failed.append(f"nothing to say to {question}")
                return
            spoken = await call.play(await render(words, script.voice))
            heard_s = await self._answered(call, log, spoken.began_s, spoken.ended_s, question)
            if heard_s is None:
                return
            began_s = heard_s
        self.measured.completed += 1

    async def _answered(
        self, call: Call, log: CallLog, _began_s: float, ended_s: float, question: str = "greeting"
    ) -> float | None:
        """Measure the gap; when the agent's answer began; None where it hung up or there was no answer."""
        try:
            heard_s = await call.first_sound(ended_s, within_s=ANSWER_WITHIN_S)
        except NothingHeard:
            if not call.ended.is_set():
                self.measured.unanswered += 1
            return None
        await asyncio.sleep(0.3)
        log.refresh()
        wall_s = time.time() - time.monotonic()
        told = log.breakdown(ended_s + wall_s, heard_s + wall_s)
        if told is None:
            self.measured.untold += 1
        else:
            self.measured.turns.append(MeasuredTurn(told[0], question, heard_s - ended_s, told[1]))
        return heard_s

    async def _cut_in(self, call: Call, script: Script, began_s: float) -> tuple[float, float]:
        """Speak over the greeting; when that began and ended."""
        after_s = CUT_IN_AFTER_S[script.number // 2 % len(CUT_IN_AFTER_S)]
        await asyncio.sleep(max(0.0, began_s + after_s - time.monotonic()))
        spoken = await call.play(await render(CUT_IN, script.voice))
        heard = call.handset.heard
        usual_dbfs = heard.loudest_dbfs(spoken.began_s - 1.0, spoken.began_s) - LOWER_DB
        stopped_s = heard.last_sound_s(spoken.began_s) or spoken.began_s
        yielded_s = heard.last_sound_s(spoken.began_s, dbfs=max(usual_dbfs, SOUND_DBFS)) or spoken.began_s
        self.measured.yields_s.append(yielded_s - spoken.began_s)
        if stopped_s > spoken.ended_s - 0.1:
            self.measured.cut_ins_ignored += 1
        else:
            self.measured.barge_ins_s.append(stopped_s - spoken.began_s)
        return spoken.began_s, spoken.ended_s

    async def _murmur(self, call: Call, log: CallLog, script: Script, began_s: float) -> None:
        """Murmur into the greeting, and keep how long it sounded: a hole in it makes it longer."""
        await asyncio.sleep(max(0.0, began_s + 1.5 - time.monotonic()))
        spoken = await call.play(await murmur(script.murmur, script.voice))
        over_s = await call.silence(began_s, for_s=QUESTION_OVER_S, within_s=40.0)
        await self._asked(log, since_s=began_s)
        wall_s = time.time() - time.monotonic()
        seen = log.between("barge_in", spoken.began_s + wall_s, spoken.ended_s + 2.0 + wall_s)
        said = log.between("agent", began_s + wall_s - 1.0, over_s + wall_s)
        is_taken = any(each.text == "take" for each in seen)
        prompt = None if is_taken else Prompt(tuple(each.text for each in said), over_s - began_s)
        self.measured.spoken_over.append(SpokenOver(script.murmur, prompt))

    async def _asked(self, log: CallLog, *, since_s: float) -> str:
        """The question that was put, once the log has it."""
        wall_s = time.time() - time.monotonic()
        deadline_s = time.monotonic() + LOG_LATE_S
        while time.monotonic() < deadline_s:
            log.refresh()
            if log.between("agent", since_s + wall_s - 1.0, time.time()) or log.is_over:
                break
            await asyncio.sleep(0.05)
        return log.question

    def _keep_prompt(self, log: CallLog, began_s: float, over_s: float) -> None:
        wall_s = time.time() - time.monotonic()
        said = log.between("agent", began_s + wall_s - 0.3, over_s + wall_s)
        stopped = log.between("barge_in", began_s + wall_s - 0.3, over_s + wall_s)
        if said and not stopped:
            self.measured.prompts.append(Prompt(tuple(each.text for each in said), over_s - began_s))
