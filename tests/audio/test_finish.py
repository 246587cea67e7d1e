from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.audio import measure
from foleyd.audio.finish import finish
from foleyd.errors import BadRequest, RenderFailed

MODEL_RATE = 16_000
RATES = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]


def asked(**values: Any) -> recipe.Recipe:
    return recipe.make(**{"prompt": "a test", **values})


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("seconds", "width"), [(0.3, "stereo"), (1.2345, "mono"), (2.56, "dual"), (3.001, "mono")]
)
def test_seconds_are_exact_to_the_sample(
    drum: NDArray[np.float32], rate: int, seconds: float, width: str
) -> None:
    wish = asked(seconds=seconds, rate=rate, width=width)
    clip = finish(drum, MODEL_RATE, wish)
    assert clip.samples.shape == (
        {"mono": 1, "dual": 2, "stereo": 2}[width],
        round(float(wish.seconds) * rate),
    )
    assert clip.samples.dtype == np.float32
    assert clip.rate == rate


def swing(samples: NDArray[np.float32]) -> float:
    """The true peak in dB by another road than foleyd's: zero-stuffed in frequency, 16 times as fine."""
    frames = samples.shape[1]
    spectrum = np.fft.rfft(np.pad(samples, ((0, 0), (500, 500))).astype(np.float64))
    fine = np.fft.irfft(spectrum, 16 * (frames + 1000)) * 16
    return float(20 * np.log10(np.abs(fine).max()))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("width", ["mono", "dual", "stereo"])
def test_the_true_peak_stands_at_the_ceiling_after_resampling(
    drum: NDArray[np.float32], rate: int, width: str
) -> None:
    clip = finish(drum, MODEL_RATE, asked(rate=rate, width=width, ceiling=-1.5))
    assert swing(clip.samples) == pytest.approx(-1.5, abs=0.1)
    assert clip.true_peak_dbtp == pytest.approx(-1.5, abs=1e-6)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("trim", [True, False])
def test_a_click_on_the_first_frame_keeps_its_peak(rate: int, trim: bool) -> None:
    click = np.zeros(MODEL_RATE, dtype=np.float32)
    click[:24] = 0.5 * np.sin(np.pi * (np.arange(24) + 4.0) / 8.0) * np.exp(-np.arange(24) / 6.0)
    clip = finish(click, MODEL_RATE, asked(rate=rate, trim=trim, level="none", fade_in=2.0))
    loss = measure.decibels(measure.true_peak(clip.samples, rate) / measure.true_peak(click, MODEL_RATE))
    assert abs(loss) < 0.5


def test_the_attack_of_a_late_drum_survives_trim_and_fade(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked(rate=16_000, level="none"))
    hit = drum[4000:4160]
    assert clip.started_frame == pytest.approx(4000 - 32, abs=16)
    np.testing.assert_array_equal(clip.samples[0, 4000 - clip.started_frame :][:160], hit)


def test_a_fade_asked_for_as_an_effect_is_kept(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked(rate=16_000, level="none", fade_in=200.0))
    assert np.abs(clip.samples[0, :160]).max() < 0.05 * np.abs(drum).max()


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
@pytest.mark.parametrize("width", ["mono", "stereo"])
@pytest.mark.parametrize("seconds", ["auto", 1.0, 3.0])
def test_no_click_at_either_end(
    tone: NDArray[np.float32], rate: int, width: str, seconds: float | str
) -> None:
    clip = finish(tone, MODEL_RATE, asked(rate=rate, width=width, seconds=seconds)).samples
    assert np.abs(clip[:, [0, -1]]).max() == 0.0
    # no step is steeper than the tone's own, at the start, at the end, or where silence fills up
    steepest = np.abs(np.diff(clip[:, rate // 10 : rate // 5])).max()
    assert np.abs(np.diff(clip)).max() < 1.5 * steepest


def test_a_tone_begun_in_mid_wave_does_not_swing_over(tone: NDArray[np.float32]) -> None:
    clip = finish(tone, MODEL_RATE, asked(level="none", fade_in=0.0, fade_out=0.0, trim=False))
    assert measure.peak(clip.samples) < 1.01 * 0.3


def test_auto_ends_with_the_sound(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked())
    assert 0.6 < clip.seconds < 1.2
    assert finish(drum, MODEL_RATE, asked(trim=False)).seconds == pytest.approx(2.56)


def test_auto_of_a_single_click_is_not_nothing() -> None:
    click = np.zeros(MODEL_RATE, dtype=np.float32)
    click[8000] = 0.5
    assert finish(click, MODEL_RATE, asked()).seconds == pytest.approx(0.1)


def test_trimmed_clips_take_what_comes_later_and_are_then_filled(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked(seconds=2.5, rate=16_000, level="none"))
    from_take = len(drum) - clip.started_frame
    assert from_take < 2.5 * MODEL_RATE
    assert np.abs(clip.samples[0, from_take:]).max() == 0.0
    middle = slice(400, from_take - 400)
    np.testing.assert_array_equal(clip.samples[0, middle], drum[clip.started_frame :][middle])


def test_dual_is_twice_the_mono_and_stereo_folds_back_to_it(tone: NDArray[np.float32]) -> None:
    mono, dual, stereo = (
        finish(tone, MODEL_RATE, asked(level="none", width=width)).samples
        for width in ("mono", "dual", "stereo")
    )
    np.testing.assert_array_equal(dual, np.repeat(mono, 2, axis=0))
    np.testing.assert_allclose(stereo.mean(axis=0), mono[0], atol=1e-7)
    assert measure.correlation(stereo) < 0.9


def test_a_stereo_take_is_kept_or_folded(drum: NDArray[np.float32]) -> None:
    take = np.stack([drum, 0.5 * drum[::-1]])
    wide = finish(take, MODEL_RATE, asked(level="none", width="stereo", rate=16_000, trim=False))
    np.testing.assert_array_equal(wide.samples[:, 2000:3000], take[:, 2000:3000])
    one = finish(take, MODEL_RATE, asked(level="none", rate=16_000, trim=False))
    np.testing.assert_allclose(one.samples[0, 2000:3000], take.mean(axis=0)[2000:3000], atol=1e-7)


def test_loudness_is_reached_when_the_ceiling_allows(tone: NDArray[np.float32]) -> None:
    clip = finish(tone, MODEL_RATE, asked(level="lufs", loudness=-16.0))
    assert measure.lufs(clip.samples, clip.rate) == pytest.approx(-16.0, abs=0.05)
    assert clip.loudness_lufs == pytest.approx(-16.0, abs=0.01)
    assert clip.notes == ()


def test_the_ceiling_holds_against_the_loudness_and_says_so(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked(level="lufs", loudness=-6.0, seconds=1.0))
    assert measure.true_peak_dbtp(clip.samples, clip.rate) == pytest.approx(-1.0, abs=0.01)
    assert len(clip.notes) == 1
    assert "ceiling" in clip.notes[0]
    assert clip.loudness_lufs is not None
    assert clip.loudness_lufs < -6.0


def test_a_sound_too_short_for_loudness_goes_to_its_peak_and_says_so(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked(level="lufs", seconds=0.3))
    assert clip.true_peak_dbtp == pytest.approx(-1.0)
    assert clip.loudness_lufs is None
    assert "too short" in clip.notes[0]


def test_level_none_leaves_the_level_alone_unless_it_would_clip(drum: NDArray[np.float32]) -> None:
    quiet = finish(drum, MODEL_RATE, asked(level="none", rate=16_000))
    assert quiet.gain_db == 0.0
    assert quiet.notes == ()
    loud = finish(4.0 * drum, MODEL_RATE, asked(level="none", rate=16_000))
    assert measure.peak(loud.samples) <= 1.0
    assert loud.true_peak_dbtp == pytest.approx(-1.0)
    assert "clipped" in loud.notes[0]


@pytest.mark.parametrize(("value", "reason"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf")])
def test_what_is_no_number_never_becomes_a_clip(drum: NDArray[np.float32], value: float, reason: str) -> None:
    drum[20_000] = value
    with pytest.raises(RenderFailed) as failure:
        finish(drum, MODEL_RATE, asked())
    assert failure.value.reason == reason


def test_silence_is_a_failure_unless_asked_for() -> None:
    silence = np.zeros(MODEL_RATE, dtype=np.float32)
    with pytest.raises(RenderFailed) as failure:
        finish(silence, MODEL_RATE, asked())
    assert failure.value.reason == "silence"
    clip = finish(silence, MODEL_RATE, asked(seconds=1.0), check_silence=False)
    assert clip.samples.shape == (1, 48_000)
    assert not clip.samples.any()


def test_a_sound_that_begins_after_the_seconds_asked_for_is_a_failure() -> None:
    late = np.zeros(2 * MODEL_RATE, dtype=np.float32)
    late[MODEL_RATE:] = np.sin(np.arange(MODEL_RATE) / 5)
    with pytest.raises(RenderFailed, match="more seconds") as failure:
        finish(late, MODEL_RATE, asked(seconds=0.5, trim=False))
    assert failure.value.reason == "silence"
    assert finish(late, MODEL_RATE, asked(seconds=0.5)).samples.any()


def test_numbers_at_the_edge_of_float_stay_numbers() -> None:
    almost_nothing = finish(np.full(MODEL_RATE, 1e-30), MODEL_RATE, asked(), check_silence=False)
    assert measure.peak(almost_nothing.samples) < 1e-20
    with pytest.raises(RenderFailed) as failure:
        finish(np.full(MODEL_RATE, 1e300), MODEL_RATE, asked(), check_silence=False)
    assert failure.value.reason == "inf"


def test_the_same_take_and_recipe_give_the_same_samples(drum: NDArray[np.float32]) -> None:
    before = drum.copy()
    wish = asked(width="stereo", level="lufs", rate=44_100)
    np.testing.assert_array_equal(
        finish(drum, MODEL_RATE, wish).samples, finish(drum, MODEL_RATE, wish).samples
    )
    np.testing.assert_array_equal(drum, before)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("width", ["mono", "stereo"])
def test_a_loop_has_no_seam_at_any_rate(rate: int, width: str) -> None:
    # 220 whole periods and a loud start: neither fade nor trim may touch it
    frames = 16_000
    cycle = 0.5 * np.cos(2 * np.pi * 220 * np.arange(frames) / frames).astype(np.float32)
    take = np.append(cycle, np.zeros(500, dtype=np.float32))
    clip = finish(
        take, MODEL_RATE, asked(seconds=1.0, rate=rate, width=width, level="none"), loop=(0, frames - 1)
    )
    assert clip.samples.shape[1] == rate
    assert clip.loops == ((0, rate - 1),)
    around = np.tile(clip.samples, 2)
    seam = np.abs(np.diff(around[:, rate - 200 : rate + 200])).max()
    assert seam <= 1.02 * np.abs(np.diff(clip.samples)).max()
    expected = 0.5 * np.cos(2 * np.pi * 220 * np.arange(rate) / rate)
    np.testing.assert_allclose(clip.samples.mean(axis=0), expected, atol=1e-4)


def test_a_loop_after_an_attack_keeps_its_points(drum: NDArray[np.float32]) -> None:
    clip = finish(drum, MODEL_RATE, asked(rate=48_000), loop=(8000, 15_999))
    assert clip.samples.shape[1] == 48_000
    assert clip.loops == ((24_000, 47_999),)


@pytest.mark.parametrize("loop", [(-1, 10), (10, 10), (20, 10), (0, 40_960)])
def test_loop_points_outside_the_take_are_refused(drum: NDArray[np.float32], loop: tuple[int, int]) -> None:
    with pytest.raises(BadRequest, match="loop points"):
        finish(drum, MODEL_RATE, asked(), loop=loop)


def test_a_loop_of_another_length_than_asked_is_refused(drum: NDArray[np.float32]) -> None:
    with pytest.raises(BadRequest, match="loop lasts"):
        finish(drum, MODEL_RATE, asked(seconds=1.0), loop=(0, 15_000))


def test_three_channels_are_no_take() -> None:
    with pytest.raises(ValueError, match="one or two"):
        finish(np.ones((3, 100)), MODEL_RATE, asked())
