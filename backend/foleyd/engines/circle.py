"""A clip whose time is a circle: after its end comes its beginning, at every step and in every network.

The networks stay as they are. Each is given the clip with its own ends wrapped around it, wide enough that
what is made of the clip never sees an edge, and of what comes out the clip itself is kept: circular padding,
from outside. So a loop has no seam that a crossfade would have to hide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from foleyd.diffusion.guidance import Network
from foleyd.engines import sounding

MARGIN = 16
"""Latent frames wrapped around each end, at least: 0.64 s in the published checkpoints, most of what a
frame's surroundings tell a network."""


class Circle(NamedTuple):
    """A clip of `frames` latent frames in a network that is called with `around` of them."""

    frames: int
    around: int

    def wrapped(self, latents: torch.Tensor) -> torch.Tensor:
        """`[n, c, frames, f]` with its ends wrapped around it, `[n, c, around, f]`."""
        return wrapped(latents, 2, self.before, self.around)

    @property
    def before(self) -> int:
        """Of the frames around it, those before it."""
        return (self.around - self.frames) // 2

    def denoise(self, network: Network) -> Network:
        """The network for latents of the clip alone."""

        def circular(latents: torch.Tensor, timestep: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
            predicted = network(self.wrapped(latents), timestep, condition)
            return predicted[:, :, self.before : self.before + self.frames]

        return circular

    def decode(self, network: Callable[[torch.Tensor], torch.Tensor], latents: torch.Tensor) -> torch.Tensor:
        """Log-mel `[n, frames × factor, bins]` of latents `[n, c, frames, f]`."""
        mel = network(self.wrapped(latents))
        factor = mel.shape[1] // self.around
        return mel[:, self.before * factor : (self.before + self.frames) * factor]


def place(frames: int, lengths: Sequence[int], stride: int) -> Circle:
    """The circle of so many latent frames in the shortest of `lengths` that leaves a margin on both sides, or
    in a multiple of `stride` where none does."""
    needed = frames + 2 * MARGIN
    around = next((length for length in lengths if length >= needed), -(-needed // stride) * stride)
    return Circle(frames, around)


def wrapped(tensor: torch.Tensor, axis: int, before: int, count: int) -> torch.Tensor:
    """`count` frames along `axis`, read around the circle from `before` frames before its first."""
    index = (torch.arange(count, device=tensor.device) - before) % tensor.shape[axis]
    return tensor.index_select(axis, index)


def sound(
    vocoder: Callable[[torch.Tensor], torch.Tensor],
    mel: torch.Tensor,
    *,
    seconds: Fraction,
    rate: int,
    hop: int,
    reach: int | None,
) -> torch.Tensor:
    """The samples `[1, n]` of the circular log-mel `[1, frames, bins]`, exactly as many as `seconds` have.

    The log-mel is brought to the nearest whole number of frames, which changes lengths and no pitch; what is
    left, half a frame at most, the waveform is resampled by. `reach` as in `foleyd.engines.sounding.vocode`.
    """
    frames = max(1, round(seconds * rate / hop))
    even = torch.from_numpy(_even(mel[0].cpu().numpy(), frames)).to(mel.device)[None]
    margin = sounding.margin(reach)
    around = wrapped(even, 1, margin, frames + 2 * margin)
    samples = torch.cat(list(sounding.vocode(vocoder, around, hop, reach)), dim=1)
    own = samples[:, margin * hop : (margin + frames) * hop]
    wanted = round(seconds * rate)
    if wanted == own.shape[1]:
        return own
    # imported on use: scipy.signal takes most of a second, and only loops need it
    from scipy.signal import resample

    return torch.from_numpy(resample(own.cpu().numpy(), wanted, axis=1).astype(np.float32))


def _even(mel: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Log-mel `[m, bins]` read at `frames` points that lie evenly on its circle, between its own linearly: a
    band-limited reading would ring around attacks."""
    own = len(mel)
    if own == frames:
        return mel
    at = (np.arange(frames) + 0.5) * own / frames - 0.5
    first = np.floor(at).astype(np.int64)
    share = (at - first)[:, None].astype(np.float32)
    read: NDArray[np.float32] = mel[first % own] * (1 - share) + mel[(first + 1) % own] * share
    return read
