"""Spectra: magnitudes over time and a log-mel picture scale, mean power, and where a sound ends.

The mel scale is Slaney's (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above, triangles of
equal area. It serves measuring and drawing; the engines own the mel their checkpoints were trained on.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.float64]

_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
_ENDS_DB = -50.0
"""What lies so far below the strongest part of a spectrum does not count."""
_FALL_DB = 4.0
"""A filter's edge falls by more than this in a sixth of an octave; sounds themselves hardly do."""
_WINDOW_S = 0.085
_SILENT = 1e-9


def hz_to_mel(hz: Any) -> NDArray[np.float64]:
    """Slaney mels of frequencies in Hz (scalar or array, >= 0)."""
    hz = np.asarray(hz, dtype=np.float64)
    logarithmic = _BREAK_MEL + np.log(np.maximum(hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.asarray(np.where(hz < _BREAK_HZ, hz / _LINEAR_HZ_PER_MEL, logarithmic), dtype=np.float64)


def mel_to_hz(mel: Any) -> NDArray[np.float64]:
    """Frequencies in Hz of Slaney mels: the inverse of :func:`hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.asarray(np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic), dtype=np.float64)


def window_frames(rate: int) -> int:
    """The power of two that spans at least 40 ms at ``rate`` Hz: 2048 frames at 48 kHz."""
    return 1 << max(4, int(np.ceil(np.log2(rate * 0.040))))


def magnitudes(mono: NDArray[np.floating[Any]], window: int, hop: int) -> Frames:
    """Magnitude spectra, ``[columns, window // 2 + 1]``; a full-scale sine reads 1.0.

    Column ``k`` is centred on frame ``k * hop``; the signal is taken as silent outside its ends.
    ``mono`` is ``[n]``; there is always at least one column.
    """
    padded = np.pad(np.asarray(mono, dtype=np.float64), window // 2)
    padded = np.pad(padded, (0, max(0, window - len(padded))))
    shape = np.hanning(window + 1)[:-1]
    views = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    spectrum = np.fft.rfft(views * shape, axis=1)
    return np.asarray(np.abs(spectrum) * (2.0 / shape.sum()), dtype=np.float64)


def mel_filters(rate: int, window: int, bands: int, low: float = 0.0, high: float | None = None) -> Frames:
    """Triangular mel filters of equal area, ``[bands, window // 2 + 1]``, from ``low`` to ``high`` Hz
    (default rate / 2).
    """
    top = rate / 2.0 if high is None else high
    edges = mel_to_hz(np.linspace(hz_to_mel(low), hz_to_mel(top), bands + 2))
    bins = np.fft.rfftfreq(window, 1.0 / rate)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], dtype=np.float64)


def log_mel(
    mono: NDArray[np.floating[Any]],
    rate: int,
    *,
    bands: int = 128,
    columns: int = 1200,
    high: float | None = None,
) -> Frames:
    """Mel spectrogram in dB, ``[columns, bands]``: the loudest cell is 0 dB, the floor -80 dB.

    The bands reach up to ``high`` Hz (default rate / 2). There are about ``columns`` columns; the hop never
    falls under 1/64 of the window, so a very short clip gets fewer.
    """
    window = window_frames(rate)
    hop = max(window // 64, -(-len(mono) // columns))
    power = magnitudes(mono, window, hop) ** 2 @ mel_filters(rate, window, bands, high=high).T
    loudest = float(power.max())
    if loudest <= 0.0:
        return np.full(power.shape, -80.0)
    return np.maximum(10.0 * np.log10(np.maximum(power / loudest, 1e-12)), -80.0)


def mean_power(signal: NDArray[np.float64], rate: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean power spectrum of `signal` and the Hz of its bins, in windows that overlap by half (Welch
    1967)."""
    size = round(_WINDOW_S * rate)
    padded = np.pad(signal, (0, max(0, size - len(signal))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 2]
    spectra = np.abs(np.fft.rfft(windows * np.hanning(size), axis=1)) ** 2
    power: NDArray[np.float64] = spectra.mean(axis=0) / size
    hertz: NDArray[np.float64] = np.arange(len(power), dtype=np.float64) * (rate / size)
    return power, hertz


def edge(samples: NDArray[np.float32], rate: int) -> float:
    """Where the spectrum of `samples` `[channels, n]` at `rate` Hz ends, in Hz; 0 for silence.

    That is where its last fall begins, a sixth of an octave at a time: a cutoff further up would leave a hole
    between what the filter that dulled it let through and what is made anew. At most half the rate, where it
    does not fall. A lone tone counts as sound up to its sixth; one beside another as loud may be cut.
    """
    power, hertz = mean_power(samples.mean(axis=0, dtype=np.float64), rate)
    # the first of them is everything below
    tops = 200.0 * 2 ** (np.arange(0, 60) / 6)
    tops = tops[tops < rate / 2]
    floors = np.concatenate([[0.0], tops[:-1]])
    sixths = np.array(
        [power[(hertz >= low) & (hertz < top)].mean() for low, top in zip(floors, tops, strict=True)]
    )
    if sixths.max(initial=0.0) < _SILENT:
        return 0.0
    decibels = 10 * np.log10(sixths + _SILENT)
    last = int(np.flatnonzero(decibels > decibels.max() + _ENDS_DB)[-1])
    while last > 0 and decibels[last] < decibels[last - 1] - _FALL_DB:
        last -= 1
    if last == len(tops) - 1:
        return rate / 2
    # the fall may begin inside the last sixth, unless that stands out as a tone does
    alone = last == 0 or decibels[last] > decibels[last - 1] + _FALL_DB
    return float(tops[last] if alone else floors[last])
