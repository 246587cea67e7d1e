"""Audio files as people and strangers send them, for tests of the import."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 44_100


def noise(frames: int = 4410, channels: int = 1, seed: int = 1) -> NDArray[np.float64]:
    """Noise below full scale, ``[frames, channels]``."""
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (frames, channels))


def encoded(
    samples: NDArray[Any], *, format: str = "WAV", subtype: str | None = None, rate: int = RATE
) -> bytes:
    """The bytes of a sound file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    return file.getvalue()


def wav(frames: int = 4410, channels: int = 1, seed: int = 1) -> bytes:
    """A 16-bit WAV file of noise."""
    return encoded(noise(frames, channels, seed), subtype="PCM_16")
