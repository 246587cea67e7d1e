"""How much clips of one prompt differ from each other, beside real clips of one class."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from foleyd.training.measures.clip import Ask, Clip, thinned
from foleyd.training.measures.world import World
from foleyd.training.neighbours import Mels, distance

SEEDS = 8
SUBJECTS: tuple[tuple[str, str], ...] = (
    ("flute", "0:73"),
    ("banjo", "0:105"),
    ("church organ", "0:19"),
    ("glockenspiel", "0:9"),
    ("rain", "rain"),
    ("laser zap", "laser"),
    ("robot talking in beeps", "robot"),
    ("glass breaking", "glass break"),
)
"""Prompt, class."""


class Spread:
    """Eight seeds of each prompt."""

    name = "spread"

    def __init__(self, world: World, part: float) -> None:
        self._world = world
        known = [one for one in SUBJECTS if one[1] in world.recogniser.classes]
        self._subjects = thinned(known, part)
        self.asks = [Ask(prompt, seed) for prompt, _ in self._subjects for seed in range(SEEDS)]

    def figures(self, clips: Sequence[Clip | None]) -> dict[str, float]:
        """The mean distance of two clips of one prompt, in nats of log-mel."""
        groups = [clips[start : start + SEEDS] for start in range(0, len(clips), SEEDS)]
        return mean_spread([[clip.mel for clip in group if clip is not None] for group in groups])

    def real(self) -> dict[str, float]:
        """The same of eight real clips of each class, over all its keys and parameters."""
        groups = []
        for _, label in self._subjects:
            rows = np.flatnonzero(self._world.labels == label)
            groups.append(list(self._world.mel(rows[np.arange(SEEDS) * len(rows) // SEEDS])))
        return mean_spread(groups)


def mean_spread(groups: Sequence[Sequence[Mels]]) -> dict[str, float]:
    """The mean distance of two log-mels of one group, over groups of at least two."""
    means = [
        float(np.mean([distance(*pair) for pair in itertools.combinations(group, 2)]))
        for group in groups
        if len(group) > 1
    ]
    return {"spread": float(np.mean(means))} if means else {}
