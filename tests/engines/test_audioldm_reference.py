"""The engine against `diffusers.AudioLDMPipeline`: same weights, seeds, scheduler, steps: same waveform."""

import shutil
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

import audioldm_reference as reference
from foleyd.bench import random_model as tiny
from foleyd.engines import base
from foleyd.recipe import Recipe

PROMPTS = ("a deep kick drum", "a bright glockenspiel note", "rain on a tin roof")
NEGATIVES = ("hiss", "low quality, noise", "")
SEEDS = (11, 12, 13)


class Pair:
    """The engine and the reference over one checkpoint, which is loadable by both."""

    def __init__(self, folder: Any, seconds: float) -> None:
        self.engine = base.load(folder)
        self.pipeline = reference.open_pipeline(folder)
        self.seconds = seconds

    def recipes(self, batch: int, *, negative: bool, shift: int = 0, **values: object) -> list[Recipe]:
        return [
            reference.resolved(
                self.engine.capabilities,
                prompt=PROMPTS[place],
                negative=NEGATIVES[place] if negative else "",
                seed=SEEDS[place] + shift,
                seconds=self.seconds,
                **values,
            )
            for place in range(batch)
        ]

    def check(self, batch: int, *, negative: bool, **values: object) -> None:
        recipes = self.recipes(batch, negative=negative, **values)
        expected = reference.run(self.pipeline, recipes)
        takes = self.engine.render(recipes)
        reference.assert_agrees([take.samples for take in takes], expected)


def open_pair(folder: Any, shape: tiny.Shape, seconds: float, prediction: str = "epsilon") -> Iterator[Pair]:
    # short lengths are rendered as they are, as the reference does
    tiny.build(folder, shape, prediction=prediction, card={"min_generate_seconds": 0})
    pair = Pair(folder, seconds)
    yield pair
    pair.engine.unload()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from open_pair(tmp_path_factory.mktemp("narrow"), tiny.NARROW, 0.64)


@pytest.fixture(scope="module")
def velocity(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    yield from open_pair(tmp_path_factory.mktemp("velocity"), tiny.TINY, 0.64, "v_prediction")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The published small configuration: 1.3 GB on the disk and 3 GB in memory while its tests run."""
    yield from open_pair(tmp_path_factory.mktemp("published"), tiny.PUBLISHED, 0.32)


@pytest.mark.parametrize(
    ("scheduler", "batch", "guidance", "negative"),
    [
        *product(("ddim", "dpmpp-2m", "euler"), (1, 3), (2.5,), (False, True)),
        *product(("ddim", "dpmpp-2m", "euler"), (1, 3), (1.0,), (False,)),
    ],
)
def test_the_waveform_is_the_reference_s(
    narrow: Pair, scheduler: str, batch: int, guidance: float, negative: bool
) -> None:
    narrow.check(batch, negative=negative, scheduler=scheduler, guidance=guidance, steps=5)


@pytest.mark.parametrize("scheduler", reference.SCHEDULERS)
def test_every_scheduler_gives_the_reference_s_waveform_for_a_velocity_model(
    velocity: Pair, scheduler: str
) -> None:
    assert scheduler in velocity.engine.capabilities.schedulers
    velocity.check(2, negative=True, scheduler=scheduler, guidance=3.0, steps=4)


@pytest.mark.parametrize(
    ("scheduler", "batch", "guidance", "negative"),
    [("ddim", 1, 2.5, True), ("dpmpp-2m", 3, 2.5, False), ("euler", 1, 1.0, False)],
)
def test_the_published_configuration_gives_the_reference_s_waveform(
    published: Pair, scheduler: str, batch: int, guidance: float, negative: bool
) -> None:
    published.check(batch, negative=negative, scheduler=scheduler, guidance=guidance, steps=2)


@pytest.mark.parametrize(
    "difference",
    [{"shift": 1}, {"guidance": 2.4}, {"steps": 6}, {"scheduler": "dpmpp-2m"}, {"negative": False}],
    ids=lambda difference: next(iter(difference)),
)
def test_another_recipe_does_not_pass_for_the_same(narrow: Pair, difference: dict[str, Any]) -> None:
    """The tolerance is tight enough to see a change of any input."""
    values: dict[str, Any] = {"scheduler": "ddim", "guidance": 2.5, "steps": 5, "negative": True}
    expected = reference.run(narrow.pipeline, narrow.recipes(1, **values))
    takes = narrow.engine.render(narrow.recipes(1, **{**values, **difference}))
    with pytest.raises(AssertionError):
        reference.assert_agrees([take.samples for take in takes], expected)


def test_another_prompt_does_not_pass_for_the_same(narrow: Pair) -> None:
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
