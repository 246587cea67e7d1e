"""The audio half of a CLAP pair: a sound to a vector in the space of the text tower's.

A folder `audio_encoder` holds it as transformers does, a `ClapAudioModelWithProjection` with its
`ClapFeatureExtractor` (HTSAT, Chen et al. 2022; CLAP, Wu et al. 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
import transformers
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from foleyd.engines import weights
from foleyd.engines.base import SourceSound
from foleyd.engines.checkpoint import AUDIO_TOWER
from foleyd.runtime import Part

PEAK = 0.7
"""The level that sounds are brought to: how loud a file is says nothing of what is heard in it."""
QUIET = 0.01
"""A part of a sound whose peak is below this share of the whole's is not listened to."""


class Hearing(nn.Module):
    """A CLAP audio tower as a plain network: features `[1, 1, frames, bands]` to a unit vector, float32
    `[1, d]`."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The normalised projection of one stretch of sound."""
        embeds = self.tower(input_features=features, is_longer=None).audio_embeds
        return functional.normalize(embeds.float(), dim=-1)


def part(folder: Path) -> Part:
    """The audio tower of a checkpoint, which few renders need; every runtime runs it in torch."""
    return Part(
        AUDIO_TOWER,
        lambda: Hearing(weights.pretrained(transformers.ClapAudioModelWithProjection, folder / AUDIO_TOWER)),
        precision="float32",
    )


class AudioTower:
    """Embeds sounds with a placed `Hearing` and the front end that its folder describes."""

    def __init__(self, folder: Path, hearing: Callable[..., Any], device: torch.device) -> None:
        self._front = transformers.ClapFeatureExtractor.from_pretrained(
            folder / AUDIO_TOWER, local_files_only=True
        )
        self._hearing, self._device = hearing, device

    def embed(self, sound: SourceSound) -> torch.Tensor | None:
        """The unit vector `[1, d]` of a sound; of a long one the mean over its stretches, each as long as the
        tower hears at once, without those that are silent. None for silence."""
        heard = [self._one(stretch) for stretch in self._stretches(sound)]
        if not heard:
            return None
        return functional.normalize(torch.cat(heard).mean(0, keepdim=True), dim=-1)

    def _stretches(self, sound: SourceSound) -> list[NDArray[np.float32]]:
        rate = int(self._front.sampling_rate)
        mono = sound.samples.mean(axis=0, dtype=np.float64)
        if sound.rate != rate:
            mono = soxr.resample(mono, sound.rate, rate, "HQ")
        peak = float(np.abs(mono).max(initial=0.0))
        if peak == 0:
            return []
        levelled = (mono * (PEAK / peak)).astype(np.float32)
        size = int(self._front.nb_max_samples)
        parts = [levelled[start : start + size] for start in range(0, len(levelled), size)]
        return [one for one in parts if np.abs(one).max() > QUIET * PEAK]

    def _one(self, stretch: NDArray[np.float32]) -> torch.Tensor:
        features = self._front(stretch, sampling_rate=self._front.sampling_rate, return_tensors="pt")
        vector: torch.Tensor = self._hearing(features["input_features"].to(self._device))
        return vector
