"""Another seed for a sound that came out as none, or as a poor one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.choice import seed_behind
from foleyd.errors import FoleydError, RenderFailed
from foleyd.recipe import Recipe

MOST = 8
"""Times that a sound may be made again."""
STRIDE = 7919
"""Seeds between two tries: the ones that count up belong to the other clips of a request."""
BY_WORDS = frozenset({"text", "loop", "vary"})
"""Operations whose sound is held against its words."""
OFFSET_SHARE = 0.25
"""Of a sound's root mean square, the constant offset that is too much; quiet ones pass."""
LEAST_OFFSET = 0.01
PLATEAU = 4
"""So many samples in a row at the very peak are a peak that was cut off; a wave turns there."""
PLATEAU_SHARE = 5e-4
"""Of all samples, those on such plateaus that are too many."""
_FLAT = 1e-4
_SILENT = 1e-9
_WORTH = frozenset({"silence", "nan", "inf"})

_Sound = TypeVar("_Sound")


class Flaw(NamedTuple):
    """What is wrong with a sound, in a sentence, and how near it is to its words (-1 to 1; below all others
    where the flaw is another one)."""

    said: str
    near: float = -2.0


class Best(NamedTuple, Generic[_Sound]):
    """The sound that was taken, what was wrong with the first one, and what is wrong with this one ("" where
    nothing is)."""

    sound: _Sound
    why: str = ""
    flaw: str = ""


class Tries(Generic[_Sound]):
    """The tries of one sound: `left` other seeds, as long as another is expected to be done `until` a time of
    the monotonic clock."""

    def __init__(self, left: int, until: float | None = None) -> None:
        self._left, self._until = left, until
        self._began = time.monotonic()
        self._made = 0
        self._first = ""
        self._best: tuple[Flaw, _Sound] | None = None
        self._error: FoleydError | None = None

    def failed(self, error: FoleydError) -> None:
        """A try gave no sound. Raises `error` where another seed will not mend it."""
        if not worth(error):
            raise error
        self._error = self._error or error
        self._note(str(error))

    def flawed(self, sound: _Sound, flaw: Flaw) -> None:
        """A try gave a poor sound."""
        if self._best is None or flaw.near > self._best[0].near:
            self._best = flaw, sound
        self._note(flaw.said)

    def good(self, sound: _Sound) -> Best[_Sound]:
        """A try gave a sound."""
        return Best(sound, self._first)

    def again(self) -> bool:
        """Whether another seed is tried."""
        now = time.monotonic()
        each = (now - self._began) / max(self._made, 1)
        if not self._left or (self._until is not None and now + each > self._until):
            return False
        self._left -= 1
        return True

    def best(self) -> Best[_Sound]:
        """The best of all tries. Raises what the first failed with where none gave a sound."""
        if self._best is None:
            assert self._error is not None
            raise self._error
        flaw, sound = self._best
        return Best(sound, self._first, flaw.said)

    def _note(self, said: str) -> None:
        self._made += 1
        self._first = self._first or said


def flaw(
    made: Recipe, samples: NDArray[np.float32], least: float | None, near: Callable[[], float | None]
) -> Flaw | None:
    """What is wrong with the take `samples` `[n]` of a recipe; None where it is fit to be heard.

    `least`: the least similarity to their words that sounds of the model usually have, None where that is not
    known; `near` listens, and says None where nobody can.
    """
    wave = samples.astype(np.float64)
    if is_clipped(wave):
        return Flaw(f"the model gave a clipped sound for seed {made.seed}.")
    if has_offset(wave):
        return Flaw(f"the model gave a sound with a constant offset for seed {made.seed}.")
    if least is None or made.operation not in BY_WORDS:
        return None
    similarity = near()
    if similarity is None or similarity >= least:
        return None
    return Flaw(
        f"the model gave a sound far from its words for seed {made.seed} (similarity {similarity:.2f}, "
        f"usually above {least:.2f}).",
        similarity,
    )


def is_clipped(wave: NDArray[np.float64]) -> bool:
    """Whether the peaks of `wave` `[n]` were cut off."""
    size = np.abs(wave)
    peak = float(size.max(initial=0.0))
    if peak < _SILENT or len(wave) < PLATEAU:
        return False
    flat = (size >= peak * (1 - _FLAT)).astype(np.int64)
    runs = np.convolve(flat, np.ones(PLATEAU, np.int64), "valid") >= PLATEAU
    return int(runs.sum()) > PLATEAU_SHARE * len(wave)


def has_offset(wave: NDArray[np.float64]) -> bool:
    """Whether `wave` `[n]` has a constant offset that is heard as a click where it begins."""
    offset = abs(float(wave.mean()))
    return offset > LEAST_OFFSET and offset > OFFSET_SHARE * float(np.sqrt(np.mean(wave**2)))


def worth(error: FoleydError) -> bool:
    """Whether another seed may mend what a render failed with."""
    return isinstance(error, RenderFailed) and error.reason in _WORTH


def another(made: Recipe) -> Recipe:
    """A resolved recipe with the next seed to try."""
    return recipe.change(made, seed=seed_behind(made.seed or 0, STRIDE))


def notes(wanted: Recipe, made: Recipe, why: str, flaw: str = "") -> Sequence[str]:
    """The sentences that go with a sound that has another seed than was asked for, or a flaw."""
    said = []
    if why and wanted.seed != made.seed:
        said.append(f"Seed {made.seed} was taken in place of {wanted.seed}, for {_lowered(why)}")
    if flaw:
        said.append(f"No seed that was tried gave a better sound: {_lowered(flaw)}")
    return said


def _lowered(sentence: str) -> str:
    return f"{sentence[:1].lower()}{sentence[1:]}"
