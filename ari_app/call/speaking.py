"""The mouth of one call: words in, audio to the media leg, clause by clause, and what the caller has really heard.

A clause is rendered while the one before it plays, so there is no gap between them. `hold` silences the agent at once,
`go_on` lets it speak on where it was; `lower` and `lift` change its voice while it speaks. `stop` ends what is being
heard and knows the clause it was in; `resume` goes on with that clause from its beginning, `forget` drops the rest.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ari_app.asterisk.media_leg import MediaLeg, Outcome, Play
from ari_app.audio.frames import FRAME_S, RATE_HZ, seconds
from ari_app.speech.clauses import END_PAUSE_S, SENTENCE_PAUSE_S, split
from ari_app.speech.synthesiser import Synthesiser

CLAUSES_AHEAD = 2
"""Clauses that stand in the leg's queue at a time: the one being heard and the next."""
LOW = 0.125
"""The agent's voice, lowered: 18 dB down, giving way plainly, and still there: nothing of it is lost."""
HEARD_BUT_S = END_PAUSE_S + 0.08
"""A clause that was cut in the silence at its end was heard in full."""


@dataclass(slots=True, eq=False)
class _Clause:
    text: str
    is_shielded: bool
    pause_before_s: float = 0.0
    length_s: float = 0.0
    """Once it is being played, its pause included."""
    play: Play | None = None


class Speaking:
    """One call's mouth; it speaks while `run` runs."""

    def __init__(
        self, synthesiser: Synthesiser, leg: MediaLeg, *, on_first_audio: Callable[[], None] | None = None
    ) -> None:
        self._synthesiser = synthesiser
        self._leg = leg
        self.on_first_audio = on_first_audio or (lambda: None)
        self._clauses: list[_Clause] = []
        self._changed = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_stopped = False
        self._is_held = False
        self._heard_clauses = 0
        self._prepared: set[asyncio.Task[bytes]] = set()

    # For the conversation

    def say(self, text: str, *, is_shielded: bool = False) -> None:
        """Queue words; returns at once. Words said after a stop replace what was stopped."""
        if self._is_stopped:
            self.forget()
        if self._idle.is_set():
            self._heard_clauses = 0
        pause_s = SENTENCE_PAUSE_S if self._clauses else 0.0
        pauses_s = {clause.text: clause.pause_s for clause in split(text)}
        for clause in self._synthesiser.clauses(text):
            self._clauses.append(_Clause(clause, is_shielded, max(pause_s - END_PAUSE_S, 0.0)))
            pause_s = pauses_s.get(clause, SENTENCE_PAUSE_S)
        if self._clauses:
            self._idle.clear()
        self._changed.set()

    async def drained(self) -> None:
        """Wait until everything queued was heard, or forgotten."""
        await self._idle.wait()

    @property
    def is_speaking(self) -> bool:
        """Words are waiting or being heard, and the mouth isn't stopped."""
        return not self._is_stopped and not self._idle.is_set()

    def prepare(self, text: str) -> None:
        """Have the audio of `text` made ahead; nothing is said."""
        for clause in self._synthesiser.clauses(text):
            self._prefetch(clause)

    # For the ear

    @property
    def is_shielded(self) -> bool:
        """The clause being heard may not be interrupted."""
        return any(clause.is_shielded for clause in self._clauses[:1])

    async def hold(self) -> None:
        """Be silent at once, without losing the place. Idempotent."""
        if self.is_speaking and not self._is_held:
            self._is_held = True
            await self._leg.pause()

    async def go_on(self) -> None:
        """Speak on after `hold`."""
        if self._is_held:
            self._is_held = False
            await self._leg.resume()

    async def lower(self) -> None:
        """Speak on in a low voice, from this moment. Idempotent."""
        await self._leg.level(LOW)

    async def lift(self) -> None:
        """Speak on in the usual voice. Idempotent."""
        await self._leg.level(1.0)

    async def stop(self) -> int:
        """Be silent at once; the number of clauses of this turn that were heard in full. Idempotent."""
        if not self._is_stopped and not self._idle.is_set():
            self._is_stopped = True
            await self._leg.flush()
            await self.go_on()
            await self.lift()
            await self._take_heard()
            for clause in self._clauses:
                clause.play = None
            self._changed.set()
        return self._heard_clauses

    def resume(self) -> None:
        """Go on with the clause that was interrupted, from its beginning."""
        if self._is_stopped:
            self._is_stopped = False
            self._settle()
            self._changed.set()

    def forget(self) -> None:
        """Say nothing more of what was queued."""
        self._clauses.clear()
        self._is_stopped = False
        self._settle()
        self._changed.set()

    # The pump

    async def run(self) -> None:
        """Speak whatever is queued, until cancelled. Raises SynthesisFailed, MediaClosed."""
        try:
            while True:
                self._changed.clear()
                await self._take_heard()
                clause = next((each for each in self._clauses if each.play is None), None)
                has_room = sum(each.play is not None for each in self._clauses) < CLAUSES_AHEAD
                if clause is not None and has_room and not self._is_stopped:
                    await self._send(clause)
                else:
                    await self._wait()
        finally:
            for task in self._prepared:
                task.cancel()
            await asyncio.gather(*self._prepared, return_exceptions=True)

    async def _send(self, clause: _Clause) -> None:
        audio = await self._synthesiser.render(clause.text)
        if self._is_stopped or clause not in self._clauses:
            return
        if self._clauses[0] is clause:
            self.on_first_audio()
        audio = bytes(2 * int(clause.pause_before_s * RATE_HZ)) + audio
        clause.length_s = seconds(audio)
        clause.play = self._leg.play([audio])
        following = next((each for each in self._clauses if each.play is None), None)
        if following is not None:
            self._prefetch(following.text)

    async def _wait(self) -> None:
        """Until something was queued or stopped, or the clause being heard ends."""
        waits: set[asyncio.Future[object]] = {asyncio.ensure_future(self._changed.wait())}
        if self._clauses and self._clauses[0].play is not None:
            waits.add(asyncio.ensure_future(_ended(self._clauses[0].play)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _take_heard(self) -> None:
        """Drop the clauses at the front that were heard in full, and count them."""
        while self._clauses and (play := self._clauses[0].play) is not None and play.is_done:
            played = await play.wait()
            if played.outcome is Outcome.FLUSHED and played.heard_s < self._clauses[0].length_s - HEARD_BUT_S - FRAME_S:
                break
            self._heard_clauses += 1
            if self._clauses:
                del self._clauses[0]
        self._settle()

    def _settle(self) -> None:
        if not self._clauses and not self._is_stopped:
            self._idle.set()

    def _prefetch(self, clause: str) -> None:
        task = asyncio.create_task(self._synthesiser.render(clause), name="speaking-prefetch")
        self._prepared.add(task)
        task.add_done_callback(self._prefetched)

    def _prefetched(self, task: "asyncio.Task[bytes]") -> None:
        self._prepared.discard(task)
        if not task.cancelled():
            task.exception()  # whoever speaks the clause meets the same failure


async def _ended(play: Play) -> None:
    await play.wait()
