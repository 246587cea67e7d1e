"""Noise by seed."""

import pytest
import torch

from foleyd.diffusion import noise

SHAPE = (8, 16, 16)


def test_a_seed_gives_the_same_noise_alone_and_anywhere_in_a_batch() -> None:
    alone = noise.normal(SHAPE, noise.generators([7]))
    batch = noise.normal(SHAPE, noise.generators([5, 7, 9]))
    assert torch.equal(alone[0], batch[1])
    assert not torch.equal(batch[0], batch[1])


def test_the_noise_is_standard_normal_in_single_precision() -> None:
    values = noise.normal(SHAPE, noise.generators(range(16)))
    assert values.dtype == torch.float32
    assert abs(float(values.mean())) < 0.02
    assert abs(float(values.std()) - 1) < 0.02


def test_the_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    noise.normal(SHAPE, noise.generators([1]))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_largest_seed_works_and_those_outside_are_refused() -> None:
    noise.normal(SHAPE, noise.generators([2**31 - 1]))
    for seed in (-1, 2**31):
        with pytest.raises(ValueError, match=f"seed {seed} is outside"):
            noise.generators([seed])
