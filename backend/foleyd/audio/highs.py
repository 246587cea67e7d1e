"""The octave that a model at 16 kHz does not have: a band extender from 8 to 20 kHz.

How strong the highs are, every 2.7 ms, is said by a small network (``foleyd train highs``) that has heard
what recordings at 48 kHz have above 8 kHz; what they are made of is the octave below, moved up (spectral band
replication, Dietz et al. 2002), and, the higher the more, noise. They are a guess: what the sound has below
stays as it is.
"""

from __future__ import annotations

import functools
import itertools
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]
Spectra = NDArray[np.complex128]

RATE = 48_000
"""Hz at which highs are made."""
WINDOW, HOP = 512, 128
"""Frames of a spectrum and between two: a hit stays a hit."""
BINS = RATE / WINDOW
FIRST, BANDS, WIDTH = 82, 11, 12
"""The highs begin at bin 82 (7.7 kHz, where the filters of 16 kHz begin) and are eleven bands of 1.1 kHz."""
BOTTOM = FIRST * BINS
TOP = (FIRST + BANDS * WIDTH) * BINS
"""Hz: where highs begin and end."""
EDGES = np.array(
    [0, 2, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 19, 22, 26, 30, 34, 40, 46, 53, 61, 70, 81], dtype=np.intp
)
"""The bins between which the sound below is measured: twenty-two bands up to 7.6 kHz."""
AROUND = np.array([-24, -12, -8, -5, -3, -2, -1, 0, 1, 2, 3, 5, 8, 12, 24], dtype=np.intp)
"""The spectra that the network sees beside each other."""
FLOOR_DB = -90.0
"""Under the loudest band of a sound nothing is told apart from silence."""
SILENT_DB = -110.0
"""A sound whose loudest band is below this is silence."""
FAINT_DB = -75.0
"""What would be fainter than this is left out by and by: a guess is no better than silence there."""
SCALE_DB = 30.0
"""One unit of what the network is shown and says."""
WEIGHTS = "highs.safetensors"

_MOVED = 44
"""Bins of the octave below; a multiple of four, so that its phases go on from one spectrum to the next."""
_NOISE = (0.2, 0.55, 0.85)
"""The noise's share of the power: above 8, 12 and 16 kHz."""
_ENVELOPE_SECONDS = 0.001
_FALLING = 4.0
_NOTHING = 1e-12
_SPARE = 8192


def extended(sound: Signal, *, around: bool = False) -> Signal:
    """``[n]`` at :data:`RATE` Hz with nothing above 8 kHz, to the highs that it lacks, ``[n]``: add them to
    it.

    The same sound gives the same highs. ``around``: the sound is a loop, and its highs are one too. Silence
    has none.
    """
    frames = len(sound)
    spare = min(_SPARE, frames) // HOP * HOP if around else 0
    # the same noise for the same sound, and on both sides of a seam
    noise = np.random.default_rng(0).standard_normal(frames)
    whole, noise = (np.concatenate([one[frames - spare :], one, one[:spare]]) for one in (sound, noise))
    spectra = analysed(whole)
    below, top = levels_below(spectra)
    if top < SILENT_DB:
        return np.zeros(frames)
    decibels = predicted(below)
    decibels -= _FALLING * np.maximum(0.0, FAINT_DB - decibels)
    made = _excitation(spectra, noise * _liveliness(whole)) * 10 ** ((_spread(decibels) + top) / 20)
    highs = np.zeros_like(spectra)
    highs[:, FIRST : FIRST + BANDS * WIDTH] = made
    return _sounded(highs, len(whole))[spare : spare + frames]


def analysed(sound: Signal) -> Spectra:
    """The spectra ``[columns, 257]`` of ``[n]``: column ``k`` is centred on frame ``k * HOP``."""
    padded = np.pad(sound, (WINDOW // 2, WINDOW))
    views = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    return np.asarray(np.fft.rfft(views * _window(), axis=1), dtype=np.complex128)


def levels_below(spectra: Spectra) -> tuple[Signal, float]:
    """The level in dB of each band of :data:`EDGES` below the loudest one of the whole sound
    ``[columns, 22]``, at least :data:`FLOOR_DB`; and that loudest level."""
    power = np.abs(spectra[:, : EDGES[-1]]) ** 2
    bands = np.stack([power[:, a:b].mean(axis=1) for a, b in itertools.pairwise(EDGES)], axis=1)
    decibels = 10 * np.log10(bands + _NOTHING)
    top = float(decibels.max())
    return np.maximum(decibels - top, FLOOR_DB), top


def levels_above(spectra: Spectra) -> Signal:
    """The level in dB of each of the :data:`BANDS` ``[columns, 11]``."""
    power = np.abs(spectra[:, FIRST : FIRST + BANDS * WIDTH]) ** 2
    found: Signal = 10 * np.log10(power.reshape(len(power), BANDS, WIDTH).mean(axis=2) + _NOTHING)
    return found


def inputs(below: Signal) -> NDArray[np.float32]:
    """What the network is shown of :func:`levels_below` ``[columns, 22]``: ``[columns, 330]``, each with
    those :data:`AROUND` it."""
    places = np.clip(np.arange(len(below))[:, None] + AROUND, 0, len(below) - 1)
    scaled = (below / SCALE_DB + 1.5).astype(np.float32)
    return np.ascontiguousarray(scaled[places].reshape(len(below), -1))


def targets(decibels: Signal) -> NDArray[np.float32]:
    """Levels in dB under the loudest as the network says them."""
    return (np.maximum(decibels, FLOOR_DB) / SCALE_DB + 1.5).astype(np.float32)


def predicted(below: Signal) -> Signal:
    """How loud the highs of a sound are, in dB under its loudest band ``[columns, 11]``."""
    layers = _network()
    value = inputs(below)
    for number, (weight, bias) in enumerate(layers):
        value = value @ weight.T + bias
        if number < len(layers) - 1:
            value = value / (1 + np.exp(-value))
    return np.asarray((value.astype(np.float64) - 1.5) * SCALE_DB, dtype=np.float64)


@functools.cache
def _network() -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    # Imported on use: only this needs it outside the engines.
    from safetensors.numpy import load

    found = load(resources.files("foleyd.audio").joinpath(WEIGHTS).read_bytes())
    names = sorted(name.removesuffix(".weight") for name in found if name.endswith(".weight"))
    return tuple(
        (found[f"{name}.weight"].astype(np.float32), found[f"{name}.bias"].astype(np.float32))
        for name in names
    )


def _window() -> Signal:
    return np.asarray(np.hanning(WINDOW + 1)[:-1], dtype=np.float64)


def _excitation(spectra: Spectra, noise: Signal) -> Spectra:
    """What highs are made of ``[columns, 132]``, of the same power everywhere."""
    hiss = _flat(analysed(noise)[:, FIRST : FIRST + BANDS * WIDTH])
    octave = spectra[:, FIRST - _MOVED : FIRST]
    moved = _flat(np.tile(octave, (1, -(-BANDS * WIDTH // _MOVED)))[:, : BANDS * WIDTH])
    share = np.repeat(_NOISE, _MOVED)[: BANDS * WIDTH]
    return np.asarray(np.sqrt(1 - share) * moved + np.sqrt(share) * hiss, dtype=np.complex128)


def _liveliness(sound: Signal) -> Signal:
    """How much a sound changes from frame to frame, ``[n]``: noise as loud as that begins with each hit."""
    size = round(_ENVELOPE_SECONDS * RATE) | 1
    power = np.diff(sound, n=2, append=[0.0, 0.0]) ** 2
    padded = np.pad(power, size // 2, mode="edge")
    smooth = np.convolve(padded, np.full(size, 1 / size), mode="valid")
    return np.asarray(np.sqrt(np.maximum(smooth, 0.0)), dtype=np.float64)


def _flat(spectra: Spectra) -> Spectra:
    """Each bin divided by the level around it: what is left is fine structure."""
    power = np.abs(spectra) ** 2
    padded = np.pad(power, ((0, 0), (WIDTH // 2, WIDTH // 2)), mode="edge")
    local = np.lib.stride_tricks.sliding_window_view(padded, WIDTH + 1, axis=1).mean(axis=2)
    return np.asarray(spectra / np.sqrt(local + _NOTHING), dtype=np.complex128)


def _spread(decibels: Signal) -> Signal:
    """Levels of bands ``[columns, 11]`` to levels of bins ``[columns, 132]``, straight between middles."""
    place = (np.arange(BANDS * WIDTH) + 0.5) / WIDTH - 0.5
    left = np.clip(np.floor(place).astype(np.intp), 0, BANDS - 2)
    share = np.clip(place - left, 0.0, 1.0)
    return np.asarray(decibels[:, left] * (1 - share) + decibels[:, left + 1] * share, dtype=np.float64)


def _sounded(spectra: Spectra, frames: int) -> Signal:
    """``[n]`` from its spectra by overlapping and adding (Griffin & Lim 1984, without iterating)."""
    parts = np.fft.irfft(spectra, WINDOW, axis=1) * _window()
    whole = np.zeros((len(parts) + WINDOW // HOP) * HOP)
    for place in range(WINDOW // HOP):
        shifted = parts[:, place * HOP : (place + 1) * HOP].reshape(-1)
        whole[place * HOP : place * HOP + len(shifted)] += shifted
    return whole[WINDOW // 2 :][:frames] / 1.5
