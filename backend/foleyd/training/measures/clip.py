"""What a measure asks for, and what it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from foleyd.engines.front_end import HOP, RATE
from foleyd.engines.mel import LogMel
from foleyd.recipe import make, resolve
from foleyd.training.clips import level
from foleyd.training.neighbours import FRAMES

LENGTH = FRAMES * HOP
"""Samples of a clip that is measured: 2.56 s."""
BATCH = 4
T = TypeVar("T")


class Ask(NamedTuple):
    """One clip to render."""

    prompt: str
    seed: int


class Clip(NamedTuple):
    """A clip as training clips are kept, peak at 0.7: samples float32 `[40 960]` and log-mel `[256, 64]`."""

    samples: npt.NDArray[np.float32]
    mel: npt.NDArray[np.float32]


class Trial(Protocol):
    """A measure: `asks` are rendered with one number of steps after the other and given back in their order,
    None for silence."""

    name: str
    asks: list[Ask]

    def figures(self, clips: Sequence[Clip | None]) -> dict[str, float]:
        """What the clips say."""

    def real(self) -> dict[str, float]:
        """The same figures of real clips, as far as there are such."""


def clip_of(samples: npt.NDArray[np.floating]) -> Clip | None:
    """Samples `[n]` at 16 kHz as a clip, cut or padded with silence; None for silence."""
    kept = level(np.asarray(samples, np.float32)[:LENGTH])
    if kept is None:
        return None
    kept = kept[:LENGTH]
    return Clip(kept, LogMel()(torch.from_numpy(kept[None]))[0].numpy())


def render(
    engine: Any, asks: Sequence[Ask], steps: int, best_of: int, log: Callable[[str], None]
) -> list[Clip | None]:
    """The clips asked for, each the best of so many seeds, at `steps` steps and the engine's defaults."""
    clips: list[Clip | None] = []
    for start in range(0, len(asks), BATCH):
        recipes = [
            resolve(
                make(prompt=ask.prompt, seed=ask.seed, seconds=LENGTH / RATE, steps=steps),
                engine.capabilities,
            )
            for ask in asks[start : start + BATCH]
        ]
        takes = engine.render(recipes, check_silence=False, best_of=best_of)
        clips += [clip_of(take.samples) for take in takes]
        if start % 40 == 0:
            log(f"{steps} steps: {start}/{len(asks)} clips")
    return clips


def mels_of(clips: Sequence[Clip | None]) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Which clips sound, and their log-mels `[sounding, 256, 64]`."""
    rows = [row for row, clip in enumerate(clips) if clip is not None]
    mels = [clip.mel for clip in clips if clip is not None]
    return rows, np.stack(mels) if mels else np.zeros((0, FRAMES, 64), np.float32)


def thinned(rows: Sequence[T], part: float) -> list[T]:
    """`part` of the rows, 0 to 1, evenly spread and at least one of any."""
    count = max(1, round(len(rows) * part))
    return [rows[at * len(rows) // count] for at in range(count)] if rows else []
