"""Sample rates: soxr, one state per stream, so that no click marks the seam between two pieces."""

import numpy as np
import soxr

QUALITY = "HQ"


class StreamResampler:
    """Converts one stream of s16le mono audio; an odd byte waits for its other half.

    The first output comes a few milliseconds after the input (the filter's length); `flush` gives the rest.
    """

    def __init__(self, *, from_hz: int, to_hz: int) -> None:
        self.from_hz, self.to_hz = from_hz, to_hz
        self._half = b""
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=QUALITY)

    def push(self, audio: bytes) -> bytes:
        """The audio that is ready by now; may be empty, or more than one frame."""
        return self._convert(audio, is_last=False)

    def flush(self) -> bytes:
        """What is still inside; the stream can't be used again."""
        return self._convert(b"", is_last=True)

    def _convert(self, audio: bytes, *, is_last: bool) -> bytes:
        whole = self._half + audio
        even = len(whole) & ~1
        self._half = whole[even:]
        if self.from_hz == self.to_hz:
            return whole[:even]
        samples = np.frombuffer(whole[:even], dtype="<i2")
        return bytes(np.asarray(self._stream.resample_chunk(samples, last=is_last), dtype="<i2").tobytes())


def resample(audio: bytes, *, from_hz: int, to_hz: int) -> bytes:
    """A whole recording at once."""
    samples = np.frombuffer(audio[: len(audio) & ~1], dtype="<i2")
    if from_hz == to_hz or not len(samples):
        return samples.tobytes()
    return bytes(np.asarray(soxr.resample(samples, from_hz, to_hz, quality=QUALITY), dtype="<i2").tobytes())
