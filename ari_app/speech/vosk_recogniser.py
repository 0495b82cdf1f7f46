"""Speech recognition with Vosk: free recognition and the turn's phrase list side by side, off the event loop.

Each stream owns one free and, while a phrase list is set, one listed `KaldiRecognizer`. Their C code releases the GIL
and runs on the recogniser's own threads, one job per stream at a time; a job takes everything that has queued up
meanwhile, so a late stream catches up in one step. Audio is handed over in steps of 100 ms: steps of 20 ms cost a third
more CPU and partials would not be newer, since the acoustic model itself works in steps of 200 ms.

Lag: a stream holds at most `max_lag_s` of audio that isn't decoded yet. Beyond that the oldest queued audio is dropped,
so that the end of what the caller says is heard now instead of everything late; `VoskStream.dropped_s` and
`VoskRecogniser.stats` count it. It takes a machine that is far too slow for its calls to get there. Before that, the
end of an utterance does not queue behind other streams' middles: it has threads of its own, and takes back its stream's
step if that still waits for a thread.

Free recognisers go back to an idle list and keep their expanded search graph: a fresh one costs twice the CPU for its
first utterance. A phrase list is compiled anew (0.2 ms for 30 phrases) unless the turn before had the same one.

A thread that doesn't come out of the C code can't be ended. It is left behind with its stream, and new threads take the
place of all: each call that hangs costs itself alone.
"""

import asyncio
import functools
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import vosk

from ari_app.audio.frames import RATE_HZ, seconds
from ari_app.errors import ModelMissing, SpeechError
from ari_app.metrics import STT_LAG
from ari_app.speech.recogniser import Partial, Transcript
from ari_app.speech.vosk_decoder import UNKNOWN, Decoder, FreeRecogniser, Kaldi, with_words

STEP_BYTES = RATE_HZ * 2 // 10
"""100 ms."""
MAX_IDLE = 32
MIN_FLUSH_THREADS = 2
"""One may hang until its caller's patience is over; the others' utterances end meanwhile."""
WHOLE_UTTERANCE_S = 60.0
NOTHING_HEARD = Partial(free="", listed="", audio_s=0.0)

_Outcome = TypeVar("_Outcome", Partial, Transcript)


@dataclass(frozen=True, slots=True)
class RecogniserStats:
    """Counts since the model was loaded."""

    streams_open: int = 0
    utterances: int = 0
    audio_s: float = 0.0
    dropped_s: float = 0.0
    max_lag_s: float = 0.0
    """The longest that decoded audio had waited."""
    phrases_dropped: int = 0
    """Phrases left out because of a word that the model doesn't know."""


class VoskRecogniser:
    """A loaded Vosk model with its own `threads`; raises ModelMissing or SpeechError."""

    def __init__(self, model_path: Path, *, threads: int = 2, max_lag_s: float = 10.0, is_plain: bool = False) -> None:
        """`is_plain`: the plain way, for measuring beside this one: utterances are recognised when they are whole."""
        if not (model_path / "am").is_dir() and not (model_path / "final.mdl").is_file():
            raise ModelMissing(model_path.name, str(model_path))
        vosk.SetLogLevel(-1)
        try:
            self._model = vosk.Model(str(model_path))
        except Exception as exc:
            raise SpeechError(f"{model_path} is no Vosk model that can be loaded: {exc}") from exc
        self.name = model_path.name
        self.max_lag_s = max_lag_s if not is_plain else WHOLE_UTTERANCE_S
        self.is_plain = is_plain
        self.has_phrase_lists = any((model_path / place / "HCLr.fst").is_file() for place in ("graph", "."))
        """Whether phrase lists work: big models have one static graph and recognise freely only."""
        self.stats = RecogniserStats()
        self._threads = threads
        self._open_pools()
        self._idle: deque[FreeRecogniser] = deque(maxlen=MAX_IDLE)
        self._lock = threading.Lock()
        self._spelling = functools.lru_cache(maxsize=20_000)(self._find_spelling)
        self._is_closed = False

    def stream(self) -> "VoskStream":
        if self._is_closed:
            raise SpeechError("the recogniser is closed")
        self.stats = replace(self.stats, streams_open=self.stats.streams_open + 1)
        return VoskStream(self)

    def knows(self, word: str) -> bool:
        return self._spelling(word) is not None

    def known_phrases(self, phrases: Sequence[str]) -> tuple[str, ...]:
        """Those phrases whose every word is known, once each, in the model's spelling; the others are counted."""
        if not self.has_phrase_lists:
            return ()
        kept: dict[str, None] = {}
        dropped = 0
        for phrase in phrases:
            words = [self._spelling(word) for word in phrase.split()]
            known = [word for word in words if word is not None]
            if words and len(known) == len(words):
                kept[" ".join(known)] = None
            elif words:
                dropped += 1
        if dropped:
            self.stats = replace(self.stats, phrases_dropped=self.stats.phrases_dropped + dropped)
        return tuple(kept)

    def close(self) -> None:
        self._is_closed = True
        for pool in (self.pool, self.flush_pool):
            pool.shutdown(wait=True)
        self._idle.clear()

    def leave_behind(self) -> None:
        """Go on with new threads, since one of the old doesn't come back; the others end when their work is done."""
        if self._is_closed:
            return
        for pool in (self.pool, self.flush_pool):
            pool.shutdown(wait=False)
        self._open_pools()

    def _open_pools(self) -> None:
        self.pool = ThreadPoolExecutor(self._threads, thread_name_prefix="vosk")
        self.flush_pool = ThreadPoolExecutor(max(self._threads, MIN_FLUSH_THREADS), thread_name_prefix="vosk-flush")

    def count_closed(self) -> None:
        self.stats = replace(self.stats, streams_open=self.stats.streams_open - 1)

    def count_dropped(self, dropped_s: float) -> None:
        self.stats = replace(self.stats, dropped_s=self.stats.dropped_s + dropped_s)

    def count_lag(self, lag_s: float) -> None:
        STT_LAG.observe(lag_s)
        if lag_s > self.stats.max_lag_s:
            self.stats = replace(self.stats, max_lag_s=lag_s)

    def count_utterance(self, audio_s: float) -> None:
        self.stats = replace(self.stats, utterances=self.stats.utterances + 1, audio_s=self.stats.audio_s + audio_s)

    def borrow_free(self) -> FreeRecogniser:
        """A recogniser without a phrase list, with the graph that earlier utterances have expanded if there is one."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return FreeRecogniser(with_words(vosk.KaldiRecognizer(self._model, RATE_HZ)))

    def give_back(self, free: FreeRecogniser) -> None:
        """The counterpart of borrow_free."""
        with self._lock:
            self._idle.append(free)

    def listed(self, phrases: tuple[str, ...]) -> Kaldi:
        """A recogniser of these phrases and of speech outside them."""
        grammar = [*phrases, UNKNOWN] if self.knows(UNKNOWN) else list(phrases)
        return with_words(vosk.KaldiRecognizer(self._model, RATE_HZ, json.dumps(grammar)))

    def _find_spelling(self, word: str) -> str | None:
        for spelling in (word, word.lower()):
            if spelling and not spelling.isspace() and self._model.vosk_model_find_word(spelling) >= 0:
                return spelling
        return None


@dataclass(frozen=True, slots=True)
class _Step:
    """A decoding step handed to the pool, with what it takes to hand it out again."""

    future: "Future[Partial]"
    start: tuple[str, ...] | None
    audio: bytes


class VoskStream:
    """One call leg's recognition. All of it but the decoder lives on the event loop."""

    def __init__(self, recogniser: VoskRecogniser) -> None:
        self._recogniser = recogniser
        self._decoder = Decoder(recogniser)
        self._queued = bytearray()
        self._job: asyncio.Future[Partial] | asyncio.Future[Transcript] | None = None
        self._step: _Step | None = None
        """The decoding step that was handed out last; it may still be taken back."""
        self._job_audio_s = 0.0
        self._utterance = 0
        self._start: tuple[str, ...] | None = None
        """The phrase list of an utterance that the decoder hasn't been told of yet."""
        self._is_listening = False
        self._is_closed = False
        self._partial = NOTHING_HEARD
        self._failure: BaseException | None = None
        self.dropped_s = 0.0

    @property
    def lag_s(self) -> float:
        """Audio taken but not decoded yet."""
        return len(self._queued) / (2 * RATE_HZ) + self._job_audio_s

    async def begin(self, phrases: Sequence[str] = ()) -> None:
        """Start a new utterance; returns at once. What was queued for the one before is forgotten."""
        if self._is_closed:
            raise SpeechError("the recogniser stream is closed")
        self._utterance += 1
        self._take_back()
        self._queued.clear()
        self._partial = NOTHING_HEARD
        self._failure = None
        self._start = self._recogniser.known_phrases(phrases)
        self._is_listening = True
        self._go_on()

    def feed(self, audio: bytes) -> None:
        """Take s16le mono 16 kHz audio; between utterances (before begin, after finish) it is ignored."""
        if not self._is_listening:
            return
        self._queued += audio
        excess = (len(self._queued) - int(self._recogniser.max_lag_s * RATE_HZ) * 2) & ~1
        if excess > 0:
            del self._queued[:excess]
            self.dropped_s += excess / (2 * RATE_HZ)
            self._recogniser.count_dropped(excess / (2 * RATE_HZ))
        self._go_on()

    def partial(self) -> Partial:
        return self._partial

    async def finish(self) -> Transcript:
        """End the utterance: decode what is queued and flush. Raises SpeechError where decoding failed on the way."""
        if not self._is_listening:
            raise SpeechError("finish without begin")
        self._is_listening = False
        self._take_back()
        await self._quiet()
        if self._failure is not None:
            raise SpeechError(f"recognition failed: {self._failure}") from self._failure
        start, self._start = self._start, None
        audio = self._take_queued()
        finishing = self._run(self._recogniser.flush_pool, functools.partial(self._decoder.finish, start, audio), audio)
        transcript = await asyncio.shield(asyncio.wrap_future(finishing))
        self._recogniser.count_utterance(transcript.audio_s)
        return transcript

    async def close(self) -> None:
        """Give the recognisers back; idempotent. Waits for the step in work, a few milliseconds.

        Cancelled before that has ended, it takes the step's thread for one that hangs.
        """
        if self._is_closed:
            return
        self._is_closed, self._is_listening = True, False
        self._take_back()
        self._queued.clear()
        self._recogniser.count_closed()
        try:
            await self._quiet()
            await asyncio.get_running_loop().run_in_executor(self._recogniser.pool, self._decoder.release)
        except RuntimeError:  # the pool has ended: nobody else is at work
            self._decoder.release()
        except asyncio.CancelledError:
            self._recogniser.leave_behind()
            raise

    def _go_on(self) -> None:
        """Hand the queue to a thread, unless one is at work for this stream or there is too little to do."""
        has_work = self._start is not None or len(self._queued) >= STEP_BYTES
        if self._recogniser.is_plain:
            return
        if not self._is_listening or self._job is not None or self._failure is not None or not has_work:
            return
        start, self._start = self._start, None
        audio = self._take_queued()
        try:
            future = self._run(self._recogniser.pool, functools.partial(self._decoder.decode, start, audio), audio)
        except SpeechError as exc:
            self._failure = exc
            return
        self._step = _Step(future, start, audio)
        assert self._job is not None
        self._job.add_done_callback(functools.partial(self._take_partial, self._utterance))

    def _take_back(self) -> None:
        """Put a step that no thread has begun back into the queue."""
        step, self._step = self._step, None
        if step is not None and self._job is not None and step.future.cancel():
            self._job, self._job_audio_s = None, 0.0
            self._queued[:0] = step.audio
            self._start = step.start if self._start is None else self._start

    def _take_queued(self) -> bytes:
        even = len(self._queued) & ~1
        audio = bytes(self._queued[:even])
        del self._queued[:even]
        return audio

    def _run(self, pool: ThreadPoolExecutor, work: Callable[[], _Outcome], audio: bytes) -> "Future[_Outcome]":
        try:
            future = pool.submit(work)
        except RuntimeError as exc:
            raise SpeechError("the recogniser is closed") from exc
        job = asyncio.wrap_future(future)
        self._job = cast("asyncio.Future[Partial] | asyncio.Future[Transcript]", job)
        self._job_audio_s = seconds(audio)
        if audio:
            self._recogniser.count_lag(self._job_audio_s)
        job.add_done_callback(self._end_job)
        return future

    def _end_job(self, job: "asyncio.Future[Partial] | asyncio.Future[Transcript]") -> None:
        if not job.cancelled():
            job.exception()
        if job is self._job:
            self._job, self._step, self._job_audio_s = None, None, 0.0
            self._go_on_later()

    def _go_on_later(self) -> None:
        """After the other callbacks of a job: its partial comes before the next job's."""
        asyncio.get_running_loop().call_soon(self._go_on)

    def _take_partial(self, utterance: int, job: "asyncio.Future[Partial]") -> None:
        if job.cancelled() or utterance != self._utterance:
            return
        failure = job.exception()
        if failure is None:
            self._partial = job.result()
        else:
            self._failure = failure

    async def _quiet(self) -> None:
        """Wait until no thread is at work for this stream; cancelling leaves that work alone."""
        while self._job is not None:
            await asyncio.wait([self._job])
