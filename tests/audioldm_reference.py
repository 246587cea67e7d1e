"""What the AudioLDM engine is held to: `diffusers.AudioLDMPipeline`, run with the same scheduler, seeds and
words.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray

from foleyd import recipe
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
