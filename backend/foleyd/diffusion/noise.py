"""Noise that depends on the seed and on nothing else.

Every clip of a batch has a generator of its own, on the CPU whatever the device, so that a seed starts at the
same latents alone, in a batch and on every device. Schedulers that draw noise at their steps draw from the
same generators.
"""

from collections.abc import Sequence

import torch

LARGEST_SEED = 2**31 - 1


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
