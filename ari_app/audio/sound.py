"""What a frame sounds like, before any word is known: speech, or a hum, a cough, a click.

Telephone speech spreads over the band: vowels have formants above 700 Hz, while "mm" keeps all its energy in the lowest
ones. A cough or breath is noise: no pitch, a flat spectrum. One frame tells little; who asks counts frames.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ari_app.audio.frames import RATE_HZ

HUM_BELOW_HZ = 650
BAND_HZ = (200, 3400)
HUM_HIGH_SHARE = 0.03
NOISE_FLATNESS = 0.5
MIN_LEVEL = 60.0
"""RMS in sample units below which nothing is said about a frame."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One frame's features."""

    high_share: float
    """Share of the band's energy above HUM_BELOW_HZ."""
    flatness: float
    """Spectral flatness of the band, 0 tonal .. 1 noise."""
    periodicity: float
    """Highest normalised autocorrelation at a voice's pitch, 0..1."""

    @property
    def is_hum(self) -> bool:
        return self.high_share < HUM_HIGH_SHARE

    @property
    def is_noise(self) -> bool:
        return self.flatness > NOISE_FLATNESS and self.periodicity < 0.4

    @property
    def is_speechlike(self) -> bool:
        return not self.is_hum and not self.is_noise


def sound_of(frame: bytes) -> Sound | None:
    """Features of a frame (20 ms or more of s16le mono 16 kHz); None where it is too quiet or too short to tell."""
    samples = np.frombuffer(frame[: len(frame) & ~1], dtype="<i2").astype(np.float64)
    if len(samples) < RATE_HZ // 100 or float(np.sqrt(np.mean(samples**2))) < MIN_LEVEL:
        return None
    samples = samples - samples.mean()
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    in_band = power[(hertz >= BAND_HZ[0]) & (hertz <= BAND_HZ[1])] + 1e-9
    high = power[(hertz > HUM_BELOW_HZ) & (hertz <= BAND_HZ[1])].sum()
    flatness = float(np.exp(np.mean(np.log(in_band))) / np.mean(in_band))
    return Sound(float(high / in_band.sum()), flatness, _periodicity(samples))


def is_speechlike(frame: bytes) -> bool:
    """Whether a frame may be speech; a quiet one counts as such, silence is the VAD's business."""
    sound = sound_of(frame)
    return sound is None or sound.is_speechlike


def _periodicity(samples: NDArray[np.float64]) -> float:
    """Autocorrelation between 80 and 400 Hz, normalised by the energy of the overlapping parts."""
    shortest, longest = RATE_HZ // 400, min(RATE_HZ // 80, len(samples) - RATE_HZ // 400)
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)[: len(samples)]
    energy = np.cumsum(samples**2)
    lags = np.arange(shortest, longest)
    if not len(lags):
        return 0.0
    first = energy[len(samples) - lags - 1]
    second = energy[-1] - energy[lags - 1]
    normalised = correlation[lags] / np.sqrt(first * second + 1e-9)
    return float(np.clip(normalised.max(), 0.0, 1.0))
