"""The clock map against clocks that the test turns."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from foleyd_live import memory as m
from foleyd_live.clockmap import BOUND_S, MOST_S, ClockMap
from foleyd_live.desk import Desk, Play

RATE = 48_000
EPOCH = 1_700_000_000.123
CLICK = np.ones((1, 2), np.float32)


class World:
    """A desk whose callbacks and clocks are the test's: `zero` is the monotonic second at which frame 0 is
    heard, `latency` how long after a callback its first frame is."""

    def __init__(self, zero: float = 1000.0, latency: float = 0.01) -> None:
        self.desk = Desk(RATE, 2, mixer="numpy")
        self.zero, self.latency = zero, latency
        self.now = zero
        self.wall = EPOCH
        self.map = ClockMap(self.desk, lambda: self.now + self.wall - zero, lambda: self.now)

    def block(self, frame: int, late: float = 0.0) -> None:
        """A callback for `frame` that begins `late` seconds after its time, which its latency knows nothing
        of; and a look at it."""
        self.now = self.zero + frame / RATE - self.latency + late
        s = self.desk.memory.s
        s[m.S_CLOCK_FRAME] = s[m.S_FRAME] = frame
        s[m.S_CLOCK_NS] = round(self.now * 1e9)
        self.desk.memory.f[m.F_LATENCY] = self.latency
        self.map.look()

    def blocks(self, first: int, count: int, late: float = 0.0) -> None:
        """So many callbacks a tenth of a second apart."""
        for place in range(count):
            self.block(first + place * RATE // 10, late)


def test_a_frame_and_its_time_belong_together() -> None:
    world = World()
    world.block(4800)
    assert world.map.time_at(0) == pytest.approx(EPOCH, abs=1e-6)
    assert world.map.frame_at(EPOCH + 2.5) == 120_000
    assert world.map.frame_at_monotonic(world.zero + 2.5) == 120_000
    assert world.map.error_s < 2 / RATE


def test_before_the_first_callback_it_is_the_next_frame() -> None:
    world = World()
    assert world.map.frame_at(EPOCH + 100) == world.desk.frame == 0
    assert world.map.error_s == math.inf
    assert world.map.time_at(RATE) == pytest.approx(EPOCH + 1, abs=1e-6)


def test_the_frame_that_is_heard_now_is_behind_the_one_that_is_mixed() -> None:
    world = World(latency=0.01)
    world.block(4800)
    assert world.map.frame_now() == 4800 - 480


def test_late_callbacks_do_not_move_it() -> None:
    world = World()
    world.block(0)
    for place in range(1, 10):
        world.block(place * 4800, late=0.004 * (place % 3))
    assert world.map.moved == 0
    assert world.map.frame_at(EPOCH + 1) == RATE
    assert world.map.error_s >= 0.004


def test_it_follows_a_device_that_runs_slow() -> None:
    """By 100 ppm: after a minute, 6 ms."""
    world = World()
    for place in range(600):
        world.zero += 0.1 * 100e-6
        world.block(place * 4800)
    assert world.map.moved >= 4
    assert abs(world.map.time_at(0) - (world.zero - 1000 + EPOCH)) <= world.map.error_s + 1e-6
    assert abs(world.map.time_at(0) - (world.zero - 1000 + EPOCH)) <= BOUND_S + 2.5e-4


def test_it_waits_while_an_event_waits_for_its_frame() -> None:
    world = World()
    world.blocks(0, 3)
    slot = world.desk.add_clip(CLICK)
    world.desk.play(Play(pad=0, clip=slot), 10**9)
    world.zero += 2 * BOUND_S
    world.blocks(RATE, 40)
    assert world.map.moved == 0
    assert world.map.error_s >= 2 * BOUND_S
    world.desk.panic()
    world.desk.process(np.zeros((64, 2), np.float32))
    assert world.desk.waiting == 0
    world.blocks(10 * RATE, 2)
    assert world.map.moved == 1
    assert world.map.error_s < BOUND_S


def test_an_event_that_waits_does_not_hold_back_more_than_a_bound() -> None:
    world = World()
    world.blocks(0, 3)
    world.desk.play(Play(pad=0, clip=world.desk.add_clip(CLICK)), 10**9)
    world.zero += 2 * MOST_S
    world.blocks(RATE, 40)
    assert world.map.moved == 1


def test_a_wall_clock_that_is_set_is_followed() -> None:
    world = World()
    world.block(0)
    world.wall += 3600
    world.block(4800)
    assert world.map.frame_at(EPOCH + 3600 + 1) == RATE


def test_another_rate_is_taken_in() -> None:
    world = World()
    world.block(RATE)
    world.desk.reset(44_100, 2)
    world.now = world.zero + 10
    s = world.desk.memory.s
    s[m.S_CLOCK_FRAME], s[m.S_CLOCK_NS] = 2 * RATE, round(world.now * 1e9)
    world.map.look()
    assert world.map.frame_at(EPOCH + 11) == 2 * RATE + 44_100


@given(
    first=some.floats(1.0, 10.0),
    apart=some.integers(1, 30 * RATE),
    count=some.integers(2, 20),
)
def test_times_that_are_whole_frames_apart_stay_so(first: float, apart: int, count: int) -> None:
    world = _WORLD
    frames = [world.map.frame_at(EPOCH + first + place * apart / RATE) for place in range(count)]
    whole = [after - before for before, after in itertools.pairwise(frames)]
    # a minute is remembered, which is more than any sequencer plans ahead
    if apart * count < 60 * RATE:
        assert whole == [apart] * (count - 1)
    assert all(abs(step - apart) <= 1 for step in whole)


@given(offset=some.floats(-0.5, 0.5), seconds=some.floats(0.0, 100.0))
def test_no_frame_is_more_than_half_a_frame_off(offset: float, seconds: float) -> None:
    exact = seconds * RATE + offset
    frame = _WORLD.map.frame_at(EPOCH + exact / RATE)
    assert abs(frame - exact) <= 0.5 + 0.1


_WORLD = World()
_WORLD.block(4800)
