"""Morphs: each end is its own sound to the bit, and stages are nearer to their neighbours than the ends."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import audioldm_reference as reference
import foleyd
from foleyd import mixture
from foleyd.diffusion import noise
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.mel import LogMel
from foleyd.errors import BadRequest
from foleyd.recipe import SEED_LIMIT, Recipe, make
from foleyd.series import series

STARTER = Path(foleyd.__file__).parent / "starter" / "model"


def sound(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "gusty wind", "seconds": 0.64, "seed": 7, "steps": 4}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def stage(engine: AudioLDM, mix: float, **values: object) -> Recipe:
    return sound(engine, operation="morph", towards="ocean waves", mix=mix, **values)


@pytest.mark.parametrize("scheduler", ["ddim", "dpmpp-2m-sde"])
@pytest.mark.parametrize("towards_seed", [None, 9])
def test_the_ends_are_their_sounds_to_the_bit(
    engine: AudioLDM, scheduler: str, towards_seed: int | None
) -> None:
    [one] = engine.render([sound(engine, scheduler=scheduler)])
    end = {"prompt": "ocean waves", "seed": towards_seed or 7}
    [other] = engine.render([sound(engine, scheduler=scheduler, **end)])
    ends = [stage(engine, mix, towards_seed=towards_seed, scheduler=scheduler) for mix in (0, 1)]
    [first], [last] = (engine.render([end]) for end in ends)
    assert np.array_equal(first.samples, one.samples)
    assert np.array_equal(last.samples, other.samples)
    [middle] = engine.render([stage(engine, 0.5, towards_seed=towards_seed, scheduler=scheduler)])
    assert min(np.abs(middle.samples - end.samples).max() for end in (one, other)) > 1e-4


def test_noise_between_is_noise() -> None:
    start = noise.normal((8, 64, 16), noise.generators([1]))
    end = noise.normal((8, 64, 16), noise.generators([2]))
    middle = noise.between(start, [2], [0.5])
    assert float(middle.std()) == pytest.approx(1, abs=0.03)
    for one in (start, end):
        both = torch.stack([middle.flatten(), one.flatten()])
        assert float(torch.corrcoef(both)[0, 1]) == pytest.approx(0.707, abs=0.03)
    assert torch.equal(noise.between(start, [2], [0.0]), start)


def test_words_between() -> None:
    assert mixture.between("rain", "fire", 0) == (mixture.Part("rain", 1),)
    assert mixture.between("rain", "fire", 1) == (mixture.Part("fire", 1),)
    assert mixture.between("rain:1 | wind:1", "fire", 0.5) == (
        mixture.Part("rain", 0.25),
        mixture.Part("wind", 0.25),
        mixture.Part("fire", 0.5),
    )


def test_several_clips_are_stages_of_one_morph_and_seeds_of_anything_else() -> None:
    morph = make(prompt="rain", operation="morph", towards="fire", towards_seed=4)
    stages = series(morph, 5, draw=lambda _: 3)
    assert [(one.seed, one.mix) for one in stages] == [(3, 0), (3, 0.25), (3, 0.5), (3, 0.75), (3, 1)]
    assert [one.mix for one in series(morph, 1)] == [0.5]
    assert [one.seed for one in series(make(prompt="rain", seed=8), 3)] == [8, 9, 10]
    with pytest.raises(BadRequest, match="with a count of 2, which goes past"):
        series(make(prompt="rain", seed=SEED_LIMIT - 1), 2)


def test_what_a_morph_needs() -> None:
    with pytest.raises(BadRequest, match="towards is missing: give 1 to 1000 characters for 'morph'"):
        make(prompt="rain", operation="morph")
    with pytest.raises(BadRequest, match="towards_seed is given: it belongs to 'morph', not to 'text'"):
        make(prompt="rain", towards_seed=3)
    with pytest.raises(BadRequest, match="towards has parts that all weigh 0"):
        make(prompt="rain", operation="morph", towards="fire:0 | wind:0")


def test_the_starter_s_neighbours_are_closer_than_its_ends() -> None:
    engine = base.load(STARTER)
    assert isinstance(engine, AudioLDM)
    start = sound(
        engine, operation="morph", towards="a deep kick drum", towards_seed=10, seconds=1.28, steps=8, seed=3
    )
    takes = [engine.render([one])[0] for one in series(start, 5)]
    mel = LogMel(centred=False)
    heard = [mel(torch.from_numpy(take.samples[None])).numpy()[0] for take in takes]
    ends = np.abs(heard[0] - heard[-1]).mean()
    steps = [np.abs(one - other).mean() for one, other in itertools.pairwise(heard)]
    assert max(steps) < ends
    engine.unload()
