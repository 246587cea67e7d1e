"""How far log-mels lie from each other, and from the nearest of many: who copies is found out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foleyd.training.listener import QUIET

FRAMES = 256
"""Mel frames that are compared: 2.56 s."""
Mels = npt.NDArray[np.floating]
LIKELIEST = 100
"""Clips that are looked at in full; the others are only looked at coarsely."""
_PART = 2000


def distance(one: Mels, other: Mels) -> float:
    """Mean absolute difference of two log-mels `[frames, 64]` in nats over the bins that either sounds in; 0
    where neither does."""
    mine, yours = (np.maximum(np.asarray(mel, np.float32), QUIET) for mel in (one, other))
    sounding = (mine > QUIET) | (yours > QUIET)
    return float(np.abs(mine - yours)[sounding].mean()) if sounding.any() else 0.0


class Neighbours:
    """Log-mels `[clips, 256 or more, 64]`, which may lie on the disk, to look for the nearest one in."""

    def __init__(self, mels: Mels, rows: npt.NDArray[np.intp] | None = None) -> None:
        """Only `rows` of `mels` are looked at, all where None."""
        self._mels = mels
        self._rows = np.arange(len(mels)) if rows is None else rows
        parts = [self._rows[start : start + _PART] for start in range(0, len(self._rows), _PART)]
        self._coarse = np.concatenate([_blocks(mels[part, :FRAMES]) for part in parts])

    def nearest(self, mel: Mels) -> float:
        """The distance of `mel` `[256, 64]` to the nearest, in nats."""
        coarse = np.abs(self._coarse - _blocks(mel[None])).mean((1, 2))
        likely = self._rows[np.argsort(coarse)[:LIKELIEST]]
        return min(distance(mel, self._mels[row, :FRAMES]) for row in likely)


def _blocks(mels: Mels) -> npt.NDArray[np.float32]:
    heard = np.maximum(np.asarray(mels, np.float32), QUIET)
    clips, frames, bands = heard.shape
    found: npt.NDArray[np.float32] = heard.reshape(clips, frames // 16, 16, bands // 8, 8).mean((2, 4))
    return found
