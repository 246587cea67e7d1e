"""The band extender: what it adds lies above the model's sound and is near what a recording had there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from foleyd import recipe
from foleyd.audio import highs
from foleyd.audio.finish import finish

Signal = NDArray[np.float64]
MODEL_RATE = 16_000
RECORDINGS = Path("/usr/share/sonic-pi/samples")
BRIGHT = (
    "drum_cymbal_hard",
    "drum_snare_hard",
    "elec_hi_snare",
    "perc_bell",
    "vinyl_hiss",
    "drum_splash_hard",
)


def asked(**values: Any) -> recipe.Recipe:
    return recipe.make(
        **{"prompt": "a test", "level": "none", "trim": False, "fade_in": 0.0, "fade_out": 0.0, **values}
    )


def recording(name: str) -> Signal:
    stereo, rate = soundfile.read(RECORDINGS / f"{name}.flac", dtype="float64", always_2d=True)
    mono = soxr.resample(stereo.mean(axis=1), rate, highs.RATE, "VHQ")[: highs.RATE]
    return np.asarray(0.5 * mono / np.abs(mono).max(), dtype=np.float64)


def as_a_take(sound: Signal) -> NDArray[np.float32]:
    return np.asarray(soxr.resample(sound, highs.RATE, MODEL_RATE, "VHQ"), dtype=np.float32)


def band_levels(sound: Signal) -> Signal:
    """Mean level of each band above 8 kHz while the sound lasts, in dB under its loudest band below."""
    spectra = highs.analysed(sound)
    below, top = highs.levels_below(spectra)
    heard = below.max(axis=1) > -60
    return np.asarray(np.maximum(highs.levels_above(spectra)[heard] - top, -80).mean(axis=0), np.float64)


def under(sound: Signal, hertz: float) -> Signal:
    return np.asarray(sosfiltfilt(butter(12, hertz, fs=highs.RATE, output="sos"), sound), dtype=np.float64)


@pytest.mark.parametrize("name", BRIGHT)
def test_highs_are_near_those_of_the_recording(name: str) -> None:
    real = recording(name)
    take = as_a_take(real)
    dull, bright = (
        finish(take, MODEL_RATE, asked(highs=wish)).samples[0].astype(np.float64)
        for wish in ("model", "extended")
    )
    lost = np.abs(band_levels(real) - band_levels(dull)).mean()
    left = np.abs(band_levels(real) - band_levels(bright)).mean()
    assert lost > 8
    assert left < 0.4 * lost


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
def test_what_lies_below_stays(rate: int) -> None:
    take = as_a_take(recording("drum_snare_hard"))
    dull, bright = (
        finish(take, MODEL_RATE, asked(highs=wish, rate=rate)).samples[0].astype(np.float64)
        for wish in ("model", "extended")
    )
    assert dull.shape == bright.shape
    added = bright - dull
    spectrum = np.abs(np.fft.rfft(added)) ** 2
    hertz = np.fft.rfftfreq(len(added), 1 / rate)
    inside = spectrum[(hertz > 7_500) & (hertz < 20_500)].sum() / spectrum.sum()
    assert inside > 0.999
    assert np.abs(added).max() > 0.01


def test_highs_begin_with_the_hit() -> None:
    real = np.concatenate([np.zeros(12_000), recording("drum_snare_hard")[:24_000]])
    found = highs.extended(soxr.resample(as_a_take(real).astype(np.float64), MODEL_RATE, highs.RATE, "VHQ"))
    onset = int(np.flatnonzero(np.abs(real) > 0.02)[0])
    loud = np.abs(found) > 0.1 * np.abs(found).max()
    assert abs(int(np.flatnonzero(loud)[0]) - onset) < 0.004 * highs.RATE


def test_a_dull_sound_stays_dull() -> None:
    seconds = np.arange(highs.RATE) / highs.RATE
    bass = 0.5 * np.sin(2 * np.pi * 80 * seconds) * np.exp(-2 * seconds)
    assert np.abs(highs.extended(bass)).max() < 5e-4


def test_silence_has_no_highs() -> None:
    assert not highs.extended(np.zeros(9_600)).any()
    assert len(highs.extended(np.zeros(0))) == 0


def test_the_same_sound_gets_the_same_highs() -> None:
    sound = recording("drum_splash_hard")
    np.testing.assert_array_equal(highs.extended(sound), highs.extended(sound))


def test_a_loop_has_no_seam_in_its_highs() -> None:
    rng = np.random.default_rng(3)
    spectrum = np.fft.rfft(rng.standard_normal(MODEL_RATE))
    hiss = np.fft.irfft(spectrum, MODEL_RATE).astype(np.float32) * 0.1
    wish = asked(highs="extended", seconds=1.0, operation="loop")
    clip = finish(hiss, MODEL_RATE, wish).samples[0].astype(np.float64)
    above = np.diff(np.tile(clip - under(clip, 7_000), 2), n=2)
    jumps = np.abs(above)
    seam = jumps[highs.RATE - 4 : highs.RATE + 2].max()
    assert seam <= np.percentile(jumps, 99.9)
    shifted = finish(np.roll(hiss, 3000), MODEL_RATE, wish).samples[0].astype(np.float64)
    difference = np.abs(band_levels(np.roll(shifted, -9000)) - band_levels(clip))
    assert difference.max() < 0.5


def test_a_sound_with_highs_of_its_own_is_left_alone() -> None:
    sound = recording("drum_cymbal_hard").astype(np.float32)
    clip = finish(sound, highs.RATE, asked(highs="extended"))
    np.testing.assert_array_equal(clip.samples[0], sound)
    assert "no highs were added" in clip.notes[0]


def test_a_rate_without_room_is_said() -> None:
    take = as_a_take(recording("drum_snare_hard"))
    clip = finish(take, MODEL_RATE, asked(highs="extended", rate=16_000))
    np.testing.assert_array_equal(clip.samples, finish(take, MODEL_RATE, asked(rate=16_000)).samples)
    assert clip.notes == ("at 16000 Hz there is no room for more highs: ask for a higher rate.",)
