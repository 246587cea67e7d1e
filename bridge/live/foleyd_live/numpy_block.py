"""One callback of the mixer in numpy, with the clocks and counts that the compiled one keeps too."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt

from foleyd_live import memory as m
from foleyd_live.desk import Desk

Samples = npt.NDArray[np.float32]


class NumpyBlock:
    """What an audio system's callback calls for `desk`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(
        self,
        out: Samples,
        sound: Samples | None,
        latency_s: float,
        underruns: int = 0,
        overruns: int = 0,
    ) -> None:
        """Mix `len(out)` frames; `out` and `sound` are `[frames, channels]`. `latency_s`: from now until the
        first is heard; the counts say what the audio system missed before."""
        state = self._desk.memory
        s = state.s
        begun = time.monotonic_ns()
        s[m.S_SEQUENCE] += 1
        s[m.S_CLOCK_FRAME], s[m.S_CLOCK_NS] = s[m.S_FRAME], begun
        state.f[m.F_LATENCY] = latency_s
        s[m.S_SEQUENCE] += 1
        s[m.S_UNDERRUNS] += underruns
        s[m.S_OVERRUNS] += overruns
        self._desk.process(out, sound)
        place = int(s[m.S_DURATIONS]) % m.DURATIONS
        state.begins[place], state.durations[place] = begun, (time.monotonic_ns() - begun) / 1000
        s[m.S_DURATIONS] += 1
