"""Classifier-free guidance."""

import pytest
import torch

from foleyd.diffusion.guidance import Guidance, Guided

LATENTS = torch.arange(24.0).reshape(3, 2, 2, 2)
WORDS = torch.tensor([[1.0], [2.0], [3.0]])
NOTHING = torch.tensor([[10.0], [20.0], [30.0]])


class Network:
    """Predicts latents plus condition; remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(
        self, latents: torch.Tensor, timestep: torch.Tensor, condition: torch.Tensor
    ) -> torch.Tensor:
        self.batches.append(len(latents))
        return latents + condition[:, :, None, None]


def predict(guidance: Guidance, step: int = 0) -> tuple[torch.Tensor, list[int]]:
    network = Network()
    guided = Guided(network, WORDS, NOTHING, guidance)
    return guided.predict(LATENTS, torch.tensor(500), step, 10), network.batches


def test_the_guided_prediction_is_extrapolated_from_the_unconditional_one() -> None:
    prediction, batches = predict(Guidance(2.5))
    expected = LATENTS + (NOTHING + 2.5 * (WORDS - NOTHING))[:, :, None, None]
    torch.testing.assert_close(prediction, expected)
    assert batches == [6]


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_without_guidance_the_unconditional_half_is_not_computed(scale: float) -> None:
    prediction, batches = predict(Guidance(scale))
    torch.testing.assert_close(prediction, LATENTS + WORDS[:, :, None, None])
    assert batches == [3]


@pytest.mark.parametrize(("step", "size"), [(0, 3), (1, 3), (2, 6), (7, 6), (8, 3), (9, 3)])
def test_outside_its_interval_guidance_is_off(step: int, size: int) -> None:
    assert predict(Guidance(3.0, start=0.2, stop=0.8), step)[1] == [size]


@pytest.mark.parametrize("rescale", [0.0, 0.7, 1.0])
def test_rescaling_brings_each_clip_back_to_its_size_without_guidance(rescale: float) -> None:
    torch.manual_seed(0)
    conditional, unconditional = torch.randn(3, 2, 8, 4), 0.5 * torch.randn(3, 2, 8, 4)
    plain = unconditional + 6.0 * (conditional - unconditional)
    guided = Guidance(6.0, rescale=rescale).combine(unconditional, conditional)
    for row in range(3):
        goal = plain[row] * conditional[row].std() / plain[row].std()
        torch.testing.assert_close(guided[row], rescale * goal + (1 - rescale) * plain[row])


def test_by_default_every_step_is_guided() -> None:
    assert all(Guidance(1.01).acts(step, 10) for step in range(10))
