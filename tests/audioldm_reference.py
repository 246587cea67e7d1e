"""What the AudioLDM engine is held to: `diffusers.AudioLDMPipeline`, run with the same scheduler, seeds and
words.
"""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from foleyd import recipe
from foleyd.bench import random_model
from foleyd.engines import base
from foleyd.engines.base import Capabilities
from foleyd.recipe import Recipe

TOLERANCE = 1e-4
"""Largest difference allowed, as a part of the reference's peak."""
QUIETEST_PEAK = 0.1
"""A quieter reference would say nothing: differences could hide in the silence."""

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "dpmpp-2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp-2m-sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
}
"""The names that users write, as their papers and diffusers' documentation define them."""

PROMPTS = ("a deep kick drum", "a bright glockenspiel note", "rain on a tin roof")
NEGATIVES = ("hiss", "low quality, noise", "")
SEEDS = (11, 12, 13)


class Pair:
    """The engine and the reference over one checkpoint, which is loadable by both."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self.engine = base.load(folder)
        self.seconds = seconds

    @cached_property
    def pipeline(self) -> Any:
        """The reference, loaded when it is asked for."""
        return open_pipeline(self._folder)

    def recipes(self, batch: int, *, negative: bool, shift: int = 0, **values: object) -> list[Recipe]:
        """One recipe for each of the first `batch` prompts."""
        return [
            resolved(
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
        """Both make the same of a batch."""
        recipes = self.recipes(batch, negative=negative, **values)
        expected = run(self.pipeline, recipes)
        takes = self.engine.render(recipes)
        assert_agrees([take.samples for take in takes], expected)


def pair(
    folder: Path, shape: random_model.Shape, seconds: float, prediction: str = "epsilon"
) -> Iterator[Pair]:
    """Both over a checkpoint of `shape` with random weights, which is gone afterwards."""
    # short lengths are rendered as they are, as the reference does
    random_model.build(folder, shape, prediction=prediction, card={"min_generate_seconds": 0})
    opened = Pair(folder, seconds)
    yield opened
    opened.engine.unload()
    shutil.rmtree(folder)


def open_pipeline(folder: Path) -> Any:
    """The reference pipeline over a checkpoint folder whose vocoder it knows."""
    return quiet(diffusers.AudioLDMPipeline.from_pretrained(folder))


def quiet(pipeline: Any) -> Any:
    """The pipeline without its progress bar."""
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def run(pipeline: Any, recipes: Sequence[Recipe]) -> NDArray[np.float32]:
    """What the reference makes of a batch of recipes: float32 `[n, samples]`."""
    first = recipes[0]
    negatives = [one.negative for one in recipes]
    own = pipeline.scheduler
    class_name, options = SCHEDULERS[str(first.scheduler)]
    try:
        with warnings.catch_warnings():
            # numpy's, about how diffusers' schedulers convert a tensor
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            pipeline.scheduler = getattr(diffusers, class_name).from_config(own.config, **options)
            sounds: NDArray[np.float32] = pipeline(
                [one.prompt for one in recipes],
                negative_prompt=negatives if any(negatives) else None,
                audio_length_in_s=first.seconds,
                num_inference_steps=first.steps,
                guidance_scale=first.guidance,
                generator=[torch.Generator().manual_seed(one.seed) for one in recipes],
            ).audios
    finally:
        pipeline.scheduler = own
    return sounds


def assert_agrees(ours: Sequence[NDArray[np.float32]], reference: NDArray[np.float32]) -> None:
    """Every sound of the batch agrees with the reference, which is loud enough to tell."""
    assert len(ours) == len(reference)
    for own, other in zip(ours, reference, strict=True):
        peak = float(np.abs(other).max())
        assert peak >= QUIETEST_PEAK
        assert own.shape == other.shape
        assert float(np.abs(own - other).max()) <= TOLERANCE * peak


def resolved(capabilities: Capabilities, **values: object) -> Recipe:
    """A recipe with the model's defaults filled in."""
    return recipe.resolve(recipe.make(**values), capabilities)
