"""What the mixer tells: voices, levels, counts, clocks."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt


class VoiceState(msgspec.Struct, frozen=True):
    """A voice that is heard: where it is in its clip, in frames."""

    pad: int
    slot: int
    position: float
    looping: bool
    releasing: bool
    level: float


class Meters(msgspec.Struct, frozen=True):
    """Peaks since the last look, as factors of full scale, and the limiter's lowest gain."""

    pairs: list[float]
    cue: float
    input: float
    pads: list[float]
    limiter: float


class Counters(msgspec.Struct, frozen=True):
    """What happened since the beginning. `begins_ns` (monotonic) and `durations_us`: when the last callbacks
    began and how long they took, oldest first."""

    blocks: int
    late: int
    dropped: int
    stolen: int
    underruns: int
    overruns: int
    begins_ns: npt.NDArray[np.int64]
    durations_us: npt.NDArray[np.float32]


class ClockRecord(msgspec.Struct, frozen=True):
    """One callback's clocks: the first frame that it mixed, the monotonic time in ns at which it began, and
    the seconds from then until that frame is heard."""

    frame: int
    monotonic_ns: int
    latency_s: float
