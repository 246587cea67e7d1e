"""A sound longer than a model makes in one piece: denoised in windows that overlap, all at every step.

At each step every window is predicted by itself, and where they overlap the predictions are averaged, so that
all windows walk towards one sound (MultiDiffusion: Bar-Tal and others 2023, "MultiDiffusion: Fusing Diffusion
Paths for Controlled Image Generation", equation 5 with weights that rise and fall over a window; a step is
linear in the prediction, so that averaging predictions is averaging its results). A network sees one window
at a time: what it needs of memory does not grow with the sound. The encoder and the decoder work on the same
windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from foleyd.diffusion.guidance import Network
from foleyd.errors import Cancelled

Span = tuple[int, int]
"""The first latent frame, and the one after the last."""


class Windows(NamedTuple):
    """Windows of `size` latent frames that begin at `starts`, in order, in a sound of `frames`."""

    frames: int
    size: int
    starts: tuple[int, ...]

    @property
    def runs(self) -> tuple[Span, ...]:
        """The parts of the sound that the windows cover without a gap."""
        found: list[Span] = []
        for start in self.starts:
            first = found.pop()[0] if found and start <= found[-1][1] else start
            found.append((first, start + self.size))
        return tuple(found)

    def denoise(self, network: Network, cancelled: Callable[[], bool]) -> Network:
        """The network for latents of the whole sound; frames that no window covers are predicted as 0.

        It raises `Cancelled` between two windows.
        """

        def jointly(latents: torch.Tensor, timestep: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            def predicted(start: int) -> torch.Tensor:
                return network(latents[:, :, start : start + self.size], timestep, condition)

            return self.averaged(predicted, cancelled, axis=2)

        return jointly

    def decode(
        self,
        network: Callable[[torch.Tensor], torch.Tensor],
        latents: torch.Tensor,
        cancelled: Callable[[], bool],
        factor: int,
    ) -> torch.Tensor:
        """Log-mel `[n, frames × factor, bins]` of latents `[n, c, frames, f]`."""
        return self.averaged(
            lambda start: network(latents[:, :, start : start + self.size]), cancelled, axis=1, factor=factor
        )

    def averaged(
        self,
        made: Callable[[int], torch.Tensor],
        cancelled: Callable[[], bool],
        *,
        axis: int,
        factor: int = 1,
    ) -> torch.Tensor:
        """What `made` gives for each start, laid together along `axis` with `factor` frames for each latent
        one, averaged where windows overlap, and 0 where there are none."""
        total, weights = torch.empty(0), torch.zeros(self.frames * factor)
        shape = _shape(self.size * factor)
        for start in self.starts:
            if cancelled():
                raise Cancelled("the render was cancelled between two of its windows.")
            one = made(start)
            if not total.numel():
                size = list(one.shape)
                size[axis] = self.frames * factor
                total = torch.zeros(size, device=one.device)
            place = slice(start * factor, (start + self.size) * factor)
            along = [1] * one.ndim
            along[axis] = -1
            total.narrow(axis, place.start, self.size * factor).add_(one * shape.to(one.device).view(along))
            weights[place] += shape
        along = [1] * total.ndim
        along[axis] = -1
        return total / weights.clamp(min=torch.finfo(torch.float32).tiny).to(total.device).view(along)


def place(frames: int, size: int, spans: Sequence[Span]) -> Windows:
    """The windows of `size` frames, each half over the last, that touch one of `spans` in a sound of `frames`
    (at least `size`); the last one ends with the sound."""
    starts = [*range(0, frames - size, size // 2), frames - size]
    touching = (
        start for start in starts if any(start < stop and first < start + size for first, stop in spans)
    )
    return Windows(frames, size, tuple(touching))


def _shape(count: int) -> torch.Tensor:
    """How much each frame of a window counts: half a sine's square, above zero everywhere."""
    return torch.sin(torch.pi * (torch.arange(count) + 0.5) / count) ** 2
