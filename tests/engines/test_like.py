"""'like': the audio half of the text encoder says what to hear, mixed with the words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import audioldm_reference as reference
from foleyd.bench import random_model as tiny
from foleyd.engines import base, catalog
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound
from foleyd.errors import BadRequest, ModelBroken
from foleyd.recipe import Recipe, Source, take_id

TIME = np.arange(32_000) / 16_000
SOUNDS = {
    "1" * 64: SourceSound(np.sin(2 * np.pi * 440 * TIME, dtype=np.float32)[None], 16_000),
    "2" * 64: SourceSound(
        np.random.default_rng(0).standard_normal((2, 96_000)).astype(np.float32) * 0.2, 48_000
    ),
    "3" * 64: SourceSound(np.zeros((1, 16_000), np.float32), 16_000),
}
TONE, NOISE, SILENCE = SOUNDS


@pytest.fixture(scope="module")
def folder(hearing: Path) -> Path:
    """The engine's."""
    return hearing


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "gusty wind", "seconds": 0.64, "seed": 7, "steps": 4}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def like(engine: AudioLDM, sha256: str, likeness: float, **values: object) -> Recipe:
    source = Source(role="source", sha256=sha256)
    return recipe(engine, operation="like", sources=[source], likeness=likeness, **values)


def samples(engine: AudioLDM, wanted: Recipe) -> np.ndarray:
    [take] = engine.render([wanted], sources=SOUNDS)
    return take.samples


def test_at_0_it_is_the_words_alone_and_at_1_the_source_alone(engine: AudioLDM) -> None:
    assert np.array_equal(samples(engine, like(engine, TONE, 0)), samples(engine, recipe(engine)))
    whole = samples(engine, like(engine, TONE, 1))
    assert np.array_equal(whole, samples(engine, like(engine, TONE, 1, prompt="ocean waves")))
    assert np.abs(whole - samples(engine, recipe(engine))).max() > 1e-3
    assert np.abs(whole - samples(engine, like(engine, NOISE, 1))).max() > 1e-3


def test_what_is_meant_turns_from_the_words_to_the_source(engine: AudioLDM) -> None:
    said, heard = (engine._condition(like(engine, TONE, end), SOUNDS)[0] for end in (0, 1))
    between = [engine._condition(like(engine, TONE, step / 4), SOUNDS)[0] for step in range(5)]
    assert all(float(one.norm()) == pytest.approx(1, abs=1e-5) for one in between)
    nearness = [float(one @ heard) for one in between]
    assert nearness == sorted(nearness)
    assert [float(one @ said) for one in between] == sorted(float(one @ said) for one in between)[::-1]


def test_it_is_a_sound_of_its_own_and_the_same_again(engine: AudioLDM) -> None:
    one, other = like(engine, TONE, 0.5), like(engine, NOISE, 0.5)
    assert np.array_equal(samples(engine, one), samples(engine, one))
    ids = {
        take_id(made, runtime="torch", precision="float32", bucket="t16")
        for made in (one, other, like(engine, TONE, 0.6), recipe(engine))
    }
    assert len(ids) == 4


def test_level_rate_and_width_of_the_source_say_nothing(engine: AudioLDM) -> None:
    tower = engine._late.audio_tower()
    tone = SOUNDS[TONE]
    plain = tower.embed(tone)
    again = np.sin(2 * np.pi * 440 * np.arange(96_000) / 48_000, dtype=np.float32)
    quiet = tower.embed(SourceSound(np.stack([again, again]) * 0.01, 48_000))
    assert plain is not None
    assert quiet is not None
    assert float((plain * quiet).sum()) > 0.999


def test_a_long_source_is_heard_whole_and_its_silence_is_not(engine: AudioLDM) -> None:
    tower, tone = engine._late.audio_tower(), SOUNDS[TONE].samples[0]
    hiss = np.random.default_rng(1).standard_normal(80_000).astype(np.float32) * 0.2
    first = np.concatenate([tone, np.zeros(80_000 - len(tone), np.float32)])
    alone, both = (
        tower.embed(SourceSound(np.concatenate(parts)[None], 16_000))
        for parts in ((first,), (first, np.zeros(80_000, np.float32), hiss))
    )
    noise = tower.embed(SourceSound(hiss[None], 16_000))
    assert alone is not None
    assert both is not None
    assert noise is not None
    mean = torch.nn.functional.normalize(alone + noise, dim=-1)
    assert float((both * mean).sum()) == pytest.approx(1, abs=2e-3)


def test_a_silent_source_is_refused(engine: AudioLDM) -> None:
    with pytest.raises(BadRequest, match="silent: give one that can be heard"):
        samples(engine, like(engine, SILENCE, 0.5))


def test_a_model_without_an_audio_tower_refuses_and_says_so(tmp_path) -> None:
    loaded = base.load(tiny.build(tmp_path / "deaf", card={"min_generate_seconds": 0.32}))
    assert isinstance(loaded, AudioLDM)
    assert "like" not in loaded.capabilities.operations
    with pytest.raises(BadRequest, match="without the audio half of its text encoder"):
        samples(loaded, like(loaded, TONE, 0.5))
    loaded.unload()


def test_the_towers_of_two_models_do_not_go_together(tmp_path) -> None:
    folder = tiny.build(tmp_path / "mixed", hears=True)
    config = folder / "audio_encoder" / "config.json"
    config.write_text(config.read_text().replace('"projection_dim": 64', '"projection_dim": 32'))
    with pytest.raises(ModelBroken, match="text encoder gives 64 numbers, its audio encoder 32"):
        base.load(folder)


def test_the_starter_makes_what_is_more_like_the_source_the_more_it_is_to_be() -> None:
    starter = base.load(catalog.STARTER)
    assert isinstance(starter, AudioLDM)
    usual = {"seconds": 1.28, "steps": 5}
    nearness: dict[float, list[float]] = {0.0: [], 0.5: [], 1.0: []}
    for prompt in ("a deep kick drum", "heavy rain", "a bright glockenspiel note"):
        [made] = starter.render([recipe(starter, **usual, prompt=prompt, seed=3)])
        sources = {TONE: SourceSound(made.samples[None], made.rate)}
        meant = starter._late.audio_tower().embed(sources[TONE])
        for likeness, found in nearness.items():
            for seed in (1, 2):
                wanted = like(starter, TONE, likeness, **usual, prompt="a cello note", seed=seed)
                [take] = starter.render([wanted], sources=sources)
                heard = starter._late.audio_tower().embed(SourceSound(take.samples[None], take.rate))
                found.append(float((heard * meant).sum()))
    starter.unload()
    words, both, source = (float(np.mean(found)) for found in nearness.values())
    assert words + 0.05 < both < source - 0.05
