import numpy as np
import pytest

from foleyd.audio import measure
from foleyd.audio.width import widened


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000])
def test_both_channels_fold_back_to_the_mono_sound(rate: int) -> None:
    mono = np.random.default_rng(1).standard_normal(rate)
    stereo = widened(mono, rate)
    np.testing.assert_allclose(stereo.sum(axis=0), 2.0 * mono, atol=1e-12)
    assert 0.3 < measure.correlation(stereo) < 0.7
    balance = measure.decibels(measure.rms(stereo[0]) / measure.rms(stereo[1]))
    assert abs(balance) < 0.5


def test_the_attack_and_the_bass_stay_in_the_middle() -> None:
    rate = 48_000
    click = np.zeros(rate)
    click[1000] = 1.0
    left, right = widened(click, rate)
    np.testing.assert_allclose(left[:1060], right[:1060], atol=1e-3)
    assert np.abs(left - right)[1060:].max() > 0.1
    bass = np.sin(2 * np.pi * 40.0 * np.arange(rate) / rate) * np.hanning(rate)
    assert measure.correlation(widened(bass, rate)) > 0.97


def test_around_a_loop_the_side_has_no_seam() -> None:
    rate, frames = 48_000, 4800
    mono = np.sin(2 * np.pi * 700.0 * np.arange(frames) / rate)
    once = widened(mono, rate, around=True)
    thrice = widened(np.tile(mono, 3), rate)[:, frames : 2 * frames]
    np.testing.assert_allclose(once, thrice, atol=2e-3)


def test_around_a_loop_shorter_than_its_echoes() -> None:
    mono = np.sin(2 * np.pi * np.arange(480) / 48)
    stereo = widened(mono, 48_000, around=True)
    np.testing.assert_allclose(stereo.sum(axis=0), 2.0 * mono, atol=1e-12)
    assert np.abs(stereo[0] - stereo[1]).max() > 0.01
