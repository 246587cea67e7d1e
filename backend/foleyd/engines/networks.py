"""The networks of an AudioLDM checkpoint as runtimes take them: how to load each and what to call it with."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from foleyd.engines import prompts, sounding, weights
from foleyd.engines.checkpoint import Checkpoint
from foleyd.engines.encoder import Encoder
from foleyd.runtime import Part


class Denoiser(nn.Module):
    """The UNet as a plain network of tensors: `(latents [n, c, t, f], timestep [], embeddings [n, d])` to the
    prediction `[n, c, t, f]`, float32 outside. The timestep keeps its type: bfloat16 cannot tell 999 from
    1000.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self, latents: torch.Tensor, timestep: torch.Tensor, embeddings: torch.Tensor
    ) -> torch.Tensor:
        """One evaluation."""
        kind = self.unet.dtype
        prediction: torch.Tensor = self.unet(
            latents.to(kind),
            timestep,
            encoder_hidden_states=None,
            class_labels=embeddings.to(kind),
            return_dict=False,
        )[0]
        return prediction.float()


class Decoder(nn.Module):
    """The VAE's decoder: latents `[n, c, t, f]` to log-mel `[n, frames, bins]`, float32 outside."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self.scale = 1.0 / vae.config.scaling_factor

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """Undo the scaling that diffusion worked under, and decode."""
        mel: torch.Tensor = self.vae.decode((self.scale * latents).to(self.vae.dtype), return_dict=False)[0]
        return mel.squeeze(1).float()


def parts(about: Checkpoint) -> list[Part]:
    """The networks of a checkpoint in the order of a render: text tower, UNet, VAE decoder, its vocoder and,
    where it speaks the starter's log-mel, the starter's.

    Raises `ModelBroken` for a vocoder of an unknown kind.
    """
    folder, shape = about.folder, about.geometry
    own, fast = sounding.own(about), sounding.fast(about)

    def latents(rows: int, frames: int) -> torch.Tensor:
        return _drawn(rows, shape.channels, frames, shape.bins)

    return [
        prompts.part(folder),
        Part(
            "unet",
            lambda: Denoiser(weights.diffuser(UNet2DConditionModel, folder / "unet")),
            lambda rows, frames: (
                latents(rows, frames),
                torch.tensor(500.0),
                _drawn(rows, about.embedding),
            ),
            every_step=True,
            lengths=about.lengths(),
        ),
        Part(
            "vae",
            lambda: Decoder(weights.diffuser(AutoencoderKL, folder / "vae")),
            lambda rows, frames: (latents(rows, frames),),
            lengths=about.lengths(),
        ),
        own,
        *([fast] if fast is not None else []),
    ]


def encoder_part(about: Checkpoint) -> Part:
    """The VAE's encoder, which no render from words alone needs; every runtime runs it in torch."""
    return Part(
        "vae_encoder",
        lambda: Encoder(weights.diffuser(AutoencoderKL, about.folder / "vae")),
        precision="float32",
    )


def _drawn(*shape: int) -> torch.Tensor:
    """Normal numbers, the same every time, from no generator that others use."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
