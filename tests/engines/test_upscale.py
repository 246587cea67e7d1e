"""Upscaling, held to the paper's equations worked out here, and to what it does to a real sound."""

from __future__ import annotations

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from scipy.signal import butter, sosfiltfilt

import audioldm_reference as reference
import foleyd
from foleyd.audio import band, spectrum
from foleyd.diffusion import noise
from foleyd.engines import base, mel
from foleyd.engines.audioldm import AudioLDM
from foleyd.engines.base import SourceSound
from foleyd.errors import BadRequest
from foleyd.recipe import Recipe

HASH = "a" * 64
STEPS = 4
CUT = 2000.0
STARTER = Path(foleyd.__file__).parent / "starter" / "model"


def source() -> SourceSound:
    hiss = np.random.default_rng(2).normal(0, 0.2, (1, 10_240))
    return SourceSound((hiss * np.linspace(1, 0.1, 10_240)).astype(np.float32), 16_000)


def wanted(engine: AudioLDM, **values: object) -> Recipe:
    usual: dict[str, object] = {
        "operation": "upscale",
        "prompt": "hissing steam",
        "seconds": 0.64,
        "seed": 5,
        "steps": STEPS,
        "sources": [{"role": "source", "sha256": HASH}],
        "cutoff": CUT,
    }
    return reference.resolved(engine.capabilities, **{**usual, **values})


def test_bands_below_a_frequency() -> None:
    tops = mel.tops()
    assert tops.tolist() == sorted(tops.tolist())
    assert float(tops[-1]) == pytest.approx(8000)
    filters = mel.filters()
    for number in (0, 20, 63):
        heard = torch.nonzero(filters[number])[:, 0] * 16_000 / 1024
        assert float(heard.max()) <= float(tops[number])


@torch.inference_mode()
def test_it_is_the_paper_s_equations(engine: AudioLDM, folder: Path) -> None:
    """DDIM, and after each step z = m·z + (1 − m)·(√ᾱ·source + √(1 − ᾱ)·noise), m over the frequency axis."""
    ended: list[torch.Tensor] = []
    one = wanted(engine, scheduler="ddim")
    engine.render([one], sources={HASH: source()}, hooks=[lambda moment: ended.append(moment.latents)])
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    betas = torch.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, 1000, dtype=torch.float64)
    signal = torch.cumprod(1 - betas**2, 0)
    vae = diffusers.AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False)
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    sound = torch.from_numpy(source().samples)
    log_mel = mel.LogMel(centred=True)(sound * (0.5 / sound.abs().max()))
    clean = (vae.encode(log_mel.unsqueeze(1)).latent_dist.mode() * vae.config.scaling_factor).double()
    drawn = noise.normal(tuple(clean.shape[1:]), noise.generators([5])).double()
    # mel(2000 Hz) on Slaney's scale is 25.08 of 45.25: a latent bin is four bands, and eight lie below
    mask = torch.ones(16, dtype=torch.float64)
    mask[:8] = 0
    scheduler = diffusers.DDIMScheduler.from_config(config, timestep_spacing="leading")
    scheduler.set_timesteps(STEPS)
    levels = [int(level) for level in scheduler.timesteps]
    words, nothing = (engine.networks.prompts.embed([text]) for text in (one.prompt, ""))
    latents = drawn
    for step, level in enumerate(levels):
        here = signal[level]
        last = step + 1 == STEPS
        there = torch.tensor(1.0, dtype=torch.float64) if last else signal[levels[step + 1]]
        after = signal[0] if last else there
        epsilon, free = (
            unet(latents.float(), level, encoder_hidden_states=None, class_labels=row).sample.double()
            for row in (words, nothing)
        )
        epsilon = free + (one.guidance or 1) * (epsilon - free)
        guess = (latents - (1 - here) ** 0.5 * epsilon) / here**0.5
        latents = after**0.5 * guess + (1 - after) ** 0.5 * epsilon
        latents = mask * latents + (1 - mask) * (there**0.5 * clean + (1 - there) ** 0.5 * drawn)
        assert torch.allclose(ended[step].double(), latents, atol=2e-3), step


def test_recipes_of_one_batch_may_have_other_cutoffs(engine: AudioLDM) -> None:
    ended: list[torch.Tensor] = []
    hiss = source()
    hiss = SourceSound(
        sosfiltfilt(butter(16, 4000, fs=16_000, output="sos"), hiss.samples).astype(np.float32), 16_000
    )
    recipes = [wanted(engine), wanted(engine, cutoff=4000), wanted(engine, cutoff=None)]
    engine.render(recipes, sources={HASH: hiss}, hooks=[lambda moment: ended.append(moment.latents)])
    low, high, found = ended[-1]
    assert torch.equal(low[..., :8], high[..., :8])
    assert not torch.allclose(low[..., 8:11], high[..., 8:11], atol=0.01)
    assert torch.equal(low[..., :8], found[..., :8])
    assert not torch.allclose(low[..., 8], found[..., 8], atol=0.01)


def test_a_source_with_all_its_highs_is_refused(engine: AudioLDM) -> None:
    with pytest.raises(BadRequest, match="nothing to add"):
        engine.render([wanted(engine, cutoff=None)], sources={HASH: source()})


def test_a_dull_rain_is_bright_again_and_its_own_below() -> None:
    starter = base.load(STARTER)
    rain = {"prompt": "heavy rain", "seconds": 2.56, "steps": 10}
    [original] = starter.render([wanted(starter, **rain, operation="text", sources=[], cutoff=None)])
    dull = sosfiltfilt(butter(16, 2400, fs=16_000, output="sos"), original.samples)[None].astype(np.float32)
    takes = [
        starter.render([wanted(starter, **rain)], sources={HASH: SourceSound(dull, 16_000)}) for _ in "ab"
    ]
    [take], [again] = takes
    starter.unload()
    assert np.array_equal(take.samples, again.samples)
    made, rate = band.topped(dull, 16_000, take.samples, take.rate, CUT)
    signals = (made[0] - dull[0], dull[0], original.samples)
    spectra = [spectrum.mean_power(one.astype(np.float64), rate) for one in signals]
    hertz, (added, own, before) = spectra[0][1], [power for power, _ in spectra]
    kept, highs = hertz < 0.95 * CUT, (hertz > 3000) & (hertz < 7000)
    assert added[kept].sum() < 1e-6 * own[kept].sum()
    wanted_db, made_db = (10 * np.log10(one[highs].sum()) for one in (before, added))
    assert abs(made_db - wanted_db) < 6
    assert made_db > 10 * np.log10(own[highs].sum()) + 20
