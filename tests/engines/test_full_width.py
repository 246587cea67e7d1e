"""A checkpoint of the published widths, with random weights: four levels of the UNet, groups of 32, a
HiFi-GAN of full size. It is held to the reference, and does every operation: what depends on shape, and could
hide on a tiny one, holds here too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import audioldm_reference as reference
from foleyd.bench import random_model
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound
from foleyd.recipe import Recipe

RATE, SECONDS, STEPS = 16_000, 0.32, 2
HASH = "a" * 64
FRAMES, BINS = 8, 16
"""Of the latents: 40 ms each, and four mel bands."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reference.Pair]:
    """1.3 GB on the disk and 3 GB in memory while these tests run."""
    yield from reference.pair(tmp_path_factory.mktemp("published"), random_model.PUBLISHED, SECONDS)


@pytest.fixture(scope="module")
def engine(published: reference.Pair) -> AudioLDM:
    assert isinstance(published.engine, AudioLDM)
    return published.engine


def wanted(engine: AudioLDM, **values: object) -> Recipe:
    # guidance, which doubles the work, is held to the reference at these widths
    usual = {"prompt": "gusty wind", "seconds": SECONDS, "seed": 7, "steps": STEPS, "guidance": 1.0}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def hiss(seconds: float = SECONDS) -> dict[str, SourceSound]:
    drawn = np.random.default_rng(2).normal(0, 0.2, (1, round(seconds * RATE)))
    return {HASH: SourceSound((drawn * np.linspace(1, 0.1, drawn.shape[1])).astype(np.float32), RATE)}


def from_source(engine: AudioLDM, operation: str, **values: object) -> Recipe:
    sources = [{"role": "source", "sha256": HASH}]
    return wanted(engine, operation=operation, sources=sources, **values)


def samples(engine: AudioLDM, *recipes: Recipe, seconds: float = SECONDS) -> list[NDArray[np.float32]]:
    """What each recipe gives, one by one: whole, finite, as long as it was asked for, and loud."""
    made = []
    for one in recipes:
        [take] = engine.render([one], sources=hiss(seconds) if one.sources else {})
        assert len(take.samples) == round((one.seconds or 0) * RATE)
        assert np.isfinite(take.samples).all()
        assert np.abs(take.samples).max() > 0.01
        made.append(take.samples)
    return made


def ended(engine: AudioLDM, *recipes: Recipe, seconds: float = SECONDS) -> torch.Tensor:
    """The latents `[n, c, t, f]` with which a batch ends."""
    states: list[torch.Tensor] = []
    hooks = [lambda moment: states.append(moment.latents)]
    engine.render(list(recipes), sources=hiss(seconds), hooks=hooks)
    assert states[-1].shape[2:] == (FRAMES, BINS)
    return states[-1]


def same(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Where two latents are the same in all channels, `[t, f]`."""
    return torch.isclose(one, other, atol=1e-6).all(dim=0)


@pytest.mark.parametrize(
    ("scheduler", "batch", "guidance", "negative"),
    [("ddim", 1, 2.5, True), ("dpmpp-2m", 3, 2.5, False), ("euler", 1, 1.0, False)],
)
def test_the_published_configuration_gives_the_reference_s_waveform(
    published: reference.Pair, scheduler: str, batch: int, guidance: float, negative: bool
) -> None:
    published.check(batch, negative=negative, scheduler=scheduler, guidance=guidance, steps=2)


def test_a_variation_of_no_distance_is_the_sound_and_one_of_some_is_not(engine: AudioLDM) -> None:
    plain, still, far = samples(
        engine,
        wanted(engine),
        *(wanted(engine, operation="vary", centre=7, seed=8, distance=distance) for distance in (0, 0.5)),
    )
    assert np.array_equal(plain, still)
    assert np.abs(plain - far).max() > 1e-3


def test_a_morph_ends_in_its_two_sounds(engine: AudioLDM) -> None:
    stages = [
        wanted(engine, operation="morph", towards="ocean waves", towards_seed=9, mix=mix)
        for mix in (0, 0.5, 1)
    ]
    first, middle, last = samples(engine, *stages)
    one, other = samples(engine, wanted(engine), wanted(engine, prompt="ocean waves", seed=9))
    assert np.array_equal(first, one)
    assert np.array_equal(last, other)
    assert min(np.abs(middle - end).max() for end in (one, other)) > 1e-4


def test_a_restyle_goes_from_the_source_to_the_words(engine: AudioLDM) -> None:
    source, words, text = samples(
        engine,
        *(from_source(engine, "restyle", strength=strength) for strength in (0, 1)),
        wanted(engine),
    )
    [again] = samples(engine, from_source(engine, "restyle", strength=0, prompt="a dog", seed=3))
    assert np.array_equal(source, again)
    assert np.abs(words - text).max() <= reference.TOLERANCE * np.abs(text).max()
    assert np.abs(source - text).max() > 1e-3


@pytest.mark.parametrize(
    ("part", "times", "bins"),
    [
        ({"redo_from": 0.08, "redo_to": 0.2}, range(2, 5), range(BINS)),
        ({"redo_low": 1000, "redo_high": 3000}, range(FRAMES), range(5, 12)),
    ],
)
def test_what_an_inpainting_leaves_is_the_source_s(
    engine: AudioLDM, part: dict[str, float], times: range, bins: range
) -> None:
    one, other = ended(engine, *(from_source(engine, "inpaint", seed=seed, **part) for seed in (1, 2)))
    new = torch.zeros(FRAMES, BINS, dtype=torch.bool)
    new[times.start : times.stop, bins.start : bins.stop] = True
    assert torch.equal(same(one, other), ~new)


def test_an_extension_keeps_its_source_between(engine: AudioLDM) -> None:
    parts = {"before": 0.08, "after": 0.08}
    recipes = [from_source(engine, "extend", seed=seed, **parts) for seed in (1, 2)]
    one, other = ended(engine, *recipes, seconds=SECONDS - 0.16)
    assert same(one, other).all(dim=1).nonzero().flatten().tolist() == list(range(2, 6))
    samples(engine, recipes[0], seconds=SECONDS - 0.16)


def test_an_upscale_keeps_what_is_below_its_cutoff(engine: AudioLDM) -> None:
    recipes = [from_source(engine, "upscale", cutoff=2000, seed=seed) for seed in (1, 2)]
    one, other = ended(engine, *recipes)
    assert same(one, other).all(dim=0).nonzero().flatten().tolist() == list(range(8))


def test_a_loop_is_exact_and_comes_round_with_its_bars(engine: AudioLDM) -> None:
    by_time, by_bars = (
        reference.resolved(
            engine.capabilities, prompt="gusty wind", operation="loop", seed=7, steps=STEPS, **length
        )
        for length in ({"seconds": 0.313}, {"bars": 0.125, "bpm": 99})
    )
    for one, frames in ((by_time, 5008), (by_bars, round(30 / 99 * RATE))):
        [take] = engine.render([one])
        assert len(take.samples) == frames
        # the seam is one step of the sound like any other
        steps = np.abs(np.diff(take.samples))
        assert abs(take.samples[0] - take.samples[-1]) <= steps.max()


def test_layers_are_each_their_own_sound_where_they_are_alone(engine: AudioLDM) -> None:
    made, click = samples(
        engine,
        wanted(
            engine,
            operation="layers",
            prompt="a metal hit",
            attack="a click",
            tail="a long ring",
            attack_until=0.1,
            tail_from=0.2,
        ),
        wanted(engine, prompt="a click"),
    )
    alone = round(0.05 * RATE)
    assert np.array_equal(made[:alone], click[:alone])
    assert not np.array_equal(made, click)
