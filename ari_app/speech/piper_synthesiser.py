"""Speech with Piper: clause by clause, each made once, kept in the phrase cache.

The voice's model runs on the synthesiser's own threads, each computation on one core: two clauses are then made side by
side, and a busy machine slows all calls evenly. A voice is brought to one level when it is loaded (ITU-T P.56 active
speech level), by one factor for all clauses: levelling clause by clause would make short words loud.

Piper reads `[[...]]` as raw phonemes; brackets and control characters are taken out of what is spoken, since names come
from outside.
"""

import asyncio
import functools
import hashlib
import json
import threading
import time
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import soxr
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import PiperConfig, SynthesisConfig

from ari_app.audio.frames import RATE_HZ, seconds
from ari_app.audio.loudness import CEILING_DBFS, TARGET_DBOV, gain_to
from ari_app.errors import ModelMissing, SpeechError, SynthesisFailed
from ari_app.logs import get_logger
from ari_app.metrics import PHRASE_CACHE, TTS_FIRST_AUDIO
from ari_app.speech.clauses import COMMA_PAUSE_S, END_PAUSE_S, Clause, split
from ari_app.speech.phrase_cache import PhraseCache

log = get_logger()

CACHE_FORMAT = "2"
"""Part of each key: raised when the same text would sound different."""
CALIBRATION = "Good morning, this is the practice. Your appointment is on Tuesday at half past three."
AHEAD = 2
"""Clauses asked for beyond the one being waited for."""
HANGS_S = 5.0
"""A clause takes well under a second; a thread that has been at one for so long doesn't come back."""
LEAD_S = 0.02
TAIL_S = 0.06
FADE_S = 0.004
SILENT_BELOW_PEAK_DB = 45.0
_WINDOW = RATE_HZ // 200

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SynthesiserStats:
    """Counts since the voice was loaded."""

    made: int = 0
    audio_s: float = 0.0
    working_s: float = 0.0
    """Time spent in the model: working_s / audio_s is the real-time factor."""


class PiperSynthesiser:
    """A loaded voice shared by all calls; raises ModelMissing or SpeechError."""

    def __init__(
        self,
        model_path: Path,
        cache: PhraseCache,
        *,
        threads: int = 2,
        length_scale: float = 1.0,
        is_plain: bool = False,
        hangs_s: float = HANGS_S,
    ) -> None:
        """`is_plain`: the plain way, for measuring beside this one: each text whole, and made anew each time."""
        self.name = model_path.stem
        self.cache = cache
        self._is_plain = is_plain
        self._hangs_s = hangs_s
        self.stats = SynthesiserStats()
        self._voice = _load(model_path)
        self._settings = SynthesisConfig(
            length_scale=self._voice.config.length_scale * length_scale, normalize_audio=False
        )
        self._voice_digest = _digest(model_path)
        self._cache_settings = f"{CACHE_FORMAT}|{length_scale:g}|{TARGET_DBOV:g}"
        self._threads = threads
        self._pool = self._new_pool()
        self._at_work: dict[int, float] = {}
        """Since when each thread has been at its clause, by the thread's identity and the monotonic clock."""
        self._making: dict[str, Future[bytes]] = {}
        self._lock = threading.Lock()
        self._stats_lock = threading.Lock()
        self._is_closed = False
        self._gain = 1.0
        self._gain = gain_to(TARGET_DBOV, self._synthesise(CALIBRATION))

    def clauses(self, text: str) -> list[str]:
        """How `speak` would split `text`; joined by spaces they are `text` with its white space squeezed."""
        return [clause.text for clause in self._split(text)]

    async def speak(self, text: str) -> AsyncIterator[bytes]:
        """One piece of audio per clause that has words, its pause included; the next ones are made meanwhile."""
        asked_s = time.perf_counter()
        clauses = self._split(text)
        wanted: deque[tuple[Clause, bytes | Future[bytes]]] = deque()
        is_first = True
        for index in range(len(clauses) + AHEAD):
            if index < len(clauses):
                wanted.append((clauses[index], self._want(clauses[index].text)))
            if index < AHEAD:
                continue
            clause, audio = wanted.popleft()
            source = "cache" if isinstance(audio, bytes) else "made"
            made = audio if isinstance(audio, bytes) else await _result(audio)
            if not made:
                continue
            if is_first:
                TTS_FIRST_AUDIO.labels(source).observe(time.perf_counter() - asked_s)
                is_first = False
            yield made + _silence(clause.pause_s)

    async def render(self, text: str) -> bytes:
        pieces = [piece async for piece in self.speak(text)]
        return b"".join(pieces)

    async def prerender(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> int:
        """Make sure that all are cached; the number of clauses newly made.

        One clause at a time, so that calls which come in meanwhile find a thread free. `progress(done, total)` is
        called after each clause. Cancelling keeps what was made.
        """
        pending = list(dict.fromkeys(clause.text for text in texts for clause in split(text)))
        before = self.stats.made
        for done, text in enumerate(pending, start=1):
            wanted = self._want(text)
            if not isinstance(wanted, bytes):
                await _result(wanted)
            if progress is not None:
                progress(done, len(pending))
        return self.stats.made - before

    def clause_audio(self, text: str) -> bytes:
        """One clause as it will sound, without its pause; blocks while it is fetched or made."""
        return self._fetch(self.cache.key(self._voice_digest, text, self._cache_settings), text)

    def close(self) -> None:
        self._is_closed = True
        self._pool.shutdown(wait=True)

    def _split(self, text: str) -> list[Clause]:
        if self._is_plain and text.strip():
            return [Clause(" ".join(text.split()), END_PAUSE_S)]
        return split(text)

    def _want(self, text: str) -> bytes | Future[bytes]:
        """The clause's audio where memory has it, else the job that fetches or makes it: one job per clause."""
        key = self.cache.key(self._voice_digest, text, self._cache_settings)
        held = None if self._is_plain else self.cache.recall(key)
        if held is not None:
            PHRASE_CACHE.labels("hit").inc()
            return held
        with self._lock:
            self._leave_behind_what_hangs()
            job = self._making.get(key)
            if job is None:
                try:
                    job = self._pool.submit(self._fetch, key, text)
                except RuntimeError as exc:
                    raise SynthesisFailed("the synthesiser is closed") from exc
                self._making[key] = job
            else:
                return job
        # Outside the lock: a job that is done already calls back at once, in this thread, and takes the lock itself.
        job.add_done_callback(functools.partial(self._made, key))
        return job

    def _made(self, key: str, job: "Future[bytes]") -> None:
        with self._lock:
            if self._making.get(key) is job:
                del self._making[key]

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="piper")

    def _leave_behind_what_hangs(self) -> None:
        """A thread that doesn't come out of the C code can't be ended: go on with new ones, its clause is made anew."""
        now_s = time.monotonic()
        hanging = [thread for thread, began_s in list(self._at_work.items()) if now_s - began_s > self._hangs_s]
        if not hanging or self._is_closed:
            return
        log.warning("synthesiser.left_behind", threads=len(hanging))
        for thread in hanging:
            self._at_work.pop(thread, None)
        self._pool.shutdown(wait=False)
        self._pool = self._new_pool()
        self._making.clear()

    def _fetch(self, key: str, text: str) -> bytes:
        thread = threading.get_ident()
        self._at_work[thread] = time.monotonic()
        try:
            return self._found_or_made(key, text)
        finally:
            self._at_work.pop(thread, None)

    def _found_or_made(self, key: str, text: str) -> bytes:
        audio = None if self._is_plain else self.cache.get(key)
        PHRASE_CACHE.labels("hit" if audio is not None else "miss").inc()
        if audio is None:
            if self._is_closed:
                raise SynthesisFailed("the synthesiser is closed")
            audio = self._synthesise(text)
            if not self._is_plain:
                self.cache.put(key, audio)
        return audio

    def _synthesise(self, text: str) -> bytes:
        """Trimmed, levelled audio of one clause; empty where it holds no word. Raises SynthesisFailed."""
        started_s = time.perf_counter()
        spoken = _speakable(text)
        if not any(character.isalnum() for character in spoken):
            return b""
        try:
            chunks = [
                (chunk.audio_float_array, chunk.sample_rate) for chunk in self._voice.synthesize(spoken, self._settings)
            ]
        except Exception as exc:
            raise SynthesisFailed(f"Piper could not speak {len(spoken)} characters: {exc}") from exc
        pieces = [_trimmed(_at_16_khz(samples, rate_hz)) for samples, rate_hz in chunks]
        audio = _levelled(_joined([piece for piece in pieces if len(piece)]), self._gain)
        if not audio:
            raise SynthesisFailed(f"the voice {self.name} gave no audio for {len(spoken)} characters")
        with self._stats_lock:
            self.stats = replace(
                self.stats,
                made=self.stats.made + 1,
                audio_s=self.stats.audio_s + seconds(audio),
                working_s=self.stats.working_s + time.perf_counter() - started_s,
            )
        return audio


async def _result(job: "Future[bytes]") -> bytes:
    """Wait for a job without owning it: cancelling leaves it to finish, and to the others who wait for it."""
    return await asyncio.shield(asyncio.wrap_future(job))


def _load(model_path: Path) -> PiperVoice:
    config_path = model_path.with_name(f"{model_path.name}.json")
    for path in (model_path, config_path):
        if not path.is_file():
            raise ModelMissing(model_path.stem, str(path))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        config = PiperConfig.from_dict(json.loads(config_path.read_text("utf-8")))
        session = onnxruntime.InferenceSession(str(model_path), options, providers=["CPUExecutionProvider"])
        return PiperVoice(session=session, config=config)
    except Exception as exc:
        raise SpeechError(f"{model_path} is no Piper voice that can be loaded: {exc}") from exc


def _digest(model_path: Path) -> str:
    digest = hashlib.sha256()
    for path in (model_path, model_path.with_name(f"{model_path.name}.json")):
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _speakable(text: str) -> str:
    plain = "".join(" " if unicodedata.category(character).startswith("C") else character for character in text)
    return " ".join(plain.replace("[", " ").replace("]", " ").split())


def _at_16_khz(samples: Floats, rate_hz: int) -> Floats:
    if rate_hz == RATE_HZ:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, RATE_HZ, quality="HQ"), dtype=np.float32)


def _trimmed(samples: Floats) -> Floats:
    """Without the silence that the voice puts around it, but for a short lead and tail, faded at both cuts."""
    whole = np.abs(samples[: len(samples) // _WINDOW * _WINDOW]).reshape(-1, _WINDOW)
    if not len(whole) or not whole.max():
        return samples[:0]
    loud = np.flatnonzero(whole.max(axis=1) >= whole.max() * 10 ** (-SILENT_BELOW_PEAK_DB / 20))
    start = max(int(loud[0]) * _WINDOW - int(LEAD_S * RATE_HZ), 0)
    end = min((int(loud[-1]) + 1) * _WINDOW + int(TAIL_S * RATE_HZ), len(samples))
    kept = samples[start:end].copy()
    fade = min(int(FADE_S * RATE_HZ), len(kept) // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    kept[:fade] *= ramp
    kept[len(kept) - fade :] *= ramp[::-1]
    return kept


def _joined(pieces: list[Floats]) -> Floats:
    """The sentences that Piper saw in one clause, with a short pause between them."""
    pause = np.zeros(int(COMMA_PAUSE_S * RATE_HZ), dtype=np.float32)
    parts = [part for piece in pieces for part in (piece, pause)][:-1]
    return np.concatenate(parts) if parts else pause[:0]


def _levelled(samples: Floats, gain: float) -> bytes:
    if not len(samples):
        return b""
    peak = float(np.abs(samples).max())
    factor = min(gain, 10 ** (CEILING_DBFS / 20) / peak) if peak else gain
    scaled = np.rint(samples * np.float32(factor * 32767))
    return bytes(np.clip(scaled, -32768, 32767).astype("<i2").tobytes())


def _silence(length_s: float) -> bytes:
    return bytes(2 * int(length_s * RATE_HZ))
