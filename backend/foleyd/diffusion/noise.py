"""Noise that depends on the seed and on nothing else.

Every clip of a batch has a generator of its own, on the CPU whatever the device, so that a seed starts at the
same latents alone, in a batch and on every device. Schedulers that draw noise at their steps draw from the
same generators.
"""

import math
from collections.abc import Sequence

import torch

LARGEST_SEED = 2**31 - 1
_SIDEWAYS = LARGEST_SEED + 1
"""Added to the seeds of variations, so that none of them is the noise of another sound's seed; no more, since
torch looks at 32 bits of a seed on the CPU."""


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One generator a seed (0…2³¹−1), in the order of the batch."""
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise ValueError(f"seed {seed} is outside 0..{LARGEST_SEED}")
    return [torch.Generator(device="cpu").manual_seed(seed) for seed in seeds]


def normal(
    shape: tuple[int, ...], sources: Sequence[torch.Generator], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Standard normal noise, float32 `[len(sources), *shape]`, row k drawn from `sources[k]`."""
    rows = [torch.randn(shape, generator=source, dtype=torch.float32) for source in sources]
    return torch.stack(rows).to(device)


def around(centre: torch.Tensor, seeds: Sequence[int], distances: Sequence[float]) -> torch.Tensor:
    """Noise near `centre` `[n, …]`: row k turned by `distances[k]` (0…1) of a right angle towards noise of
    `seeds[k]`'s own.

    Two normal vectors of this many numbers stand at nearly a right angle on nearly one sphere, so the turn is
    spherical interpolation between them (Shoemake 1985), and what comes is normal noise too. 0 is `centre` to
    the bit.
    """
    return _turned(centre, [_SIDEWAYS + seed for seed in seeds], distances)


def between(start: torch.Tensor, seeds: Sequence[int], mixes: Sequence[float]) -> torch.Tensor:
    """Noise on the way from `start` `[n, …]` to the noise of `seeds` themselves: as for :func:`around`, 0 is
    `start` to the bit."""
    return _turned(start, seeds, mixes)


def _turned(start: torch.Tensor, seeds: Sequence[int], shares: Sequence[float]) -> torch.Tensor:
    rows = []
    for row, seed, share in zip(start, seeds, shares, strict=True):
        source = torch.Generator(device="cpu").manual_seed(seed)
        other = torch.randn(row.shape, generator=source, dtype=torch.float32).to(row.device)
        angle = share * math.pi / 2
        rows.append(math.cos(angle) * row + math.sin(angle) * other)
    return torch.stack(rows)
