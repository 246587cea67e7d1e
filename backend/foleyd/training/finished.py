"""The networks of a finished model, to go on from them without the work folder that they were trained in."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import ClapAudioModelWithProjection, ClapTextModelWithProjection, PreTrainedTokenizerFast

from foleyd.engines import weights
from foleyd.engines.checkpoint import AUDIO_TOWER
from foleyd.engines.vocoder import FrameVocoder
from foleyd.training.autoencoder import Autoencoder
from foleyd.training.denoiser import Denoiser


class Finished(NamedTuple):
    """The networks of a checkpoint folder in float32, the audio tower where it has one. Latents of this
    autoencoder are normalised as they come."""

    tower: ClapTextModelWithProjection
    tokenizer: PreTrainedTokenizerFast
    vae: Autoencoder
    sounder: FrameVocoder
    unet: Denoiser
    ear: ClapAudioModelWithProjection | None


def load(folder: Path) -> Finished:
    """The networks in `folder`, which `foleyd train starter` wrote. Raises `FileNotFoundError` where there is
    no such model, `ModelBroken` where a file of it cannot be read."""
    if not (folder / "unet").is_dir():
        raise FileNotFoundError(f"{folder} holds no model to go on from: give the folder of a finished one")
    with weights.loading(folder):
        tower = weights.pretrained(ClapTextModelWithProjection, folder / "text_encoder")
        return Finished(
            tower.float().eval(),
            PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer", local_files_only=True),
            weights.diffuser(AutoencoderKL, folder / "vae").float().eval(),
            FrameVocoder.from_folder(folder / "vocoder"),
            weights.diffuser(UNet2DConditionModel, folder / "unet").float(),
            _ear(folder / AUDIO_TOWER),
        )


def _ear(folder: Path) -> ClapAudioModelWithProjection | None:
    if not folder.is_dir():
        return None
    tower: ClapAudioModelWithProjection = weights.pretrained(ClapAudioModelWithProjection, folder)
    return tower.float().eval()
