"""The model that ships, against `diffusers.AudioLDMPipeline` up to the log-mel: its vocoder is not the
pipeline's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from torch import nn

import audioldm_reference as reference
import foleyd
from foleyd.engines import base
from foleyd.engines.audioldm import AudioLDM

FOLDER = Path(foleyd.__file__).parent / "starter" / "model"


class PassThrough(nn.Module):
    """A vocoder for the reference pipeline that hands the log-mel on, one number a sample."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        return mel.flatten(1)


@pytest.fixture(scope="module")
def engine() -> Iterator[AudioLDM]:
    loaded = base.load(FOLDER)
    assert isinstance(loaded, AudioLDM)
    yield loaded
    loaded.unload()


@pytest.fixture(scope="module")
def pipeline(engine: AudioLDM) -> Any:
    config = engine.networks.vocode.vocoder.config  # type: ignore[attr-defined]
    scheduler = json.loads((FOLDER / "scheduler" / "scheduler_config.json").read_text())
    return reference.quiet(
        diffusers.AudioLDMPipeline(
            vae=diffusers.AutoencoderKL.from_pretrained(
                FOLDER / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False
            ),
            text_encoder=transformers.ClapTextModelWithProjection.from_pretrained(
                FOLDER / "text_encoder", dtype=torch.float32
            ),
            tokenizer=transformers.AutoTokenizer.from_pretrained(FOLDER / "tokenizer"),
            unet=diffusers.UNet2DConditionModel.from_pretrained(
                FOLDER / "unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
            ),
            scheduler=getattr(diffusers, scheduler["_class_name"]).from_config(scheduler),
            vocoder=PassThrough(config),
        )
    )


def mels(engine: AudioLDM, recipes: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float32]]:
    """The log-mels that the engine hands to its vocoder."""
    seen: list[NDArray[np.float32]] = []
    vocode = engine.networks.vocode

    def watch(mel: torch.Tensor) -> torch.Tensor:
        seen.append(mel.flatten().numpy())
        return vocode(mel)

    monkeypatch.setattr(engine.networks, "vocode", watch)
    engine.render(recipes)
    return seen


@pytest.mark.parametrize(
    ("scheduler", "guidance", "negative", "batch"),
    [
        ("dpmpp-2m", 2.5, "", 1),
        ("ddim", 2.5, "noise, hiss", 1),
        ("euler", 1.0, "", 1),
        ("dpmpp-2m", 2.5, "a piano", 3),
    ],
)
def test_the_starter_s_log_mel_is_the_reference_s(
    engine: AudioLDM,
    pipeline: Any,
    monkeypatch: pytest.MonkeyPatch,
    scheduler: str,
    guidance: float,
    negative: str,
    batch: int,
) -> None:
    recipes = [
        reference.resolved(
            engine.capabilities,
            prompt=prompt,
            negative=negative,
            seed=seed,
            seconds=2.56,
            steps=4,
            scheduler=scheduler,
            guidance=guidance,
        )
        for seed, prompt in enumerate(("a deep kick drum", "a bright glockenspiel note", "wind")[:batch])
    ]
    expected = reference.run(pipeline, recipes)
    reference.assert_agrees(mels(engine, recipes, monkeypatch), expected)


def test_the_starter_makes_a_sound_that_may_be_sold(engine: AudioLDM) -> None:
    assert engine.capabilities.sellable
    recipe = reference.resolved(engine.capabilities, prompt="a deep kick drum", seed=1)
    (take,) = engine.render([recipe])
    assert take.rate == engine.capabilities.rate
    assert len(take.samples) >= engine.capabilities.auto_seconds * take.rate
    assert np.abs(take.samples).max() > 0.05
