"""Whether what a network gave is fit to be a sound. What is not is reported with its reason and never
returned.
"""

from collections.abc import Sequence
from typing import Literal

import torch

from foleyd.errors import RenderFailed

SILENCE_PEAK = 10 ** (-60 / 20)
"""Full scale is 1. A whole take that never leaves ±0.001 around its mean holds nothing to bring forward."""


def check_finite(values: torch.Tensor, what: str, seeds: Sequence[int]) -> None:
    """Raise `RenderFailed` ("nan" or "inf") unless `values` `[n, …]`, one row a seed, are numbers."""
    for row, seed in zip(values, seeds, strict=True):
        if bool(torch.isfinite(row).all()):
            continue
        reason: Literal["nan", "inf"] = "nan" if bool(torch.isnan(row).any()) else "inf"
        raise RenderFailed(
            f"the model gave {reason.upper()} in the {what} of seed {seed}: try float32 precision, a lower "
            "guidance or another seed.",
            reason,
        )


def check_audible(samples: torch.Tensor, seeds: Sequence[int]) -> None:
    """Raise `RenderFailed` ("silence") if a row of `samples` `[n, frames]` is silent but for a constant
    offset.
    """
    for row, seed in zip(samples, seeds, strict=True):
        if float((row - row.mean()).abs().max()) < SILENCE_PEAK:
            raise RenderFailed(
                f"the model gave silence for seed {seed}: say what sounds in the prompt, or try another.",
                "silence",
            )
