"""What the models are trained on: real clips, with captions that say what is heard."""

import random

import numpy as np
import pytest

from foleyd.training import clips, procedural, samples, soundfont
from foleyd.training.names import DRUM_KEYS, KITS, PRESETS


@pytest.fixture(scope="module")
def font():
    font = soundfont.SoundFont()
    yield font
    font.close()


def _pitch(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave[4000:20000] * np.hanning(16000)))
    return float(spectrum.argmax())


def test_a_note_sounds_at_its_pitch_and_stops_after_its_hold(font):
    note = soundfont.Note(69, 100, 0.5, 3.0)
    wave = font.play(8, 80, soundfont.Note(69, 100, 1.6, 3.0))
    assert _pitch(wave) == pytest.approx(440, abs=3)
    short = font.play(0, 19, note)
    assert len(short) == 48_000
    assert np.abs(short[:8000]).max() > 20 * np.abs(short[-8000:]).max()


def test_one_note_leaves_nothing_in_the_next(font):
    first = font.play(0, 0, soundfont.Note(60, 100, 0.5, 1.0))
    font.play(0, 52, soundfont.Note(72, 120, 0.9, 1.0))
    again = font.play(0, 0, soundfont.Note(60, 100, 0.5, 1.0))
    # FluidSynth starts notes on its own 64-sample grid, so two renders differ a little in the attack.
    assert np.abs(first - again).max() < 0.1 * np.abs(first).max()
    assert np.corrcoef(first, again)[0, 1] > 0.995


def test_every_preset_and_drum_that_is_named_exists(font):
    silent = [
        preset
        for preset in PRESETS
        if all(
            np.abs(font.play(*preset, soundfont.Note(key, 110, 0.4, 0.6))).max() < 1e-4 for key in (60, 36)
        )
    ]
    assert silent == []
    for kit in KITS:
        heard = sum(
            np.abs(font.play(128, kit, soundfont.Note(key, 110, 0.2, 0.3))).max() > 1e-4 for key in DRUM_KEYS
        )
        assert heard > len(DRUM_KEYS) * 0.7


def test_captions_say_high_and_low_and_differ():
    rng = random.Random(0)
    low = soundfont.captions(("cello",), soundfont.Note(36, 55, 3.2, 5), rng, 200)
    high = soundfont.captions(("cello",), soundfont.Note(90, 120, 0.2, 5), rng, 200)
    assert all("cello" in caption for caption in low + high)
    assert any("deep" in c or "low" in c for c in low)
    assert not any("high" in c for c in low)
    assert not any("low" in c or "deep" in c for c in high)
    assert len(set(low)) > 30


@pytest.mark.parametrize("name", procedural.GENERATORS)
def test_each_generator_makes_a_finite_sound_and_varies(name):
    rng = np.random.default_rng(5)
    first, second = (procedural.GENERATORS[name](rng) for _ in range(2))
    for drawn in (first, second):
        assert np.isfinite(drawn.samples).all()
        assert np.abs(drawn.samples).max() > 1e-3
        assert drawn.samples.dtype == np.float32
        assert all(phrase.strip() for phrase in drawn.phrases)
    assert len(first.samples) != len(second.samples) or not np.array_equal(first.samples, second.samples)


def test_heavy_rain_is_louder_and_denser_than_light_rain():
    rng = np.random.default_rng(0)
    drawn = [procedural.nature.rain(rng) for _ in range(30)]
    power = {
        word: np.mean([np.mean(d.samples**2) for d in drawn if word in d.phrases[0]])
        for word in ("light", "heavy")
    }
    assert power["heavy"] > 3 * power["light"]


def test_recordings_are_captioned_from_their_names():
    assert "house kick drum" in samples.caption("bd_haus")
    assert "whoosh" in " ".join(samples.caption("ambi_dark_woosh"))
    found = list(samples.clips(random.Random(0), 3))
    assert len(found) > 700
    assert all(len(clip.captions) == 3 for clip in found)


def test_recordings_missing_says_what_to_install(tmp_path):
    with pytest.raises(FileNotFoundError, match="sonic-pi-samples"):
        next(samples.clips(random.Random(0), 1, tmp_path))
    with pytest.raises(FileNotFoundError, match="fluid-soundfont-gm"):
        soundfont.SoundFont(tmp_path / "none.sf2")


def test_clips_come_back_as_they_were_saved(tmp_path):
    tone = np.sin(np.arange(20_000) / 5).astype(np.float32) * 0.1
    source = clips.Source("procedural", "tone", "tone")
    kept = clips.save(
        tmp_path,
        [
            clips.TrainingClip(tone, ["a old tone"], source),
            clips.TrainingClip(tone * 1e-6, ["nothing"], source),
        ],
    )
    assert kept == 1
    waves, index = clips.load(tmp_path)
    assert waves.shape == (1, clips.LENGTH)
    assert index.captions == [["an old tone"]]
    assert np.abs(waves[0]).max() == pytest.approx(0.7 * 32767, rel=0.01)
    assert not waves[0, 20_000:].any()


def test_a_folder_without_clips_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="foleyd train starter"):
        clips.load(tmp_path)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a oboe", "an oboe"),
        ("a  ukulele", "a ukulele"),
        ("a user click", "a user click"),
        ("the 808", "the 808"),
        ("a 808 tom", "an 808 tom"),
    ],
)
def test_articles(before, after):
    assert clips.tidy(before) == after
