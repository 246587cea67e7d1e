"""Schedulers by the names that users write.

One row a name: the diffusers class that does the arithmetic and the options that make it that method.
Everything else (betas, prediction type, spacing of the timesteps) comes from the checkpoint's own
`scheduler_config.json`, as `Class.from_config` takes it over. diffusers is imported when a scheduler is made,
not before, so that a checkpoint's capabilities can be told without it.
"""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from foleyd.errors import BadRequest, ModelBroken

PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""What a UNet may have been trained to predict: the noise, the velocity, or the clean latents."""


@dataclass(frozen=True)
class Method:
    """One row of `METHODS`.

    `predictions`: the prediction types it can use. `zero_terminal`: whether it honours a checkpoint's
    `rescale_betas_zero_snr`. `distilled`: whether it only makes sense for a checkpoint distilled for it.
    `fresh_noise`: whether it draws noise at its steps, so that the seed counts beyond the first latents.
    """

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    predictions: tuple[str, ...] = PREDICTIONS
    zero_terminal: bool = True
    distilled: bool = False
    fresh_noise: bool = False


METHODS: Mapping[str, Method] = {
    "ddim": Method("DDIMScheduler"),
    "dpmpp-2m": Method("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpmpp-2m-sde": Method(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 2},
        fresh_noise=True,
    ),
    "unipc": Method("UniPCMultistepScheduler", {"solver_order": 2}),
    "euler": Method("EulerDiscreteScheduler"),
    "euler-a": Method(
        "EulerAncestralDiscreteScheduler", predictions=("epsilon", "v_prediction"), fresh_noise=True
    ),
    "heun": Method("HeunDiscreteScheduler", zero_terminal=False),
    "lcm": Method("LCMScheduler", distilled=True, fresh_noise=True),
}


def fitting(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the methods that work for a checkpoint with this scheduler configuration.

    LCM is among them only where the checkpoint itself names it: its update assumes a network distilled to
    jump to the end in one evaluation, and gives a blur with any other.
    """
    prediction = config.get("prediction_type", "epsilon")
    zero_terminal = bool(config.get("rescale_betas_zero_snr", False))
    own_class = config.get("_class_name")
    return tuple(
        name
        for name, method in METHODS.items()
        if prediction in method.predictions
        and (method.zero_terminal or not zero_terminal)
        and (not method.distilled or own_class == method.class_name)
    )


def make(name: str, config: Mapping[str, Any], steps: int, device: Any = "cpu") -> Any:
    """A fresh diffusers scheduler for one render, its timesteps set for `steps` steps.

    Multistep methods carry state from step to step: never use one for two renders. Raises `BadRequest` for a
    name that the table does not have, `ModelBroken` for a configuration that diffusers refuses.
    """
    method = METHODS.get(name)
    if method is None:
        raise BadRequest(f"the scheduler {name!r} is unknown: choose one of {', '.join(METHODS)}.")
    kind = getattr(importlib.import_module("diffusers"), method.class_name)
    with warnings.catch_warnings():
        # diffusers hands tensors to numpy.array; numpy 2 wants their class to know one more argument
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        try:
            scheduler = kind.from_config(dict(config), **method.options)
            if steps == 1 and getattr(scheduler.config, "timestep_spacing", "") == "leading":
                # a single "leading" step would be taken at the clean end and leave pure noise
                scheduler = kind.from_config(dict(config), **method.options, timestep_spacing="trailing")
        except (ValueError, TypeError, NotImplementedError) as error:
            raise ModelBroken(
                f"the model's scheduler configuration cannot be used ({error}): pull the model again."
            ) from error
        extra: dict[str, Any] = {}
        if method.class_name == "LCMScheduler":
            # LCM picks its steps from a coarser schedule and refuses more steps than that has
            extra["original_inference_steps"] = max(steps, scheduler.config.original_inference_steps)
        scheduler.set_timesteps(steps, device=device, **extra)
    return scheduler
