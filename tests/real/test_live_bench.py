"""``foleyd bench live``: the audio callback measured on a jackd of its own, beside the starter."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest

import programs
from foleyd_live import bench

VOICES, BLOCK = 8, 256


def test_the_callback_is_measured_beside_a_daemon_that_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    programs.find("jackd", "jackd2")
    monkeypatch.delenv("JACK_DEFAULT_SERVER", raising=False)
    before = dict(os.environ)
    runs = bench.measure(2.0, VOICES, BLOCK, "starter", "", ("numba",))
    figures = list(itertools.islice(runs, 2))
    runs.close()
    assert dict(os.environ) == before
    assert [one.load for one in figures] == list(bench.LOADS[:2])
    assert "256 frames (5.33 ms)" in next(bench.heading(figures[0]))
    for one in figures:
        assert (one.mixer, one.block, one.realtime) == ("numba", BLOCK, False)
        assert 0 < one.p50_us <= one.p99_us <= one.most_us
        assert one.share_p50 == pytest.approx(one.p50_us / (BLOCK / bench.RATE * 1e6))
        assert 0 < one.press_p50_ms <= one.press_p99_ms
        assert one.underruns >= 0
        assert one.load in bench.line(one)


def test_a_press_counts_until_the_first_callback_after_it_has_ended() -> None:
    begun = np.array([1_000_000, 3_000_000, 5_000_000])
    blocks = bench._Blocks(begun, np.array([100.0, 200.0, 300.0], np.float32))
    # pressed before the second began: until that one's end
    assert bench._handed_over(blocks, 1_500_000, 1_600_000) == pytest.approx(1.5 + 0.2)
    # it was there to be read only after the second had begun
    assert bench._handed_over(blocks, 2_900_000, 3_000_001) == pytest.approx(2.1 + 0.3)
