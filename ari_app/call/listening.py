"""The ear of one call: frames in, the caller's turns out.

It hears all the time. In a turn, while the agent still speaks, `BargeIn` decides whether a sound is meant for it; once
the agent is silent, `Endpointer` decides when the caller has done. What is said between two turns (while the
calendar is asked) is kept and heard first in the next turn. Where frames stop coming (a phone that sends nothing in
silence) silence is heard in their place, so the logic counts on.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ari_app import metrics
from ari_app.asterisk.media_leg import MediaLeg
from ari_app.audio.barge_in import BargeIn, BargeInKind, BargeInLimits, Heard
from ari_app.audio.endpointing import (
    SPEECH_OFF,
    SPEECH_ON,
    Endpointer,
    EndpointEvent,
    EndpointKind,
    EndpointLimits,
    PartialFacts,
    StablePartial,
    TurnKind,
)
from ari_app.audio.frames import FRAME_S, SILENCE
from ari_app.audio.look_ahead import LookAhead
from ari_app.audio.sound import is_speechlike
from ari_app.call.speaking import Speaking
from ari_app.call.understanding import Understanding
from ari_app.clock import Clock
from ari_app.config import TurnSettings
from ari_app.dialogue import acts as a
from ari_app.speech.recogniser import RecogniserStream, Transcript
from ari_app.speech.vad import VoiceActivity, level_of
from ari_app.understanding.meaning import CallerAct, Expectation, Slot

PRE_ROLL_FRAMES = 20
"""0.4 s before the first speech that the VAD saw."""
BETWEEN_FRAMES = 500
"""10 s are kept of what is said between two turns."""
QUEUE_FRAMES = 250
GAP_S = 0.1
"""Frames later than this are replaced by silence."""
BETWEEN_DIGITS_S = 2.5
VOICE = 0.3
"""Speech probability from which the recogniser is fed."""
FAINT_DBFS = -50.0
FAINT_FRAMES = 5
"""Sound of this level and length is fed to it too: the VAD misses faint speech."""
QUIET_FRAMES = 40
"""Without sound or a word for so long it is no longer fed."""
FALL_DB = 30.0
"""A frame so far below the caller's speech is none, whatever the VAD still says."""
FORGET_DB = 0.1
"""By so much a frame the level of the caller's speech is forgotten."""
HELD_S = 0.8
"""After a shorter silence the agent speaks on where it was, after a longer one from the clause's beginning."""
HUM_SHARE = 0.12
"""With no more frames that sound like speech among its voiced ones, it is a hum, or "two" from a low voice."""
MAX_RESUMED = 1
"""So often in a turn the agent goes on after words without a meaning; then it says that it hasn't understood."""
UNKNOWN = "[unk]"

TurnEvent = a.CallerSpoke | a.CallerPressed | a.CallerSilent


@dataclass(slots=True)
class _Turn:
    """One turn being waited for."""

    listen: a.Listen
    kind: TurnKind
    result: asyncio.Future[TurnEvent]
    heard_clauses: int | None = None
    digits: str = ""
    digits_timer: asyncio.TimerHandle | None = None
    is_endpointing: bool = False
    """The agent is silent: the turn's end is being looked for."""
    is_open: bool = False
    """The recogniser is fed."""
    loud_frames: int = 0
    quiet_frames: int = 0
    """In a row."""
    voice_frames: int = 0
    speechlike_frames: int = 0
    """Of these frames with a voice; of both those since the utterance began."""
    resumed: int = 0
    """Times that the agent has gone on after it had been stopped for nothing."""


@dataclass(slots=True)
class TurnGap:
    """From the caller's last speech to the agent's first audio, for the metric."""

    kind: str = ""
    ended_s: float = 0.0
    """When the turn was over, on the monotonic clock."""
    wait_s: float = 0.0
    """Audio seconds between the last speech and then."""


@dataclass(slots=True)
class Listening:
    """One call's ear; it hears while `run` runs."""

    leg: MediaLeg
    stream: RecogniserStream
    understanding: Understanding
    mouth: Speaking
    turns: TurnSettings
    clock: Clock
    note: Callable[..., None]
    speculate: Callable[[CallerAct], None] = lambda _act: None
    """Told what a partial would mean that looks complete, so that the answer can be made ready."""
    _voice: VoiceActivity = field(default_factory=VoiceActivity)
    _turn: _Turn | None = None
    _pre_roll: deque[bytes] = field(default_factory=lambda: deque(maxlen=PRE_ROLL_FRAMES))
    _between: deque[bytes] = field(default_factory=lambda: deque(maxlen=BETWEEN_FRAMES))
    _is_between_speech: bool = False
    _keys: deque[str] = field(default_factory=lambda: deque(maxlen=32))
    _stable: StablePartial = field(default_factory=StablePartial)
    _look_ahead: LookAhead = field(default_factory=LookAhead)
    _now_s: float = 0.0
    _speech_dbfs: float = -60.0
    _judged: str = ""
    _facts: PartialFacts = field(default_factory=PartialFacts)
    _endpointer: Endpointer = field(init=False)
    _barge_in: BargeIn = field(init=False)
    gap: TurnGap = field(default_factory=TurnGap)

    def __post_init__(self) -> None:
        self._endpointer = Endpointer(EndpointLimits.from_settings(self.turns))
        self._barge_in = BargeIn(BargeInLimits.from_settings(self.turns))

    # For the conversation

    async def turn(self, listen: a.Listen) -> TurnEvent:
        """Wait for the caller's turn; cancelling loses what was said in it."""
        expectation = listen.expectation
        kind = TurnKind.CLOSED if expectation.is_closed else TurnKind.OPEN
        turn = _Turn(listen, kind, asyncio.get_running_loop().create_future())
        await self._begin_utterance(expectation)
        self._barge_in.begin(is_shielded=self.mouth.is_shielded, yields=self._yields_to(expectation))
        self._turn = turn
        if self._is_between_speech and not self.mouth.is_speaking:
            self._endpointer.note_cut_off()
        waiting = list(self._between) if self._is_between_speech else []
        self._between.clear()
        self._is_between_speech = False
        while self._keys and not turn.result.done():
            await self.press(self._keys.popleft())
        for frame in waiting:
            await self._hear(frame)
        try:
            event = await turn.result
        finally:
            self._turn = None
            if turn.digits_timer is not None:
                turn.digits_timer.cancel()
        await self.mouth.lift()  # a sentence may have ended in a low voice; the next one begins in the usual one
        return event

    def first_audio(self) -> None:
        """The agent's answer begins to sound."""
        if self.gap.kind:
            gap_s = self.gap.wait_s + self.clock.monotonic_s() - self.gap.ended_s
            metrics.TURN_GAP.labels(self.gap.kind).observe(gap_s)
            self.note("gap", self.gap.kind, gap_s=f"{gap_s:.3f}", wait_s=f"{self.gap.wait_s:.3f}")
            self.gap.kind = ""

    async def press(self, digit: str) -> None:
        """A key was pressed: speech stops at once, and the key is the answer, or part of it."""
        turn = self._turn
        if turn is None or turn.result.done():
            self._keys.append(digit)
            return
        if self.mouth.is_speaking:
            turn.heard_clauses = await self.mouth.stop()
        self.mouth.forget()
        self.note("dtmf", digit)
        if turn.listen.dtmf == "single" or digit in "*":
            self._press_done(turn, turn.digits + digit)
            return
        if digit == "#":
            self._press_done(turn, turn.digits or "#")
            return
        turn.digits += digit
        if turn.digits_timer is not None:
            turn.digits_timer.cancel()
        loop = asyncio.get_running_loop()
        turn.digits_timer = loop.call_later(BETWEEN_DIGITS_S, lambda: self._press_done(turn, turn.digits))

    def _press_done(self, turn: _Turn, digits: str) -> None:
        if not turn.result.done():
            turn.result.set_result(a.CallerPressed(digits, self.clock.now()))

    # Hearing

    async def run(self) -> None:
        """Hear until cancelled. Raises MediaClosed, SpeechError."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_FRAMES)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(queue), name="ear-read")
            group.create_task(self._hear_all(queue), name="ear-hear")

    async def _read(self, queue: asyncio.Queue[bytes]) -> None:
        async for frame in self.leg.frames():
            if queue.full():
                queue.get_nowait()
                metrics.FRAMES_DROPPED.labels("from_caller").inc()
            queue.put_nowait(frame)

    async def _hear_all(self, queue: asyncio.Queue[bytes]) -> None:
        loop = asyncio.get_running_loop()
        heard_s = loop.time()
        while True:
            try:
                async with asyncio.timeout(GAP_S):  # wait_for may swallow a cancellation on Python 3.11
                    frame = await queue.get()
                heard_s = loop.time()
            except TimeoutError:
                missing = max(1, int((loop.time() - heard_s) / FRAME_S))
                heard_s = loop.time()
                for _ in range(min(missing, 50)):
                    await self._hear(SILENCE)
                continue
            await self._hear(frame)
            if not queue.empty():
                await asyncio.sleep(0)  # a backlog of one call holds no other up

    async def _hear(self, frame: bytes) -> None:
        probability = self._voice.push(frame)
        if probability >= SPEECH_OFF and self._has_fallen(frame, probability):
            probability = 0.0
        self._now_s += FRAME_S
        turn = self._turn
        if turn is None or turn.result.done():
            self._keep_between(frame, probability)
            return
        await self._feed(turn, frame, probability)
        is_like_speech = probability < SPEECH_ON or is_speechlike(frame)
        turn.voice_frames += probability >= SPEECH_ON
        turn.speechlike_frames += probability >= SPEECH_ON and is_like_speech
        if self.mouth.is_speaking or self._barge_in.is_paused:
            await self._watch_barge_in(turn, probability, is_like_speech=is_like_speech)
        else:
            await self._look_for_end(turn, probability)

    def _has_fallen(self, frame: bytes, probability: float) -> bool:
        """The sound is over: the level says so a few frames before the VAD does."""
        level_dbfs = level_of(frame)
        if probability >= SPEECH_ON:
            self._speech_dbfs = max(level_dbfs, self._speech_dbfs - FORGET_DB)
        return level_dbfs < self._speech_dbfs - FALL_DB

    def _keep_between(self, frame: bytes, probability: float) -> None:
        self._pre_roll.append(frame)
        if probability >= 0.5 and not self._is_between_speech:
            self._is_between_speech = True
            self._between.extend(self._pre_roll)
        elif self._is_between_speech:
            self._between.append(frame)

    async def _feed(self, turn: _Turn, frame: bytes, probability: float) -> None:
        """What may be speech goes to the recogniser, with what came just before it; silence costs nothing."""
        is_faint = self._voice.chunk_dbfs >= FAINT_DBFS
        turn.loud_frames = turn.loud_frames + 1 if is_faint else 0
        turn.quiet_frames = 0 if is_faint or probability >= VOICE else turn.quiet_frames + 1
        is_speech = probability >= SPEECH_OFF
        if turn.is_open:
            self.stream.feed(self._look_ahead.take(frame, is_speech=is_speech))
            is_idle = not self._endpointer.is_started and not self._barge_in.is_paused
            if is_idle and turn.quiet_frames >= QUIET_FRAMES and not self._partial_text():
                await self._begin_anew(turn)
            return
        self._pre_roll.append(frame)
        if probability >= VOICE or (turn.loud_frames >= FAINT_FRAMES and not self.mouth.is_speaking):
            turn.is_open = True
            self.stream.feed(self._look_ahead.take(b"".join(self._pre_roll), is_speech=is_speech))
            self._pre_roll.clear()

    # While the agent speaks

    async def _watch_barge_in(self, turn: _Turn, probability: float, *, is_like_speech: bool) -> None:
        if not self.mouth.is_shielded:
            self._barge_in.end_shield()
        heard = self._heard(turn) if turn.is_open else Heard.NOTHING
        event = self._barge_in.push(
            probability, heard, is_speechlike=is_like_speech, is_settled=not turn.is_open or self._is_settled()
        )
        if event is None:
            return
        match event.kind:
            case BargeInKind.YIELD | BargeInKind.PAUSE:
                await (self.mouth.lower() if event.kind is BargeInKind.YIELD else self.mouth.hold())
                metrics.BARGE_IN.observe(max(event.at_s - event.speech_start_s, 0.0))
                self.note("barge_in", event.kind.value)
            case BargeInKind.TAKE:
                turn.heard_clauses = await self.mouth.stop()
                self.note("barge_in", "take", heard_clauses=str(turn.heard_clauses))
                self._begin_endpointing(turn, speech_before_s=self._barge_in.speech_s)
            case BargeInKind.RESUME:
                turn.heard_clauses = None
                turn.is_endpointing = False
                self.note("barge_in", "resume", paused_s=f"{event.paused_s:.2f}")
                await self._begin_anew(turn)
                if self._yields_to(turn.listen.expectation):
                    await self.mouth.lift()
                elif event.paused_s > HELD_S:
                    await self.mouth.stop()
                    self.mouth.resume()
                else:
                    await self.mouth.go_on()

    def _yields_to(self, expectation: Expectation) -> bool:
        """Whether the agent speaks on in a low voice until it knows what was said: not where "okay" is an answer."""
        return self.turns.barge_in == "yield" and Slot.YES_NO not in expectation.slots

    def _is_settled(self) -> bool:
        return self._look_ahead.is_settled(self.stream.partial().audio_s)

    def _heard(self, turn: _Turn) -> Heard:
        text = self._partial_text()
        if not text:
            return Heard.NOTHING
        if self._yields_to(turn.listen.expectation):
            if self.understanding.is_backchannel(text):
                return Heard.BACKCHANNEL
            act = self.understanding.act_of_text(text, turn.listen.expectation, self.clock.now())
            return Heard.NOTHING if act.is_empty else Heard.WORDS
        act = self.understanding.act_of_text(text, turn.listen.expectation, self.clock.now())
        if act.is_backchannel:
            return Heard.BACKCHANNEL
        return Heard.NOTHING if act.is_empty else Heard.WORDS

    # In the caller's turn

    def _begin_endpointing(self, turn: _Turn, *, speech_before_s: float = 0.0) -> None:
        turn.is_endpointing = True
        self._endpointer.begin(turn.kind, no_input_s=turn.listen.no_input_s, speech_before_s=speech_before_s)

    async def _look_for_end(self, turn: _Turn, probability: float) -> None:
        if not turn.is_endpointing:
            self._begin_endpointing(turn)
        event = self._endpointer.push(probability, self._newest_facts(turn))
        if event is None:
            return
        match event.kind:
            case EndpointKind.STARTED:
                pass
            case EndpointKind.NOISE:
                if turn.heard_clauses is not None and turn.resumed < MAX_RESUMED:
                    await self._resume(turn)
                else:
                    await self._begin_anew(turn)
            case EndpointKind.NO_INPUT:
                turn.result.set_result(a.CallerSilent(self.clock.now()))
            case EndpointKind.ENDED if self._is_hum(turn):
                await self._begin_anew(turn)
                self._begin_endpointing(turn)
            case EndpointKind.ENDED:
                await self._end(turn, event)

    def _is_hum(self, turn: _Turn) -> bool:
        """A hum: the recogniser makes "noon" of it, which counts only where it is all that was asked for."""
        is_hum = turn.voice_frames > 0 and turn.speechlike_frames <= HUM_SHARE * turn.voice_frames
        return is_hum and not self._facts.is_complete

    async def _begin_anew(self, turn: _Turn) -> None:
        await self._begin_utterance(turn.listen.expectation)
        turn.is_open = False
        turn.voice_frames = turn.speechlike_frames = 0

    async def _begin_utterance(self, expectation: Expectation) -> None:
        await self.stream.begin(self.understanding.phrases(expectation, self.clock.now()))
        self._stable.begin()
        self._look_ahead.begin()
        self._judged, self._facts = "", PartialFacts()

    def _newest_facts(self, turn: _Turn) -> PartialFacts:
        text = self._partial_text()
        stable_s = self._stable.update(text, self._now_s)
        if text != self._judged:
            self._judged = text
            expectation, now = turn.listen.expectation, self.clock.now()
            self._facts = PartialFacts()
            if text:
                act = self.understanding.act_of_text(text, expectation, now)
                self._facts = PartialFacts(
                    has_words=True,
                    is_complete=self.understanding.is_complete(text, expectation, now),
                    has_answer=_answers(act, expectation),
                    is_unfinished=self.understanding.is_unfinished(text),
                )
                if (self._facts.is_complete or self._facts.has_answer) and not self._facts.is_unfinished:
                    self.speculate(act)
        if self._is_settled():
            stable_s = max(stable_s, self._endpointer.limits.stable_s)
        return replace(self._facts, stable_s=stable_s)

    def _partial_text(self) -> str:
        """The phrase list's reading where it has one without unknown words, else the free one."""
        partial = self.stream.partial()
        listed = partial.listed
        if listed and UNKNOWN not in listed:
            return listed
        return " ".join(word for word in partial.free.split() if word != UNKNOWN)

    async def _end(self, turn: _Turn, event: EndpointEvent) -> None:
        asked_s = self.clock.monotonic_s()
        transcript = await self.stream.finish()
        flush_s = self.clock.monotonic_s() - asked_s
        act = self._understood(transcript, turn.listen.expectation)
        speech_s = max(event.speech_end_s - event.speech_start_s, 0.0)
        self._endpointer.note_words(len(transcript.text.split()), speech_s)
        is_over_agent = turn.heard_clauses is not None
        if is_over_agent and (act.is_empty or act.is_backchannel) and turn.resumed < MAX_RESUMED:
            await self._resume(turn)
            return
        self.mouth.forget()
        self.gap = TurnGap(turn.kind.value, asked_s, event.wait_s)
        readings = " | ".join(
            f"{'list' if reading.is_phrase_list else 'free'} {reading.confidence:.2f} {reading.text}"
            for reading in transcript.readings
        )
        self.note(
            "caller",
            act.text or transcript.text,
            pii_readings=readings,
            reason=event.reason.value if event.reason else "",
            wait_s=f"{event.wait_s:.3f}",
            flush_s=f"{flush_s:.3f}",
            decide_s=f"{self.clock.monotonic_s() - asked_s - flush_s:.4f}",
        )
        if not turn.result.done():
            turn.result.set_result(a.CallerSpoke(act, self.clock.now(), turn.heard_clauses))

    async def _resume(self, turn: _Turn) -> None:
        """What was said over the agent meant nothing: it goes on with the clause that was cut off."""
        self.note("barge_in", "resume", heard_clauses=str(turn.heard_clauses))
        turn.resumed += 1
        turn.heard_clauses, turn.is_endpointing = None, False
        await self._begin_anew(turn)
        self._barge_in.begin(yields=self._yields_to(turn.listen.expectation))
        self.mouth.resume()

    def _understood(self, transcript: Transcript, expectation: Expectation) -> CallerAct:
        return self.understanding.act(transcript, expectation, self.clock.now())


def _answers(act: CallerAct, expectation: Expectation) -> bool:
    """Whether something of what was asked is answered; names and digits never are before they end."""
    if expectation.slots & {Slot.NAME, Slot.DIGITS}:
        return False
    said = {
        Slot.TASK: bool(act.intents),
        Slot.SERVICE: act.service is not None,
        Slot.DATE: act.date is not None,
        Slot.TIME: act.time is not None,
        Slot.RESOURCE: act.resource is not None,
        Slot.YES_NO: act.yes_no is not None,
        Slot.CHOICE: act.choice is not None,
    }
    return any(said.get(slot, False) for slot in expectation.slots)
