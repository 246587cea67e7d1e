"""A sound fitted to the device: width, rate, length and loop."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from foleyd.errors import BadRequest
from foleyd_live import fitting

RATE = 48_000
RATES = [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (96_000, 48_000), (22_050, 47_999)]


def tone(frames: int, hertz: float, rate: int = RATE, level: float = 0.5) -> NDArray[np.float32]:
    wave = level * np.sin(2 * np.pi * hertz * np.arange(frames) / rate)
    return np.repeat(wave.astype(np.float32)[:, np.newaxis], 2, axis=1)


def pitch(sound: NDArray[np.float32], rate: int = RATE) -> float:
    """The loudest frequency in Hz of the middle half."""
    quarter = len(sound) // 4
    middle = sound[quarter:-quarter, 0]
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), size))
    return float(np.argmax(spectrum) * rate / size)


def steps(sound: NDArray[np.float32]) -> float:
    """The largest difference between neighbours."""
    return float(np.abs(np.diff(sound, axis=0)).max())


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_width_becomes_stereo_within_full_scale(channels: int) -> None:
    full = fitting.stereo(np.ones((100, channels), np.float32))
    assert full.shape == (100, 2)
    assert full.dtype == np.float32
    np.testing.assert_allclose(full, 1.0, atol=1e-6)


def test_mono_and_stereo_are_exact() -> None:
    sound = np.random.default_rng(1).uniform(-1, 1, (50, 2)).astype(np.float32)
    np.testing.assert_array_equal(fitting.stereo(sound), sound)
    np.testing.assert_array_equal(fitting.stereo(sound[:, :1]), sound[:, [0, 0]])


@pytest.mark.parametrize(
    ("channel", "left", "right"), [(0, 1, 0), (1, 0, 1), (2, 1, 1), (3, 0, 0), (5, 0, 1)]
)
def test_the_speakers_of_six_channels_keep_their_side(channel: int, left: int, right: int) -> None:
    sound = np.zeros((4, 6), np.float32)
    sound[:, channel] = 1.0
    heard = fitting.stereo(sound)[0] > 0.1
    np.testing.assert_array_equal(heard, [bool(left), bool(right)])


@pytest.mark.parametrize(("rate_in", "rate"), RATES)
@pytest.mark.parametrize("frames", [1, 2, 777, 20_001])
def test_the_resampled_length_is_exact(frames: int, rate_in: int, rate: int) -> None:
    made, loop = fitting.fitted(tone(frames, 440, rate_in), rate_in, rate)
    assert made.shape == (max(1, round(frames * rate / rate_in)), 2)
    assert made.flags.c_contiguous
    assert loop is None


@pytest.mark.parametrize(("rate_in", "rate"), RATES)
def test_a_resampled_tone_is_the_tone_at_the_new_rate(rate_in: int, rate: int) -> None:
    made, _ = fitting.fitted(tone(rate_in, 440, rate_in), rate_in, rate)
    inner = slice(rate // 10, -rate // 10)
    np.testing.assert_allclose(made[inner], tone(rate, 440, rate)[inner], atol=1e-4)


def test_the_same_rate_and_length_change_no_sample() -> None:
    sound = tone(1000, 440)
    made, loop = fitting.fitted(sound, RATE, RATE, 1.0, (10, 900))
    np.testing.assert_array_equal(made, sound)
    assert loop == (10, 900)


@pytest.mark.parametrize(("rate_in", "rate"), RATES)
@pytest.mark.parametrize(("start", "turn"), [(0, 11_025), (5000, 7000), (3, 997), (0, 100)])
def test_a_resampled_loop_has_no_seam(rate_in: int, rate: int, start: int, turn: int) -> None:
    # a whole number of waves in the turn, so the loop is a tone that never ends
    waves = max(1, turn // 150)
    sound = tone(start + turn, waves * rate_in / turn, rate_in)
    made, loop = fitting.fitted(sound, rate_in, rate, 1.0, (start, start + turn))
    assert loop is not None
    assert loop[1] - loop[0] == max(1, round(turn * rate / rate_in))
    assert abs(loop[0] - start * rate / rate_in) <= 1
    assert 0 <= loop[0] < loop[1] <= len(made)
    rounds = np.concatenate([made[: loop[1]], *[made[loop[0] : loop[1]]] * 3])
    wave = 2 * np.pi * waves / (loop[1] - loop[0])
    assert steps(made[loop[0] :][: loop[1] - loop[0]]) <= 0.5 * wave * 1.01
    # the join from the attack into the loop may be a sample early or late, the turns themselves not
    assert steps(rounds[loop[1] - 1 :]) <= 0.5 * wave * 1.01
    assert steps(rounds) <= 0.5 * wave * 2.1


@pytest.mark.parametrize("stretch", [0.25, 0.5, 0.81, 1.37, 2.0, 4.0])
def test_stretching_keeps_the_pitch_and_gives_the_exact_length(stretch: float) -> None:
    made, _ = fitting.fitted(tone(30_001, 440), RATE, RATE, stretch)
    assert made.shape == (round(30_001 * stretch), 2)
    assert pitch(made) == pytest.approx(440, rel=0.005)
    assert np.abs(made).max() < 0.8
    quarter = len(made) // 4
    assert np.sqrt(np.mean(made[quarter:-quarter] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.2)


def test_stretching_at_another_rate_rounds_the_length_once() -> None:
    made, _ = fitting.fitted(tone(22_051, 440, 44_100), 44_100, RATE, 1.5)
    assert len(made) == round(22_051 * RATE * 1.5 / 44_100)
    assert pitch(made) == pytest.approx(440, rel=0.005)


@pytest.mark.parametrize("frames", [1, 7, 300])
def test_the_shortest_sounds_can_be_stretched(frames: int) -> None:
    made, _ = fitting.fitted(tone(frames, 440), RATE, RATE, 2.0)
    assert len(made) == 2 * frames
    assert np.isfinite(made).all()


def test_an_attack_stays_at_its_place() -> None:
    sound = np.zeros((RATE, 2), np.float32)
    sound[12_000:12_200] = 0.9
    made, _ = fitting.fitted(sound, RATE, RATE, 1.5)
    assert abs(int(np.argmax(np.abs(made[:, 0]))) - 18_000) < 600


@pytest.mark.parametrize("stretch", [0.7, 1.3])
@pytest.mark.parametrize("part", [(0, 40_000), (9_000, 40_000), (9_000, 30_000), (40, 40_000)])
def test_a_stretched_loop_has_no_seam(stretch: float, part: tuple[int, int]) -> None:
    turn = part[1] - part[0]
    # where the file has enough before its loop, the turn may be no whole number of waves
    waves = (0.5, 0.3) if part[0] > 2000 else (0.0, 0.0)
    low, high = (
        (round(turn * hertz / RATE) + more) * RATE / turn
        for hertz, more in zip((311, 523), waves, strict=True)
    )
    sound = tone(40_000, low) + tone(40_000, high, level=0.2)
    made, loop = fitting.fitted(sound, RATE, RATE, stretch, part)
    assert loop is not None
    assert loop[0] == pytest.approx(part[0] * stretch, abs=1)
    assert loop[1] - loop[0] == round((part[1] - part[0]) * stretch)
    assert len(made) == round(40_000 * stretch)
    allowed = 2 * np.pi * (0.5 * low + 0.2 * high) / RATE * 1.35
    assert steps(np.concatenate([made[: loop[1]], made[loop[0] : loop[1]]])[200:]) < allowed
    assert steps(made[200:-200]) < allowed


def test_the_overview_holds_every_peak() -> None:
    sound = np.zeros((10_007, 2), np.float32)
    sound[5000, 0], sound[5001, 1] = 0.75, -0.5
    pairs = fitting.overview(sound)
    assert len(pairs) == fitting.OVERVIEW_PAIRS
    assert max(high for _, high in pairs) == 0.75
    assert min(low for low, _ in pairs) == -0.5
    assert sum(pair != (0.0, 0.0) for pair in pairs) in (1, 2)
    assert pairs.index(max(pairs, key=lambda pair: pair[1])) == int(5000 * fitting.OVERVIEW_PAIRS / 10_007)


def test_the_overview_of_few_frames_has_one_pair_a_frame() -> None:
    sound = np.array([[0.1, 0.2], [-0.3, 0.4]], np.float32)
    assert fitting.overview(sound) == ((0.1, 0.2), (-0.3, 0.4))


@pytest.mark.parametrize("stretch", [0.0, -1.0, 0.2, 4.1, float("nan"), float("inf")])
def test_a_stretch_out_of_range_is_refused(stretch: float) -> None:
    with pytest.raises(BadRequest, match="times as long"):
        fitting.check_stretch(stretch)
