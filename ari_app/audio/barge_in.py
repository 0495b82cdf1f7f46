"""Speech over the agent: when the agent gives way, when it is silent, when the turn is the caller's, when it goes on.

Whether a sound is meant for the agent is known only once it is nearly over: an "okay" lasts half a second, and the
recogniser has a first word 0.35 to 0.65 s after it began. A person who hears a sound while talking therefore lowers
their voice first. So there are two ways, chosen at `begin`:

It yields: after `yield_speech_s` of any voice the event is YIELD (speak on, but low). Then either words come that are
more than a backchannel, or the speech goes on longer than any "okay": TAKE, the agent is silent and the turn is the
caller's. Or it was "okay", a cough, or nothing: RESUME, at full voice; not a word of the agent was lost meanwhile.

It stops: after `speech_s` of speech the event is PAUSE (be silent at once). Then TAKE as above, or RESUME, where it was
if the silence was short, else at the clause; an "okay" then makes a hole of half a second. It is the way where "okay"
would be an answer, and of owners who prefer it. A hum, a cough or a click is told from speech by its sound before any
word is known (`sound.is_speechlike`, passed in for each frame): while no more than a stray frame sounds like speech the
agent isn't even paused.

Counts audio seconds.
"""

from dataclasses import dataclass
from enum import StrEnum

from ari_app.config import TurnSettings

SPEECH_ON = 0.6


class Heard(StrEnum):
    """What the newest partial says; the listener classifies it."""

    NOTHING = "nothing"
    """No word, or only `[unk]`."""
    BACKCHANNEL = "backchannel"
    """Only "mm-hm", "okay", "yeah" and the like (CallerAct.is_backchannel)."""
    WORDS = "words"
    """Anything else; an "operator" or "stop" too."""


class BargeInKind(StrEnum):
    YIELD = "yield"
    PAUSE = "pause"
    TAKE = "take"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class BargeInLimits:
    """Seconds of audio."""

    speech_s: float = 0.12
    yield_speech_s: float = 0.08
    """Lowering the voice loses nothing: it needs less to be sure of than silence."""
    words_speech_s: float = 0.55
    """While the caller speaks on, words count from so much speech: before, they guess at what may be an "okay"."""
    words_speechlike_s: float = 0.03
    """Of a sound that is over and has words, what has to be more than this to be speech."""
    speechlike_s: float = 0.06
    """Of the sound so far, what has to be more than this to be speech: single frames of a hum seem so, too."""
    take_speech_s: float = 0.65
    """Speech of this length takes the turn even before a word is known."""
    take_backchannel_s: float = 0.9
    """And of this length where all of it that is known is a backchannel; for the yielding way."""
    nothing_silence_s: float = 0.3
    """Silence after a sound without a word before the agent that has yielded speaks up again."""
    resume_after_s: float = 1.0
    backchannel_silence_s: float = 0.1
    """Silence after a backchannel before the agent goes on."""
    forget_s: float = 0.1
    """A gap longer than this starts the count of speech anew."""
    min_voice_s: float = 0.06
    words_within_s: float = 1.0
    """Words count if the VAD heard at least `min_voice_s` in a row that long before at most: a recogniser makes words
    of coughs, too."""

    @classmethod
    def from_settings(cls, turns: TurnSettings) -> "BargeInLimits":
        return cls(speech_s=turns.barge_in_speech_s, yield_speech_s=turns.barge_in_speech_s * 2 / 3)


@dataclass(frozen=True, slots=True)
class BargeInEvent:
    """Times in audio seconds since `begin`."""

    kind: BargeInKind
    at_s: float
    speech_start_s: float = 0.0
    paused_s: float = 0.0
    """RESUME: how long the agent was silent, or low."""


class BargeIn:
    """Watches one agent utterance: `begin` when the agent starts to speak, `push` each frame until it has finished.

    After TAKE nothing more comes until `begin`. After RESUME it watches on.
    """

    def __init__(self, limits: BargeInLimits) -> None:
        self.limits = limits
        self._is_shielded = self._is_paused = self._is_taken = self._yields = False
        self._now_s = self._voice_s = self._speechlike_s = self._gap_s = 0.0
        self._speech_start_s = self._paused_at_s = self._voiced_at_s = 0.0

    def begin(self, *, is_shielded: bool = False, yields: bool = False) -> None:
        """The agent starts to speak; `is_shielded`: it is not to be interrupted (the notice at the start)."""
        self._is_shielded, self._yields = is_shielded, yields
        self._is_paused = self._is_taken = False
        self._now_s = 0.0
        self._voiced_at_s = -self.limits.words_within_s - 1
        self._forget()

    def end_shield(self) -> None:
        """The shielded sentence is over; what is being said at this moment counts from its beginning."""
        self._is_shielded = False

    @property
    def is_paused(self) -> bool:
        """The agent is silent, or low, until it is known what the sound was."""
        return self._is_paused

    @property
    def speech_s(self) -> float:
        """Speech of the caller so far, for the endpointer's `speech_before_s`."""
        return self._voice_s

    def push(
        self,
        speech_probability: float,
        heard: Heard = Heard.NOTHING,
        *,
        is_speechlike: bool = True,
        is_settled: bool = True,
        frame_s: float = 0.02,
    ) -> BargeInEvent | None:
        """Take one frame. `heard` is of the utterance that the recogniser has been in since the agent began.

        `is_settled`: the recogniser has said its last about the newest sound.
        """
        self._now_s += frame_s
        self._take_sound(speech_probability >= SPEECH_ON, is_speechlike, frame_s)
        if self._is_taken or self._is_shielded:
            return None
        if self._yields:
            return self._yielding(heard, is_settled=is_settled)
        is_said = heard is Heard.WORDS and self._now_s - self._voiced_at_s <= self.limits.words_within_s
        if is_said or (self._is_speech() and self._voice_s + 1e-9 >= self.limits.take_speech_s):
            return self._take()
        if self._is_paused:
            return self._maybe_resume(heard)
        if heard is Heard.NOTHING and self._is_speech():
            self._is_paused = True
            self._paused_at_s = self._now_s
            return BargeInEvent(BargeInKind.PAUSE, self._now_s, self._speech_start_s)
        return None

    def _yielding(self, heard: Heard, *, is_settled: bool) -> BargeInEvent | None:
        limits = self.limits
        is_over = self._gap_s + 1e-9 >= limits.backchannel_silence_s and is_settled
        if heard is Heard.WORDS and self._now_s - self._voiced_at_s <= limits.words_within_s:
            is_long = self._is_speech() and self._voice_s + 1e-9 >= limits.words_speech_s
            if is_long or (is_over and self._speechlike_s > limits.words_speechlike_s):
                return self._take()
        longest_s = limits.take_backchannel_s if heard is Heard.BACKCHANNEL else limits.take_speech_s
        if self._is_speech() and self._voice_s + 1e-9 >= longest_s:
            return self._take()
        if not self._is_paused:
            if self._voice_s + 1e-9 < limits.yield_speech_s or self._gap_s > 0:
                return None
            self._is_paused, self._paused_at_s = True, self._now_s
            return BargeInEvent(BargeInKind.YIELD, self._now_s, self._speech_start_s)
        is_backchannel = heard is Heard.BACKCHANNEL and is_over
        is_nothing = heard is not Heard.WORDS and self._gap_s + 1e-9 >= limits.nothing_silence_s and is_settled
        is_too_late = self._gap_s + 1e-9 >= limits.resume_after_s
        return self._resume() if is_backchannel or is_nothing or is_too_late else None

    def _is_speech(self) -> bool:
        return self._voice_s + 1e-9 >= self.limits.speech_s and self._speechlike_s > self.limits.speechlike_s + 1e-9

    def _take_sound(self, is_voice: bool, is_speechlike: bool, frame_s: float) -> None:
        if not is_voice:
            self._gap_s += frame_s
            if self._gap_s > self.limits.forget_s + 1e-9 and not self._is_paused:
                self._forget()
            return
        if self._voice_s == 0:
            self._speech_start_s = self._now_s - frame_s
        self._gap_s = 0.0
        self._voice_s += frame_s
        if self._voice_s + 1e-9 >= self.limits.min_voice_s:
            self._voiced_at_s = self._now_s
        if is_speechlike:
            self._speechlike_s += frame_s

    def _forget(self) -> None:
        self._voice_s = self._speechlike_s = self._gap_s = 0.0
        self._speech_start_s = self._now_s
        self._paused_at_s = self._now_s

    def _take(self) -> BargeInEvent:
        self._is_taken, self._is_paused = True, False
        return BargeInEvent(BargeInKind.TAKE, self._now_s, self._speech_start_s)

    def _maybe_resume(self, heard: Heard) -> BargeInEvent | None:
        paused_s = self._now_s - self._paused_at_s
        is_backchannel = heard is Heard.BACKCHANNEL and self._gap_s + 1e-9 >= self.limits.backchannel_silence_s
        is_nothing = paused_s + 1e-9 >= self.limits.resume_after_s and self._gap_s > 0
        return self._resume() if is_backchannel or is_nothing else None

    def _resume(self) -> BargeInEvent:
        paused_s = self._now_s - self._paused_at_s
        event = BargeInEvent(BargeInKind.RESUME, self._now_s, self._speech_start_s, paused_s)
        self._is_paused = False
        self._forget()
        return event
