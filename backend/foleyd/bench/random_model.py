"""Randomly initialised AudioLDM checkpoint folders, for benchmarks and tests without a download.

`build(folder, shape)` writes a folder with the layout, the component classes and the configuration keys of a
published AudioLDM checkpoint. Nothing in it was trained: it makes noise, but noise that depends on the prompt
and the seed and that is loud enough to be compared.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import (
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    ClapFeatureExtractor,
    ClapTextConfig,
    ClapTextModelWithProjection,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

from foleyd.engines.checkpoint import AUDIO_TOWER
from foleyd.engines.folder import DESCRIPTION
from foleyd.paths import home

MEL_BINS = 64
LATENT_CHANNELS = 8
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
PEAK_BEFORE_TANH = 0.6


@dataclass(frozen=True)
class Shape:
    """Widths and depths of one checkpoint; the names are those of the components' configuration files."""

    unet: tuple[int, ...]
    unet_layers: int
    unet_groups: int
    vae: tuple[int, ...]
    vae_layers: int
    vae_groups: int
    text_hidden: int
    text_layers: int
    text_heads: int
    projection: int
    vocoder_channels: int
    vocoder_kernels: tuple[int, ...]
    tokens: int

    @property
    def unet_stride(self) -> int:
        """Latent frames are a multiple of it."""
        return 1 << (len(self.unet) - 1)


TINY = Shape(
    unet=(16, 32),
    unet_layers=1,
    unet_groups=8,
    vae=(8, 8, 16),
    vae_layers=1,
    vae_groups=4,
    text_hidden=32,
    text_layers=1,
    text_heads=2,
    projection=64,
    vocoder_channels=32,
    vocoder_kernels=(3,),
    tokens=77,
)
NARROW = Shape(
    unet=(32, 64, 96),
    unet_layers=1,
    unet_groups=16,
    vae=(16, 32, 32),
    vae_layers=1,
    vae_groups=8,
    text_hidden=64,
    text_layers=2,
    text_heads=4,
    projection=96,
    vocoder_channels=64,
    vocoder_kernels=(3, 7),
    tokens=77,
)
PUBLISHED = Shape(
    unet=(128, 256, 384, 640),
    unet_layers=2,
    unet_groups=32,
    vae=(128, 256, 512),
    vae_layers=2,
    vae_groups=32,
    text_hidden=768,
    text_layers=12,
    text_heads=12,
    projection=512,
    vocoder_channels=1024,
    vocoder_kernels=(3, 7, 11),
    tokens=512,
)
"""The configuration of cvssp/audioldm-s-full-v2, but for the vocabulary of the text tower."""


FULL = "full"
"""What `foleyd bench` calls the published size with random weights."""
CARD = {"title": "AudioLDM small, random weights", "weights": "random"}
"""The `foleyd.json` of that; no published folder says anything of its weights."""


def full() -> Path:
    """The folder of the published size with random weights in foleyd's cache, built where there is none."""
    folder = home("cache") / "bench" / FULL
    folder.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder.with_name(f"{FULL}.lock")):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder.parent) as name:
                build(Path(name, FULL), PUBLISHED, card=CARD).rename(folder)
    return folder


def is_random(folder: Path) -> bool:
    """Whether a model's folder says that nothing in it was trained."""
    try:
        card = json.loads((folder / DESCRIPTION).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(card, dict) and card.get("weights") == CARD["weights"]


def build(
    folder: Path,
    shape: Shape = TINY,
    *,
    prediction: str = "epsilon",
    scheduler: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
    seed: int = 0,
    hears: bool = False,
) -> Path:
    """Write a checkpoint of `shape` into `folder` (created) and return the folder.

    `prediction` and `scheduler` go into the scheduler's configuration; `card`, where given, becomes
    `foleyd.json`; with `hears` there is an audio tower, too. The same arguments give the same weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed)
        _write_tokenizer(folder / "tokenizer", shape)
        _text_tower(shape).save_pretrained(folder / "text_encoder")
        _unet(shape).save_pretrained(folder / "unet")
        vae = _vae(shape)
        vae.save_pretrained(folder / "vae")
        _vocoder(shape, vae).save_pretrained(folder / "vocoder")
        if hears:
            _write_audio_tower(folder / AUDIO_TOWER, shape)
    finally:
        torch.random.set_rng_state(state)
    _write_json(
        folder / "scheduler" / "scheduler_config.json",
        {
            "_class_name": "DDIMScheduler",
            "beta_end": 0.0195,
            "beta_schedule": "scaled_linear",
            "beta_start": 0.0015,
            "clip_sample": False,
            "num_train_timesteps": 1000,
            "prediction_type": prediction,
            "set_alpha_to_one": False,
            "steps_offset": 1,
            "trained_betas": None,
        }
        | dict(scheduler or {}),
    )
    _write_json(
        folder / "model_index.json",
        {
            "_class_name": "AudioLDMPipeline",
            "scheduler": ["diffusers", "DDIMScheduler"],
            "text_encoder": ["transformers", "ClapTextModelWithProjection"],
            "tokenizer": ["transformers", "RobertaTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "vocoder": ["transformers", "SpeechT5HifiGan"],
        },
    )
    if card is not None:
        _write_json(folder / "foleyd.json", card)
    return folder


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2))


def _byte_symbols() -> list[str]:
    """The 256 characters that stand for the byte values in a byte-level BPE vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [value for value in range(256) if value not in printable]
    return [chr(value) for value in printable] + [chr(256 + place) for place in range(len(others))]


def _write_tokenizer(folder: Path, shape: Shape) -> None:
    symbols = _byte_symbols()
    vocabulary = {token: place for place, token in enumerate([*SPECIALS, *symbols])}
    _write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    _write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "RobertaTokenizer", "model_max_length": shape.tokens},
    )
    RobertaTokenizer.from_pretrained(folder).save_pretrained(folder)


def _text_tower(shape: Shape) -> Any:
    tower = ClapTextModelWithProjection(
        ClapTextConfig(
            vocab_size=len(SPECIALS) + 256,
            hidden_size=shape.text_hidden,
            num_hidden_layers=shape.text_layers,
            num_attention_heads=shape.text_heads,
            intermediate_size=4 * shape.text_hidden,
            projection_dim=shape.projection,
            max_position_embeddings=514,
        )
    )
    # The usual small deviation makes every sentence nearly the same vector; spread them.
    with torch.no_grad():
        for module in tower.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0.0, 1.5 / module.in_features**0.5)
    return tower


def _write_audio_tower(folder: Path, shape: Shape) -> None:
    tower = ClapAudioModelWithProjection(
        ClapAudioConfig(
            spec_size=128,
            num_mel_bins=MEL_BINS,
            patch_size=8,
            patch_stride=[8, 8],
            patch_embeds_hidden_size=16,
            hidden_size=32,
            depths=[1, 1],
            window_size=4,
            num_attention_heads=[2, 4],
            projection_dim=shape.projection,
        )
    )
    with torch.no_grad():
        for module in tower.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0.0, 1.5 / module.in_features**0.5)
    tower.save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=MEL_BINS,
        sampling_rate=16_000,
        hop_length=320,
        max_length_s=5,
        fft_window_size=1024,
        frequency_min=0,
        frequency_max=8_000,
        padding="pad",
        truncation="rand_trunc",
    ).save_pretrained(folder)


def _unet(shape: Shape) -> Any:
    deep = len(shape.unet) - 1
    unet = UNet2DConditionModel(
        sample_size=128,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * deep),
        up_block_types=(*["CrossAttnUpBlock2D"] * deep, "UpBlock2D"),
        block_out_channels=shape.unet,
        layers_per_block=shape.unet_layers,
        norm_num_groups=shape.unet_groups,
        cross_attention_dim=shape.unet,
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=shape.projection,
        class_embeddings_concat=True,
    )
    # A normalised embedding enters small; make the prompt count.
    with torch.no_grad():
        unet.class_embedding.weight.mul_(10.0)
    return unet


def _vae(shape: Shape) -> Any:
    return AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * len(shape.vae),
        up_block_types=("UpDecoderBlock2D",) * len(shape.vae),
        block_out_channels=shape.vae,
        latent_channels=LATENT_CHANNELS,
        layers_per_block=shape.vae_layers,
        norm_num_groups=shape.vae_groups,
        sample_size=512,
        scaling_factor=0.9,
    )


def _vocoder(shape: Shape, vae: Any) -> Any:
    """A HiFi-GAN with the published rates, scaled so that it is loud for what `vae` decodes."""
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=MEL_BINS,
            sampling_rate=16000,
            upsample_initial_channel=shape.vocoder_channels,
            upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[16, 16, 8, 4, 4],
            resblock_kernel_sizes=list(shape.vocoder_kernels),
            resblock_dilation_sizes=[[1, 3, 5]] * len(shape.vocoder_kernels),
            normalize_before=False,
        )
    )
    with torch.no_grad():
        for module in vocoder.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                nn.init.kaiming_normal_(module.weight, a=0.1)
                if module.bias is not None:
                    module.bias.zero_()
        latents = torch.randn(1, LATENT_CHANNELS, 16, MEL_BINS // 4)
        mel = vae.decode(latents).sample.squeeze(1)
        peak = float(torch.atanh(vocoder(mel).double().clamp(-0.999999, 0.999999)).abs().max())
        vocoder.conv_post.weight.mul_(PEAK_BEFORE_TANH / peak)
    return vocoder
