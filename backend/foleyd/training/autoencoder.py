"""The starter's autoencoder: log-mel ↔ latents, four times smaller both ways, eight channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from foleyd.engines.mel import LogMel
from foleyd.training import precision
from foleyd.training.progress import Run, learning_rate, set_rate

Autoencoder = Any
"""An `AutoencoderKL`; diffusers' classes hide their types from checkers."""

CONFIG: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "latent_channels": 8,
    "sample_size": 256,
    "scaling_factor": 1.0,
    "block_out_channels": (32, 80, 160),
    "layers_per_block": 1,
    "norm_num_groups": 16,
    "down_block_types": ("DownEncoderBlock2D",) * 3,
    "up_block_types": ("UpDecoderBlock2D",) * 3,
}
KL_WEIGHT = 1e-4
FRAMES = 128
"""Mel frames of a training crop: 1.28 s."""


def build() -> Autoencoder:
    """A fresh autoencoder whose first and last layers are set to the range of log-mels (about −11.5 to 2)."""
    torch.manual_seed(0)
    vae: Autoencoder = AutoencoderKL(**CONFIG)
    with torch.no_grad():
        vae.encoder.conv_in.weight.mul_(0.25)
        vae.decoder.conv_out.weight.mul_(4.0)
        vae.decoder.conv_out.bias.fill_(-7.0)
    return vae


def loudness_weight(mel: Tensor) -> Tensor:
    """How much a bin counts: 1 at the floor, about 3 at full level; the ear hears peaks before the floor."""
    return 1 + (mel + 8).clamp(min=0) / 4


def crops(
    mels: npt.NDArray[np.float16], rng: np.random.Generator, batch: int, frames: int = FRAMES
) -> Tensor:
    """`[batch, 1, frames, 64]` float32: half from the onset, half from anywhere that is not silent."""
    chosen: list[npt.NDArray[np.float16]] = []
    while len(chosen) < batch:
        mel = mels[rng.integers(len(mels))]
        start = 0 if rng.random() < 0.5 else int(rng.integers(mel.shape[0] - frames))
        crop = mel[start : start + frames]
        if start == 0 or crop.max() > -9:
            chosen.append(crop)
    return torch.from_numpy(np.stack(chosen)).float()[:, None]


def train(
    mels: npt.NDArray[np.float16],
    held_out: npt.NDArray[np.float16],
    folder: Path,
    steps: int,
    log: Callable[[str], None],
    batch: int = 8,
    peak_rate: float = 6e-4,
) -> Autoencoder:
    """Trains on log-mels `[clips, 512, 64]`; resumes from `folder`; returns the autoencoder with normalised
    latents."""
    vae = build()
    optimiser = torch.optim.AdamW(vae.parameters(), lr=peak_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    run = Run(folder, "autoencoder", steps)
    run.resume({"vae": vae}, optimiser)
    rng = np.random.default_rng(run.step + 11)
    vae.train()
    while not run.finished:
        mel = crops(mels, rng, batch)
        set_rate(optimiser, learning_rate(run.step, steps, peak_rate))
        with precision.fast():
            posterior = vae.encode(mel).latent_dist
            output = vae.decode(posterior.sample()).sample
        difference = output.float() - mel
        error = (difference.abs() * loudness_weight(mel)).mean()
        slope = (difference.diff(dim=2).abs().mean() + difference.diff(dim=3).abs().mean()) * 0.25
        loss = error + slope + KL_WEIGHT * posterior.kl().float().mean() / (FRAMES * 4)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        line = run.advance(float(difference.detach().abs().mean()))
        if line:
            log(line)
        if run.due:
            run.save({"vae": vae}, optimiser)
            log(
                f"autoencoder step {run.step}: held-out log-mel L1 {round_trip_error(vae, held_out):.3f} nats"
            )
            vae.train()
    vae.eval()
    return vae


@torch.no_grad()
def round_trip_error(vae: Autoencoder, mels: npt.NDArray[np.float16], count: int = 96) -> float:
    """Mean absolute log-mel error in nats over 2.56 s of `count` clips, latents at their mean."""
    vae.eval()
    chosen = torch.from_numpy(np.asarray(mels[:: max(1, len(mels) // count)][:count, :256])).float()[:, None]
    with precision.fast():
        errors = [
            (vae.decode(vae.encode(part).latent_dist.mode()).sample.float() - part).abs().mean()
            for part in chosen.split(16)
        ]
    return float(torch.stack(errors).mean())


@torch.no_grad()
def encode(
    vae: Autoencoder, mels: npt.NDArray[np.float16], log: Callable[[str], None]
) -> npt.NDArray[np.float16]:
    """Latent means `[clips, 8, 128, 16]` of log-mels `[clips, 512, 64]`.

    The second half of a clip that is silent by then is not worth the work: it gets the latents of silence.
    """
    vae.eval()
    half = mels.shape[1] // 2

    def means(part: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
        with precision.fast():
            mode: Tensor = vae.encode(torch.from_numpy(part).float()[:, None]).latent_dist.mode()
        return mode.float().numpy().astype(np.float16)

    silence = means(np.full((1, *mels.shape[1:]), math.log(1e-5), np.float16))
    found = np.repeat(silence, len(mels), axis=0)
    sounding = mels[:, half:].max((1, 2)) > -9
    for rows, frames in ((np.flatnonzero(sounding), 2 * half), (np.flatnonzero(~sounding), half)):
        # Four at a time stay inside the processor's cache; more are slower.
        for start in range(0, len(rows), 4):
            chosen = rows[start : start + 4]
            found[chosen, :, : frames // 4] = means(mels[chosen, :frames])
            if start % 2000 == 0:
                log(f"latents of {frames} frames: {start}/{len(rows)} clips")
    return found


@torch.no_grad()
def normalise(vae: Autoencoder, latents: npt.NDArray[np.float16]) -> npt.NDArray[np.float16]:
    """Gives every latent channel zero mean and unit deviation, and writes the change into the autoencoder
    itself.

    The 1×1 convolutions on both sides of the latents absorb it exactly, so the checkpoint stays an ordinary
    `AutoencoderKL` with `scaling_factor` 1.
    """
    values = torch.from_numpy(latents).float()
    mean, deviation = values.mean((0, 2, 3)), values.std((0, 2, 3))
    assert vae.quant_conv is not None
    assert vae.post_quant_conv is not None
    channels = len(mean)
    vae.quant_conv.weight[:channels] /= deviation[:, None, None, None]
    vae.quant_conv.bias[:channels] = (vae.quant_conv.bias[:channels] - mean) / deviation
    vae.quant_conv.bias[channels:] -= 2 * deviation.log()
    weight = vae.post_quant_conv.weight[:, :, 0, 0]
    vae.post_quant_conv.bias += weight @ mean
    vae.post_quant_conv.weight *= deviation[None, :, None, None]
    return ((values - mean[:, None, None]) / deviation[:, None, None]).numpy().astype(np.float16)


@torch.no_grad()
def mel_spectrograms(samples: npt.NDArray[np.int16], log: Callable[[str], None]) -> npt.NDArray[np.float16]:
    """Log-mels `[clips, 512, 64]` of int16 samples `[clips, 81 920]`, half precision (error below 0.004
    nats)."""
    front = LogMel()
    found = np.empty((len(samples), samples.shape[1] // 160, 64), np.float16)
    for start in range(0, len(samples), 64):
        part = torch.from_numpy(samples[start : start + 64].astype(np.float32) / 32767)
        found[start : start + 64] = front(part).numpy()
    log(f"log-mels of {len(samples)} clips, mean {float(found[::50].mean()):.2f}, floor {math.log(1e-5):.2f}")
    return found
