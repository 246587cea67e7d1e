"""Classifier-free guidance: how strongly the prompt pulls, and during which part of the way.

The guided prediction is `unconditional + scale · (conditional − unconditional)` (Ho and Salimans 2022). With
a scale of 1 the unconditional half has no effect, so it is not computed; the same holds for steps outside the
interval (Kynkäänniemi and others 2024 found that guidance matters in the middle of the way only).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""`(latents [n, c, t, f], timestep, condition [n, d]) -> prediction [n, c, t, f]`."""


@dataclass(frozen=True)
class Guidance:
    """A scale (1 = off) that acts while `start <= progress < stop`, progress running from 0 to 1 over the
    steps.
    """

    scale: float
    start: float = 0.0
    stop: float = 1.0

    def acts(self, step: int, steps: int) -> bool:
        """Whether step `step` (from 0) of `steps` is guided: twice the work, if so."""
        return self.scale > 1.0 and self.start <= step / steps < self.stop


@dataclass(frozen=True)
class Guided:
    """A network with its conditions, ready to predict for one batch.

    `condition` and `unconditional` are float32 `[n, d]`, one row a clip.
    """

    network: Network
    condition: torch.Tensor
    unconditional: torch.Tensor
    guidance: Guidance

    def predict(self, latents: torch.Tensor, timestep: torch.Tensor, step: int, steps: int) -> torch.Tensor:
        """The (guided) prediction for `latents` `[n, c, t, f]`, already scaled as the scheduler wants its
        input.
        """
        if not self.guidance.acts(step, steps):
            return self.network(latents, timestep, self.condition)
        both = self.network(
            torch.cat([latents, latents]), timestep, torch.cat([self.unconditional, self.condition])
        )
        unconditional, conditional = both.chunk(2)
        return unconditional + self.guidance.scale * (conditional - unconditional)
