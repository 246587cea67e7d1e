"""A range taken from elsewhere: everything outside to the bit, joints without a step, the right loudness."""

from __future__ import annotations

import numpy as np
import pytest

from foleyd.audio.patch import patched

RATE = 44_100
TAKE_RATE = 16_000


def tone(rate: int, seconds: float, pitch: float, size: float) -> np.ndarray:
    time = np.arange(round(rate * seconds)) / rate
    return (size * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


@pytest.fixture
def source() -> np.ndarray:
    return np.stack([tone(RATE, 2.0, 200, 0.3), tone(RATE, 2.0, 300, 0.3)])


def test_outside_is_the_source_and_inside_the_take(source: np.ndarray) -> None:
    before = source.copy()
    made = patched(source, RATE, tone(TAKE_RATE, 2.0, 1000, 0.9), TAKE_RATE, 0.5, 1.25)
    first, end, fade = round(0.5 * RATE), round(1.25 * RATE), round(0.01 * RATE)
    assert made.dtype == np.float32
    assert made.shape == source.shape
    np.testing.assert_array_equal(source, before)
    np.testing.assert_array_equal(made[:, :first], source[:, :first])
    np.testing.assert_array_equal(made[:, end:], source[:, end:])
    middle = made[:, first + fade : end - fade]
    np.testing.assert_array_equal(middle[0], middle[1])
    spectrum = np.abs(np.fft.rfft(middle[0] * np.hanning(middle.shape[1])))
    assert np.argmax(spectrum) * RATE / middle.shape[1] == pytest.approx(1000, abs=2)
    # as loud as the two channels' mix is beside the range, though the take was not
    beside = np.r_[0:first, end : end + RATE // 2]
    assert np.std(middle) == pytest.approx(np.std(source.mean(0)[beside]), rel=0.03)
    # 1 kHz moves by 0.143 of its height from sample to sample, and no joint by more than both tones do
    assert np.abs(np.diff(made, axis=1)).max() < 0.06


def test_the_ends_of_a_source_are_no_joints(source: np.ndarray) -> None:
    take = np.full(2 * RATE, 0.5, np.float32)
    made = patched(source, RATE, take, RATE, 0, 30)
    assert made.shape == source.shape
    assert made.min() == made.max() > 0.1


@pytest.mark.parametrize("size", [0.0, 1e-6])
def test_silence_beside_the_range_is_no_measure(source: np.ndarray, size: float) -> None:
    take = tone(TAKE_RATE, 2.0, 500, 0.25)
    quiet = np.float32(size) * source
    made = patched(quiet, RATE, take, TAKE_RATE, 0.5, 1.0)
    assert np.isfinite(made).all()
    assert np.abs(made).max() == pytest.approx(0.25, rel=0.02)
    np.testing.assert_array_equal(made[:, : RATE // 2], quiet[:, : RATE // 2])


def test_what_would_be_too_loud_stays_within_full_scale_and_the_source_as_it_is() -> None:
    loud = tone(RATE, 2.0, 200, 0.95)[None]
    take = tone(TAKE_RATE, 2.0, 500, 0.05)
    take[TAKE_RATE : TAKE_RATE + 1600] *= 10  # ten times as high in the range as beside it
    made = patched(loud, RATE, take, TAKE_RATE, 0.9, 1.2)
    assert 0.9 < np.abs(made).max() <= 1
    first, end = round(0.9 * RATE), round(1.2 * RATE)
    np.testing.assert_array_equal(made[:, :first], loud[:, :first])
    np.testing.assert_array_equal(made[:, end:], loud[:, end:])
