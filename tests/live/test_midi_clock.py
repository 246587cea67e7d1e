"""MIDI clock in: jitter, starts, positions, jumps of tempo, silence. Times are computed, nothing is waited
for."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from itertools import pairwise

import pytest

from foleyd.errors import BadRequest
from foleyd_live.midi_clock import ACQUIRE, SILENCE_S, TICKS, MidiClock
from foleyd_live.properties import Value
from foleyd_live.tempo import Tempo

RATE = 48_000


class Band:
    """A sender of MIDI clock, its listener, and the time that both share."""

    def __init__(self, *, jitter_s: float = 0.0, bpm: float = 120.0) -> None:
        self.at = 1.0e9
        self.begun = self.at
        self.bpm = bpm
        self.tempo = Tempo(self.frame, RATE)
        self.clock = MidiClock(self.tempo, lambda at: (at - self.begun) * RATE, lambda: self.at)
        self.tempo.lead("midi", self.clock)
        self.tempo.set_source("midi")
        self.told: list[tuple[str, Value]] = []
        self.tempo.listen(lambda address, value: self.told.append((address, value)))
        self._jitter_s = jitter_s
        self._chance = random.Random(7)

    def frame(self) -> int:
        return round((self.at - self.begun) * RATE)

    def ticks(self, count: int, port: str = "") -> None:
        """Send ticks, the first one now; the time afterwards is that of the tick that would be next."""
        for _ in range(count):
            late = self._chance.uniform(-self._jitter_s, self._jitter_s)
            self.clock.received("clock", self.at + late, port=port)
            self.at += 60 / self.bpm / TICKS

    def beats(self, count: float) -> None:
        self.ticks(round(count * TICKS))

    def say(self, *kinds: str, position: int = 0) -> None:
        for kind in kinds:
            self.clock.received(kind, self.at, position=position)  # type: ignore[arg-type]


@pytest.mark.parametrize("bpm", [20.0, 97.3, 120.0, 174.0, 400.0])
def test_an_even_clock_is_followed_to_the_frame(bpm: float) -> None:
    band = Band(bpm=bpm)
    band.say("start")
    band.beats(8)
    assert band.tempo.bpm == pytest.approx(bpm, abs=0.05)
    assert band.tempo.frame_of(8) == pytest.approx(band.frame(), abs=1)
    assert band.tempo.next("bar", band.frame() + RATE // 100) == pytest.approx(
        12 * 60 / bpm * RATE, abs=12 * 60 / bpm * RATE * 1e-6 + 1
    )


@pytest.mark.parametrize("bpm", [60.0, 120.0, 200.0])
def test_jitter_of_three_milliseconds_is_more_than_halved(bpm: float) -> None:
    band = Band(jitter_s=0.003, bpm=bpm)
    band.say("start")
    band.beats(8)
    off, tempi = [], []
    for _ in range(24 * TICKS):
        band.ticks(1)
        off.append(band.tempo.beat() * 60 / bpm - (band.at - band.begun))
        tempi.append(4 * 60 / band.tempo.seconds_of_bars(1))
    # evenly spread over ±3 ms: 1.73 ms rms
    assert math.sqrt(sum(one * one for one in off) / len(off)) < 0.00173 / 2
    assert max(map(abs, off)) < 0.0025
    assert max(abs(one - bpm) for one in tempi) < 0.003 * bpm


def test_a_steady_tempo_is_told_once_however_it_jitters() -> None:
    band = Band(jitter_s=0.0005, bpm=128.0)
    band.say("start")
    band.beats(16)
    settled = len(band.told)
    band.beats(64)
    assert [told for told in band.told[settled:] if told[0] != "clock/tempo"] == []
    assert band.told[settled:] == []
    assert band.tempo.bpm == pytest.approx(128, abs=0.15)


def test_a_start_puts_beat_nought_on_the_tick_after_it() -> None:
    band = Band()
    band.ticks(61)
    band.say("start")
    first = band.frame()
    band.ticks(1)
    assert band.tempo.frame_of(0) == pytest.approx(first, abs=1)
    assert ("clock/beat", pytest.approx(0, abs=0.001)) in band.told


def test_a_start_before_the_first_ticks_counts_from_the_first() -> None:
    band = Band()
    band.say("start")
    band.beats(3)
    assert band.tempo.frame_of(0) == pytest.approx(0, abs=1)


def test_the_tempo_is_not_taken_from_few_ticks() -> None:
    band = Band(bpm=90)
    band.ticks(ACQUIRE - 1)
    assert (band.clock.leads, band.tempo.bpm) == (False, 120.0)
    band.ticks(1)
    assert (band.clock.leads, band.tempo.bpm) == (True, 90.0)


def test_stop_keeps_the_grid_and_continue_goes_on_where_it_stopped() -> None:
    band = Band()
    band.say("start")
    band.beats(5.5)
    band.say("stop")
    assert band.clock.state == "stopped"
    band.ticks(31)
    assert band.tempo.beat() == pytest.approx(5.5 + 31 / TICKS, abs=0.001)
    band.say("continue")
    band.ticks(1)
    assert band.clock.state == "running"
    assert band.tempo.beat() == pytest.approx(5.5 + 1 / TICKS, abs=0.001)


def test_a_song_position_is_taken_at_the_continue() -> None:
    band = Band()
    band.beats(2)
    band.say("songpos", position=4 * 16)
    assert band.tempo.beat() == pytest.approx(2, abs=0.001)
    band.say("continue")
    band.beats(1)
    assert band.tempo.beat() == pytest.approx(17, abs=0.001)


@pytest.mark.parametrize("bpm", [60.0, 121.0, 126.0, 150.0, 240.0])
def test_a_new_tempo_is_taken_up(bpm: float) -> None:
    band = Band(jitter_s=0.0005)
    band.say("start")
    band.beats(8)
    band.bpm = bpm
    band.at += 60 / bpm / TICKS - 60 / 120 / TICKS
    begun = band.at
    while band.at - begun < 3:
        band.ticks(1)
    ticks = band.clock._tick + 1
    assert 4 * 60 / band.tempo.seconds_of_bars(1) == pytest.approx(bpm, rel=0.004)
    assert band.tempo.beat() == pytest.approx(ticks / TICKS, abs=0.005)


def test_a_slow_change_of_tempo_is_followed_closely() -> None:
    band = Band()
    band.say("start")
    band.beats(8)
    for number in range(16 * TICKS):
        band.bpm = 120 + number / TICKS
        band.ticks(1)
    assert band.tempo.beat() == pytest.approx(24, abs=0.02)


def test_when_the_clock_falls_silent_the_beat_goes_on_and_the_tempo_can_be_set() -> None:
    band = Band(bpm=100)
    band.say("start")
    band.beats(8)
    with pytest.raises(BadRequest, match="MIDI clock"):
        band.tempo.set_tempo(90)
    band.at += SILENCE_S + 0.1
    assert (band.clock.leads, band.clock.state) == (False, "silent")
    band.at += 60 / 100 * 4 - SILENCE_S - 0.1
    assert band.tempo.beat() == pytest.approx(12, abs=0.001)
    band.tempo.set_tempo(90)
    assert band.tempo.bpm == 90


def test_a_clock_that_comes_back_leads_again() -> None:
    band = Band(bpm=100)
    band.beats(4)
    band.at += 10
    band.bpm = 140
    band.beats(4)
    assert (band.clock.leads, band.clock.state, band.tempo.bpm) == (True, "stopped", 140.0)


def test_the_first_of_two_clocks_is_heard_until_it_is_silent() -> None:
    band = Band(bpm=100)
    band.ticks(1, "one")
    for _ in range(48):
        band.clock.received("clock", band.at - 0.004, port="other")
        band.ticks(1, "one")
    band.clock.received("start", band.at, port="other")
    assert (band.tempo.bpm, band.clock.state) == (100.0, "stopped")
    band.at += 1
    band.bpm = 90
    band.ticks(24, "other")
    assert band.tempo.bpm == 90.0


def test_it_is_followed_only_while_it_is_the_source() -> None:
    band = Band(bpm=100)
    band.tempo.set_source("internal")
    band.beats(4)
    assert band.tempo.bpm == 120.0
    band.tempo.set_source("midi")
    band.ticks(1)
    assert band.tempo.bpm == 100.0


def test_before_a_start_align_moves_by_ticks_and_after_it_by_beats() -> None:
    band = Band()
    band.ticks(55)
    assert band.clock.unit == Fraction(1, TICKS)
    band.tempo.align(band.frame())
    assert band.tempo.beat() == pytest.approx(0, abs=0.001)
    band.beats(3)
    assert band.tempo.beat() == pytest.approx(3, abs=0.001)
    band.say("start")
    band.beats(2.25)
    band.tempo.align(band.frame())
    assert band.clock.unit == 1
    assert band.tempo.beat() == pytest.approx(0.25, abs=0.001)


def test_ticks_in_bunches_do_not_throw_it() -> None:
    band = Band()
    band.say("start")
    band.beats(8)
    for _ in range(40):
        # a late scheduler: two ticks at once, each second one
        band.clock.received("clock", band.at + 1 / 48)
        band.clock.received("clock", band.at + 1 / 48)
        band.at += 2 / 48
    assert 4 * 60 / band.tempo.seconds_of_bars(1) == pytest.approx(120, rel=0.05)
    assert band.tempo.beat() == pytest.approx(8 + 80 / TICKS, abs=0.05)


def test_ticks_at_one_time_are_survived() -> None:
    band = Band()
    for _ in range(40):
        band.clock.received("clock", band.at)
    assert not band.clock.leads
    band.beats(3)
    assert band.tempo.bpm == pytest.approx(120, abs=0.2)


def test_bars_of_a_followed_clock_are_as_long_as_each_other() -> None:
    band = Band(jitter_s=0.002)
    band.say("start")
    band.beats(8)
    bars = []
    for _ in range(16):
        bars.append(band.tempo.next("bar", band.frame() + RATE // 100))
        band.beats(4)
    assert max(abs(b - a - 2 * RATE) for a, b in pairwise(bars)) < 0.003 * RATE
