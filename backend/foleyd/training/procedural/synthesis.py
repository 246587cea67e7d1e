"""What sounds made by rule are put together from: noise, filters, oscillators, envelopes, resonators.

After A. Farnell, *Designing Sound* (2010) and P. Cook, *Real Sound Synthesis for Interactive Applications*
(2002). Samples are at `RATE`, frequencies in Hz, times in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from foleyd.training.clips import RATE

Samples = npt.NDArray[np.float32]
Random = np.random.Generator


@dataclass(frozen=True)
class Drawn:
    """One rendered sound: samples and the phrases that describe it, best first."""

    samples: Samples
    phrases: tuple[str, ...]


def times(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(int(seconds * RATE)) / RATE


def white_noise(rng: Random, count: int) -> npt.NDArray[np.float64]:
    return rng.standard_normal(count)


def band_pass(signal: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.float64]:
    low, high = max(low, 20.0), min(high, RATE * 0.49)
    return np.asarray(sosfilt(butter(2, (low, high), "bandpass", fs=RATE, output="sos"), signal))


def low_pass(signal: npt.NDArray[np.float64], cutoff: float) -> npt.NDArray[np.float64]:
    return np.asarray(sosfilt(butter(2, min(cutoff, RATE * 0.49), "lowpass", fs=RATE, output="sos"), signal))


def sine(frequency: npt.NDArray[np.float64] | float, count: int) -> npt.NDArray[np.float64]:
    cycles = np.cumsum(np.broadcast_to(np.asarray(frequency, float), (count,))) / RATE
    return np.asarray(np.sin(2 * np.pi * cycles))


def wander(rng: Random, count: int, rate: float, low: float, high: float) -> npt.NDArray[np.float64]:
    """A smooth random curve between `low` and `high`, about `rate` turns a second."""
    points = max(4, int(count / RATE * rate) + 3)
    knots = rng.uniform(low, high, points)
    place = np.linspace(0, points - 1.001, count)
    base = place.astype(int)
    blend = (1 - np.cos(np.pi * (place - base))) / 2
    following = np.minimum(base + 1, points - 1)
    curve: npt.NDArray[np.float64] = knots[base] * (1 - blend) + knots[following] * blend
    return curve


def decay(seconds: float, half_life: float) -> npt.NDArray[np.float64]:
    return np.asarray(0.5 ** (times(seconds) / half_life))


def struck(
    rng: Random, base: float, ratios: tuple[float, ...], ring: float, seconds: float
) -> npt.NDArray[np.float64]:
    """Struck resonator: partials at `base`×`ratios`, the higher the sooner gone; `ring` is the half-life in
    seconds."""
    time = times(seconds)
    total = np.zeros(len(time))
    for order, ratio in enumerate(ratios):
        frequency = base * ratio * rng.uniform(0.99, 1.01)
        if frequency < RATE * 0.48:
            half = ring / (1 + 0.5 * order)
            total += (
                rng.uniform(0.4, 1)
                / (1 + 0.3 * order)
                * np.sin(2 * np.pi * frequency * time)
                * 0.5 ** (time / half)
            )
    return total


def placed(events: list[tuple[float, npt.NDArray[np.float64]]], seconds: float) -> npt.NDArray[np.float64]:
    total = np.zeros(int(seconds * RATE))
    for start, sound in events:
        first = int(start * RATE)
        kept = sound[: max(0, len(total) - first)]
        total[first : first + len(kept)] += kept
    return total


def word_for(value: float, steps: tuple[tuple[float, str], ...]) -> str:
    return next(word for limit, word in steps if value <= limit)
