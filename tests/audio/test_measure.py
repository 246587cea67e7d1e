import math

import numpy as np
import pytest
from numpy.typing import NDArray

from foleyd.audio import measure

RATE = 48_000


def sine(hertz: float, seconds: float = 1.0, rate: int = RATE, phase: float = 0.0) -> NDArray[np.float64]:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + phase)


def test_peak_rms_and_decibels() -> None:
    sound = np.stack([0.5 * sine(1000.0), -0.25 * sine(1000.0)])
    assert measure.peak(sound) == pytest.approx(0.5)
    assert measure.rms(sound[0]) == pytest.approx(0.5 / math.sqrt(2))
    assert measure.decibels(0.5) == pytest.approx(-6.0206, abs=1e-4)
    assert measure.decibels(0.0) == -math.inf
    assert measure.amplitude(measure.decibels(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000, 96_000])
def test_true_peak_sees_between_the_samples(rate: int) -> None:
    # a quarter of the rate, caught 45 degrees off: every sample reads 0.707 of the wave's 1.0
    sound = sine(rate / 4, 0.2, rate, phase=math.pi / 4) * np.hanning(round(0.2 * rate))
    assert measure.decibels(measure.peak(sound)) == pytest.approx(-3.0, abs=0.1)
    assert measure.true_peak_dbtp(sound, rate) == pytest.approx(0.0, abs=0.1)


def test_true_peak_is_never_under_the_sample_peak() -> None:
    click = np.zeros(100)
    click[0] = 1.0
    assert measure.true_peak(click, RATE) >= 1.0
    assert measure.true_peak(np.zeros(5), RATE) == 0.0


def test_loudness_is_that_of_the_standard() -> None:
    # ITU-R BS.1770: a 997 Hz sine at full scale on one channel reads -3.01 LUFS
    assert measure.lufs(sine(997.0, 2.0), RATE) == pytest.approx(-3.01, abs=0.05)
    both = np.stack([sine(997.0, 2.0)] * 2)
    assert measure.lufs(both, RATE) == pytest.approx(0.0, abs=0.05)


def test_loudness_is_none_where_there_is_none() -> None:
    assert measure.lufs(sine(997.0, 0.399), RATE) is None
    assert measure.lufs(sine(997.0, 0.4), RATE) is not None
    assert measure.lufs(np.zeros(RATE), RATE) is None
    assert measure.lufs(1e-6 * sine(997.0), RATE) is None


def test_silence_is_told_from_a_quiet_sound_and_an_offset() -> None:
    assert measure.is_silent(np.zeros(100))
    assert measure.is_silent(np.full(1000, 0.2))
    assert measure.is_silent(0.0009 * sine(440.0))
    assert not measure.is_silent(0.0011 * sine(440.0))


def test_onset_and_end_of_a_sound_in_hiss_with_an_offset() -> None:
    random = np.random.default_rng(1)
    sound = 0.05 + 2e-4 * random.standard_normal(2 * RATE)
    sound[30_000:50_000] += 0.5 * sine(300.0)[:20_000]
    millisecond = RATE // 1000
    assert 0 <= 30_000 - measure.onset_frame(sound, RATE) < millisecond
    assert 0 <= measure.end_frame(sound, RATE) - 50_000 <= millisecond


def test_a_steady_sound_is_all_sound() -> None:
    sound = np.random.default_rng(2).standard_normal(RATE + 7)
    assert measure.onset_frame(sound, RATE) == 0
    assert measure.end_frame(sound, RATE) == RATE + 7
    assert measure.end_frame(np.zeros(100), RATE) == 0


def test_a_click_on_the_first_or_last_frame_is_found() -> None:
    sound = np.zeros((2, RATE))
    sound[1, 0] = 0.5
    assert measure.onset_frame(sound, RATE) == 0
    assert measure.end_frame(sound, RATE) <= RATE // 1000
    assert measure.end_frame(sound[:, ::-1], RATE) == RATE


def test_flaws() -> None:
    assert measure.flaw(np.ones(3, dtype=np.float32)) is None
    assert measure.flaw(np.array([0.0, np.inf])) == "inf"
    assert measure.flaw(np.array([np.nan, -np.inf])) == "nan"


def test_centroid_flux_and_correlation() -> None:
    random = np.random.default_rng(3)
    assert measure.centroid(sine(2000.0), RATE) == pytest.approx(2000.0, rel=0.01)
    assert measure.centroid(np.zeros(100), RATE) == 0.0
    steady, clicks = sine(2000.0), np.zeros(RATE)
    clicks[::4800] = 1.0
    assert measure.flux(steady, RATE) < 0.05 < 0.15 < measure.flux(clicks, RATE)
    left, right = random.standard_normal((2, RATE))
    assert measure.correlation(np.stack([left, left])) == pytest.approx(1.0)
    assert measure.correlation(np.stack([left, -left])) == pytest.approx(-1.0)
    assert measure.correlation(np.stack([left, right])) == pytest.approx(0.0, abs=0.02)
    assert measure.correlation(left) == 1.0
    assert measure.correlation(np.stack([left, 0 * left])) == 0.0


def test_frames_first_is_refused() -> None:
    with pytest.raises(ValueError, match="channels"):
        measure.peak(np.zeros((100, 2)))
    with pytest.raises(ValueError, match="channels"):
        measure.peak(np.zeros(0))
    with pytest.raises(ValueError, match="two channels"):
        measure.correlation(np.zeros((3, 10)))


def test_measuring_changes_nothing() -> None:
    sound = np.random.default_rng(4).standard_normal((2, RATE)).astype(np.float32)
    before = sound.copy()
    for figure in (measure.peak, measure.rms, measure.is_silent, measure.correlation):
        figure(sound)
    for timed in (measure.true_peak, measure.lufs, measure.onset_frame, measure.centroid, measure.flux):
        timed(sound, RATE)
    np.testing.assert_array_equal(sound, before)
