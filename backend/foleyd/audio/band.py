"""A recording whose top is made anew: its own samples below a cutoff, the model's above."""

from __future__ import annotations

import math

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d
from scipy.signal import fftconvolve, firwin, kaiser_atten, kaiser_beta

from foleyd.audio.spectrum import edge, mean_power
from foleyd.errors import BadRequest

LOWEST, HIGHEST = 500.0, 7_200.0
"""Hz: where a cutoff may lie, for a model that reaches 8 kHz."""
CROSSOVER = 1.12
"""The model has taken over at the cutoff times this."""
STOPBAND_DB = 80.0
"""How far below the recording the model's sound is beneath the cutoff, and the recording above the
crossover."""
_HELD = 0.9
"""The share of half its rate up to which a recording is whole: above it are its converter's filters."""
_GIVING_WAY_S = 0.008
"""Around a peak, highs that have to be quieter are so for this long."""
_FULL = 0.99
_TRIES = 12
_SILENT = 1e-9


def cutoff(asked: float | None, samples: NDArray[np.float32], rate: int) -> float:
    """The cutoff in Hz that was asked for, else where the recording ends, inside what a model can add to and
    below what `rate` holds.

    Raises BadRequest where nothing was asked for and the recording goes on to where a model ends.
    """
    found = edge(samples, rate) if asked is None else asked
    if asked is None and found > HIGHEST:
        raise BadRequest(
            f"the source sounds up to {found / 1000:.1f} kHz, where models end: there is nothing to add, so "
            "leave it as it is, or give a cutoff to have everything above that made anew."
        )
    return min(max(found, LOWEST), HIGHEST, _HELD * rate / 2 / CROSSOVER)


def topped(
    source: NDArray[np.float32], rate: int, take: NDArray[np.float32], take_rate: int, cut: float
) -> tuple[NDArray[np.float32], int]:
    """`source` `[channels, n]` at `rate` Hz below `cut` Hz, and above it `take` `[m]` at `take_rate` Hz,
    which has the same seconds; and the rate of the result: the source's own, unless that is the lower one.

    The crossover is a linear-phase filter and what it leaves, so that below `cut` the samples are the
    source's own to `STOPBAND_DB`. The take is made as loud as the source just below the cutoff,
    where both have the same sound, and no louder than full scale; it is in the middle of a wide source.
    """
    own = source.astype(np.float64)
    if rate < take_rate:
        own, rate = soxr.resample(own.T, rate, take_rate, "VHQ").T, take_rate
    frames = own.shape[1]
    new = take.astype(np.float64)
    if take_rate != rate:
        new = soxr.resample(new, take_rate, rate, "VHQ")
    new = np.pad(new, (0, max(0, frames - len(new))))[:frames]
    new *= _gain(own.mean(axis=0), new, rate, cut)
    high = _high_pass(rate, cut)
    lows = np.stack([channel - _through(channel, high) for channel in own])
    made = lows + _fitted(lows, _through(new, high), high, rate)
    return np.clip(made, -1, 1).astype(np.float32), rate


def _fitted(
    lows: NDArray[np.float64], highs: NDArray[np.float64], high: NDArray[np.float64], rate: int
) -> NDArray[np.float64]:
    """`highs` `[n]`, quieter where they would take `lows` `[channels, n]` past full scale: what is cut off
    there would be heard below the cutoff too."""
    size = round(_GIVING_WAY_S * rate) | 1
    window = np.hanning(size + 2)[1:-1]
    for _ in range(_TRIES):
        if np.abs(lows + highs).max(initial=0.0) <= 1:
            return highs
        least = minimum_filter1d(_room(lows, highs), size, mode="nearest")
        gain = fftconvolve(np.pad(least, size // 2, mode="edge"), window / window.sum(), mode="valid")
        highs = _through(highs * gain, high)
    fitted: NDArray[np.float64] = highs * _room(lows, highs).min(initial=1.0)
    return fitted


def _room(lows: NDArray[np.float64], highs: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of each sample of `highs` there is room for, 0 to 1."""
    left = (_FULL - np.sign(highs) * lows).min(axis=0)
    found: NDArray[np.float64] = np.clip(left / np.maximum(np.abs(highs), _SILENT), 0, 1)
    return found


def _high_pass(rate: int, cut: float) -> NDArray[np.float64]:
    width = cut * (CROSSOVER - 1)
    taps = math.ceil((STOPBAND_DB - 7.95) / (2.285 * 2 * math.pi * width / rate)) | 1
    beta = kaiser_beta(max(STOPBAND_DB, kaiser_atten(taps, width / (rate / 2))))
    found: NDArray[np.float64] = firwin(
        taps, cut + width / 2, pass_zero=False, window=("kaiser", beta), fs=rate
    )
    return found


def _through(signal: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    # mirrored, for a step where the sound is cut would be taken for highs
    around = np.pad(signal, len(taps) // 2, mode="symmetric")
    found: NDArray[np.float64] = fftconvolve(around, taps, mode="valid")
    return found


def _gain(source: NDArray[np.float64], new: NDArray[np.float64], rate: int, cut: float) -> float:
    sizes = []
    for one in (source, new):
        power, hertz = mean_power(one, rate)
        sizes.append(float(power[(hertz > 0.84 * cut) & (hertz < 0.97 * cut)].sum()))
    own, made = sizes
    return math.sqrt(own / made) if min(sizes) > _SILENT else 0.0
