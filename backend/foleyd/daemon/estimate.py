"""How long a render takes on this machine, learned from the renders that it made.

For one model the seconds are taken to be a sum of four parts, none below zero: a fixed one, one for each
evaluation of the network, one for each second of sound in each evaluation (twice with guidance), and one for
each second of sound that is decoded. The parts are fitted to the last renders by relative least squares,
drawn towards a typical proportion of the four so that two or three renders are enough to begin with; last,
the whole is scaled to the most recent renders, so that a machine that becomes slower or faster is followed
within a few of them.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from foleyd.audio.atomic import replacing
from foleyd.choice import SKETCH_STEPS

KEPT = 64
"""Renders that are remembered of one model on one device."""

FEWEST_STEPS = 4
"""What :meth:`CostModel.fitting` goes down to before it shortens the sound: fewer steps make sounds that
nobody asked for."""

SHORTEST_S = 0.3
_GRID_S = 0.1

_TYPICAL = np.array([2.0, 0.5, 1.0, 8.0])
"""The four parts in proportion, as measured on processors: the starter decodes a second of sound in the time
of four unguided evaluations of it, AudioLDM-S in that of seventeen."""

_PULL = 0.01
"""Strength of the draw towards the typical proportion, where 1 is that of one render: it decides what the
renders leave open and little else, since a graphics card is far from it."""

_FADE_SHAPE = 0.97
_FADE_SCALE = 0.85
"""What a render counts for the proportions, and for the scale, once one more has come after it."""

_Array = NDArray[np.float64]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a render costs, as far as its request tells.

    `seconds` of sound that the network makes (the shape bucket where shapes are padded); `guided`: whether
    the network also runs without the prompt, in a `guided_share` of the evaluations; `batch`: sounds made at
    once; `evaluations` of the network, as many as the steps where it is None (Heun's method: two a step);
    `sketches` of it that are made before (:mod:`foleyd.choice`).
    """

    model: str
    seconds: Annotated[float, Meta(gt=0, le=1e6)]
    steps: Annotated[int, Meta(ge=1, le=1_000_000)]
    guided: bool
    guided_share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    batch: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    evaluations: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    sketches: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class _Seen(msgspec.Struct, frozen=True):
    work: Work
    took: Annotated[float, Meta(gt=0, le=1e9)]


class _File(msgspec.Struct, frozen=True):
    """What is kept on disk: the device in use last, and the renders seen on each, oldest first."""

    device: str
    seen: dict[str, list[_Seen]]


class CostModel:
    """Estimates renders, and learns from each one.

    `path`: a JSON file of past renders, read now and written by :meth:`save`; None keeps nothing. A file
    that is missing, damaged or of another kind counts as empty. `device`: what the worker computes on, in
    words; renders on one device say nothing about another. Until it is known ("") the one of the file holds;
    it may be set at any time.
    """

    def __init__(self, path: Path | None = None, device: str = "") -> None:
        self.path = path
        self._seen: dict[tuple[str, str], deque[_Seen]] = {}
        self._fits: dict[tuple[str, str], _Array] = {}
        kept = _read(path)
        self.device = device or kept.device
        for where, renders in kept.seen.items():
            for one in renders:
                self._add(where, one)

    def knows(self, model: str) -> bool:
        """Whether a render of `model` was seen on this device, so that an estimate is more than a guess."""
        return (self.device, model) in self._seen

    def estimate(self, work: Work) -> float | None:
        """Seconds that `work` will take; None before anything was seen on this device.

        A model that was not seen yet is taken for the (geometric) mean of those that were.
        """
        features = _features(work)
        if self.knows(work.model):
            return float(features @ self._fit((self.device, work.model)))
        others = [key for key in self._seen if key[0] == self.device]
        if not others:
            return None
        return math.exp(sum(math.log(features @ self._fit(key)) for key in others) / len(others))

    def observe(self, work: Work, seconds: float) -> None:
        """Learn that `work` took `seconds` of wall clock. Times that no clock gives (zero, negative,
        infinite, not a number) are ignored."""
        if math.isfinite(seconds) and seconds > 0:
            self._add(self.device, _Seen(work, seconds))

    def fitting(self, work: Work, budget_s: float) -> Work | None:
        """The most of `work` that is done in `budget_s` seconds: as many steps as fit, down to
        :data:`FEWEST_STEPS`; else, with so few, as much sound as fits. None where nothing does, or where
        nothing is known."""
        if self.estimate(work) is None:
            return None
        fewest = min(work.steps, FEWEST_STEPS)
        steps = [_with_steps(work, count) for count in range(fewest, work.steps + 1)]
        tenths = range(math.ceil(SHORTEST_S / _GRID_S), math.ceil(work.seconds / _GRID_S))
        lengths = [msgspec.structs.replace(steps[0], seconds=round(one * _GRID_S, 3)) for one in tenths]
        return self._largest(steps, budget_s) or self._largest(lengths, budget_s)

    def save(self) -> None:
        """Write the file whole or not at all; nothing where there is no path. Raises BadRequest where it
        cannot be written, DiskFull."""
        if self.path is None:
            return
        by_device = itertools.groupby(sorted(self._seen), key=lambda key: key[0])
        kept = _File(
            device=self.device,
            seen={device: [one for key in keys for one in self._seen[key]] for device, keys in by_device},
        )
        with replacing(self.path) as beside:
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(msgspec.json.encode(kept))

    def _add(self, device: str, one: _Seen) -> None:
        key = (device, one.work.model)
        self._seen.setdefault(key, deque(maxlen=KEPT)).append(one)
        self._fits.pop(key, None)

    def _fit(self, key: tuple[str, str]) -> _Array:
        if key not in self._fits:
            self._fits[key] = _fitted(self._seen[key])
        return self._fits[key]

    def _largest(self, rising: Sequence[Work], budget_s: float) -> Work | None:
        """The last of `rising`, works that cost more and more, that is done in the budget."""
        count = bisect.bisect_right(rising, budget_s, key=lambda work: self.estimate(work) or 0.0)
        return rising[count - 1] if count else None


def _with_steps(work: Work, steps: int) -> Work:
    evaluations = None if work.evaluations is None else max(1, round(work.evaluations * steps / work.steps))
    return msgspec.structs.replace(work, steps=steps, evaluations=evaluations)


def _features(work: Work) -> _Array:
    """What the four parts are multiplied with, ``[4]``."""
    evaluations = (work.evaluations or work.steps) + work.sketches * SKETCH_STEPS
    sound = work.seconds * work.batch
    passes = evaluations * (1 + work.guided_share * work.guided)
    return np.array([1.0, evaluations, sound * passes, sound * (1 + work.sketches)])


def _fitted(seen: Iterable[_Seen]) -> _Array:
    """The four parts in seconds, ``[4]``, each at least zero and never all of them."""
    listed = list(seen)
    features = np.stack([_features(one.work) for one in listed])
    took = np.array([one.took for one in listed])
    age = np.arange(len(listed), dtype=np.float64)[::-1]
    recent: _Array = np.power(_FADE_SCALE, age)
    typical = _TYPICAL * _median(took / (features @ _TYPICAL), recent)
    relative = features * typical / took[:, None]
    parts = typical * _nonnegative(relative, np.power(_FADE_SHAPE, age))
    return np.asarray(parts * _median(took / (features @ parts), recent))


def _nonnegative(rows: _Array, weights: _Array) -> _Array:
    """The `x` ≥ 0, ``[4]``, for which ``rows @ x`` comes nearest to ones, drawn towards ones itself.

    Tries each set of parts that may be above zero: with four of them there are fifteen.
    """
    left = np.concatenate([rows * np.sqrt(weights)[:, None], np.eye(rows.shape[1]) * _PULL])
    right = np.concatenate([np.sqrt(weights), np.full(rows.shape[1], _PULL)])
    best, least = np.ones(rows.shape[1]), math.inf
    for chosen in itertools.product((True, False), repeat=rows.shape[1]):
        if not any(chosen):
            continue
        some = np.flatnonzero(chosen)
        found = np.linalg.lstsq(left[:, some], right, rcond=None)[0]
        rest = float(np.sum((left[:, some] @ found - right) ** 2))
        if np.all(found >= 0) and np.any(found > 0) and rest < least:
            best, least = np.zeros(rows.shape[1]), rest
            best[some] = found
    return best


def _median(values: _Array, weights: _Array) -> float:
    """The weighted median of `values` ``[n]``."""
    order = np.argsort(values)
    running = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(running, running[-1] / 2)])


def _read(path: Path | None) -> _File:
    empty = _File(device="", seen={})
    if path is None:
        return empty
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return empty
