"""The sampling loop: noise in, clean latents out.

Latents stay float32 from beginning to end, whatever precision the network runs in: the schedulers subtract
nearly equal numbers.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from foleyd.diffusion.guidance import Guided
from foleyd.errors import Cancelled


@dataclass(frozen=True)
class Moment:
    """What a hook is shown after a step.

    `step` counts from 1 to `steps`; `timestep` is the noise level that was left; `prediction` the guided
    output of the network there; `latents` float32 `[n, c, t, f]` as the scheduler left them, for the next
    noise level.
    """

    step: int
    steps: int
    timestep: torch.Tensor
    prediction: torch.Tensor
    latents: torch.Tensor
    scheduler: Any


Hook = Callable[[Moment], torch.Tensor | None]
"""Called after every step, in order; a tensor that it returns takes the place of the latents."""


def _never() -> bool:
    return False


def _ignore(step: int, steps: int) -> None:
    """Progress that nobody asked for."""


def sample(
    guided: Guided,
    scheduler: Any,
    noise: torch.Tensor,
    sources: Sequence[torch.Generator],
    steps: int,
    *,
    begin: int = 0,
    hooks: Sequence[Hook] = (),
    progress: Callable[[int, int], None] = _ignore,
    cancelled: Callable[[], bool] = _never,
) -> torch.Tensor:
    """Walk from `noise` to clean latents and return them, float32 `[n, c, t, f]`.

    `scheduler` is fresh from `schedulers.make(…, steps)`, `noise` standard normal, `sources` one generator a
    clip for methods that draw more noise. `progress(step, steps)` is called once after each step, from 1 to
    `steps`; `cancelled()` is looked at before every evaluation of the network (Heun has two a step) and
    raises `Cancelled`.

    `begin`: how many of the scheduler's steps are left out at the noisy end; `noise` then holds latents that
    are noisy already (`foleyd.diffusion.noisy`), and `steps` counts those that are left.
    """
    latents: torch.Tensor = noise if begin else noise * scheduler.init_noise_sigma
    extra = _step_arguments(scheduler, sources)
    timesteps = scheduler.timesteps[begin * scheduler.order :]
    done = 0
    for index, timestep in enumerate(timesteps):
        if cancelled():
            raise Cancelled(f"The render was cancelled after {done} of {steps} steps.")
        scaled = scheduler.scale_model_input(latents, timestep)
        prediction = guided.predict(scaled, timestep, done, steps)
        latents = scheduler.step(prediction, timestep, latents, return_dict=False, **extra)[0]
        if (index + 1) % scheduler.order and index + 1 < len(timesteps):
            continue
        done += 1
        for hook in hooks:
            changed = hook(Moment(done, steps, timestep, prediction, latents, scheduler))
            latents = latents if changed is None else changed
        progress(done, steps)
    if cancelled():
        raise Cancelled(f"The render was cancelled after {done} of {steps} steps.")
    return latents


def _step_arguments(scheduler: Any, sources: Sequence[torch.Generator]) -> dict[str, Any]:
    if "generator" in inspect.signature(scheduler.step).parameters:
        return {"generator": list(sources)}
    return {}
