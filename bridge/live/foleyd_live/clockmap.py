"""The map between this machine's clocks and the frames of the audio device.

Its slope is the device's nominal rate exactly, so that the spacing of two times is the same number of frames
wherever they lie. Real devices run a little fast or slow, and a missed block shifts them: the anchor follows
when what is measured has drifted by more than :data:`BOUND_S`, and only while nothing waits for its frame,
unless it is off by :data:`MOST_S`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from foleyd_live.desk import Desk

BOUND_S = 0.001
"""How far the map may be off before its anchor moves."""
MOST_S = 0.01
"""How far, even while events wait for their frames."""
SPAN_S = 2.0
"""Time that an estimate rests on: the callback that was delayed the least tells the most."""
_RECENT = 32
_CLOSE = 0.05
"""Seconds since 1970 are known to a hundredth of a frame; so much of one is surely more."""


class ClockMap:
    """The clock map of `desk`; :meth:`look` is called several times a second. `wall` gives seconds since
    1970, `monotonic` the seconds of :func:`time.monotonic`."""

    def __init__(
        self,
        desk: Desk,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._desk, self._wall, self._monotonic = desk, wall, monotonic
        self._anchor: float | None = None
        self._seen: deque[tuple[float, float]] = deque()
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._last = -1
        self._rate = desk.rate
        self._set_clock = self._read_offset()
        self.moved = 0
        """How often the anchor had to follow."""

    def look(self) -> None:
        """Take the last callback into the estimate."""
        offset = self._read_offset()
        if abs(offset - self._set_clock) > BOUND_S:
            self._set_clock = offset
            self._recent.clear()
        record = self._desk.clock()
        if record.monotonic_ns == 0 or record.frame == self._last:
            return
        if self._rate != self._desk.rate or record.frame < self._last:
            self._rate, self._anchor = self._desk.rate, None
            self._seen.clear()
        self._last = record.frame
        begun = record.monotonic_ns / 1e9
        # the monotonic second at which frame 0 would have been heard
        self._seen.append((begun, begun + record.latency_s - record.frame / self._rate))
        while begun - self._seen[0][0] > SPAN_S:
            self._seen.popleft()
        self._follow(self._measured())

    def _measured(self) -> float:
        return min(zero for _, zero in self._seen)

    def _follow(self, measured: float) -> None:
        if self._anchor is not None:
            off = abs(measured - self._anchor)
            if off <= BOUND_S or (self._desk.waiting and off <= MOST_S):
                return
            self.moved += 1
        self._anchor = measured
        self._recent.clear()

    @property
    def error_s(self) -> float:
        """Bound of the absolute offset, in seconds: how far the anchor is from what was measured, and how far
        what was measured is spread; infinite before the first callback."""
        if self._anchor is None or not self._seen:
            return math.inf
        seen = [zero for _, zero in self._seen]
        return abs(min(seen) - self._anchor) + max(seen) - min(seen) + 1 / self._rate

    def frame_at(self, unix: float) -> int:
        """The frame that is heard at `unix` (seconds since 1970); the next one to be mixed before the first
        callback. Times that are a whole number of frames apart, a minute at most, stay so."""
        self._first_look()
        if self._anchor is None:
            return self._desk.frame
        exact = (unix - self._set_clock - self._anchor) * self._rate
        frame = round(exact)
        if abs(exact - math.floor(exact) - 0.5) < _CLOSE:
            # the last digits of the time would decide; a neighbour has decided already
            frame = self._beside(unix, exact, frame)
        self._recent.append((unix, frame))
        return frame

    def _beside(self, unix: float, exact: float, frame: int) -> int:
        for then, known in reversed(self._recent):
            apart = (unix - then) * self._rate
            beside = known + round(apart)
            if abs(apart - round(apart)) < _CLOSE and abs(beside - exact) < 0.5 + _CLOSE:
                return beside
        return frame

    def frame_at_monotonic(self, seconds: float) -> int:
        """The frame that is heard at a time of :func:`time.monotonic`."""
        self._first_look()
        if self._anchor is None:
            return self._desk.frame
        return round((seconds - self._anchor) * self._rate)

    def frame_now(self) -> int:
        """The frame that is heard now."""
        return self.frame_at_monotonic(self._monotonic())

    def time_at(self, frame: int) -> float:
        """When `frame` is heard, in seconds since 1970."""
        self._first_look()
        anchor = self._anchor
        if anchor is None:
            anchor = self._monotonic() - self._desk.frame / self._rate
        return anchor + frame / self._rate + self._set_clock

    def _first_look(self) -> None:
        if self._anchor is None:
            self.look()

    def _read_offset(self) -> float:
        """Seconds from the monotonic clock to the wall clock: of a few readings the one that took the
        least."""
        readings = []
        for _ in range(3):
            before = self._monotonic()
            wall = self._wall()
            after = self._monotonic()
            readings.append((after - before, wall - (before + after) / 2))
        return min(readings)[1]
