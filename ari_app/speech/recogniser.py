"""The seam to speech recognition: one stream per utterance-taking call leg."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """One word; times in seconds from the stream's start or last reset."""

    text: str
    confidence: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of what was heard."""

    text: str
    confidence: float
    words: tuple[RecognisedWord, ...] = ()
    is_phrase_list: bool = False
    """True: read by the turn's phrase list; False: by free recognition."""


@dataclass(frozen=True, slots=True)
class Partial:
    """What is heard so far; may still change."""

    free: str
    listed: str
    """By the phrase list; empty where none is set. `[unk]` marks speech outside it."""
    audio_s: float
    """How much audio of this utterance the recogniser has taken in."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """The finished utterance: readings, best first (phrase list before free where both have text)."""

    readings: tuple[Reading, ...]
    audio_s: float

    @property
    def text(self) -> str:
        return self.readings[0].text if self.readings else ""


class RecogniserStream(Protocol):
    """One call leg's recognition. Not to be shared between tasks."""

    async def begin(self, phrases: Sequence[str] = ()) -> None:
        """Start a new utterance; `phrases` is the turn's phrase list (empty: free recognition only)."""

    def feed(self, audio: bytes) -> None:
        """Take s16le mono 16 kHz audio; returns at once, work is queued on the pool (bounded)."""

    def partial(self) -> Partial:
        """The newest partial, without waiting."""

    async def finish(self) -> Transcript:
        """End the utterance and return its transcript; cancelling loses the utterance."""

    async def close(self) -> None:
        """Give the recognisers back."""


class Recogniser(Protocol):
    """A loaded model, shared by all calls."""

    def stream(self) -> RecogniserStream:
        """A stream for one call leg."""

    def knows(self, word: str) -> bool:
        """Whether `word` is in the model's vocabulary (phrases with others are dropped)."""

    def close(self) -> None:
        """End the pool; idempotent."""
