"""Figures about a sound: levels, loudness, where it starts and ends, what its spectrum does.

Samples are ``[n]`` or ``[channels, n]``, any float type, full scale 1.0. Every function leaves its argument
alone.
"""

import math
from typing import Any, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from foleyd.audio import spectrum

Samples = NDArray[np.floating[Any]]

SILENCE_DBFS = -60.0
"""A sound that never reaches this peak is silence."""
LOUDNESS_SECONDS = 0.4
"""One gating block of ITU-R BS.1770: anything shorter has no loudness."""
MAX_CHANNELS = 8
_FILTER = 256
"""Frames that a converter's filter reaches, and more."""
_AT_ONCE = 1 << 21

_BELOW_LOUDEST_DB = 60.0
_LOUD_FLOOR_DB = 40.0
_ABOVE_FLOOR_DB = 4.0
_SMOOTHING_STEPS = 20


def planar(samples: Samples) -> NDArray[np.float64]:
    """The samples as float64 ``[channels, n]``. ValueError for another shape, more than 8 channels, or no
    frames.
    """
    array = np.atleast_2d(np.asarray(samples, dtype=np.float64))
    if array.ndim != 2 or not 1 <= array.shape[0] <= MAX_CHANNELS or array.shape[1] == 0:
        raise ValueError(
            f"samples must be [n] or [channels, n] with 1 to {MAX_CHANNELS} channels, not {np.shape(samples)}"
        )
    return array


def decibels(amplitude: float) -> float:
    """An amplitude as dB relative to 1.0; -inf for nothing."""
    return 20.0 * math.log10(amplitude) if amplitude > 0.0 else -math.inf


def amplitude(db: float) -> float:
    """The amplitude that is ``db`` dB relative to 1.0."""
    return float(10.0 ** (db / 20.0))


def flaw(samples: Samples) -> Literal["nan", "inf"] | None:
    """``"nan"`` or ``"inf"`` when the samples hold one, else None."""
    array = np.asarray(samples)
    if np.isfinite(array).all():
        return None
    return "nan" if np.isnan(array).any() else "inf"


def peak(samples: Samples) -> float:
    """The largest absolute sample over all channels, linear."""
    return float(np.abs(planar(samples)).max())


def true_peak(samples: Samples, rate: int) -> float:
    """The largest absolute value of the waveform between the samples too, linear, over all channels.

    Oversampled 8 times (4 from 88.2 kHz up; ITU-R BS.1770-4 annex 2 asks for at least 4), with room at both
    ends for what a converter's filter swings past them. At 8 times the reading is at most 0.17 dB low, and
    that only at the Nyquist frequency.
    """
    array = planar(samples)
    factor = 8 if rate < 88_200 else 4
    highest = float(np.abs(array).max())
    for channel in array:
        padded = np.pad(channel, _FILTER)
        # minutes of it would be gigabytes eight times as fine
        for begin in range(0, len(padded), _AT_ONCE):
            part = padded[max(0, begin - _FILTER) : begin + _AT_ONCE + _FILTER]
            swung = soxr.resample(part, rate, rate * factor, "HQ")
            highest = max(highest, float(np.abs(swung).max()))
    return highest


def true_peak_dbtp(samples: Samples, rate: int) -> float:
    """:func:`true_peak` in dBTP; -inf for digital silence."""
    return decibels(true_peak(samples, rate))


def rms(samples: Samples) -> float:
    """Root mean square over all channels and frames, linear."""
    return float(np.sqrt(np.mean(np.square(planar(samples)))))


def lufs(samples: Samples, rate: int) -> float | None:
    """Integrated loudness in LUFS (ITU-R BS.1770-4, gated); None under 0.4 s or when all of it lies below
    the gate.

    Channels add up, as they do in a room: the same sound on two channels reads 3 LU more than on one.
    """
    array = planar(samples)
    if array.shape[1] < math.ceil(LOUDNESS_SECONDS * rate) or array.shape[0] > 5:
        return None
    # Imported on use: it brings scipy.signal, most of a second, to programs that only look at peaks.
    import pyloudnorm

    value = float(pyloudnorm.Meter(rate).integrated_loudness(array.T))
    return value if math.isfinite(value) else None


def is_silent(samples: Samples, dbfs: float = SILENCE_DBFS) -> bool:
    """Whether the sound, its constant offset aside, never rises above ``dbfs``."""
    array = planar(samples)
    return decibels(float(np.abs(array - np.median(array, axis=1, keepdims=True)).max())) < dbfs


def onset_frame(samples: Samples, rate: int) -> int:
    """The first frame of the first audible millisecond; 0 when nothing is audible.

    Audible is what stands above the floor: 60 dB under the loudest millisecond, or, where the sound never
    gets that quiet (hiss, a room), 4 dB above its quietest twentieth, but at most 40 dB under the loudest.
    """
    first, _ = _audible(samples, rate)
    return first


def end_frame(samples: Samples, rate: int) -> int:
    """One past the last frame of the last audible millisecond; 0 when nothing is audible.

    The floor is that of :func:`onset_frame`.
    """
    _, end = _audible(samples, rate)
    return end


def _audible(samples: Samples, rate: int) -> tuple[int, int]:
    array = planar(samples)
    frames, step = array.shape[1], max(1, round(rate / 1000))
    # A constant offset would otherwise pass for sound from the first frame to the last.
    centred = array - np.median(array, axis=1, keepdims=True)
    whole = np.pad(centred, ((0, 0), (0, -frames % step))).reshape(len(array), -1, step)
    power = np.square(whole).mean(axis=2).max(axis=0)
    # A millisecond of hiss is a gamble; the mean of twenty decides, and the millisecond only says where.
    window = min(_SMOOTHING_STEPS, len(power))
    smooth = np.convolve(power, np.full(window, 1.0 / window), mode="valid")
    loudest = float(power.max())
    hiss = float(np.percentile(smooth, 5)) * amplitude(_ABOVE_FLOOR_DB) ** 2
    floor = max(
        loudest * amplitude(-_BELOW_LOUDEST_DB) ** 2, min(hiss, loudest * amplitude(-_LOUD_FLOOR_DB) ** 2)
    )
    if not (smooth > floor).any():
        return 0, 0
    audible = np.flatnonzero(smooth > floor)
    head, tail = int(audible[0]), int(audible[-1])
    first = head + int(np.argmax(power[head : head + window] > floor))
    last = tail + window - 1 - int(np.argmax(power[tail : tail + window][::-1] > floor))
    return first * step, min(frames, (last + 1) * step)


def centroid(samples: Samples, rate: int) -> float:
    """The spectral centre of gravity in Hz, columns weighted by their energy; 0.0 for silence."""
    power = _power(samples, rate)
    total = float(power.sum())
    bins = np.linspace(0.0, rate / 2.0, power.shape[1])
    return float((power.sum(axis=0) @ bins) / total) if total > 0.0 else 0.0


def flux(samples: Samples, rate: int) -> float:
    """How much the spectrum changes, 0 (steady) to about 1 (all new each 10 ms).

    The rise of every bin's magnitude from one column to the next, summed, over the sum of the magnitudes
    that could rise.
    """
    magnitude = np.sqrt(_power(samples, rate))
    rises = np.maximum(0.0, np.diff(magnitude, axis=0)).sum()
    total = float(magnitude[1:].sum())
    return float(rises) / total if total > 0.0 else 0.0


def correlation(samples: Samples) -> float:
    """How alike left and right are, -1 (opposite) to 1 (mono); 1.0 for one channel, 0.0 when one of two is
    silent.

    ValueError for more than two channels.
    """
    array = planar(samples)
    if array.shape[0] == 1:
        return 1.0
    if array.shape[0] > 2:
        raise ValueError("correlation compares two channels")
    left, right = array
    energy = math.sqrt(float(left @ left) * float(right @ right))
    return float(left @ right) / energy if energy > 0.0 else 0.0


def _power(samples: Samples, rate: int) -> NDArray[np.float64]:
    mono = planar(samples).mean(axis=0)
    return spectrum.magnitudes(mono, spectrum.window_frames(rate), max(1, rate // 100)) ** 2
