"""Timetags and the schedule: order, bounds, lateness, and a clock that is set while something waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial

import pytest
from pythonosc.parsing import ntp as reference

from foleyd.errors import BadRequest
from foleyd.wire import timetag
from foleyd.wire.timetag import Schedule, to_unix


class Clock:
    """A wall clock that stands still until it is set."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def in_loop(scenario: Callable[[Clock, Schedule, list[str]], None]) -> None:
    async def run() -> None:
        clock = Clock()
        schedule = Schedule(clock)
        try:
            scenario(clock, schedule, [])
        finally:
            schedule.close()

    asyncio.run(run())


@pytest.mark.parametrize("unix", [0.0, 0.25, 1_800_000_000.5, 2_085_978_495.75])
def test_times_are_those_of_python_osc(unix: float) -> None:
    assert to_unix(int.from_bytes(reference.system_time_to_ntp(unix), "big")) == unix


def test_times_go_on_after_the_seconds_of_ntp_have_run_over() -> None:
    assert to_unix(2**64 - 2**31) == 2_085_978_495.5
    assert to_unix(2**31) == 2_085_978_496.5


def test_fractions_are_kept_to_a_microsecond() -> None:
    second = (1_800_000_000 + 2_208_988_800) << 32
    assert to_unix(second + 2**32 // 1000) - 1_800_000_000 == pytest.approx(0.001, abs=1e-6)


def test_a_call_may_be_made_early_without_being_late() -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        schedule.at(clock.now + 2, partial(made.append, "in two seconds"), early_s=0.5)
        schedule.at(clock.now + 0.4, partial(made.append, "near"), early_s=0.5)
        assert made == ["near"]
        clock.now += 1.4
        schedule.run_due()
        assert made == ["near"]
        clock.now += 0.2
        schedule.run_due()
        assert made == ["near", "in two seconds"]
        assert schedule.late == 0
        schedule.at(clock.now - 1, partial(made.append, "late"), early_s=0.5)
        assert schedule.late == 1

    in_loop(scenario)


def test_calls_are_made_in_the_order_of_their_times_and_of_their_coming() -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        for name, ahead in [
            ("c", 2.0),
            ("a", 1.0),
            ("d", 2.0),
            ("b", 1.0),
            ("e", 2.0),
            ("f", 2.0),
            ("g", 3.0),
        ]:
            schedule.at(clock.now + ahead, partial(made.append, name))
        schedule.run_due()
        assert made == []
        clock.now += 1.5
        schedule.run_due()
        assert made == ["a", "b"]
        clock.now += 1
        schedule.run_due()
        assert made == ["a", "b", "c", "d", "e", "f"]
        assert len(schedule) == 1
        assert schedule.late == 0

    in_loop(scenario)


def test_what_comes_late_is_called_at_once_and_counted() -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        schedule.at(clock.now, partial(made.append, "now"))
        assert (made, schedule.late) == (["now"], 0)
        schedule.at(clock.now - 2, partial(made.append, "late"))
        schedule.at(clock.now - 0.5, partial(made.append, "a little late"))
        assert made == ["now", "late", "a little late"]
        assert (schedule.late, schedule.latest_s) == (2, 2.0)
        # a clock that was never set is late, but says nothing about how late things come
        schedule.at(clock.now - 2e9, partial(made.append, "ancient"))
        assert made[-1] == "ancient"
        assert (schedule.late, schedule.latest_s) == (3, 2.0)

    in_loop(scenario)


def test_an_hour_ahead_is_taken_and_more_is_not() -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        schedule.at(clock.now + 3600, partial(made.append, "in an hour"))
        with pytest.raises(BadRequest, match="3601 s ahead: send it at most 3600 s before"):
            schedule.at(clock.now + 3601, partial(made.append, "later"))
        clock.now += 4000
        schedule.run_due()
        assert made == ["in an hour"]

    in_loop(scenario)


def test_a_thousand_wait_and_no_more() -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        for number in range(timetag.MOST_WAITING):
            schedule.at(clock.now + 1, partial(made.append, str(number)))
        with pytest.raises(BadRequest, match="1000 messages wait"):
            schedule.at(clock.now + 1, partial(made.append, "one more"))
        schedule.at(clock.now - 1, partial(made.append, "late"))
        assert made == ["late"]
        clock.now += 1
        schedule.run_due()
        assert made == ["late", *map(str, range(1000))]
        schedule.at(clock.now + 1, partial(made.append, "one more"))
        assert len(schedule) == 1

    in_loop(scenario)


def test_nothing_is_called_after_close() -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        schedule.at(clock.now + 1, partial(made.append, "never"))
        schedule.close()
        clock.now += 2
        schedule.run_due()
        assert (made, len(schedule)) == ([], 0)

    in_loop(scenario)


def test_a_call_that_raises_leaves_the_others_alone(caplog: pytest.LogCaptureFixture) -> None:
    def scenario(clock: Clock, schedule: Schedule, made: list[str]) -> None:
        schedule.at(clock.now + 1, partial(int, "no number"))
        schedule.at(clock.now + 1, partial(made.append, "next"))
        clock.now += 1
        with caplog.at_level(logging.ERROR):
            schedule.run_due()
        assert made == ["next"]

    in_loop(scenario)
    assert "a scheduled call failed" in caplog.text


def test_the_loop_makes_the_calls_by_itself_in_order() -> None:
    async def scenario() -> None:
        made: list[str] = []
        done = asyncio.Event()
        schedule = Schedule()
        now = time.time()
        schedule.at(now + 0.2, done.set)
        schedule.at(now + 0.1, partial(made.append, "b"))
        schedule.at(now + 0.05, partial(made.append, "a"))
        await asyncio.wait_for(done.wait(), 60)
        assert made == ["a", "b"]
        assert time.time() >= now + 0.2
        assert (len(schedule), schedule.late) == (0, 0)

    asyncio.run(scenario())


def test_the_next_call_is_what_the_loop_is_asked_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        loop, delays = asyncio.get_running_loop(), []

        def wait(delay: float, call: Callable[[], None]) -> asyncio.TimerHandle:
            delays.append(round(delay, 3))
            return later(delay, call)

        later = loop.call_later
        monkeypatch.setattr(loop, "call_later", wait)
        clock = Clock()
        schedule = Schedule(clock)
        for ahead in (3000.0, 0.5, 2.0, 0.25):
            schedule.at(clock.now + ahead, bool)
        schedule.close()
        assert delays == [1.0, 0.5, 0.25]

    asyncio.run(scenario())


def test_a_clock_that_is_set_forward_is_noticed() -> None:
    async def scenario() -> None:
        clock, done = Clock(), asyncio.Event()
        schedule = Schedule(clock)
        schedule.at(clock.now + 3000, done.set)
        clock.now += 3001
        await asyncio.wait_for(done.wait(), 60)
        assert len(schedule) == 0

    asyncio.run(scenario())
