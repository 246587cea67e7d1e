"""Mono to stereo that folds back to the mono it came from.

``left = mid + side`` and ``right = mid - side``: whatever the side is, the sum of both channels is twice
the mono sound, so nothing cancels in a club, a phone or a game's mono bus.
"""

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

_TAPS = 24
_FIRST_SECONDS = 0.0015
_LAST_SECONDS = 0.030
_DECAY_DB = 30.0
_SIDE_LEVEL = 0.55
_BASS_HZ = 180.0


def widened(mono: Signal, rate: int, *, around: bool = False) -> Signal:
    """``[n]`` at ``rate`` Hz to ``[2, n]``, float64.

    The side is the sound through a sparse decaying burst of echoes (velvet noise, 1.5 to 30 ms: diffuse,
    too short to be heard as echoes) with what lies under 180 Hz left in the middle, about 5 dB under the
    mid for a broad sound. It starts after the mid, so an attack stays one attack in the centre; it is laid
    out in seconds, so every rate sounds alike. ``around`` carries the echoes of the end over to the start,
    for a loop.
    """
    echoes = _echoes(rate)
    wanted = len(mono) if around else len(mono) + len(echoes) - 1
    size = wanted if around else 1 << max(1, wanted - 1).bit_length()
    spectrum = np.fft.rfft(mono, size) * _highpass(size, rate)
    if around and len(echoes) > size:
        echoes = np.pad(echoes, (0, -len(echoes) % size)).reshape(-1, size).sum(axis=0)
    side = np.fft.irfft(spectrum * np.fft.rfft(echoes, size), size)[: len(mono)]
    if not around:
        # what the high-pass, sampled in frequency, leaks back there: nothing, exactly
        side[: int(_FIRST_SECONDS * rate)] = 0.0
    return np.stack([mono + side, mono - side])


def _echoes(rate: int) -> Signal:
    numbers = np.arange(_TAPS)
    # Irrational steps spread times and signs evenly without a random generator: the same burst on
    # every machine.
    jitter = (numbers * (np.sqrt(5.0) - 1.0) / 2.0) % 1.0
    signs = np.where((numbers * np.sqrt(2.0)) % 1.0 < 0.5, 1.0, -1.0)
    share = (numbers + jitter) / _TAPS
    seconds = _FIRST_SECONDS + share * (_LAST_SECONDS - _FIRST_SECONDS)
    gains = signs * 10.0 ** (-_DECAY_DB * share / 20.0)
    burst = np.zeros(int(np.ceil(_LAST_SECONDS * rate)) + 1)
    np.add.at(burst, np.rint(seconds * rate).astype(np.intp), gains)
    return np.asarray(burst * (_SIDE_LEVEL / np.linalg.norm(burst)), dtype=np.float64)


def _highpass(size: int, rate: int) -> NDArray[np.complex128]:
    """A second-order Butterworth high-pass as frequency response: its phase keeps the side from starting
    early.
    """
    s = 1j * np.fft.rfftfreq(size, 1.0 / rate) / _BASS_HZ
    return np.asarray(s * s / (s * s + np.sqrt(2.0) * s + 1.0), dtype=np.complex128)
