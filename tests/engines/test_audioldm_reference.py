"""The engine against `diffusers.AudioLDMPipeline`: same weights, seeds, scheduler, steps: same waveform."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

import audioldm_reference as reference
from foleyd.bench import random_model as tiny


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reference.Pair]:
    yield from reference.pair(tmp_path_factory.mktemp("narrow"), tiny.NARROW, 0.64)


@pytest.fixture(scope="module")
def velocity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reference.Pair]:
    yield from reference.pair(tmp_path_factory.mktemp("velocity"), tiny.TINY, 0.64, "v_prediction")


@pytest.mark.parametrize(
    ("scheduler", "batch", "guidance", "negative"),
    [
        *product(("ddim", "dpmpp-2m", "euler"), (1, 3), (2.5,), (False, True)),
        *product(("ddim", "dpmpp-2m", "euler"), (1, 3), (1.0,), (False,)),
    ],
)
def test_the_waveform_is_the_reference_s(
    narrow: reference.Pair, scheduler: str, batch: int, guidance: float, negative: bool
) -> None:
    narrow.check(batch, negative=negative, scheduler=scheduler, guidance=guidance, steps=5)


@pytest.mark.parametrize("scheduler", reference.SCHEDULERS)
def test_every_scheduler_gives_the_reference_s_waveform_for_a_velocity_model(
    velocity: reference.Pair, scheduler: str
) -> None:
    assert scheduler in velocity.engine.capabilities.schedulers
    velocity.check(2, negative=True, scheduler=scheduler, guidance=3.0, steps=4)


@pytest.mark.parametrize(
    "difference",
    [{"shift": 1}, {"guidance": 2.4}, {"steps": 6}, {"scheduler": "dpmpp-2m"}, {"negative": False}],
    ids=lambda difference: next(iter(difference)),
)
def test_another_recipe_does_not_pass_for_the_same(
    narrow: reference.Pair, difference: dict[str, Any]
) -> None:
    """The tolerance is tight enough to see a change of any input."""
    values: dict[str, Any] = {"scheduler": "ddim", "guidance": 2.5, "steps": 5, "negative": True}
    expected = reference.run(narrow.pipeline, narrow.recipes(1, **values))
    takes = narrow.engine.render(narrow.recipes(1, **{**values, **difference}))
    with pytest.raises(AssertionError):
        reference.assert_agrees([take.samples for take in takes], expected)


def test_another_prompt_does_not_pass_for_the_same(narrow: reference.Pair) -> None:
    first, second = narrow.recipes(2, negative=False, scheduler="ddim", steps=5)
    expected = reference.run(narrow.pipeline, [first])
    swapped = reference.resolved(
        narrow.engine.capabilities,
        prompt=second.prompt,
        seed=first.seed,
        seconds=first.seconds,
        scheduler="ddim",
        steps=5,
    )
    with pytest.raises(AssertionError):
        reference.assert_agrees([narrow.engine.render([swapped])[0].samples], expected)
