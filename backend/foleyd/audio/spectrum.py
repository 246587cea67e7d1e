"""Short-time spectra of a mono signal: magnitudes and a log-mel picture scale.

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
