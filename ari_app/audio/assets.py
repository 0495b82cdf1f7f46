"""An owner's recordings in, calls' recordings out.

A greeting or hold music comes in whatever format its owner has (pydub reads WAV itself, everything else through ffmpeg)
and becomes s16le mono 16 kHz at the level of the voice: ITU-T P.56 active speech level, no peak above -1 dBFS. The
rate is converted by soxr; pydub's own conversion is linear and dulls speech.
"""

import io
import shutil
import warnings
import wave
from pathlib import Path

import numpy as np

from ari_app.audio.frames import RATE_HZ
from ari_app.audio.loudness import TARGET_DBOV, gain_to, with_gain
from ari_app.audio.resample import resample
from ari_app.errors import BadInput

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pydub at import: audioop's end in Python 3.13, no ffmpeg found
    from pydub import AudioSegment
    from pydub.exceptions import CouldntDecodeError

MAX_ASSET_S = 600
SILENCE_DBFS = -50.0


def load_asset(path: Path, *, target_dbov: float = TARGET_DBOV) -> bytes:
    """The recording at `path`, levelled; raises BadInput with what to do."""
    try:
        segment = _read(path)
    except FileNotFoundError as exc:
        raise BadInput(f"{path} does not exist") from exc
    except (CouldntDecodeError, wave.Error, EOFError, OSError, ValueError, IndexError) as exc:
        raise BadInput(f"{path} is no audio that can be read ({_first_line(exc)}): save it as WAV") from exc
    if segment.duration_seconds > MAX_ASSET_S:
        raise BadInput(f"{path} is {segment.duration_seconds:.0f} s long; at most {MAX_ASSET_S} s are taken")
    audio = _mono_16_khz(segment)
    if not audio:
        raise BadInput(f"{path} holds no sound")
    return with_gain(audio, gain_to(target_dbov, audio))


def stereo_wav(caller: bytes, agent: bytes) -> bytes:
    """One call as a WAV file: the caller on the left, the agent on the right, the shorter one filled with silence."""
    length = max(len(caller), len(agent)) // 2
    sides = np.zeros((length, 2), dtype="<i2")
    for column, audio in enumerate((caller, agent)):
        samples = np.frombuffer(audio[: len(audio) & ~1], dtype="<i2")
        sides[: len(samples), column] = samples
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(sides.tobytes())
    return target.getvalue()


class CallRecorder:
    """Collects both sides of a call by audio time; hold it only with the caller's consent.

    Each side is placed where it sounded: `at_s` is the call's audio clock. Memory: 64 kB per second of call.
    """

    def __init__(self, *, max_s: float = 3600.0) -> None:
        self._sides = (bytearray(), bytearray())
        self._max_bytes = int(max_s * RATE_HZ) * 2

    def caller(self, audio: bytes, at_s: float | None = None) -> None:
        self._add(self._sides[0], audio, at_s)

    def agent(self, audio: bytes, at_s: float | None = None) -> None:
        self._add(self._sides[1], audio, at_s)

    def cut_agent(self, at_s: float) -> None:
        """The agent was silenced at this time: what was queued after it never sounded."""
        del self._sides[1][int(at_s * RATE_HZ) * 2 :]

    def wav(self) -> bytes:
        """The stereo WAV file of what was collected so far."""
        return stereo_wav(bytes(self._sides[0]), bytes(self._sides[1]))

    def _add(self, side: bytearray, audio: bytes, at_s: float | None) -> None:
        start = len(side) if at_s is None else max(int(at_s * RATE_HZ) * 2, 0)
        if start > len(side):
            side.extend(bytes(min(start, self._max_bytes) - len(side)))
        if start < self._max_bytes:
            room = self._max_bytes - start
            side[start : start + len(audio)] = audio[:room]


def _read(path: Path) -> AudioSegment:
    if path.suffix.lower() in {".wav", ".wave"}:
        return AudioSegment(data=path.read_bytes())  # from_file would try ffmpeg on what is no WAV
    if not path.is_file():
        raise FileNotFoundError(path)
    if shutil.which("ffmpeg") is None:
        raise BadInput(f"{path} is no WAV file and ffmpeg is not installed: install ffmpeg or save it as WAV")
    return AudioSegment.from_file(str(path))


def _mono_16_khz(segment: AudioSegment) -> bytes:
    """Channels averaged, 16 bit, 16 kHz, silence at both ends cut to a tenth of a second."""
    sixteen = segment.set_sample_width(2)
    samples = np.frombuffer(sixteen.raw_data, dtype="<i2").reshape(-1, sixteen.channels)
    mono = np.rint(samples.astype(np.float64).mean(axis=1)).astype("<i2").tobytes()
    return _without_edges(resample(mono, from_hz=sixteen.frame_rate, to_hz=RATE_HZ))


def _without_edges(audio: bytes) -> bytes:
    samples = np.frombuffer(audio, dtype="<i2")
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) >= 32768 * 10 ** (SILENCE_DBFS / 20))
    if not len(loud):
        return b""
    margin = RATE_HZ // 10
    return samples[max(int(loud[0]) - margin, 0) : int(loud[-1]) + 1 + margin].tobytes()


def _first_line(exc: Exception) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0][:120]
