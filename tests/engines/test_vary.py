"""Variations: the sound itself at 0, near it for small distances, another one at 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import audioldm_reference as reference
import foleyd
from foleyd.diffusion import noise
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.mel import LogMel
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe, make

STARTER = Path(foleyd.__file__).parent / "starter" / "model"


def recipe(engine: AudioLDM, **values: object) -> Recipe:
    usual = {"prompt": "a deep kick drum", "seconds": 0.64, "steps": 4}
    return reference.resolved(engine.capabilities, **{**usual, **values})


def variation(engine: AudioLDM, distance: float, **values: object) -> Recipe:
    given = {"operation": "vary", "centre": 7, "seed": 7, "distance": distance}
    return recipe(engine, **{**given, **values})


@pytest.mark.parametrize("scheduler", ["ddim", "euler-a", "dpmpp-2m-sde"])
def test_distance_0_is_the_sound_to_the_bit(engine: AudioLDM, scheduler: str) -> None:
    [sound] = engine.render([recipe(engine, seed=7, scheduler=scheduler)])
    for seed in (7, 8):
        [same] = engine.render([variation(engine, 0, seed=seed, scheduler=scheduler)])
        assert np.array_equal(same.samples, sound.samples)
        assert same.take_id != sound.take_id


def test_seeds_are_other_variations_and_a_batch_has_several(engine: AudioLDM) -> None:
    recipes = [variation(engine, 0.5, seed=1), variation(engine, 0.5, seed=2), variation(engine, 0.1, seed=2)]
    together = engine.render(recipes)
    for one, take in zip(recipes, together, strict=True):
        [alone] = engine.render([one])
        assert np.abs(take.samples - alone.samples).max() <= 1e-4 * np.abs(alone.samples).max()
    assert np.abs(together[0].samples - together[1].samples).max() > 0.001
    assert np.abs(together[1].samples - together[2].samples).max() > 0.001


def test_noise_turns_on_the_sphere() -> None:
    """The angle is the distance's share of a right angle, and the noise stays normal, whatever the seed."""
    shape = (8, 64, 16)
    centre = noise.normal(shape, noise.generators([3, 3, 3, 3, 3]))
    distances = [0, 0.25, 0.5, 0.75, 1]
    for seed in (3, 4):
        turned = noise.around(centre, [seed] * 5, distances)
        cosines = torch.nn.functional.cosine_similarity(turned.flatten(1), centre.flatten(1))
        expected = torch.cos(torch.tensor(distances) * torch.pi / 2)
        assert torch.allclose(cosines, expected, atol=0.06)
        assert torch.allclose(turned.flatten(1).std(1), torch.ones(5), atol=0.03)
    plain = noise.normal(shape, noise.generators([4]))
    assert torch.nn.functional.cosine_similarity(turned[4].flatten(), plain.flatten(), dim=0) < 0.1


def test_the_starter_goes_further_with_the_distance() -> None:
    starter = base.load(STARTER)
    assert isinstance(starter, AudioLDM)

    def mel(take: base.Take) -> NDArray[np.float32]:
        samples = torch.from_numpy(take.samples).unsqueeze(0)
        return LogMel()(samples)[0].clamp(min=-6).numpy()

    found: dict[float, list[float]] = {0: [], 0.1: [], 0.3: [], 1: []}
    for seed, prompt in enumerate(("a snare drum", "rain", "a dog barks")):
        how = {"prompt": prompt, "seconds": 1.0, "steps": 5, "guidance": 1}
        [sound] = starter.render([recipe(starter, seed=7, **how)])
        for distance, further in found.items():
            [varied] = starter.render([variation(starter, distance, seed=seed, **how)])
            further.append(float(np.abs(mel(sound) - mel(varied)).mean()))
    gaps = [float(np.mean(further)) for further in found.values()]
    starter.unload()
    assert gaps[0] == 0
    assert gaps == sorted(gaps)
    assert gaps[1] < 0.7 * gaps[-1]


def test_what_a_variation_needs() -> None:
    with pytest.raises(BadRequest, match=r"^centre is missing: give a whole number from 0 to"):
        make(prompt="a bell", operation="vary")
    with pytest.raises(BadRequest, match="distance is given: it belongs to 'vary', not to 'text'"):
        make(prompt="a bell", distance=0.5)
    with pytest.raises(BadRequest, match="sources are 'source': operation 'vary' takes none"):
        make(prompt="a bell", operation="vary", centre=1, sources=[{"role": "source", "sha256": "0" * 64}])
    assert make(prompt="a bell", operation="vary", centre=1).distance == 0.25
