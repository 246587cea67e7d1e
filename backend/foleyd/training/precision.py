"""What training computes in: half precision where the processor multiplies it, which not every one does."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def fast() -> AbstractContextManager[None]:
    """A block whose matrix products are in bfloat16 where oneDNN has instructions for it, else in float32.

    Without them it is emulated: a denoiser's step on AVX2 alone takes twenty times as long as in float32.
    """
    native = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=native)
