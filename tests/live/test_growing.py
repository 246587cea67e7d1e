"""A sound that is put together while it is played."""

import numpy as np
import pytest
import soxr

from foleyd_live.growing import FADE_S, START_S, Growing

RATE_IN = 16_000


def sound(samples: int) -> np.ndarray:
    time = np.arange(samples) / RATE_IN
    return (0.4 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 3000 * time)).astype(np.float32)


def fed(parts: list[np.ndarray], of: int, rate: int) -> Growing:
    growing = Growing(of, RATE_IN, rate)
    start = 0
    for part in parts:
        assert growing.feed(start, part)
        start += len(part)
    return growing


@pytest.mark.parametrize("rate", [RATE_IN, 44_100, 48_000, 96_000])
def test_parts_sound_as_the_whole_does(rate: int) -> None:
    whole = sound(20_000)
    growing = fed(np.split(whole, [4000, 4100, 12_000]), 20_000, rate)
    assert growing.whole
    right = soxr.resample(whole, RATE_IN, rate, "HQ") if rate != RATE_IN else whole
    edges = slice(round(START_S * rate) + 50, len(growing.samples) - round(FADE_S * rate) - 50)
    assert abs(len(growing.samples) - len(right)) <= 1
    assert np.allclose(growing.samples[edges, 0], right[edges], atol=2e-3)
    assert np.array_equal(growing.samples[:, 0], growing.samples[:, 1])


def test_what_has_not_come_is_silent_and_the_end_of_what_has_fades() -> None:
    growing = fed([sound(8000)], 20_000, 48_000)
    assert not growing.whole
    ends = np.flatnonzero(growing.samples[:, 0])[-1]
    assert 0.97 * 24_000 < ends < 24_000
    fade = round(FADE_S * 48_000)
    envelope = np.abs(growing.samples[ends - fade : ends, 0])
    assert envelope[-20:].max() < 0.06
    assert envelope[:60].max() > 0.4
    assert np.abs(np.diff(growing.samples[:, 0])).max() < 0.2


def test_nothing_comes_behind_a_gap_or_past_the_end() -> None:
    growing = fed([sound(1000)], 4000, 48_000)
    before = growing.samples.copy()
    assert not growing.feed(1500, sound(100))
    assert not growing.feed(0, sound(100))
    assert not growing.feed(1000, sound(3001))
    assert np.array_equal(growing.samples, before)
    assert growing.feed(1000, sound(3000))


def test_the_mixers_memory_is_written_in_place() -> None:
    growing = Growing(4000, RATE_IN, 48_000)
    where = growing.samples.ctypes.data
    growing.feed(0, sound(4000))
    assert growing.samples.ctypes.data == where
    assert growing.samples.dtype == np.float32
    assert growing.samples.flags.c_contiguous
