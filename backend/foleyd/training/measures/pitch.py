"""Whether a named note is that note: the fundamental of what "flute A4" gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, rfft

from foleyd.engines.front_end import RATE
from foleyd.training.measures.clip import Ask, Clip, thinned
from foleyd.training.measures.world import World
from foleyd.training.soundfont import NOTE_NAMES

LOWEST, HIGHEST = 50.0, 2000.0
"""Hz that a fundamental is looked for in."""
UNVOICED = 0.25
"""Least of the difference function above which a frame has no pitch."""
_WINDOW, _HOP, _LAGS = 2048, 512, round(RATE / LOWEST)
_QUIET = 0.1
"""A frame whose level is below this share of the loudest says nothing."""
QUARTER_TONE = 0.5
"""In semitones."""
NOTES = (57, 63, 69, 75)
"""MIDI keys that are asked for: A3, E flat 4, A4, E flat 5."""
INSTRUMENTS: tuple[tuple[str, str], ...] = (
    ("flute", "0:73"),
    ("clarinet", "0:71"),
    ("oboe", "0:68"),
    ("violin", "0:40"),
    ("trumpet", "0:56"),
    ("french horn", "0:60"),
    ("alto saxophone", "0:65"),
    ("harmonica", "0:22"),
    ("recorder", "0:74"),
    ("square wave lead", "0:80"),
    ("nylon string guitar", "0:24"),
    ("grand piano", "0:0"),
)
"""Name in captions, class."""


def fundamental(samples: npt.NDArray[np.floating]) -> float | None:
    """The fundamental in Hz of a sound `[n]` at 16 kHz, the median of its loud frames; None where fewer than
    three have a pitch (YIN, de Cheveigné & Kawahara 2002)."""
    whole = np.pad(np.asarray(samples, np.float64), (0, max(0, _WINDOW + _LAGS - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(whole, _WINDOW + _LAGS)[::_HOP]
    levels = np.sqrt((frames**2).mean(1))
    loud = frames[levels > _QUIET * levels.max()]
    found = [hertz for hertz in map(_period, loud) if hertz is not None]
    return float(np.median(found)) if len(found) >= 3 else None


def _period(frame: npt.NDArray[np.float64]) -> float | None:
    """The fundamental of one frame of window and longest lag, in Hz."""
    size = 2 * len(frame)
    head = frame[:_WINDOW]
    products = irfft(rfft(frame, size) * np.conj(rfft(head, size)), size)[: _LAGS + 1]
    powers = np.concatenate([[0.0], np.cumsum(frame**2)])
    energy = powers[_WINDOW : _WINDOW + _LAGS + 1] - powers[: _LAGS + 1]
    difference = np.maximum(energy[0] + energy - 2 * products, 0)
    mean = np.cumsum(difference[1:]) / np.arange(1, _LAGS + 1)
    relative = np.concatenate([[1.0], difference[1:] / np.maximum(mean, 1e-12)])
    least = math.ceil(RATE / HIGHEST)
    below = np.flatnonzero(relative[least:_LAGS] < UNVOICED)
    if not len(below):
        return None
    lag = least + int(below[0])
    # the first dip, not the first point under the line
    while lag + 1 < _LAGS and relative[lag + 1] < relative[lag]:
        lag += 1
    before, here, after = relative[lag - 1], relative[lag], relative[lag + 1]
    bend = before - 2 * here + after
    return RATE / (lag + (0.5 * (before - after) / bend if bend > 0 else 0.0))


def apart(hertz: float, key: int) -> float:
    """Semitones of a frequency above MIDI key `key`."""
    return 12 * math.log2(hertz / 440) + 69 - key


class Pitch:
    """Notes by name on instruments that hold one."""

    name = "pitch"

    def __init__(self, world: World, part: float) -> None:
        self._world = world
        asked = thinned([(name, key) for key in NOTES for name, _ in INSTRUMENTS], part)
        self._keys = [key for _, key in asked]
        self.asks = [
            Ask(f"{name} {NOTE_NAMES[key % 12]}{key // 12 - 1}", seed)
            for seed, (name, key) in enumerate(asked)
        ]

    def figures(self, clips: Sequence[Clip | None]) -> dict[str, float]:
        """Shares within a quarter-tone of the note, and of the note in any octave."""
        return hits([None if clip is None else fundamental(clip.samples) for clip in clips], self._keys)

    def real(self) -> dict[str, float]:
        """The held-out notes of the same instruments, as far as they lie between the lowest and the highest
        that are asked for."""
        played = {preset for _, preset in INSTRUMENTS}
        rows = [
            int(row)
            for row in np.flatnonzero(self._world.unheard)
            if self._world.labels[row] in played
            and NOTES[0] <= self._world.sources[row].key <= NOTES[-1]
        ]  # fmt: skip
        keys = [self._world.sources[row].key for row in rows]
        return hits([fundamental(self._world.wave(int(row))) for row in rows], keys) if rows else {}


def hits(found: Sequence[float | None], keys: Sequence[int]) -> dict[str, float]:
    """Shares of fundamentals (None: no pitch) that are the MIDI key, and the key in any octave."""
    off = [math.inf if hertz is None else apart(hertz, key) for hertz, key in zip(found, keys, strict=True)]
    folded = [math.inf if math.isinf(one) else (one + 6) % 12 - 6 for one in off]
    return {
        "note": float(np.mean([abs(one) <= QUARTER_TONE for one in off])),
        "note_any_octave": float(np.mean([abs(one) <= QUARTER_TONE for one in folded])),
    }
