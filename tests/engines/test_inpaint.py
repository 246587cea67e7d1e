"""Inpainting, held to the paper's equations worked out here, and to what stays of the source."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch

import audioldm_reference as reference
from foleyd.diffusion import noise
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound
from foleyd.engines.mel import LogMel
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe, make

HASH = "a" * 64
STEPS = 4
FRAMES = 16
SOURCES = [{"role": "source", "sha256": HASH}]


def source() -> SourceSound:
    hiss = np.random.default_rng(2).normal(0, 0.2, (1, 10_240))
    return SourceSound((hiss * np.linspace(1, 0.1, 10_240)).astype(np.float32), 16_000)


def wanted(engine: AudioLDM, **values: object) -> Recipe:
    usual: dict[str, object] = {
        "operation": "inpaint",
        "prompt": "a deep kick drum",
        "seconds": 0.64,
        "seed": 5,
        "steps": STEPS,
        "sources": SOURCES,
    }
    return reference.resolved(engine.capabilities, **{**usual, **values})


@torch.inference_mode()
@pytest.mark.parametrize(
    ("part", "new", "bins"),
    [
        ({"redo_from": 0.2, "redo_to": 0.4}, range(5, 10), range(16)),
        ({"redo_from": 0.21, "redo_to": 0.39}, range(5, 10), range(16)),
        # Slaney's scale has 45.25 mels up to 8 kHz, in 65 steps; band k hears steps k to k + 2, and a latent
        # bin is four bands. 1000 and 3000 Hz are 15 and 30.98 mels, steps 21.5 and 44.5: bands 20 to 44
        ({"redo_low": 1000, "redo_high": 3000}, range(16), range(5, 12)),
        ({"redo_from": 0.2, "redo_to": 0.4, "redo_high": 1000}, range(5, 10), range(6)),
    ],
)
def test_it_is_the_paper_s_equations(
    engine: AudioLDM, folder: Path, part: dict[str, float], new: range, bins: range
) -> None:
    """DDIM, and after each step z = m·z + (1 − m)·(√ᾱ·source + √(1 − ᾱ)·noise), ᾱ that of the step's end."""
    ended: list[torch.Tensor] = []
    one = wanted(engine, scheduler="ddim", **part)
    engine.render([one], sources={HASH: source()}, hooks=[lambda moment: ended.append(moment.latents)])
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000, dtype=torch.float64)
    signal = torch.cumprod(1 - betas**2, 0)
    vae = diffusers.AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False)
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    sound = torch.from_numpy(source().samples)
    mel = LogMel(centred=True)(sound * (0.5 / sound.abs().max()))
    clean = (vae.encode(mel.unsqueeze(1)).latent_dist.mode() * vae.config.scaling_factor).double()
    drawn = noise.normal(tuple(clean.shape[1:]), noise.generators([5])).double()
    mask = torch.zeros(FRAMES, 16, dtype=torch.float64)
    mask[new.start : new.stop, bins.start : bins.stop] = 1
    scheduler = diffusers.DDIMScheduler.from_config(config, timestep_spacing="leading")
    scheduler.set_timesteps(STEPS)
    levels = [int(level) for level in scheduler.timesteps]
    words, nothing = (engine.networks.prompts.embed([text]) for text in (one.prompt, ""))
    latents = drawn
    for step, level in enumerate(levels):
        here = signal[level]
        there = signal[levels[step + 1]] if step + 1 < STEPS else torch.tensor(1.0, dtype=torch.float64)
        epsilon, free = (
            unet(latents.float(), level, encoder_hidden_states=None, class_labels=row).sample.double()
            for row in (words, nothing)
        )
        epsilon = free + (one.guidance or 1) * (epsilon - free)
        guess = (latents - (1 - here) ** 0.5 * epsilon) / here**0.5
        after = signal[levels[step + 1]] if step + 1 < STEPS else signal[0]
        latents = after**0.5 * guess + (1 - after) ** 0.5 * epsilon
        latents = mask * latents + (1 - mask) * (there**0.5 * clean + (1 - there) ** 0.5 * drawn)
        assert torch.allclose(ended[step].double(), latents, atol=2e-3), step
    assert torch.allclose(ended[-1] * (1 - mask), clean * (1 - mask), atol=1e-5)


@pytest.mark.parametrize("scheduler", ["dpmpp-2m", "dpmpp-2m-sde", "unipc", "euler", "euler-a", "heun"])
def test_every_scheduler_keeps_the_source_outside(engine: AudioLDM, scheduler: str) -> None:
    ended: list[torch.Tensor] = []
    hooks = [lambda moment: ended.append(moment.latents)]
    parts = ({"redo_from": 0.2, "redo_to": 0.4}, {"redo_from": 0, "redo_to": 0.08})
    recipes = [wanted(engine, scheduler=scheduler, **part) for part in parts]
    engine.render(recipes, sources={HASH: source()}, hooks=hooks)
    middle, beginning = ended[-1]
    # what one keeps the other has from the source, too
    assert torch.equal(middle[:, 10:], beginning[:, 10:])
    assert torch.equal(middle[:, 2:5], beginning[:, 2:5])
    assert not torch.allclose(middle[:, 5:10], beginning[:, 5:10], atol=0.01)
    assert not torch.allclose(middle[:, :2], beginning[:, :2], atol=0.01)


def test_what_an_inpainting_needs() -> None:
    base_fields = {"prompt": "a bell", "operation": "inpaint", "sources": SOURCES}
    with pytest.raises(BadRequest, match="redo_to is missing: give a number from 0 to 30 s for 'inpaint'"):
        make(**base_fields, redo_from=1)
    with pytest.raises(BadRequest, match=r"redo_from is missing: .* or a band with redo_low and redo_high"):
        make(**base_fields)
    with pytest.raises(BadRequest, match="redo_to is missing"):
        make(**base_fields, redo_from=1, redo_low=500)
    with pytest.raises(BadRequest, match=r"redo_low is 1000, redo_high 1200: .* 1000 to 1260 Hz at least"):
        make(**base_fields, redo_low=1000, redo_high=1200)
    with pytest.raises(BadRequest, match="redo_high is 8000: give a number from 100 to 7600 Hz"):
        make(**base_fields, redo_high=8000)
    with pytest.raises(BadRequest, match="redo_low is given: it belongs to 'inpaint', not to 'text'"):
        make(prompt="a bell", redo_low=500)
    with pytest.raises(BadRequest, match="redo_from is 2, redo_to 2: give a range that ends after it begins"):
        make(**base_fields, redo_from=2, redo_to=2)
    with pytest.raises(BadRequest, match="redo_to is given: it belongs to 'inpaint', not to 'text'"):
        make(prompt="a bell", redo_to=2)
