"""Classifier-free guidance: how strongly the prompt pulls, and during which part of the way.

The guided prediction is `unconditional + scale · (conditional − unconditional)` (Ho and Salimans 2022). With
a scale of 1 the unconditional half has no effect, so it is not computed; the same holds for steps outside the
interval (Kynkäänniemi and others 2024 found that guidance matters in the middle of the way only).

Strong guidance makes predictions larger than any that the network was trained on; `rescale` brings their
standard deviation back towards that of the conditional one (Lin and others 2024, section 3.4).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Network = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""`(latents [n, c, t, f], timestep, condition [n, d]) -> prediction [n, c, t, f]`."""


@dataclass(frozen=True)
class Guidance:
    """A scale (1 = off) that acts while `start <= progress < stop`, progress running from 0 to 1 over the
    steps. `rescale`: how far predictions are brought back to the size that they had without, 0 … 1.
    """

    scale: float
    start: float = 0.0
    stop: float = 1.0
    rescale: float = 0.0

    def acts(self, step: int, steps: int) -> bool:
        """Whether step `step` (from 0) of `steps` is guided: twice the work, if so."""
        return self.scale > 1.0 and self.start <= step / steps < self.stop

    def combine(self, unconditional: torch.Tensor, conditional: torch.Tensor) -> torch.Tensor:
        """The guided prediction `[n, c, t, f]` of the two."""
        guided = unconditional + self.scale * (conditional - unconditional)
        if not self.rescale:
            return guided
        axes = tuple(range(1, guided.ndim))
        size = conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True).clamp(min=1e-12)
        return guided * (1 + self.rescale * (size - 1))


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
        return self.guidance.combine(unconditional, conditional)
