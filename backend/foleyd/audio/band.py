"""A recording of which some frequencies are made anew, its top or a band: elsewhere its own samples stay.

Every joint is a linear-phase filter and what it leaves, inside what is made anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import soxr
from numpy.typing import NDArray

from foleyd.anew import HELD
from foleyd.audio.patch import BESIDE_SECONDS, FADE_SECONDS, resized
from foleyd.audio.spectrum import edge, mean_power
from foleyd.errors import BadRequest

LOWEST_HEARD = 30.0
"""Hz: below it a recording's rumble says nothing about its level."""
LOWEST, HIGHEST = 500.0, 7_200.0
"""Hz: where a cutoff may lie, for a model that reaches 8 kHz."""
CROSSOVER = 1.12
"""The model has taken over at the cutoff times this."""
STOPBAND_DB = 80.0
"""How far below the recording the model's sound is beneath the cutoff, and the recording above the
crossover."""
_STRIP, _BELOW, _ABOVE = (0.84, 0.97), (0.7, 0.97), (CROSSOVER, 1.5)
"""Shares of a cutoff: where levels are compared, and what lies on both sides of the joint."""
_GIVING_WAY_S = 0.008
"""Around a peak, highs that have to be quieter are so for this long."""
_FULL = 0.99
_TRIES = 12
_SILENT = 1e-9
_BESIDE_SHARE = 1e-4
"""Of a recording's power, what has to lie beside a band to say how loud it is there."""
_FADE_PERIODS = 2.0
"""Joints in time last this many periods of a band's lowest frequency at least: shorter ones would be heard
outside it."""
_LONGEST_FADE_S = 0.040


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
    return min(max(found, LOWEST), HIGHEST, HELD * rate / 2 / CROSSOVER)


def topped(
    source: NDArray[np.float32], rate: int, take: NDArray[np.float32], take_rate: int, cut: float
) -> tuple[NDArray[np.float32], int]:
    """`source` `[channels, n]` at `rate` Hz below `cut` Hz, and above it `take` `[m]` at `take_rate` Hz,
    which has the same seconds; and the rate of the result: the source's own, unless that is the lower one.

    The crossover is a linear-phase filter and what it leaves, so that below `cut` the samples are the
    source's own to `STOPBAND_DB`. The take is made as loud as the source just below the cutoff,
    where both have the same sound, but its highs no denser than what the source has there, and no louder
    than full scale; it is in the middle of a wide source.
    """
    own = source.astype(np.float64)
    if rate < take_rate:
        own, rate = soxr.resample(own.T, rate, take_rate, "VHQ").T, take_rate
    frames = own.shape[1]
    new = resized(take, take_rate, rate, frames)
    new *= _gain(own.mean(axis=0), new, rate, cut)
    high = _high_pass(rate, cut)
    lows = np.stack([channel - _through(channel, high) for channel in own])
    made = lows + _fitted(lows, _through(new, high), lambda signal: _through(signal, high), rate)
    return np.clip(made, -1, 1).astype(np.float32), rate


def redone(
    source: NDArray[np.float32],
    rate: int,
    take: NDArray[np.float32],
    take_rate: int,
    low: float,
    high: float,
    start: float = 0.0,
    stop: float = math.inf,
) -> NDArray[np.float32]:
    """`source` `[channels, n]` at `rate` Hz with what lies between `low` and `high` Hz (0 and infinite: no
    such end) in seconds `start` to `stop` taken from `take` `[m]` at `take_rate` Hz, which has the same
    seconds. Outside the band the samples are the source's own to `STOPBAND_DB`, outside the range to the bit.

    The take is made as loud as the source beside the band, where both have the same sound, in the middle of a
    wide source, and no louder than full scale.
    """
    frames = source.shape[1]
    own, new = source.astype(np.float64), resized(take, take_rate, rate, frames)
    first, end = (round(min(second * rate, frames)) for second in (start, stop))
    near = slice(max(0, first - round(BESIDE_SECONDS * rate)), end + round(BESIDE_SECONDS * rate))
    new *= _gain_beside(own.mean(axis=0)[near], new[near], rate, low, high)
    passing = _band_pass(rate, low, high)
    band = np.stack([passing(channel) for channel in own])
    rest = own - band
    fresh = _fitted(rest, passing(new), passing, rate)
    seconds = max(FADE_SECONDS, min(_LONGEST_FADE_S, _FADE_PERIODS / low) if low else _LONGEST_FADE_S)
    fade = min(round(seconds * rate), (end - first) // 2)
    angle = np.zeros(frames)
    angle[first:end] = np.pi / 2
    rise = np.pi / 2 * (np.arange(fade) + 0.5) / max(fade, 1)
    if first > 0:
        angle[first : first + fade] = rise
    if end < frames:
        angle[end - fade : end] = rise[::-1]
    made = source.copy()
    inside = rest + band * np.cos(angle) + fresh * np.sin(angle)
    made[:, first:end] = np.clip(inside[:, first:end], -1, 1)
    return made


def _band_pass(rate: int, low: float, high: float) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """What lets through what lies between `low` and `high` Hz, with both crossovers inside."""
    bottom = _high_pass(rate, low) if low else None
    top = _high_pass(rate, high / CROSSOVER) if math.isfinite(high) else None

    def passing(signal: NDArray[np.float64]) -> NDArray[np.float64]:
        above = signal if bottom is None else _through(signal, bottom)
        return above if top is None else above - _through(signal, top)

    return passing


def _gain_beside(
    source: NDArray[np.float64], new: NDArray[np.float64], rate: int, low: float, high: float
) -> float:
    """What makes `new` as loud as `source` close to the band; anywhere outside it where that says too little;
    as high where there is nothing outside."""
    (own, hertz), made = mean_power(source, rate), mean_power(new, rate)[0]
    heard = (hertz > LOWEST_HEARD) & (hertz < HIGHEST)
    outside = heard & ((hertz < 0.97 * low) | (hertz > 1.03 * high))
    close = outside & (((hertz > 0.75 * low) & (hertz < low)) | ((hertz > high) & (hertz < 1.33 * high)))
    for places in (close, outside):
        sizes = float(own[places].sum()), float(made[places].sum())
        if min(sizes) > _SILENT and all(
            size > _BESIDE_SHARE * whole[heard].sum() for size, whole in zip(sizes, (own, made), strict=True)
        ):
            return math.sqrt(sizes[0] / sizes[1])
    peaks = [float(np.abs(one).max(initial=0.0)) for one in (source, new)]
    return peaks[0] / peaks[1] if min(peaks) > _SILENT else 1.0


def _fitted(
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    passing: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rate: int,
) -> NDArray[np.float64]:
    """`highs` `[n]`, quieter where they would take `lows` `[channels, n]` past full scale: what is cut off
    there would be heard below the cutoff too. `passing` lets their band through."""
    # imported on use, here and below: scipy.signal takes a second, and few commands work on a band
    from scipy.ndimage import minimum_filter1d
    from scipy.signal import fftconvolve

    size = round(_GIVING_WAY_S * rate) | 1
    window = np.hanning(size + 2)[1:-1]
    for _ in range(_TRIES):
        if np.abs(lows + highs).max(initial=0.0) <= 1:
            return highs
        least = minimum_filter1d(_room(lows, highs), size, mode="nearest")
        gain = fftconvolve(np.pad(least, size // 2, mode="edge"), window / window.sum(), mode="valid")
        highs = passing(highs * gain)
    fitted: NDArray[np.float64] = highs * _room(lows, highs).min(initial=1.0)
    return fitted


def _room(lows: NDArray[np.float64], highs: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of each sample of `highs` there is room for, 0 to 1."""
    left = (_FULL - np.sign(highs) * lows).min(axis=0)
    found: NDArray[np.float64] = np.clip(left / np.maximum(np.abs(highs), _SILENT), 0, 1)
    return found


def _high_pass(rate: int, cut: float) -> NDArray[np.float64]:
    from scipy.signal import firwin, kaiser_atten, kaiser_beta

    width = cut * (CROSSOVER - 1)
    taps = math.ceil((STOPBAND_DB - 7.95) / (2.285 * 2 * math.pi * width / rate)) | 1
    beta = kaiser_beta(max(STOPBAND_DB, kaiser_atten(taps, width / (rate / 2))))
    found: NDArray[np.float64] = firwin(
        taps, cut + width / 2, pass_zero=False, window=("kaiser", beta), fs=rate
    )
    return found


def _through(signal: NDArray[np.float64], taps: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.signal import fftconvolve

    # mirrored, for a step where the sound is cut would be taken for highs
    around = np.pad(signal, len(taps) // 2, mode="symmetric")
    found: NDArray[np.float64] = fftconvolve(around, taps, mode="valid")
    return found


def _gain(source: NDArray[np.float64], new: NDArray[np.float64], rate: int, cut: float) -> float:
    """What makes `new` as loud as `source` just below the cutoff, and its highs no denser there than what the
    source has beneath them: those of a take that is weak where levels are compared would leap out."""
    (own, hertz), made = mean_power(source, rate), mean_power(new, rate)[0]
    strip, below, above = (
        (hertz > low * cut) & (hertz < high * cut) for low, high in (_STRIP, _BELOW, _ABOVE)
    )
    sizes = float(own[strip].sum()), float(made[strip].sum())
    if min(sizes) <= _SILENT:
        return 0.0
    gain, highs = sizes[0] / sizes[1], float(made[above].mean())
    return math.sqrt(min(gain, float(own[below].mean()) / highs) if highs > 0 else gain)
