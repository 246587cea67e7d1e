"""A sound that is played while it is being made: parts of it come in order and are put behind each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from foleyd_live.fitting import Samples, fitted_frames

FADE_S = 0.005
"""The end of what is there fades, so that a part which comes too late is a short rest and no click."""
START_S = 0.0005
"""Fade at the start: an unfinished sound is not trimmed to a zero crossing."""


class Growing:
    """`of` samples at `rate_in` Hz, mono, to be played at `rate` Hz. `samples` `[frames, 2]` is silent where
    nothing came yet, and is written to in place while the mixer reads it."""

    def __init__(self, of: int, rate_in: int, rate: int) -> None:
        self.samples: Samples = np.zeros((fitted_frames(of, rate_in, rate, 1.0), 2), np.float32)
        self._of, self._rate = of, rate
        self._taken = self._filled = 0
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._stream = _stream(rate_in, rate)

    @property
    def whole(self) -> bool:
        """Whether all parts have come."""
        return self._taken == self._of

    def feed(self, start: int, part: NDArray[np.float32]) -> bool:
        """Put a part `[n]` that begins with sample `start` behind the others; False where it does not go on
        where the last one ended, or goes past the end."""
        if start != self._taken or start + len(part) > self._of:
            return False
        self._taken += len(part)
        made = part if self._stream is None else self._stream.resample_chunk(part, last=self.whole)
        if not self._filled and len(made):
            rise = min(len(made), max(1, round(START_S * self._rate)))
            made = np.concatenate([made[:rise] * np.linspace(0, 1, rise, dtype=np.float32), made[rise:]])
        self._write(np.concatenate([self._rest, made]))
        return True

    def _write(self, sound: NDArray[np.float32]) -> None:
        """`sound` from the last fade on: what was faded comes again, as it is."""
        begin = self._filled
        sound = sound[: len(self.samples) - begin]
        fade = min(len(sound), round(FADE_S * self._rate))
        body = len(sound) - fade
        falling = np.linspace(1, 0, fade, endpoint=False, dtype=np.float32)
        # the end first: the mixer may be just before it
        self.samples[begin + body : begin + len(sound)] = (sound[body:] * falling)[:, None]
        self.samples[begin : begin + body] = sound[:body, None]
        self._rest, self._filled = sound[body:], begin + body


def _stream(rate_in: int, rate: int) -> Any:
    import soxr

    return None if rate_in == rate else soxr.ResampleStream(rate_in, rate, 1, dtype="float32", quality="HQ")
