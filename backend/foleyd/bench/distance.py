"""How far two sounds are apart."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from foleyd.engines.mel import LogMel


def log_mel_l1(sound: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The mean difference of their log-mels in nats (0.1 is about 0.9 dB), over as much as both have; both
    mono at 16 kHz, at least 640 samples."""
    length = min(len(sound), len(other))
    both = torch.from_numpy(np.stack([sound[:length], other[:length]]))
    first, second = LogMel()(both)
    return float((first - second).abs().mean())
