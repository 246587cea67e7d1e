"""Measures of a model: known sounds give known figures, and real clips measure like themselves."""

from __future__ import annotations

import json
import math
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from foleyd import cli
from foleyd.engines import catalog, checkpoint
from foleyd.engines.base import Take
from foleyd.training import clips, procedural
from foleyd.training.measures import codec, frechet, pitch, report, spread, ways
from foleyd.training.measures.clip import LENGTH, Ask, Clip, clip_of, render, thinned
from foleyd.training.measures.paraphrases import SENTENCES, Paraphrases
from foleyd.training.measures.world import World
from foleyd.training.names import PRESETS
from foleyd.training.neighbours import FRAMES, Neighbours, distance

RATE = 16_000
TIME = np.arange(LENGTH) / RATE


def tone(hertz: float, fading: float = 0.0, partials: int = 4) -> np.ndarray:
    """A tone with overtones that falls by half in `fading` seconds, 0 for never."""
    wave = sum(np.sin(2 * np.pi * hertz * k * TIME) / k for k in range(1, partials + 1))
    return (0.3 * wave * (0.5 ** (TIME / fading) if fading else 1)).astype(np.float32)


def heard(samples: np.ndarray) -> Clip:
    found = clip_of(samples)
    assert found is not None
    return found


NOISE = np.random.default_rng(1).standard_normal(LENGTH).astype(np.float32)
SILENCE = np.zeros(LENGTH, np.float32)


@pytest.mark.parametrize("hertz", [65.4, 110.0, 261.6, 440.0, 1318.5])
def test_a_tone_has_its_fundamental(hertz):
    for wave in (tone(hertz), tone(hertz, fading=0.3), tone(hertz) + 0.01 * NOISE):
        found = pitch.fundamental(wave)
        assert abs(12 * math.log2(found / hertz)) < 0.1


def test_noise_and_silence_have_none():
    assert pitch.fundamental(NOISE) is None
    assert pitch.fundamental(SILENCE) is None
    assert pitch.fundamental(np.zeros(100)) is None


def test_a_note_is_hit_within_a_quarter_tone_and_in_any_octave():
    keys = [69, 69, 69, 69]
    found = pitch.hits([445.0, 466.2, 880.0, None], keys)
    assert found == {"note": 0.25, "note_any_octave": 0.5}


def test_the_frechet_distance_of_known_gaussians():
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.standard_normal((400, 3)))[0]
    basis = np.linalg.qr(basis - basis.mean(0))[0] * math.sqrt(399)
    assert np.allclose(np.cov(basis, rowvar=False), np.eye(3))
    assert frechet.distance(basis, basis) < 1e-9
    assert frechet.distance(basis, basis + np.array([3, 0, 4])) == pytest.approx(25)
    assert frechet.distance(basis, basis * np.array([1, 2, 3])) == pytest.approx(0 + 1 + 4)


def test_the_plane_keeps_what_varies_most():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((200, 5)) * np.array([0.1, 9, 0.1, 3, 0.1])
    seen = frechet.Plane(features, 2)(features)
    assert seen.shape == (200, 2)
    assert seen.var(0) == pytest.approx(features.var(0)[[1, 3]], rel=0.05)


def test_length_height_and_brightness_are_read_off_a_sound():
    assert ways.length(tone(300, fading=0.02)) < 0.5 < 2 < ways.length(tone(300))
    assert ways.height(tone(300)) == pytest.approx(300, rel=0.01)
    assert math.isnan(ways.height(NOISE))
    assert ways.brightness(tone(300, partials=1)) == pytest.approx(300, rel=0.1)
    assert ways.brightness(tone(300, partials=1)) < ways.brightness(tone(300, partials=12))


def test_pairs_that_move_the_right_way_are_counted():
    trial = ways.Ways(SimpleNamespace(), 0.01)
    assert [ask.prompt for ask in trial.asks[:2]] == ["short flute note", "long flute note"]
    assert [less.seed for less in trial.asks[::2]] == [more.seed for more in trial.asks[1::2]]
    right = [
        *(heard(tone(300, fading=0.02)), heard(tone(300))),
        *(heard(tone(200)), heard(tone(400))),
        *(heard(tone(300, partials=1)), heard(tone(300, partials=9))),
    ]
    assert trial.figures(right) == {"longer": 1, "higher": 1, "brighter": 1}
    assert trial.figures(right[::-1][4:] + right[2:4][::-1] + right[4:][::-1]) == {
        "longer": 0, "higher": 0, "brighter": 0,
    }  # fmt: skip
    assert trial.figures([None, *right[1:3], heard(NOISE), *right[4:]]) == {
        "longer": 0, "higher": 0, "brighter": 1,
    }  # fmt: skip


def test_distance_is_that_of_what_sounds():
    quiet, loud = np.full((FRAMES, 64), -11.5), np.full((FRAMES, 64), -3.0)
    assert distance(quiet, quiet) == 0
    assert distance(loud, loud + 0.5) == pytest.approx(0.5)
    half = np.where(np.arange(64) < 32, quiet, loud)
    assert distance(half, half + 0.25 * (half > -9)) == pytest.approx(0.25)


def test_the_nearest_is_found_among_the_chosen():
    mels = np.random.default_rng(4).uniform(-8, 0, (300, FRAMES + 20, 64)).astype(np.float16)
    wanted = mels[217, :FRAMES].astype(np.float32)
    assert Neighbours(mels).nearest(wanted + 0.01) == pytest.approx(0.01, abs=2e-3)
    assert Neighbours(mels, np.arange(200)).nearest(wanted) > 1


def test_spread_is_the_mean_distance_of_pairs():
    mel = np.full((FRAMES, 64), -3.0, np.float32)
    assert spread.mean_spread([[mel, mel, mel]]) == {"spread": 0}
    assert spread.mean_spread([[mel, mel + 1], [mel, mel + 0.5, mel + 1]])["spread"] == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert spread.mean_spread([[mel], []]) == {}


def test_a_part_is_spread_evenly():
    assert thinned(list(range(10)), 0.3) == [0, 3, 6]
    assert thinned(list(range(10)), 1) == list(range(10))
    assert thinned(list(range(10)), 0.001) == [0]
    assert thinned([], 0.5) == []


def test_two_hundred_sentences_use_no_words_of_the_templates():
    assert len({sentence for sentence, _ in SENTENCES}) == 200
    phrases = {f"{bank}:{program}": names for (bank, program), names in PRESETS.items()}
    for sentence, label in SENTENCES:
        assert label in phrases or label in procedural.GENERATORS
        taken = [name for name in phrases.get(label, ()) if len(name.split()) > 1 and name in sentence]
        assert not taken, sentence


# all of it, on a small world


PLAYED = {"0:73": "flute", "0:105": "banjo", "0:19": "church organ", "rain": "rain", "laser": "laser zap"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A work folder with a few dozen clips that stand for real ones."""
    folder = tmp_path_factory.mktemp("work")
    rng = np.random.default_rng(6)

    def made():
        for key in range(30, 90):
            hertz = 440 * 2 ** ((key - 69) / 12)
            for label, partials, fading in (("0:73", 2, 0.0), ("0:105", 9, 0.1), ("0:19", 5, 0.0)):
                source = clips.Source("fluid-soundfont-gm", label, PLAYED[label], key)
                yield clips.TrainingClip(tone(hertz, fading, partials), [f"a {PLAYED[label]} {key}"], source)
            for label in ("rain", "laser"):
                drawn = procedural.GENERATORS[label](rng)
                source = clips.Source("procedural", f"{label} {key}", label)
                yield clips.TrainingClip(drawn.samples, [f"{PLAYED[label]} {key}"], source)

    clips.save(folder / "clips", made())
    return folder


@pytest.fixture(scope="module")
def world(folder):
    return World(folder, catalog.STARTER, [].append, steps=10)


class Player:
    """An engine's stand-in that plays the clip whose caption is asked for, noise where there is none."""

    device, runtime, precision, threads = "CPU", "none", "none", 1
    capabilities = checkpoint.read(catalog.STARTER).capabilities

    def __init__(self, world):
        self.known = {captions[0]: row for row, captions in enumerate(world.captions)}
        self.world = world

    def render(self, recipes, *, check_silence=True, best_of=1):
        waves = [
            self.world.wave(self.known[recipe.prompt]) if recipe.prompt in self.known else 0.1 * NOISE
            for recipe in recipes
        ]
        return [Take(wave, RATE, 0, "", "", "", "", 1) for wave in waves]


def test_real_clips_measure_like_themselves(world):
    entry = SimpleNamespace(id="player", revision="0" * 40)
    lines: list[str] = []
    figures = report.measure(world, Player(world), entry, [3], report.NAMES, 0.3, lines.append)
    (row,) = figures.rows
    assert row.steps == 3
    for name in ("class_first", "class_five", "frechet", "retrieval_first", "retrieval_ten", "nearest"):
        assert row.figures[name] == pytest.approx(figures.real[name], rel=0.02, abs=0.02), name
    assert figures.real["note"] == 1
    assert row.figures["note"] == 0  # noise has no pitch
    assert row.figures["longer"] == row.figures["higher"] == 0
    assert row.figures["spread"] == 0 < figures.real["spread"]
    assert 0 <= figures.codec["codec_both_first"] <= figures.codec["codec_both_five"] <= 1
    assert 0 < figures.codec["codec_both_l1"] < 2
    table = report.table(figures)
    assert any(line.startswith("named note") and line.split()[-2:] == ["100%", "0%"] for line in table)
    assert any(line.startswith("through both") for line in table)
    assert all(len(line) <= 100 for line in table)
    assert lines


def test_silence_is_never_right(world):
    trial = report.Captions(world, 0.05)
    silent = trial.figures([None] * len(trial.asks))
    assert silent == {}
    waves = [clip_of(world.wave(row)) for row in trial._rows]
    all_there, half = trial.figures(waves), trial.figures([*waves[: len(waves) // 2], *[None] * len(waves)])
    assert half["class_five"] <= all_there["class_five"]
    assert Paraphrases(world, 1).figures([None] * 9) == {"paraphrases_first": 0, "paraphrases_five": 0}


def test_a_clip_is_cut_levelled_and_padded():
    found = heard(0.01 * tone(200)[:1000])
    assert found.samples.shape == (LENGTH,)
    assert found.mel.shape == (FRAMES, 64)
    assert np.abs(found.samples).max() == pytest.approx(0.7, rel=1e-3)
    assert clip_of(SILENCE) is None


def test_every_ask_is_rendered_in_its_order(world):
    row = int(world.held()[0])
    asks = [Ask(world.captions[row][0], 1), *[Ask("something else", seed) for seed in range(6)]]
    made = render(Player(world), asks, 2, 1, [].append)
    assert len(made) == 7
    assert np.allclose(made[0].mel, heard(world.wave(row)).mel, atol=1e-3)
    assert not np.allclose(made[1].mel, made[0].mel, atol=1)


def test_the_codec_is_measured_on_clips_that_nobody_has_heard(world):
    found = codec.figures(world, 0.05)
    assert found["codec_vae_l1"] < found["codec_both_l1"]
    assert {"codec_vocoder_spectra", "codec_both_spectra", "codec_real_five"} <= found.keys()


def test_the_command_measures_the_starter(folder, monkeypatch, capsys):
    monkeypatch.setattr(report, "World", partial(World, steps=10))
    options = ("--steps", "1", "--part", "0.01", "--best-of", "2", "--runtime", "torch", "--json")
    assert cli.main(["bench", "measures", "--work", str(folder), *options]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [row["steps"] for row in body["rows"]] == [1]
    assert body["rows"][0]["seconds"] > 0
    assert body["best_of"] == 2
    assert set(body["clips"]) == set(report.TRIALS)
    assert body["error"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--only", "taste"], "--only names 'taste': choose from codec, captions"),
        (["--steps", "0"], "--steps is '0'"),
        (["--only", "codec"], "holds no training clips: run 'foleyd train starter'"),
    ],
)
def test_what_cannot_be_measured_is_refused(options, said, tmp_path, capsys):
    assert cli.main(["bench", "measures", "--work", str(tmp_path), *options]) != 0
    assert said in capsys.readouterr().err
