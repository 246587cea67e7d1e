"""Variants of one sound, fit to be played in turn: none like another, all as loud."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from foleyd.audio import measure, spectrum

Samples = NDArray[np.float32]

SAME_DB = 0.75
"""Two sounds whose log-mels are nearer than this, on average, are taken for one: the starter's kicks lie 0.6
dB and more from each other, its snares 1.7."""
BANDS = 48
_HOP_SECONDS = 0.01
_FLOOR_DB = -60.0


class Profile(NamedTuple):
    """What a sound is told from others by: its log-mel `[columns, bands]` in dB below its loudest cell."""

    log_mel: NDArray[np.float64]

    def distance(self, other: Profile) -> float:
        """Mean difference in dB, where the shorter of the two is silent after its end."""
        columns = max(len(self.log_mel), len(other.log_mel))
        mine, theirs = (
            np.pad(one, ((0, columns - len(one)), (0, 0)), constant_values=_FLOOR_DB)
            for one in (self.log_mel, other.log_mel)
        )
        heard = np.maximum(mine, theirs).max(axis=1) > _FLOOR_DB
        return float(np.abs(mine - theirs)[heard].mean()) if heard.any() else 0.0


def profile(samples: Samples, rate: int) -> Profile:
    """The profile of `samples` `[channels, n]` at `rate` Hz."""
    window = spectrum.window_frames(rate)
    filters = spectrum.mel_filters(rate, window, BANDS, high=min(rate / 2, 16_000))
    power = spectrum.magnitudes(samples.mean(axis=0), window, round(_HOP_SECONDS * rate)) ** 2 @ filters.T
    loudest = max(float(power.max()), 1e-20)
    return Profile(np.maximum(10 * np.log10(np.maximum(power / loudest, 1e-12)), _FLOOR_DB))


def is_like(one: Profile, others: Sequence[Profile]) -> bool:
    """Whether `one` is nearer than `SAME_DB` to any of `others`."""
    return any(one.distance(other) < SAME_DB for other in others)


def loudness(samples: Samples, rate: int) -> float:
    """LUFS of `samples` `[channels, n]`, a sound under 0.4 s with silence after it; its level in dB where all
    of it lies below the measurement's gate."""
    missing = math.ceil(measure.LOUDNESS_SECONDS * rate) - samples.shape[1]
    found = measure.lufs(np.pad(samples, ((0, 0), (0, max(0, missing)))), rate)
    return measure.decibels(measure.rms(samples)) if found is None else found


def ceilings(loudnesses: Sequence[float], ceiling: float) -> list[float]:
    """The true peak in dB that each sound is brought to so that all are as loud as the quietest, which keeps
    `ceiling`; their `loudnesses` are those at `ceiling`."""
    quietest = min(loudnesses)
    return [round(ceiling - (one - quietest), 2) for one in loudnesses]
