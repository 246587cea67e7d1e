"""Rings of sound that the audio callback writes, read from behind."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foleyd.errors import BadRequest
from foleyd_live import memory as m
from foleyd_live.desk import Desk

Samples = npt.NDArray[np.float32]


class Part(NamedTuple):
    """Samples `[frames, channels]`, and how many of the first of them were overwritten before they could be
    read; these are silent."""

    samples: Samples
    lost: int


class Tap:
    """One ring of a desk: its place `k` holds frame `k` modulo its length.

    The callback writes frames first and counts them afterwards. It writes up to a whole block more than it
    has counted, so the oldest frames of that length are never taken.
    """

    def __init__(self, desk: Desk, ring: Samples, counter: int, *, behind: int = 0) -> None:
        """`counter` is the scalar that counts; `behind` how many frames later than they were counted the
        samples stand in the main bus."""
        self._desk, self._memory = desk, desk.memory
        self._ring, self._counter = ring, counter
        self.behind = behind

    @property
    def written(self) -> int:
        """Frames written so far."""
        return int(self._memory.s[self._counter])

    @property
    def over(self) -> bool:
        """Whether no more will come: the desk was rebuilt for another device."""
        return self._memory is not self._desk.memory

    @property
    def channels(self) -> int:
        """Of the ring."""
        return int(self._ring.shape[1])

    @property
    def oldest(self) -> int:
        """The first frame that can still be read."""
        return max(0, self.written + m.MOST_BLOCK - len(self._ring))

    def read(self, begin: int, end: int) -> Part:
        """Frames from `begin` to `end`, which must have been written. At most a ring's length."""
        size = len(self._ring)
        places = np.arange(begin, end) % size
        taken = self._ring[places]
        # looked at after the copy: what was overtaken meanwhile is known to be bad
        lost = min(max(0, self.oldest - begin), end - begin)
        taken[:lost] = 0.0
        return Part(taken, lost)


def main_tap(desk: Desk) -> Tap:
    """What is heard on the main bus, after its limiter."""
    return Tap(desk, desk.memory.main_tap, m.S_MAIN_TAP)


def input_tap(desk: Desk) -> Tap:
    """What comes in. Raises BadRequest where the host has no inputs."""
    if not desk.inputs:
        raise BadRequest("the live host has no inputs: start it with --inputs 2.")
    return Tap(desk, desk.memory.input_tap, m.S_INPUT_TAP)
