"""Clean latents made noisy, so that sampling can begin or stay near a sound that is there.

Restyling noises a source to a level in the middle of the way and samples from there (SDEdit: Meng and others
2022, "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations"; AudioLDM's style
transfer, Liu and others 2023). Inpainting puts the source back, as noisy as the rest, after every step
(AudioLDM; Lugmayr and others 2022, "RePaint", without their resampling).
"""

from typing import Any

import torch


def at_step(scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, begin: int, steps: int) -> torch.Tensor:
    """`clean` latents `[n, c, t, f]` as noisy as the scheduler's step `begin` of `steps` expects its input.

    `scheduler` is fresh and of a render of `steps` steps, and is told to begin there. Step 0 is noise alone,
    with no trace of the source, and `steps` the clean latents themselves.
    """
    if begin == 0:
        return noise
    if begin == steps:
        return clean
    place = begin * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(place)
    noisy: torch.Tensor = scheduler.add_noise(clean, noise, scheduler.timesteps[place : place + 1])
    return noisy


def after_step(
    scheduler: Any, clean: torch.Tensor, noise: torch.Tensor, step: int, steps: int
) -> torch.Tensor:
    """`clean` latents `[n, c, t, f]` as noisy as what the scheduler leaves after step `step` (from 1) of
    `steps`: clean after the last."""
    if step == steps:
        return clean
    place = step * scheduler.order
    noisy: torch.Tensor = scheduler.add_noise(clean, noise, scheduler.timesteps[place : place + 1])
    return noisy
