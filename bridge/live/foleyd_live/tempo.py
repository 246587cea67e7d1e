"""The musical time of the live host: which frame of the sample clock a beat falls on.

Time is one line through (frame, beat) with a slope. Frames of beats are each rounded once, from exact
fractions, so that equal quanta lie equally far apart to the sample however long the host runs. A leader
(MIDI clock, Link) moves the line while it is the source; when it falls silent, the line goes on as it was.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Protocol

from foleyd.errors import BadRequest
from foleyd_live import properties
from foleyd_live.properties import QUANTA, SOURCES, Value

BARS: Mapping[str, int] = {"bar": 1, "2 bars": 2, "4 bars": 4, "8 bars": 8}
"""Bars of the quanta that are counted in bars."""
INTERNAL = SOURCES[0]
TAP_GAP_S = 3.0
"""A tap that comes later than this begins anew: the beat of the slowest tempo."""
TAP_BOUNCE_S = 0.14
"""A tap that comes sooner than this is the same one: less than the beat of the fastest tempo."""
TAPS = 8
"""Taps that count."""
TAP_DEVIATION = 0.3
"""Share of the tapped beat by which a new interval may differ before it begins a new tempo."""
GRAIN_BPM = 0.001
"""A leader's tempo is told in steps of this, where the leader names no coarser ones."""

_SPAN = properties.find("clock/tempo")
_GRID = 2**32

Listener = Callable[[str, Value], None]


class Leader(Protocol):
    """What may lead the tempo instead of the host itself. It calls :meth:`Tempo.follow` as time goes on."""

    @property
    def leads(self) -> bool:
        """Whether it gives the time now."""

    @property
    def unit(self) -> Fraction:
        """What an :meth:`Tempo.align` may move its count by: 1 where it knows where the beats are."""

    def start(self) -> None:
        """Become the source. Raises FoleydError where that cannot be."""

    def stop(self) -> None:
        """Be the source no longer."""

    def wish(self, bpm: float) -> None:
        """The user asks for this tempo. Raises BadRequest where the leader's cannot be changed from here."""

    def set_beats(self, beats: int) -> None:
        """The bar has this many beats now."""


class Tempo:
    """Beats, bars and their frames.

    `now` gives the frame that is mixed next; `rate` is in Hz, `bpm` 20 to 400, `beats` those of a bar. Beat 0
    is at the frame at which it was made; beats before it are negative. One thread only.
    """

    def __init__(self, now: Callable[[], int], rate: int, *, bpm: float = 120.0, beats: int = 4) -> None:
        self._now = now
        self._rate = rate
        self._bpm = _checked(bpm)
        self._beats = beats
        self._frame = Fraction(now())
        self._beat = Fraction(0)
        # beats between what the leader counts and what is counted here
        self._shift = Fraction(0)
        self._source = INTERNAL
        self._leaders: dict[str, Leader] = {}
        self._listeners: list[Listener] = []
        self._told = self._bpm
        self._taps: list[int] = []

    @property
    def bpm(self) -> float:
        """Beats a minute, as last told: a leader's is rounded, for its clock may tremble."""
        return self._told

    @property
    def beats(self) -> int:
        """Beats of a bar."""
        return self._beats

    @property
    def rate(self) -> int:
        """Hz."""
        return self._rate

    @property
    def source(self) -> str:
        """internal, midi or link."""
        return self._source

    @property
    def led(self) -> bool:
        """Whether something else gives the time now; False too while a leader is silent."""
        return self._source != INTERNAL and self._leaders[self._source].leads

    def listen(self, callback: Listener) -> Callable[[], None]:
        """Have `callback` called with ``clock/tempo``, ``clock/beats``, ``clock/source`` or ``clock/beat``
        and the new value after each change (``clock/beat`` only when the count jumps). Returns what ends
        it."""
        self._listeners.append(callback)

        def end() -> None:
            if callback in self._listeners:
                self._listeners.remove(callback)

        return end

    def beat(self, frame: int | None = None) -> float:
        """Beats since the clock began at `frame`, or at the frame that is mixed next."""
        return float(self._beat_at(Fraction(self._now() if frame is None else frame)))

    def frame_of(self, beat: float | Fraction) -> int:
        """The frame nearest to `beat`."""
        return math.floor(self._frame + (Fraction(beat) - self._beat) * self._period + Fraction(1, 2))

    def next(self, quantum: str, after: int | None = None) -> int:
        """The first frame at or after `after` (the frame that is mixed next when left out) on which a
        `quantum` begins: one of ``properties.QUANTA``; off gives `after` itself."""
        after = self._now() if after is None else after
        if quantum == QUANTA[0]:
            return after
        length = self._length(quantum)
        # half a frame earlier: a beat that lies there is rounded to `after`, and still to come
        count = math.ceil(self._beat_at(after - Fraction(1, 2)) / length)
        return self.frame_of(Fraction(count * length))

    def seconds_to(self, quantum: str, after: int | None = None) -> float:
        """Seconds from `after` to the next `quantum`."""
        after = self._now() if after is None else after
        return (self.next(quantum, after) - after) / self._rate

    def frames_of_bars(self, bars: float) -> int:
        """Length of `bars` bars at the present tempo, in whole frames."""
        return math.floor(Fraction(bars) * self._beats * self._period + Fraction(1, 2))

    def seconds_of_bars(self, bars: float) -> float:
        """Length of `bars` bars at the present tempo, in seconds."""
        return bars * self._beats * 60 / self._bpm

    def set_tempo(self, bpm: float, frame: int | None = None) -> None:
        """Change the tempo from `frame` on; the beat goes on from where it is there. A leader is asked.

        Raises BadRequest for a tempo out of range, or where the leader's cannot be changed.
        """
        bpm = _checked(bpm)
        if self.led:
            self._leaders[self._source].wish(bpm)
            return
        self._go_on_from(Fraction(self._now() if frame is None else frame))
        self._bpm = bpm
        self._tell_tempo(bpm)

    def set_beats(self, beats: int) -> None:
        """Give the bar this many beats; the beat that is now keeps its number."""
        if beats == self._beats:
            return
        self._beats = int(properties.check(properties.find("clock/beats"), beats))
        for leader in self._leaders.values():
            leader.set_beats(beats)
        self._tell("clock/beats", self._beats)

    def set_rate(self, rate: int) -> None:
        """The device's rate is another from the frame on that is mixed next."""
        self._go_on_from(Fraction(self._now()))
        self._rate = rate
        self._taps.clear()

    def lead(self, source: str, leader: Leader) -> None:
        """Make `leader` known as what leads while the source is `source`."""
        self._leaders[source] = leader
        leader.set_beats(self._beats)

    def set_source(self, source: str) -> None:
        """Let `source` give the time. Raises FoleydError where it cannot; the source is then as before."""
        if source == self._source:
            return
        if source != INTERNAL:
            leader = self._leaders.get(source)
            if leader is None:
                raise BadRequest(f"nothing can lead the tempo as {source}: give {' or '.join(SOURCES)}.")
            leader.start()
        former, self._source = self._source, source
        if former != INTERNAL:
            self._leaders[former].stop()
        self._shift = Fraction(0)
        self._go_on_from(Fraction(self._now()))
        self._bpm = self._told
        self._tell("clock/source", source)

    def tap(self, frame: int) -> None:
        """A tap at `frame`: from the second on, taps set the tempo, and each is a beat.

        Raises BadRequest while MIDI clock gives the tempo.
        """
        self._taps = _series(self._taps, frame, self._rate)
        if len(self._taps) < 2:
            return
        slope = statistics.linear_regression(range(len(self._taps)), self._taps).slope
        bpm = min(max(60 * self._rate / slope, _SPAN.low), _SPAN.high)
        self.set_tempo(bpm, frame)
        if not self.led:
            self._put(frame, Fraction(round(self._beat)))

    def align(self, frame: int) -> None:
        """Make `frame` the first beat of a bar, and of all longer quanta: beats are counted from there.

        While something else leads, its beats stay where they are and the nearest becomes the first; where it
        does not know its beats, as MIDI clock before a start, the nearest of its units.
        """
        if self.led:
            unit = self._leaders[self._source].unit
            moved = round(self._beat_at(Fraction(frame)) / unit) * unit
            self._shift -= moved
            self._put(self._frame, self._beat - moved)
        else:
            self._put(Fraction(frame), Fraction(0))
        self._tell("clock/beat", self.beat(frame))

    def follow(
        self,
        source: str,
        frame: float,
        beat: float | Fraction,
        bpm: float,
        *,
        slack_s: float = 0.0,
        grain: float = GRAIN_BPM,
        anew: bool = False,
    ) -> None:
        """What a leader calls: at `frame` it is `beat`, at `bpm`. Nothing happens while `source` is not the
        source.

        An equal tempo that lies within `slack_s` seconds of the line leaves it as it is. `grain`: the tempo
        is told in steps of this. `anew`: the leader began to count again, and an :meth:`align` before is
        forgotten.
        """
        if source != self._source or not _SPAN.low <= bpm <= _SPAN.high:
            return
        if anew:
            self._shift = Fraction(0)
        at, wanted = Fraction(frame), Fraction(beat) + self._shift
        away = abs(self._beat_at(at) - wanted) * self._period / self._rate
        if not anew and bpm == self._bpm and away <= slack_s:
            return
        self._bpm = bpm
        self._put(at, wanted)
        # three quarters of a step: a tempo between two steps does not go to and fro
        if abs(bpm - self._told) > 0.75 * grain:
            self._tell_tempo(round(round(bpm / grain) * grain, 6))
        if anew:
            self._tell("clock/beat", self.beat())

    @property
    def _period(self) -> Fraction:
        """Frames of a beat."""
        return Fraction(60 * self._rate) / Fraction(self._bpm)

    def _length(self, quantum: str) -> int:
        """Beats of a quantum."""
        if quantum == QUANTA[1]:
            return 1
        if quantum not in BARS:
            raise BadRequest(f"quantise is {quantum!r}: give {', '.join(QUANTA[:-1])} or {QUANTA[-1]}.")
        return BARS[quantum] * self._beats

    def _beat_at(self, frame: Fraction) -> Fraction:
        return self._beat + (frame - self._frame) / self._period

    def _go_on_from(self, frame: Fraction) -> None:
        self._put(frame, self._beat_at(frame))

    def _put(self, frame: Fraction | int, beat: Fraction) -> None:
        # on a grid, or the fractions would grow with each change; its error is far below a frame
        self._frame = Fraction(round(frame * _GRID), _GRID)
        self._beat = Fraction(round(beat * _GRID), _GRID)

    def _tell_tempo(self, bpm: float) -> None:
        if bpm != self._told:
            self._told = bpm
            self._tell("clock/tempo", bpm)

    def _tell(self, address: str, value: Value) -> None:
        for listener in tuple(self._listeners):
            listener(address, value)


def _checked(bpm: float) -> float:
    return float(properties.check(_SPAN, bpm))


def _series(taps: list[int], frame: int, rate: int) -> list[int]:
    """The taps that count, with the one at `frame`."""
    if not taps or not 0 <= frame - taps[-1] <= TAP_GAP_S * rate:
        return [frame]
    interval = frame - taps[-1]
    if interval < TAP_BOUNCE_S * rate:
        return taps
    if len(taps) > 1:
        usual = (taps[-1] - taps[0]) / (len(taps) - 1)
        if abs(interval - usual) > TAP_DEVIATION * usual:
            return [taps[-1], frame]
    return [*taps, frame][-TAPS:]
