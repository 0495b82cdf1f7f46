"""When the caller has begun and when they have done: by what was asked, not by one silence. Counts audio seconds.

Each pushed frame brings its speech probability and the facts of the newest partial. An utterance begins with
`min_speech_s` of speech (a click is shorter), or with a complete answer that the recogniser holds on to although the
VAD heard nothing (a faint line); other words without speech are what a recogniser makes of a cough. It ends when the
silence since the last speech reaches what the moment asks for:

    closed question, partial a complete answer and stable     closed_silence_s
    open question, partial a complete answer and stable       complete_silence_s
    open question, partial an answer to some of it, stable    answered_silence_s
    partial unfinished ("on the", "um", "the twenty")         unfinished_silence_s
    anything else                                             open_silence_s

The last four, and half of the first, stretch with the caller's pace: pauses that turn out to be inside an utterance,
few words a second, and above all having been cut off make it grow up to `slow_speaker_factor`; it is kept for the call.
Where the VAD does not fall (a television, a fan) words that stay the same for `stuck_s` end the utterance.

Sound without a word is noise while it is short (a cough): the event says so and is no turn. From `min_wordless_s` of
speech on it is an utterance that wasn't understood, to be asked for again.
"""

from dataclasses import dataclass
from enum import StrEnum

from ari_app.config import TurnSettings

SPEECH_ON = 0.5
SPEECH_OFF = 0.35
"""Hysteresis of the speech probability."""


class TurnKind(StrEnum):
    """What the agent has asked."""

    CLOSED = "closed"
    OPEN = "open"


class EndpointKind(StrEnum):
    STARTED = "started"
    ENDED = "ended"
    """The turn is the caller's utterance."""
    NOISE = "noise"
    """What had started was a cough or the like: no turn; the recogniser may be begun anew."""
    NO_INPUT = "no_input"


class EndReason(StrEnum):
    COMPLETE = "complete"
    """A complete answer and a short silence."""
    SILENCE = "silence"
    STUCK = "stuck"
    """Words that no longer change under noise that doesn't end."""
    TOO_LONG = "too_long"
    WORDLESS = "wordless"
    """Speech of some length without a word that was recognised."""


@dataclass(frozen=True, slots=True)
class EndpointLimits:
    """Seconds of audio."""

    closed_silence_s: float = 0.18
    complete_silence_s: float = 0.35
    answered_silence_s: float = 0.5
    """Half-way between the two that can be set."""
    open_silence_s: float = 0.7
    unfinished_silence_s: float = 1.4
    no_input_s: float = 7.0
    max_utterance_s: float = 30.0
    slow_speaker_factor: float = 1.5
    min_speech_s: float = 0.06
    stable_s: float = 0.1
    """A partial unchanged for this long is stable."""
    faint_stable_s: float = 0.3
    """A complete answer that stays for this long begins an utterance that the VAD hasn't noticed."""
    stuck_s: float = 1.6
    min_wordless_s: float = 0.8
    fixed_silence_s: float | None = None
    """Set: the plain way, every utterance ends after this silence and by nothing else (for measuring beside it)."""

    @classmethod
    def from_settings(cls, turns: TurnSettings, *, baseline_silence_s: float = 0.8) -> "EndpointLimits":
        return cls(
            closed_silence_s=turns.closed_silence_s,
            complete_silence_s=turns.complete_silence_s,
            answered_silence_s=(turns.complete_silence_s + turns.open_silence_s) / 2,
            open_silence_s=turns.open_silence_s,
            unfinished_silence_s=turns.unfinished_silence_s,
            no_input_s=turns.no_input_s,
            max_utterance_s=turns.max_utterance_s,
            slow_speaker_factor=turns.slow_speaker_factor,
            fixed_silence_s=baseline_silence_s if turns.baseline else None,
        )


@dataclass(frozen=True, slots=True)
class PartialFacts:
    """What is known of the newest partial; the listener classifies its text."""

    has_words: bool = False
    """At least one recognised word (not only `[unk]`)."""
    is_complete: bool = False
    """It answers all that was asked."""
    is_unfinished: bool = False
    """It ends in the middle of something. Wins over is_complete."""
    stable_s: float = 0.0
    """Audio seconds since its words changed last; see StablePartial."""
    has_answer: bool = False
    """It answers some of what was asked; more may follow."""


NO_WORDS = PartialFacts()


@dataclass(frozen=True, slots=True)
class EndpointEvent:
    """Times in audio seconds since `begin`."""

    kind: EndpointKind
    at_s: float
    speech_start_s: float = 0.0
    speech_end_s: float = 0.0
    reason: EndReason | None = None

    @property
    def wait_s(self) -> float:
        """How long the caller had been silent when it was decided."""
        return max(self.at_s - self.speech_end_s, 0.0)


class Endpointer:
    """One call's endpointing: `begin` each turn, `push` each frame; the caller's pace lives on between turns."""

    def __init__(self, limits: EndpointLimits) -> None:
        self.limits = limits
        self.pace = 1.0
        """1 .. slow_speaker_factor."""
        self._kind = TurnKind.OPEN
        self._no_input_s = limits.no_input_s
        self._is_over = self._is_started = self._is_speech = False
        self._restart()

    def begin(self, kind: TurnKind, *, no_input_s: float | None = None, speech_before_s: float = 0.0) -> None:
        """A new turn. `speech_before_s`: speech already heard (the caller cut in), which makes it begin started."""
        self._kind = kind
        self._no_input_s = self.limits.no_input_s if no_input_s is None else no_input_s
        self._restart()
        if speech_before_s > 0:
            self._is_started = self._is_speech = True
            self._speech_start_s = -speech_before_s
            self._speech_s = speech_before_s

    @property
    def is_started(self) -> bool:
        return self._is_started and not self._is_over

    @property
    def silence_s(self) -> float:
        """Since the last speech of the utterance; 0 while the caller speaks or hasn't begun."""
        return self._now_s - self._speech_end_s if self._is_started and not self._is_speech else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Silence still missing for the end, by the newest facts; None while nobody has spoken. For speculation."""
        return max(self._needed_s(self._facts) - self.silence_s, 0.0) if self.is_started else None

    def push(
        self, speech_probability: float, facts: PartialFacts = NO_WORDS, *, frame_s: float = 0.02
    ) -> EndpointEvent | None:
        """Take one frame. After ENDED or NO_INPUT nothing more comes until `begin`; after NOISE it goes on waiting."""
        if self._is_over:
            return None
        self._now_s += frame_s
        self._facts = facts
        self._take_speech(speech_probability, frame_s)
        if not self._is_started:
            return self._maybe_start(facts)
        if self._is_speech and not self._is_stuck(facts):
            return self._end(EndReason.TOO_LONG) if self._is_too_long() else None
        return self._maybe_end(facts)

    def note_cut_off(self) -> None:
        """The caller went on speaking right after their turn was taken to be over: give them more from now on."""
        self._slow_down(0.25)

    def note_words(self, words: int, speech_s: float) -> None:
        """The finished utterance: fewer than two words a second, over three words or more, is a slow speaker."""
        if words >= 3 and speech_s > 0 and words / speech_s < 2.0:
            self._slow_down(0.1)

    def _restart(self) -> None:
        self._now_s = 0.0
        self._facts = NO_WORDS
        self._is_started = self._is_speech = self._is_over = False
        self._speech_s = 0.0
        self._run_s = 0.0
        self._speech_start_s = self._speech_end_s = 0.0

    def _take_speech(self, probability: float, frame_s: float) -> None:
        """Speech counts from `min_speech_s` in a row on: a click neither begins an utterance nor prolongs one."""
        self._is_speech = probability >= (SPEECH_OFF if self._is_speech else SPEECH_ON)
        if not self._is_speech:
            self._run_s = 0.0
            return
        self._run_s += frame_s
        if self._run_s + 1e-9 < self.limits.min_speech_s:
            return
        is_confirmed_now = self._run_s - frame_s + 1e-9 < self.limits.min_speech_s
        if self._is_started and is_confirmed_now and self.limits.fixed_silence_s is None:
            self._learn_pause(self._now_s - self._run_s - self._speech_end_s)
        self._speech_s += self._run_s if is_confirmed_now else frame_s
        self._speech_end_s = self._now_s

    def _maybe_start(self, facts: PartialFacts) -> EndpointEvent | None:
        if self._run_s + 1e-9 >= self.limits.min_speech_s:
            self._speech_start_s = self._now_s - self._run_s
        elif self._is_answer(facts) and facts.stable_s >= self.limits.faint_stable_s and not self._is_speech:
            self._speech_start_s = self._speech_end_s = max(self._now_s - facts.stable_s, 0.0)
        elif self._now_s + 1e-9 >= self._no_input_s and not self._is_speech:
            self._is_over = True
            return EndpointEvent(EndpointKind.NO_INPUT, self._now_s)
        else:
            return None
        self._is_started = True
        return EndpointEvent(EndpointKind.STARTED, self._now_s, self._speech_start_s, self._speech_end_s)

    def _maybe_end(self, facts: PartialFacts) -> EndpointEvent | None:
        if self._is_stuck(facts):
            return self._end(EndReason.STUCK)
        if self._is_too_long():
            return self._end(EndReason.TOO_LONG)
        if self._speech_s == 0 and facts.has_words:
            self._speech_end_s = max(self._speech_end_s, self._now_s - facts.stable_s)
        if self.silence_s + 1e-9 < self._needed_s(facts):
            return None
        if facts.has_words or self.limits.fixed_silence_s is not None:
            is_early = self._is_answer(facts) and self.limits.fixed_silence_s is None
            return self._end(EndReason.COMPLETE if is_early else EndReason.SILENCE)
        if self._speech_s >= self.limits.min_wordless_s:
            return self._end(EndReason.WORDLESS)
        return self._drop_noise()

    def _needed_s(self, facts: PartialFacts) -> float:
        limits = self.limits
        if limits.fixed_silence_s is not None:
            return limits.fixed_silence_s
        if facts.is_unfinished:
            return limits.unfinished_silence_s * self.pace
        if self._is_answer(facts):
            if self._kind is TurnKind.CLOSED:
                return limits.closed_silence_s * (1 + (self.pace - 1) / 2)
            return limits.complete_silence_s * self.pace
        if facts.has_words and facts.has_answer and facts.stable_s + 1e-9 >= limits.stable_s:
            return limits.answered_silence_s * self.pace
        return limits.open_silence_s * self.pace

    def _is_answer(self, facts: PartialFacts) -> bool:
        return (
            facts.has_words
            and facts.is_complete
            and not facts.is_unfinished
            and facts.stable_s + 1e-9 >= self.limits.stable_s
        )

    def _is_stuck(self, facts: PartialFacts) -> bool:
        """Words without change for long while something still sounds."""
        if self.limits.fixed_silence_s is not None or not self._is_speech or not facts.has_words:
            return False
        needed_s = max(self.limits.stuck_s, self.limits.unfinished_silence_s if facts.is_unfinished else 0.0)
        return facts.stable_s >= needed_s * self.pace

    def _is_too_long(self) -> bool:
        return self._now_s - self._speech_start_s >= self.limits.max_utterance_s

    def _end(self, reason: EndReason) -> EndpointEvent:
        self._is_over = True
        return EndpointEvent(EndpointKind.ENDED, self._now_s, self._speech_start_s, self._speech_end_s, reason)

    def _drop_noise(self) -> EndpointEvent:
        event = EndpointEvent(EndpointKind.NOISE, self._now_s, self._speech_start_s, self._speech_end_s)
        self._is_started = False
        self._speech_s = self._run_s = 0.0
        return event

    def _learn_pause(self, pause_s: float) -> None:
        """A pause inside an utterance that came near the limit: next time it might be cut off."""
        nearness = pause_s / self.limits.open_silence_s
        if nearness > 0.5:
            self._slow_down(0.2 * min(nearness - 0.5, 1.0))

    def _slow_down(self, by: float) -> None:
        self.pace = min(self.pace + by, self.limits.slow_speaker_factor)


class StablePartial:
    """How long a partial's words have stayed the same, in audio seconds."""

    def __init__(self) -> None:
        self._words = ""
        self._since_s = 0.0

    def begin(self) -> None:
        """A new utterance."""
        self._words, self._since_s = "", 0.0

    def update(self, words: str, now_s: float) -> float:
        """Seconds since `words` were heard first, in this form; `now_s` counts the turn's audio."""
        if words != self._words:
            self._words, self._since_s = words, now_s
        return max(now_s - self._since_s, 0.0)
