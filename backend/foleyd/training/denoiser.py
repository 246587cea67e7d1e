"""The starter's denoiser: a small UNet trained to predict v (Salimans & Ho 2022) from noisy latents and a
text embedding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor

from foleyd.training import precision
from foleyd.training.progress import Run, learning_rate, set_rate

Denoiser = Any
"""A `UNet2DConditionModel`; diffusers' classes hide their types from checkers."""

CONFIG: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 8,
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "block_out_channels": (96, 160, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "mid_block_type": "UNetMidBlock2D",
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": 32,
    "resnet_time_scale_shift": "scale_shift",
    "class_embed_type": "simple_projection",
    "projection_class_embeddings_input_dim": 384,
    "class_embeddings_concat": True,
}
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": 1000,
    "beta_schedule": "linear",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "timestep_spacing": "trailing",
}
"""Its last step is all but pure noise (SNR 4e-5), so silence and level are learned instead of leaking through
the noise."""
LENGTHS = ((64, 24, 0.74), (128, 12, 0.13), (32, 48, 0.13))
"""(latent frames, batch, share of steps): 2.56 s, 5.12 s and 1.28 s."""
DROPPED = 0.1
"""Share of conditions replaced by the embedding of no text, for classifier-free guidance."""
BLUR = 0.25
"""Length of the random vector added to every caption embedding (of length one), so that words which no
caption has still fall near one that has."""
FLOOR = 5e-4
"""Variance of caption embeddings below which a direction is noise; the mean over directions is 2e-3."""
AGAIN = 0.124
"""Share of the steps, at the end, that begin with a raised rate again (a warm restart, Loshchilov & Hutter
2017) and with less blur: what was learned roughly is then told apart."""
AGAIN_RATE = 4.5e-4
AGAIN_BLUR = 0.12
AGAIN_WARM = 60
"""Steps over which the rate rises again."""
PEAK_RATE = 8e-4
DECAY = 0.998
MIDDLE = 0.6
"""Share of noise levels drawn near the middle (logit-normal, Esser et al. 2024), where a sound gets what
tells it from its neighbours; the rest is drawn evenly."""


class Conditioned(msgspec.Struct, frozen=True):
    """Latents `[clips, 8, 128, 16]`, caption embeddings `[clips, captions, 384]`, that of no text `[384]`,
    and how often each clip is drawn (sums to one)."""

    latents: npt.NDArray[np.float16]
    captions: npt.NDArray[np.float16]
    nothing: npt.NDArray[np.float16]
    share: npt.NDArray[np.float64]


def build(captions: npt.NDArray[np.floating]) -> Denoiser:
    """A fresh denoiser whose text projection starts as the `whitening` of `captions` `[captions, 384]`.

    Captions of unlike instruments are close together in the embedding (most of a caption is words that they
    share), so a projection drawn at random tells them apart only after many thousand steps.
    """
    torch.manual_seed(1)
    unet: Denoiser = UNet2DConditionModel(**CONFIG)
    weight, bias = whitening(captions)
    with torch.no_grad():
        unet.class_embedding.weight.copy_(torch.from_numpy(weight))
        unet.class_embedding.bias.copy_(torch.from_numpy(bias))
    return unet


def whitening(
    captions: npt.NDArray[np.floating],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Weight `[384, 384]` and bias `[384]` of the map that makes `captions` uncorrelated with variance near
    one; directions that hardly vary (below `FLOOR` of variance) stay small."""
    sample = np.asarray(captions[:: max(1, len(captions) // 20_000)], np.float64)
    mean = sample.mean(0)
    variance, directions = np.linalg.eigh(np.cov(sample.T))
    weight = (directions / np.sqrt(np.maximum(variance, 0) + FLOOR)).T
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)


def draw(data: Conditioned, rng: np.random.Generator, blur: float = BLUR) -> tuple[Tensor, Tensor]:
    """A batch of latents and conditions of one length from `LENGTHS`; `blur` as `BLUR`."""
    frames, batch, _ = LENGTHS[rng.choice(len(LENGTHS), p=[share for *_, share in LENGTHS])]
    rows = rng.choice(len(data.latents), batch, p=data.share)
    latents = torch.from_numpy(data.latents[rows, :, :frames]).float()
    condition = data.captions[rows, rng.integers(data.captions.shape[1], size=batch)]
    noise = rng.standard_normal(condition.shape) * (blur / condition.shape[1] ** 0.5)
    condition = condition + noise.astype(np.float32)
    condition[rng.random(batch) < DROPPED] = data.nothing
    return latents, torch.from_numpy(condition).float()


def levels(count: int) -> Tensor:
    """`count` noise levels 0 … 999, drawn as `MIDDLE` says.

    Stratified: every batch sees all levels, which steadies the gradient.
    """
    place = ((torch.rand(()) + torch.arange(count) / count) % 1)[torch.randperm(count)]
    central = torch.sigmoid(torch.special.ndtri(place.clamp(1e-6, 1 - 1e-6)))
    place = torch.where(torch.rand(count) < MIDDLE, central, place)
    return (place * 1000).long().clamp(max=999)


def train(
    data: Conditioned,
    folder: Path,
    steps: int,
    log: Callable[[str], None],
    base: Denoiser | None = None,
) -> Denoiser:
    """Trains for `steps`, a fresh denoiser or `base`; resumes from `folder`; returns the moving average of
    the weights. A finished `base` has the rough part behind it: all its steps are those of `AGAIN`."""
    unet = build(data.captions.reshape(-1, data.captions.shape[-1])) if base is None else base
    average = copy.deepcopy(unet).requires_grad_(False)
    # backwards, fused attention takes a processor several times as long as the products it is made of
    unet.set_attn_processor(AttnProcessor())
    optimiser = torch.optim.AdamW(
        unet.parameters(), lr=PEAK_RATE, betas=(0.9, 0.99), weight_decay=1e-2, fused=True
    )
    run = Run(folder, "denoiser", steps)
    networks: dict[str, torch.nn.Module] = {"unet": unet, "average": average}
    run.resume(networks, optimiser)
    scheduler: Any = DDIMScheduler(**SCHEDULE)
    alphas: Tensor = scheduler.alphas_cumprod
    rng = np.random.default_rng(run.step + 17)
    torch.manual_seed(run.step + 17)
    unet.train()
    learned, kept = list(unet.parameters()), list(average.parameters())
    first = steps - round(AGAIN * steps) if base is None else 0
    while not run.finished:
        again = run.step >= first
        latents, condition = draw(data, rng, AGAIN_BLUR if again else BLUR)
        time = levels(len(latents))
        signal = alphas[time].sqrt()[:, None, None, None]
        spread = (1 - alphas[time]).sqrt()[:, None, None, None]
        noise = torch.randn_like(latents)
        set_rate(
            optimiser,
            learning_rate(run.step - first, steps - first, AGAIN_RATE, AGAIN_WARM)
            if again
            else learning_rate(run.step, first, PEAK_RATE),
        )
        with precision.fast():
            predicted = unet(
                signal * latents + spread * noise, time, encoder_hidden_states=None, class_labels=condition
            ).sample
        loss = (predicted.float() - (signal * noise - spread * latents)).square().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        rate = min(DECAY, (run.step + 1) / (run.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(kept, learned, 1 - rate)
        line = run.advance(float(loss.detach()))
        if line:
            log(line)
        if run.due:
            run.save(networks, optimiser)
    return average.eval()
