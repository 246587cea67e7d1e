"""Clips made of the captions of held-out clips: recognised or not, near to real ones as a whole, each nearest
to its own words or not, copied from training or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from foleyd.training import hearing
from foleyd.training.measures import frechet
from foleyd.training.measures.clip import Ask, Clip, mels_of
from foleyd.training.measures.world import World
from foleyd.training.recogniser import shares

CLIPS = 200
_PLANE = 2000
"""Real clips that say in which directions sounds vary."""


class Captions:
    """The first caption of every held-out clip that is chosen, its number among them the seed."""

    name = "captions"

    def __init__(self, world: World, part: float) -> None:
        self._world = world
        held = world.held()
        count = min(max(2, round(CLIPS * part)), len(held) // 2)
        # every other of the chosen is what real clips are held against real ones with
        both = held[np.arange(2 * count) * len(held) // (2 * count)]
        self._rows, self._others = both[::2], both[1::2]
        self._said = [world.captions[row][0] for row in self._rows]
        self.asks = [Ask(words, seed) for seed, words in enumerate(self._said)]
        known = np.flatnonzero(~world.unheard & (world.labels != ""))
        spread = known[np.arange(min(_PLANE, len(known))) * len(known) // min(_PLANE, len(known))]
        self._plane = frechet.Plane(world.recogniser.features(world.mel(spread)))
        self._real = self._seen(world.mel(self._others))

    def figures(self, clips: Sequence[Clip | None]) -> dict[str, float]:
        """Silence is never recognised or found; it counts for neither distance."""
        rows, mels = mels_of(clips)
        waves = [clip.samples for clip in clips if clip is not None]
        return self._all(np.array(rows, np.intp), mels, waves) if rows else {}

    def real(self) -> dict[str, float]:
        """The clips whose captions they are, which the networks that judge have not heard either."""
        rows = np.arange(len(self._rows))
        return self._all(rows, self._world.mel(self._rows), [self._world.wave(row) for row in self._rows])

    def _all(
        self, rows: npt.NDArray[np.intp], mels: npt.NDArray[np.float32], waves: list[npt.NDArray[np.float32]]
    ) -> dict[str, float]:
        heard = len(rows) / len(self._rows)
        labels = self._world.labels[self._rows[rows]]
        first, five = shares(self._world.recogniser.ranks(mels, labels))
        near = [self._world.neighbours.nearest(mel) for mel in mels]
        found = self._retrieved(rows, waves)
        return {
            "class_first": first * heard,
            "class_five": five * heard,
            "frechet": frechet.distance(self._seen(mels), self._real),
            "retrieval_first": found[0] * heard,
            "retrieval_ten": found[1] * heard,
            "nearest": float(np.mean(near)),
            "nearest_least": float(min(near)),
        }

    def _seen(self, mels: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        return self._plane(self._world.recogniser.features(mels))

    def _retrieved(
        self, rows: npt.NDArray[np.intp], waves: list[npt.NDArray[np.float32]]
    ) -> tuple[float, float]:
        ear = self._world.model.ear
        assert ear is not None
        heard = hearing.embed(ear, self._world.heard(waves))
        said = F.normalize(torch.from_numpy(self._world.said(self._said)).float(), dim=-1)
        labels = self._world.labels[self._rows]
        best = (heard @ said.T).topk(min(10, len(said)), dim=1).indices.numpy()
        right = labels[best] == labels[rows][:, None]
        return float(right[:, 0].mean()), float(right.any(1).mean())
