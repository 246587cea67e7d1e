"""The top of a recording made anew: its own samples stay below the cutoff, and the joint has no step."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from foleyd.audio import band, spectrum
from foleyd.errors import BadRequest

RATE = 48_000
CUT = 2000.0


def noise(seconds: float = 1.5, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    drawn = np.random.default_rng(seed).standard_normal((channels, round(seconds * RATE))) * 0.1
    return drawn.astype(np.float32)


def below(signal: NDArray[np.float32], hertz: float) -> NDArray[np.float32]:
    dull = sosfiltfilt(butter(16, hertz, fs=RATE, output="sos"), signal, axis=1)
    return np.asarray(dull, np.float32)


def levels(signal: NDArray[np.float32], edges: list[float]) -> NDArray[np.float64]:
    """The level in dB of each band between two `edges`."""
    power, hertz = spectrum.mean_power(signal.mean(axis=0, dtype=np.float64), RATE)
    places = [(hertz >= low) & (hertz < high) for low, high in itertools.pairwise(edges)]
    return np.array([10 * np.log10(power[place].mean() + 1e-20) for place in places])


def test_below_the_cutoff_the_samples_are_the_source_s_own() -> None:
    whole = noise(channels=2)
    source, take = below(whole, 2400), soxr.resample(below(whole, 7000).mean(axis=0), RATE, 16_000)
    made, rate = band.topped(source, RATE, take, 16_000, CUT)
    assert rate == RATE
    assert made.shape == source.shape
    for channel in range(2):
        added, own = (levels(one[[channel]], [200, 0.95 * CUT])[0] for one in (made - source, source))
        assert added < own - 60


def test_highs_give_way_where_a_loud_source_has_no_room() -> None:
    whole = below(noise(), 7000)
    source = below(whole, 2400)
    source *= 0.97 / np.abs(source).max()
    made, _ = band.topped(source, RATE, soxr.resample(whole[0], RATE, 16_000), 16_000, CUT)
    assert np.abs(made).max() < 1  # nothing is cut off
    added, own = (levels(one, [200, 0.95 * CUT])[0] for one in (made - source, source))
    assert added < own - 60
    highs = levels(made, [3000, 6500])[0] - levels(source, [200, 0.95 * CUT])[0]
    assert highs > levels(whole, [3000, 6500])[0] - levels(whole, [200, 0.95 * CUT])[0] - 6


def test_above_it_there_are_highs_and_the_level_has_no_step() -> None:
    whole = below(noise(), 7500)
    # the take has another level, which says nothing
    take = 0.2 * soxr.resample(whole[0], RATE, 16_000)
    made, _ = band.topped(below(whole, 2400), RATE, take, 16_000, CUT)
    edges = [CUT * 2 ** (step / 6) for step in range(-6, 10)]
    off = levels(made, edges) - levels(whole, edges)
    assert np.abs(off).max() < 3.5
    assert np.abs(np.delete(off, 6)).max() < 1.5  # the crossover of two sounds alike is 3 dB down at most


def test_highs_of_a_take_that_is_weak_at_the_joint_do_not_leap_out() -> None:
    whole = below(noise(), 7000)
    source = below(whole, 2400)
    # a take with a hole of 30 dB where its level is compared
    hole = sosfiltfilt(butter(4, (1550, 1990), "bandpass", fs=RATE, output="sos"), whole, axis=1)
    take = soxr.resample((whole - 0.97 * hole)[0], RATE, 16_000)
    made, _ = band.topped(source, RATE, take, 16_000, CUT)
    beneath, above = levels(made, [0.7 * CUT, 0.97 * CUT, 1.12 * CUT, 1.5 * CUT])[[0, 2]]
    assert above < beneath + 1
    assert above > beneath - 6


def test_a_slow_source_gets_a_rate_that_holds_the_highs() -> None:
    slow = soxr.resample(noise()[0], RATE, 8000)[None].astype(np.float32)
    take = soxr.resample(noise()[0], RATE, 16_000)
    made, rate = band.topped(slow, 8000, take, 16_000, 3500)
    assert rate == 16_000
    assert made.shape == (1, 24_000)
    assert np.abs(made).max() <= 1


def tones(*hertz: float, seconds: float = 1.5, rate: int = RATE) -> NDArray[np.float32]:
    """Tones of equal height, float32 `[1, n]`."""
    time = np.arange(round(seconds * rate)) / rate
    return np.sum([0.2 * np.sin(2 * np.pi * one * time) for one in hertz], axis=0, dtype=np.float32)[None]


def power_at(signal: NDArray[np.float32], hertz: float) -> float:
    """In dB, 0 for a full-scale sine."""
    windowed = signal.mean(axis=0) * np.hanning(signal.shape[1])
    time = np.arange(len(windowed)) / RATE
    size = np.abs(np.sum(windowed * np.exp(-2j * np.pi * hertz * time))) / len(windowed) * 4
    return float(20 * np.log10(size + 1e-12))


def whole_level(signal: NDArray[np.float32], edges: list[float]) -> float:
    """The level in dB between two `edges`, to a Hertz or two."""
    power = np.abs(np.fft.rfft(signal.mean(axis=0) * np.hanning(signal.shape[1]))) ** 2
    hertz = np.fft.rfftfreq(signal.shape[1], 1 / RATE)
    return float(10 * np.log10(power[(hertz >= edges[0]) & (hertz < edges[1])].mean() + 1e-20))


@pytest.mark.parametrize(("low", "high"), [(1000, 3000), (0, 1500), (2500, math.inf), (200, 400)])
def test_a_band_is_the_model_s_and_beside_it_the_samples_are_the_source_s_own(
    low: float, high: float
) -> None:
    source = noise(channels=2)
    take = soxr.resample(0.3 * noise(seed=5)[0], RATE, 16_000)  # its level says nothing
    made = band.redone(source, RATE, take, 16_000, low, high)
    added, own = made - source, source
    for edges in ([20, 0.95 * low], [1.05 * high, 20_000]):
        if edges[0] < edges[1]:
            assert whole_level(added, edges) < whole_level(own, edges) - 60
    inside = [1.15 * low or 100, min(high, 7000) / 1.15]
    assert levels(added, inside)[0] > levels(own, inside)[0] + 1  # another sound, twice the power in all
    assert abs(levels(made, inside)[0] - levels(own, inside)[0]) < 2


def test_a_band_of_a_range_leaves_all_else_to_the_bit_and_has_no_step_at_its_ends() -> None:
    source = tones(300, 2000, 6000)
    take = 0.1 * tones(300, 1500, 6000, rate=16_000)[0]
    made = band.redone(source, RATE, take, 16_000, 1000, 3000, 0.5, 1.0)
    first, end = RATE // 2, RATE
    np.testing.assert_array_equal(made[:, :first], source[:, :first])
    np.testing.assert_array_equal(made[:, end:], source[:, end:])
    middle = slice(first + RATE // 20, end - RATE // 20)
    for hertz, wanted in ((300, -14), (1500, -14), (2000, -60), (6000, -14)):
        assert power_at(made[:, middle], hertz) < wanted + 1
        assert wanted == -60 or power_at(made[:, middle], hertz) > wanted - 1
    steps, own = (np.abs(np.diff(one[0])) for one in (made, source))
    assert steps.max() < 1.1 * own.max()


def test_a_band_of_a_loud_source_gives_way_where_there_is_no_room() -> None:
    source = noise()
    source *= 0.97 / np.abs(source).max()
    take = soxr.resample(noise(seed=5)[0], RATE, 16_000)
    made = band.redone(source, RATE, take, 16_000, 1000, 3000)
    assert np.abs(made).max() < 1
    added = made - source
    assert levels(added, [20, 950])[0] < levels(source, [20, 950])[0] - 60


def test_a_band_of_silence_is_as_loud_as_it_is() -> None:
    made = band.redone(np.zeros((1, RATE), np.float32), RATE, noise()[0, :16_000], 16_000, 1000, 3000)
    assert 0.01 < np.abs(made).max() <= 1


def test_silence_below_gets_no_highs() -> None:
    made, _ = band.topped(np.zeros((1, RATE), np.float32), RATE, noise()[0, :16_000], 16_000, CUT)
    assert not made.any()


@pytest.mark.parametrize("rate", [11_025, 48_000, 192_000])
@pytest.mark.parametrize("hertz", [1000, 3000])
@pytest.mark.parametrize("order", [4, 16])
def test_a_recording_ends_where_its_last_fall_begins(rate: int, hertz: float, order: int) -> None:
    drawn = np.random.default_rng(1).standard_normal((1, rate)) * 0.1
    dull = sosfiltfilt(butter(order, hertz, fs=rate, output="sos"), drawn, axis=1).astype(np.float32)
    assert 0.65 * hertz < spectrum.edge(dull, rate) < 1.03 * hertz
    assert spectrum.edge(drawn.astype(np.float32), rate) == rate / 2
    tones = sum(np.sin(2 * np.pi * one * np.arange(rate) / rate) for one in (400, 630, hertz))
    assert hertz < spectrum.edge(np.array([tones], np.float32), rate) < 1.2 * hertz
    assert spectrum.edge(np.zeros((1, rate), np.float32), rate) == 0


@pytest.mark.parametrize("order", [4, 16])
@pytest.mark.parametrize("hertz", [1000, 2400, 3000])
def test_a_measured_cutoff_leaves_no_hole(hertz: float, order: int) -> None:
    whole = below(noise(3), 7500)
    dull = sosfiltfilt(butter(order, hertz, fs=RATE, output="sos"), whole, axis=1).astype(np.float32)
    cut = band.cutoff(None, dull, RATE)
    made, _ = band.topped(dull, RATE, soxr.resample(whole[0], RATE, 16_000), 16_000, cut)
    edges = [cut * 2 ** (step / 6) for step in range(-6, 7)]
    off = levels(made, edges) - levels(whole, edges)
    assert np.abs(off).max() < 6
    assert levels(dull, edges)[-1] < levels(whole, edges)[-1] - 20


def test_a_cutoff_lies_where_a_model_can_add() -> None:
    assert band.cutoff(3000, noise(), RATE) == 3000
    assert band.cutoff(None, below(noise(), 100), RATE) == band.LOWEST
    assert band.cutoff(None, np.zeros((1, RATE), np.float32), RATE) == band.LOWEST
    # what a rate does not hold can be neither kept nor joined to
    slow = soxr.resample(noise()[0], RATE, 8000)[None].astype(np.float32)
    for asked in (None, 7000):
        assert band.cutoff(asked, slow, 8000) * band.CROSSOVER <= 4000


def test_a_source_with_all_its_highs_is_refused() -> None:
    with pytest.raises(BadRequest, match=r"up to 24.0 kHz.* give a cutoff"):
        band.cutoff(None, noise(), RATE)
    assert band.cutoff(7000, noise(), RATE) == 7000
