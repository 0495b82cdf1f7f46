"""The blocking half of Vosk: one stream's recognisers, fed and read on a pool's thread."""

import json
from dataclasses import dataclass
from typing import Protocol

from ari_app.audio.frames import seconds
from ari_app.errors import SpeechError
from ari_app.speech.recogniser import Partial, Reading, RecognisedWord, Transcript

UNKNOWN = "[unk]"


class Kaldi(Protocol):
    """What is used of vosk.KaldiRecognizer."""

    def SetWords(self, enable_words: bool) -> None: ...
    def AcceptWaveform(self, data: bytes) -> int: ...
    def Result(self) -> str: ...
    def PartialResult(self) -> str: ...
    def FinalResult(self) -> str: ...
    def Reset(self) -> None: ...


@dataclass(slots=True)
class FreeRecogniser:
    kaldi: Kaldi
    taken_s: float = 0.0
    """Audio that it has taken in its whole life: its word times count from there."""


class DecoderSource(Protocol):
    """Where recognisers come from: the loaded model."""

    def borrow_free(self) -> FreeRecogniser: ...
    def give_back(self, free: FreeRecogniser) -> None: ...
    def listed(self, phrases: tuple[str, ...]) -> Kaldi: ...


class Decoder:
    """The blocking half of a stream: used by one thread at a time."""

    def __init__(self, models: DecoderSource) -> None:
        self._models = models
        self._free: FreeRecogniser | None = None
        self._listed: Kaldi | None = None
        self._phrases: tuple[str, ...] = ()
        self._is_midway = False
        self._audio_s = 0.0
        self._free_offset_s = 0.0
        self._listed_taken_s = 0.0
        self._listed_offset_s = 0.0

    def decode(self, start: tuple[str, ...] | None, audio: bytes) -> Partial:
        """Take audio (of a new utterance where `start` is given) and tell what is heard so far."""
        free = self._ready(start)
        free_text = self._accept(free.kaldi, audio)
        free.taken_s += seconds(audio)
        listed_text = ""
        if self._listed is not None:
            listed_text = self._accept(self._listed, audio)
            self._listed_taken_s += seconds(audio)
        self._audio_s += seconds(audio)
        return Partial(free=free_text, listed=listed_text, audio_s=self._audio_s)

    def finish(self, start: tuple[str, ...] | None, audio: bytes) -> Transcript:
        """Take the utterance's last audio, flush both recognisers and read them."""
        free = self._ready(start)
        if audio:
            self.decode(None, audio)
        self._is_midway = False
        found = [_reading(free.kaldi.FinalResult(), self._free_offset_s, is_phrase_list=False)]
        if self._listed is not None:
            found.append(_reading(self._listed.FinalResult(), self._listed_offset_s, is_phrase_list=True))
        readings = sorted((reading for reading in found if reading is not None), key=_rank)
        return Transcript(tuple(readings), self._audio_s)

    def release(self) -> None:
        """Give the free recogniser back, flushed."""
        self._abandon()
        if self._free is not None:
            self._models.give_back(self._free)
        self._free = self._listed = None
        self._phrases = ()

    def _ready(self, start: tuple[str, ...] | None) -> FreeRecogniser:
        if self._free is None:
            self._free = self._models.borrow_free()
            start = start if start is not None else self._phrases
        if start is not None:
            self._abandon()
            if start != self._phrases:
                self._listed = self._models.listed(start) if start else None
                self._listed_taken_s = 0.0
            self._phrases = start
            self._audio_s = 0.0
            self._free_offset_s = self._free.taken_s
            self._listed_offset_s = self._listed_taken_s
        return self._free

    def _abandon(self) -> None:
        """Flush an utterance that nobody asks for any more (Reset would leave its last frames for the next one)."""
        if self._is_midway and self._free is not None:
            self._free.kaldi.FinalResult()
            if self._listed is not None:
                self._listed.FinalResult()
        self._is_midway = False

    def _accept(self, kaldi: Kaldi, audio: bytes) -> str:
        if audio:
            self._is_midway = True
            try:
                is_endpoint = kaldi.AcceptWaveform(audio)
            except Exception as exc:
                raise SpeechError(f"Vosk could not take {len(audio)} bytes of audio") from exc
        else:
            is_endpoint = 0
        text = _text(kaldi.PartialResult(), "partial")
        if is_endpoint and not text:
            kaldi.Result()
        return text


def with_words(kaldi: Kaldi) -> Kaldi:
    kaldi.SetWords(True)
    return kaldi


def _text(answer: str, key: str) -> str:
    return str(json.loads(answer).get(key, "")).strip()


def _reading(answer: str, offset_s: float, *, is_phrase_list: bool) -> Reading | None:
    """None where no word but `[unk]` was recognised. An `[unk]` among other words stays, with a confidence of 0."""
    words = tuple(
        RecognisedWord(
            text=str(word["word"]),
            confidence=0.0 if word["word"] == UNKNOWN else min(max(float(word["conf"]), 0.0), 1.0),
            start_s=max(float(word["start"]) - offset_s, 0.0),
            end_s=max(float(word["end"]) - offset_s, 0.0),
        )
        for word in json.loads(answer).get("result", ())
    )
    if all(word.text == UNKNOWN for word in words):
        return None
    return Reading(
        text=" ".join(word.text for word in words),
        confidence=sum(word.confidence for word in words) / len(words),
        words=words,
        is_phrase_list=is_phrase_list,
    )


def _rank(reading: Reading) -> tuple[bool, bool]:
    return (UNKNOWN in reading.text, not reading.is_phrase_list)
