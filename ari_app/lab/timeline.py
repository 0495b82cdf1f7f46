"""What went one way of a call, frame by frame, with the moment of each: for measuring and for recordings.

Moments are `time.monotonic()` seconds. A frame (20 ms) is at its moment when it is the first after a gap; while frames
follow each other without one, they stand exactly 20 ms apart and only their common origin is taken from the clock, so
that the jitter of reading them doesn't move a sample.
"""

import array
import math
import sys
from dataclasses import dataclass, field
from itertools import pairwise

from ari_app.audio.frames import FRAME_BYTES, FRAME_S, RATE_HZ

GAP_S = 0.1
"""A frame that comes later than this after the end of the one before begins a new run."""
SOUND_DBFS = -45.0
"""A frame louder than this holds a sound."""
SAMPLE_S = 1 / RATE_HZ


@dataclass(slots=True)
class _Run:
    """Frames without a gap."""

    origin_s: float
    """The earliest that its first frame can have begun, as its frames came."""
    frames: list[bytes] = field(default_factory=list)

    @property
    def end_s(self) -> float:
        return self.origin_s + len(self.frames) * FRAME_S


@dataclass(slots=True)
class Timeline:
    """Frames of one direction."""

    runs: list[_Run] = field(default_factory=list)
    peaks: list[list[int]] = field(default_factory=list)
    """Per run, each frame's loudest sample."""

    def add(self, frame: bytes, at_s: float) -> None:
        """A whole frame whose first sample is at `at_s`, or somewhat earlier where reading it was late."""
        if not self.runs or at_s > self.runs[-1].end_s + GAP_S:
            self.runs.append(_Run(at_s))
            self.peaks.append([])
        run = self.runs[-1]
        run.origin_s = min(run.origin_s, at_s - len(run.frames) * FRAME_S)
        run.frames.append(frame)
        self.peaks[-1].append(_peak(frame))

    @property
    def end_s(self) -> float:
        """End of the last frame; 0 where there is none."""
        return self.runs[-1].end_s if self.runs else 0.0

    def first_sound_s(self, after_s: float, *, dbfs: float = SOUND_DBFS) -> float | None:
        """Moment of the first sample after `after_s` in a frame that is louder than `dbfs`; None: not yet."""
        floor = _amplitude(dbfs)
        for run, peaks in zip(self.runs, self.peaks, strict=True):
            for index in range(max(0, int((after_s - run.origin_s) / FRAME_S)), len(peaks)):
                if peaks[index] > floor:
                    moment = run.origin_s + index * FRAME_S + _offset(run.frames[index], floor) * SAMPLE_S
                    if moment >= after_s:
                        return moment
        return None

    def last_sound_s(self, after_s: float, *, dbfs: float = SOUND_DBFS) -> float | None:
        """End of the last frame after `after_s` that is louder than `dbfs`; None: there is none."""
        floor = _amplitude(dbfs)
        for run, peaks in zip(reversed(self.runs), reversed(self.peaks), strict=True):
            for index in range(len(peaks) - 1, -1, -1):
                end_s = run.origin_s + (index + 1) * FRAME_S
                if end_s <= after_s:
                    return None
                if peaks[index] > floor:
                    return end_s
        return None

    def loudest_dbfs(self, since_s: float, until_s: float) -> float:
        """Level of the loudest sample in this stretch; -120 for silence."""
        peaks = [
            peak
            for run, of_run in zip(self.runs, self.peaks, strict=True)
            for index, peak in enumerate(of_run)
            if since_s <= run.origin_s + index * FRAME_S < until_s
        ]
        loudest = max(peaks, default=0)
        return 20 * math.log10(loudest / 32768) if loudest else -120.0

    def loud_s(self, since_s: float, until_s: float, *, dbfs: float = SOUND_DBFS) -> list[float]:
        """Moments of the frames in this stretch that are louder than `dbfs`."""
        floor = _amplitude(dbfs)
        return [
            moment
            for run, peaks in zip(self.runs, self.peaks, strict=True)
            for index, peak in enumerate(peaks)
            if peak > floor and since_s <= (moment := run.origin_s + index * FRAME_S) < until_s
        ]

    def audio(self, since_s: float, until_s: float) -> bytes:
        """s16le mono 16 kHz of exactly this stretch, silence where nothing came."""
        length = max(0, round((until_s - since_s) * RATE_HZ))
        cut = bytearray(length * 2)
        for run in self.runs:
            if run.end_s <= since_s or run.origin_s >= until_s:
                continue
            first = max(0, int((since_s - run.origin_s) / FRAME_S))
            last = min(len(run.frames), int((until_s - run.origin_s) / FRAME_S) + 1)
            joined = b"".join(run.frames[first:last])
            offset = round((run.origin_s + first * FRAME_S - since_s) * RATE_HZ) * 2
            if offset < 0:
                joined, offset = joined[-offset:], 0
            joined = joined[: max(0, len(cut) - offset)]
            cut[offset : offset + len(joined)] = joined
        return bytes(cut)


def longest_quiet_s(since_s: float, until_s: float, *sides: Timeline) -> float:
    """The longest stretch in which nothing was loud on any side."""
    loud_s = sorted(moment for side in sides for moment in side.loud_s(since_s, until_s))
    moments = [since_s, *loud_s, until_s]
    return max((after - before for before, after in pairwise(moments)), default=0.0)


def _samples(frame: bytes) -> "array.array[int]":
    samples = array.array("h", frame[:FRAME_BYTES])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _peak(frame: bytes) -> int:
    samples = _samples(frame)
    return max(max(samples), -min(samples))


def _offset(frame: bytes, floor: float) -> int:
    """Index of the first sample above `floor`."""
    return next(index for index, sample in enumerate(_samples(frame)) if abs(sample) > floor)


def _amplitude(dbfs: float) -> float:
    return 32768 * float(10 ** (dbfs / 20))
