"""MIDI clock in: 24 ticks a beat, start, stop, continue and song position, made into a steady tempo.

Ticks come with a jitter of milliseconds (USB frames, schedulers). A delay-locked loop of second order (Fons
Adriaensen, "Using a DLL to filter time", LAC 2005) follows their times; a tempo that jumps is taken up anew.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

from foleyd.errors import BadRequest
from foleyd_live.tempo import Tempo

TICKS = 24
"""A beat (quarter note) has this many (MIDI 1.0)."""
POSITION_TICKS = 6
"""Ticks of a unit of song position, a sixteenth."""
SILENCE_S = 0.5
"""The clock is gone when no tick comes for this long: four ticks of the slowest tempo."""
ACQUIRE = 12
"""Ticks that are heard before their tempo is believed: half a beat."""
BANDWIDTH_HZ = 0.3
"""Of the loop: jitter faster than this is evened out, changes of tempo slower than this are followed."""
SETTLING = 0.5
"""The younger the loop, the wider: at an age of n seconds its bandwidth is at least this / n Hz."""
JUMP = 0.25
"""Share of a tick by which JUMPED ticks in a row must lie off, to one side, for the tempo to have jumped."""
JUMPED = 4
GRAIN_BPM = 0.1
"""The tempo is told in steps of this."""

Kind = Literal["clock", "start", "continue", "stop", "songpos"]
State = Literal["waiting", "running", "stopped", "silent"]


class Loop:
    """The delay-locked loop: times of ticks in, steady times and the period out, all in seconds."""

    def __init__(self) -> None:
        self._heard: list[float] = []
        self._next = 0.0
        self._off: list[float] = []
        self._age = 0.0
        self.period = 0.0
        self.time = 0.0

    @property
    def locked(self) -> bool:
        """Whether `time` and `period` can be used."""
        return self.period > 0

    def tick(self, at: float) -> None:
        """A tick was heard at `at`."""
        if not self.locked:
            self._acquire(at)
            return
        error = at - self._next
        self._off = [*self._off, error][-JUMPED:]
        if len(self._off) == JUMPED and _one_sided(self._off, JUMP * self.period):
            self._begin_again(at)
            return
        self._age += self.period
        omega = math.tau * max(BANDWIDTH_HZ, SETTLING / self._age) * self.period
        # the time of this tick as the loop has it; what comes next is corrected by the error
        self.time = self._next + math.sqrt(2) * omega * error
        self._next = self.time + self.period
        self.period += omega * omega * error

    def _acquire(self, at: float) -> None:
        self._heard.append(at)
        count = len(self._heard)
        if count < ACQUIRE:
            return
        # the straight line through what was heard, by least squares
        middle, mean = (count - 1) / 2, sum(self._heard) / count
        spread = sum((number - middle) ** 2 for number in range(count))
        slope = sum((number - middle) * (heard - mean) for number, heard in enumerate(self._heard)) / spread
        if slope <= 0:
            del self._heard[0]
            return
        self.period, self.time = slope, mean + slope * middle
        self._next = self.time + slope
        self._age = count * slope
        self._heard.clear()
        self._off.clear()

    def _begin_again(self, at: float) -> None:
        self.period = 0.0
        self._heard = [at]
        self._off.clear()


class MidiClock:
    """Leads a :class:`~foleyd_live.tempo.Tempo` by the clock that comes in on MIDI.

    `frame_at` gives the frame that sounds at a time in seconds, `now` that time. Of several ports that send a
    clock, the one that came first is heard until it falls silent.
    """

    def __init__(
        self, tempo: Tempo, frame_at: Callable[[float], float], now: Callable[[], float] = time.time
    ) -> None:
        self._tempo = tempo
        self._frame_at = frame_at
        self._now = now
        self._loop = Loop()
        self._port = ""
        self._last = -math.inf
        # the number of the last tick, from the start of the song
        self._tick = -1
        self._resume = 0
        self._armed = False
        self._anew = False
        self._started = False
        self._running = False

    @property
    def leads(self) -> bool:
        """Whether ticks come, and their tempo is known."""
        return self._loop.locked and not self._silent(self._now())

    @property
    def unit(self) -> Fraction:
        """A beat once a start told where beats are, else a tick."""
        return Fraction(1) if self._started else Fraction(1, TICKS)

    @property
    def state(self) -> State:
        """waiting for a first tick, running, stopped (ticks come, the song stands still), or silent."""
        if self._last == -math.inf:
            return "waiting"
        if self._silent(self._now()):
            return "silent"
        return "running" if self._running else "stopped"

    def start(self) -> None:
        """Nothing to do: the clock is always heard, and followed once it is the source."""

    def stop(self) -> None:
        """Nothing to do."""

    def wish(self, bpm: float) -> None:
        """Raises BadRequest: MIDI clock cannot be told a tempo."""
        raise BadRequest(
            f"the tempo cannot be set to {bpm:g}, for it follows MIDI clock: change it where the clock comes "
            "from, or set clock/source to internal."
        )

    def set_beats(self, beats: int) -> None:
        """Nothing to do: MIDI clock knows no bars."""

    def received(self, kind: Kind, at: float, *, port: str = "", position: int = 0) -> None:
        """A message came in at `at`; `position` is that of a ``songpos``, in sixteenths."""
        if port != self._port:
            if not self._silent(at):
                return
            self._port = port
        match kind:
            case "clock":
                self._clock(at)
            case "start":
                self._resume = 0
                self._go()
            case "continue":
                self._go()
            case "stop":
                if self._running:
                    self._resume = self._tick + 1
                self._running = self._armed = False
            case "songpos":
                self._resume = position * POSITION_TICKS

    def _go(self) -> None:
        # the song goes on with the tick that comes next
        self._armed = self._started = self._running = True

    def _clock(self, at: float) -> None:
        if self._silent(at):
            self._loop = Loop()
        self._last = at
        self._tick += 1
        if self._armed:
            self._tick, self._armed, self._anew = self._resume, False, True
        self._loop.tick(at)
        if not self._loop.locked:
            return
        self._tempo.follow(
            "midi",
            self._frame_at(self._loop.time),
            Fraction(self._tick, TICKS),
            60 / (TICKS * self._loop.period),
            grain=GRAIN_BPM,
            anew=self._anew,
        )
        self._anew = False

    def _silent(self, at: float) -> bool:
        return at - self._last > SILENCE_S


def _one_sided(errors: list[float], least: float) -> bool:
    return min(errors) > least or max(errors) < -least
