"""Callers' voices: espeak-ng, flite and festival as subprocesses, never the agent's own voice.

A voice is written "espeak:en-gb+m3", "flite:rms" or "festival:ked". Rendered once and kept in the cache.
"""

import asyncio
import hashlib
import io
import os
import shutil
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from ari_app.audio.frames import FRAME_BYTES, RATE_HZ
from ari_app.errors import LabError
from ari_app.lab.places import cache_dir

EASY_VOICE = "espeak:en-gb+m3"
VOICES = (EASY_VOICE, "espeak:en-gb+f2", "flite:rms", "flite:slt", "flite:awb", "espeak:en-us+f4", "espeak:en-gb+m5")
FLITE_VOICES = ("kal", "kal16", "awb", "rms", "slt")
"""flite itself takes its default for a name that it doesn't know."""
SPEECH_DBFS = -23.0
"""RMS of a rendered utterance."""
RENDER_S = 20.0

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Tool:
    program: str
    package: str


_TOOLS = {
    "espeak": _Tool("espeak-ng", "espeak-ng"),
    "flite": _Tool("flite", "flite"),
    "festival": _Tool("text2wave", "festival festvox-kallpc16k"),
}


async def render(text: str, voice: str = EASY_VOICE) -> bytes:
    """s16le mono 16 kHz of `text`, silence at both ends cut off, whole frames; raises LabError."""
    key = hashlib.sha256(f"{voice}\n{text}".encode()).hexdigest()[:32]
    kept = cache_dir() / "voices" / f"{key}.s16"
    if kept.exists():
        return await asyncio.to_thread(kept.read_bytes)
    with tempfile.TemporaryDirectory(prefix="ari-app-voice-") as folder:
        target = Path(folder) / "speech.wav"
        await _run(voice, text, target)
        audio = await asyncio.to_thread(_prepared, target)
    if not audio:
        raise LabError(f'voice {voice} said nothing for "{text}"')
    await asyncio.to_thread(_keep, kept, audio)
    return audio


def with_noise(audio: bytes, *, snr_db: float, seed: int = 1) -> bytes:
    """`audio` with steady room noise (falling with frequency) at this signal-to-noise ratio; repeatable by `seed`."""
    speech = np.frombuffer(audio, dtype="<i2").astype(np.float32)
    noise = room_noise(len(speech), seed=seed)
    level = _rms(speech) / 10 ** (snr_db / 20) / max(_rms(noise), 1e-9)
    return _to_bytes(speech + noise * level)


def room_noise(samples: int, *, seed: int = 1) -> Samples:
    """Pink-like noise, RMS 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(max(samples, 2)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 20))
    noise = np.fft.irfft(spectrum, max(samples, 2))[:samples].astype(np.float32)
    return np.asarray(noise / max(_rms(noise), 1e-9), dtype=np.float32)


async def _run(voice: str, text: str, target: Path) -> None:
    kind, _, name = voice.partition(":")
    tool = _TOOLS.get(kind)
    if tool is None or not name or (kind == "flite" and name not in FLITE_VOICES):
        raise LabError(f'"{voice}" is no voice: write espeak:en-gb+m3, flite:rms or festival:ked')
    program = shutil.which(tool.program)
    if program is None:
        raise LabError(f"{tool.program} is missing: apt-get install {tool.package}")
    arguments, given = _arguments(kind, name, text, target)
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RENDER_S):
            _, said = await process.communicate(given.encode())
    except BaseException:
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        raise LabError(f"{tool.program} failed for voice {voice}: {said.decode('utf-8', 'replace').strip()[:200]}")


def _arguments(kind: str, name: str, text: str, target: Path) -> tuple[list[str], str]:
    """Program arguments, and what is written to its standard input."""
    match kind:
        case "espeak":
            return ["-v", name, "-s", "150", "-w", str(target), "--stdin"], text
        case "flite":
            return ["-voice", name, "-t", text, "-o", str(target)], ""
        case _:
            return ["-eval", f"(voice_{name}_diphone)", "-o", str(target)], text


def _prepared(path: Path) -> bytes:
    if not path.exists():
        return b""
    with wave.open(io.BytesIO(path.read_bytes())) as file:
        rate_hz = file.getframerate()
        raw = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32)
    samples = np.asarray(soxr.resample(raw, rate_hz, RATE_HZ), dtype=np.float32) if len(raw) else raw
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.max(np.abs(samples), initial=1.0))
    if not len(loud):
        return b""
    samples = samples[loud[0] : loud[-1] + 1]
    return _to_bytes(samples * (32768 * 10 ** (SPEECH_DBFS / 20) / max(_rms(samples), 1.0)))


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def _to_bytes(samples: Samples) -> bytes:
    audio = np.clip(samples, -32768, 32767).astype("<i2").tobytes()
    return audio + bytes(-len(audio) % FRAME_BYTES)


def _keep(path: Path, audio: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(audio)
    Path(part).replace(path)
